"""The Exif that some sixty cameras wrote (see packages_test in dev), beside what Pillow reads of it.

The samples are the beginnings of photographs.  Each one's Exif is put in front of pixels of ours.
"""
import datetime
import io
import pathlib
import struct

import pytest
from PIL import Image

import photos

FOLDER = next(pathlib.Path("/usr/share/gocode/src").glob("*/rwcarlsen/goexif/exif"), pathlib.Path("/nonexistent"))
SAMPLES = sorted([*FOLDER.glob("samples/*.jpg"), *FOLDER.glob("*.jpg")])
BROKEN = sorted(FOLDER.glob("corrupt/*.jpg"))
EXIF, GPS = 0x8769, 0x8825
MAKE, MODEL, LENS, TAKEN_AT, OFFSET = 0x010F, 0x0110, 0xA434, 0x9003, 0x9011
NUMBERS = {"exposure_s": 0x829A, "aperture": 0x829D, "focal_mm": 0x920A}
ISO = 0x8827


def text(value):
    """As the standard has it: up to the first NUL, without blanks around."""
    return value.split("\0")[0].strip() if isinstance(value, str) else ""


def camera(first):
    make, model = text(first.get(MAKE)), text(first.get(MODEL))
    says_make = make and model.lower().startswith(make.split()[0].lower())
    return model if says_make else f"{make} {model}".strip()


def taken_at(shot):
    try:
        at = datetime.datetime.strptime(text(shot.get(TAKEN_AT)), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    offset = text(shot.get(OFFSET))
    if offset:
        at -= datetime.datetime.strptime(offset, "%z").utcoffset()
    return at.isoformat() + ".000Z" if at.year >= 1970 else None


def position(place):
    """Degrees north and east."""
    def degrees(tag, negative):
        d, m, s = (float(part) for part in place[tag])
        return (d + m / 60 + s / 3600) * (-1 if text(place[tag - 1]) == negative else 1)

    try:
        return degrees(2, "S"), degrees(4, "W")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def exif_segment(data):
    """The whole APP1 segment of a sample that holds its Exif."""
    at = 2
    while data[at:at + 2] != b"\xff\xe1" or data[at + 4:at + 10] != b"Exif\0\0":
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return data[at:at + 2 + struct.unpack_from(">H", data, at + 2)[0]]


def photograph(path):
    plain = photos.jpeg(photos.quadrants(64, 48))
    return plain[:2] + exif_segment(path.read_bytes()) + plain[2:]


def read(data):
    """(meta, position) by Pillow; what is absent or zero is left out."""
    exif = Image.open(io.BytesIO(data)).getexif()
    shot = exif.get_ifd(EXIF)
    meta = {"camera": camera(exif), "lens": text(shot.get(LENS)), "taken_at": taken_at(shot)}
    meta |= {name: float(shot[tag]) for name, tag in NUMBERS.items() if shot.get(tag)}
    iso = shot.get(ISO)
    meta["iso"] = iso[0] if isinstance(iso, tuple) else iso
    return {name: value for name, value in meta.items() if value}, position(exif.get_ifd(GPS))


def test_the_samples_tell_enough():
    pictures = [photograph(path) for path in SAMPLES]
    metas, positions = zip(*map(read, pictures))
    assert len(pictures) >= 50 and sum(place is not None for place in positions) >= 2
    assert len({meta.get("camera") for meta in metas}) >= 20
    assert {name for meta in metas for name in meta} >= {"camera", "taken_at", "iso", *NUMBERS}
    assert {data.split(b"Exif\0\0")[1][:2] for data in pictures} == {b"II", b"MM"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_camera_is_read_as_pillow_reads_it(server, path):
    data = photograph(path)
    record = server.admin.upload(data, wait="processed")
    assert record["state"] == "ready", record
    expected, place = read(data)
    got = {name: value for name, value in record["meta"].items()
           if name in ("camera", "lens", "taken_at", "iso", *NUMBERS)}
    for name in NUMBERS.keys() & expected.keys():
        expected[name] = pytest.approx(expected[name], rel=1e-6)
    assert got == expected
    assert record["meta"]["has_gps"] == (place is not None)
    if place:
        assert "gps" not in str(record["meta"]).replace("has_gps", "")
        sealed = server.admin.get(f"/v1/images/{record['id']}").json()["private"]["sealed_meta"]
        assert (sealed["gps_latitude"], sealed["gps_longitude"]) == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_exif_harms_no_picture(server, path):
    record = server.admin.upload(photograph(path), wait="processed")
    assert (record["state"], record["width"], record["height"]) == ("ready", 64, 48)
