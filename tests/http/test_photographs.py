"""Real photographs, as a Debian package brings them (see packages_test in dev)."""
import io
import pathlib

import pytest
from PIL import Image, ImageChops, ImageStat

PHOTOGRAPHS = sorted(pathlib.Path("/usr/share/backgrounds").glob("*_by_*.jpg"))


def test_there_are_photographs():
    assert len(PHOTOGRAPHS) >= 4


def difference(a, b):
    """Mean difference of luma, 0 to 255."""
    return ImageStat.Stat(ImageChops.difference(a.convert("L"), b.convert("L"))).mean[0]


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=lambda path: path.stem)
def test_a_photograph_in_and_its_renditions_out(server, path):
    data = path.read_bytes()
    original = Image.open(io.BytesIO(data))
    record = server.admin.upload(data, wait="processed", name=path.name)
    assert (record["state"], record["format"], record["bytes"]) == ("ready", "jpeg", len(data))
    assert (record["width"], record["height"]) == original.size
    assert server.admin.get(record["links"]["original"]).content == data
    for name, side in (("thumb", 320), ("preview", 1600)):
        rendition = Image.open(io.BytesIO(server.admin.get(record["links"][name]).content))
        scale = side / max(original.size)
        assert max(rendition.size) == side and not rendition.getexif()
        assert all(abs(got - full * scale) <= 1 for got, full in zip(rendition.size, original.size))
        expected = original.convert("RGB").resize(rendition.size, Image.Resampling.LANCZOS)
        assert difference(rendition, expected) < 4, "it looks like the photograph"
    brightness = ImageStat.Stat(original.convert("L").resize((64, 64))).mean[0] / 255
    assert abs(record["meta"]["brightness"] - brightness) < 0.1
    assert len(record["meta"]["blurhash"]) == 28
