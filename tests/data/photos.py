#!/usr/bin/python3
"""Images for tests, all made here: the same seed gives the same bytes with the same Pillow.

As a module: camera_jpeg(...) and the others give bytes.  As a program: photos.py FOLDER writes
the set that the unit tests read.  Needs Debian's python3-pil.
"""
import io
import os
import random
import struct
import sys
import zlib

from PIL import Image, ImageDraw

# --- what is on them ---------------------------------------------------------------------------------------

RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 160, 60), (40, 60, 200), (230, 200, 40)

# How to store an upright image so that this Exif orientation turns it upright again.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quadrants(width, height):
    """Four flat colours: red, green over blue, yellow."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), fill=GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), fill=BLUE)
    draw.rectangle((width // 2, height // 2, width, height), fill=YELLOW)
    return image


def scene(width, height, seed):
    """Sky, ground, round things and sensor noise; the corners carry the colours of quadrants()."""
    dice = random.Random(seed)
    slope = Image.linear_gradient("L").resize((width, height))
    base = dice.sample(range(30, 120), 3)
    image = Image.merge("RGB", [slope.point(lambda v, c=c: min(255, c + v // 2)) for c in base])
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, size = dice.randrange(width), dice.randrange(height), dice.randrange(4, max(5, height // 5))
        draw.ellipse((x, y, x + size, y + size), fill=tuple(dice.randrange(256) for _ in range(3)))
    noise = Image.frombytes("L", (width, height), dice.randbytes(width * height))
    image = Image.blend(image, Image.merge("RGB", (noise, noise, noise)), 0.08)
    mark = max(8, min(width, height) // 6)
    corners = quadrants(2 * mark, 2 * mark)
    image.paste(corners.crop((0, 0, mark, mark)), (0, 0))
    image.paste(corners.crop((mark, 0, 2 * mark, mark)), (width - mark, 0))
    image.paste(corners.crop((0, mark, mark, 2 * mark)), (0, height - mark))
    image.paste(corners.crop((mark, mark, 2 * mark, 2 * mark)), (width - mark, height - mark))
    return image


# --- Exif --------------------------------------------------------------------------------------------------

ASCII, SHORT, LONG, RATIONAL = 2, 3, 4, 5


def _value(order, kind, value):
    """count and bytes of one value"""
    if kind == ASCII:
        data = value.encode("latin-1") + b"\0"
        return len(data), data
    values = value if isinstance(value, list) else [value]
    if kind == RATIONAL:
        return len(values), b"".join(struct.pack(order + "II", *v) for v in values)
    return len(values), b"".join(struct.pack(order + {SHORT: "H", LONG: "I"}[kind], v) for v in values)


def _directory(order, at, entries):
    """One directory placed at offset `at`; values that do not fit an entry follow it."""
    head, tail = struct.pack(order + "H", len(entries)), b""
    tail_at = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in sorted(entries):
        count, data = _value(order, kind, value)
        head += struct.pack(order + "HHI", tag, kind, count)
        if len(data) <= 4:
            head += data.ljust(4, b"\0")
        else:
            head += struct.pack(order + "I", tail_at + len(tail))
            tail += data + b"\0" * (len(data) & 1)
    return head + struct.pack(order + "I", 0) + tail


def _angle(degrees):
    """degrees, minutes and hundredths of seconds as rationals"""
    seconds = round(abs(degrees) * 360000)
    return [(seconds // 360000, 1), (seconds // 6000 % 60, 1), (seconds % 6000, 100)]


def exif(orientation=None, gps=None, taken_at=None, offset=None, make="Example Works",
         model="Example Works One", lens="EW 24-70mm f/2.8", order="<"):
    """A TIFF structure as cameras write it; gps is (latitude, longitude)."""
    first = [(0x010F, ASCII, make), (0x0110, ASCII, model)]
    shot = [(0x829A, RATIONAL, (1, 250)), (0x829D, RATIONAL, (28, 10)), (0x8827, SHORT, 400),
            (0x920A, RATIONAL, (50, 1))]
    if orientation:
        first.append((0x0112, SHORT, orientation))
    if lens:
        shot.append((0xA434, ASCII, lens))
    if taken_at:
        shot.append((0x9003, ASCII, taken_at))
    if offset:
        shot.append((0x9011, ASCII, offset))
    place = []
    if gps:
        place = [(1, ASCII, "N" if gps[0] >= 0 else "S"), (2, RATIONAL, _angle(gps[0])),
                 (3, ASCII, "E" if gps[1] >= 0 else "W"), (4, RATIONAL, _angle(gps[1]))]
    first += [(0x8769, LONG, 0)] + ([(0x8825, LONG, 0)] if place else [])
    shot_at = 8 + len(_directory(order, 8, first))
    place_at = shot_at + len(_directory(order, shot_at, shot))
    first = [(tag, kind, {0x8769: shot_at, 0x8825: place_at}.get(tag, value)) for tag, kind, value in first]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    tiff = head + _directory(order, 8, first) + _directory(order, shot_at, shot)
    return tiff + (_directory(order, place_at, place) if place else b"")


# --- JPEG --------------------------------------------------------------------------------------------------

def jpeg(image, tiff=None, quality=90, **options):
    out = io.BytesIO()
    if tiff:
        options["exif"] = b"Exif\0\0" + tiff
    image.save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def camera_jpeg(width, height, seed, orientation=1, gps=None, taken_at="2026:05:01 12:34:56", offset="+02:00",
                order="<", **options):
    """A photograph-like JPEG of that upright size with a camera's Exif."""
    image = scene(width, height, seed)
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    return jpeg(image, exif(orientation, gps, taken_at, offset, order=order), **options)


def progressive_of_scans(count):
    """An 8x8 grey progressive JPEG of `count` lawful scans of one block each, for the limit on scans."""
    def segment(marker, data):
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    one_code = bytes([1] + [0] * 15) + b"\0"   # one code of one bit, for the symbol 0
    out = b"\xff\xd8" + segment(0xDB, b"\0" + b"\x10" * 64)
    out += segment(0xC2, struct.pack(">BHHB", 8, 8, 8, 1) + b"\x01\x11\0")
    out += segment(0xC4, b"\0" + one_code) + segment(0xC4, b"\x10" + one_code)
    scans = [(0, 0, 0, 0)] + [(k, k, 0, 13) for k in range(1, 64)] + [(k, k, 13, 12) for k in range(1, 64)]
    for start, end, before, now in scans[:count]:
        out += segment(0xDA, bytes([1, 1, 0, start, end, before << 4 | now])) + b"\x7f"
    return out + b"\xff\xd9"


# --- PNG, all that Pillow does not write -------------------------------------------------------------------

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
GREY, TRUE, PALETTE, GREY_ALPHA, TRUE_ALPHA = 0, 2, 3, 4, 6


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _packed(samples, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", s) for s in samples)
    out, bits, count = bytearray(), 0, 0
    for sample in samples:
        bits, count = bits << depth | sample, count + depth
        if count == 8:
            out.append(bits)
            bits, count = 0, 0
    if count:
        out.append(bits << (8 - count) & 255)
    return bytes(out)


def png(width, height, depth, kind, pixel_at, interlaced=False, chunks=()):
    """pixel_at(x, y) gives the samples of one pixel; chunks are (name, data) in front of the pixels."""
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    raw = bytearray()
    for left, top, across, down in passes:
        columns = range(left, width, across)
        for y in range(top, height, down) if columns else ():
            raw += b"\0" + _packed([s for x in columns for s in pixel_at(x, y)], depth)
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    out = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head)
    for name, data in chunks:
        out += _chunk(name, data)
    return out + _chunk(b"IDAT", zlib.compress(bytes(raw))) + _chunk(b"IEND", b"")


def png_header(width, height):
    """A sound beginning of a PNG that claims to be that large, with hardly any pixels behind it."""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + \
        _chunk(b"IDAT", zlib.compress(b"\0" * 64)) + _chunk(b"IEND", b"")


def _quadrant(x, y, width, height):
    return [[RED, GREEN], [BLUE, YELLOW]][2 * y >= height][2 * x >= width]


def _pngs(width, height):
    def colour(x, y):
        return _quadrant(x, y, width, height)

    def clear(x, y):                           # the left half opaque, the right half wholly clear
        return 255 if 2 * x < width else 0

    def both(x, y):
        return [*colour(x, y), clear(x, y)]

    palette = b"".join(bytes(c) for c in (RED, GREEN, BLUE, YELLOW))
    index = {RED: 0, GREEN: 1, BLUE: 2, YELLOW: 3}
    text = (b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 50_000_000, 9))
    return {
        "rgb8.png": png(width, height, 8, TRUE, colour),
        "rgb16.png": png(width, height, 16, TRUE, lambda x, y: [257 * c for c in colour(x, y)]),
        "rgba8.png": png(width, height, 8, TRUE_ALPHA, both),
        "rgba16.png": png(width, height, 16, TRUE_ALPHA, lambda x, y: [257 * c for c in both(x, y)]),
        "rgba-interlaced.png": png(width, height, 8, TRUE_ALPHA, both, True),
        "rgb-interlaced.png": png(width, height, 8, TRUE, colour, True),
        "palette4.png": png(width, height, 4, PALETTE, lambda x, y: [index[colour(x, y)]],
                            chunks=[(b"PLTE", palette)]),
        "palette2-clear.png": png(width, height, 2, PALETTE, lambda x, y: [index[colour(x, y)]],
                                  chunks=[(b"PLTE", palette), (b"tRNS", b"\xff\0\xff\0")]),
        "grey1.png": png(width, height, 1, GREY, lambda x, y: [2 * x >= width]),
        "grey16.png": png(width, height, 16, GREY, lambda x, y: [51400 if 2 * x >= width else 12850]),
        "grey-alpha8.png": png(width, height, 8, GREY_ALPHA, lambda x, y: [100, clear(x, y)]),
        "exif.png": png(width, height, 8, TRUE, colour, chunks=[(b"eXIf", exif(6, (48.5, 9.25)))]),
        "text-bomb.png": png(width, height, 8, TRUE, colour, chunks=[text]),
        "flat-bomb.png": _flat_png(5000),
    }


def _flat_png(side):
    """A few kilobytes that become side * side pixels."""
    rows = (b"\0" + b"\0" * ((side + 7) // 8)) * side
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)) + \
        _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")


# --- the others --------------------------------------------------------------------------------------------

def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gif(images):
    return saved(images[0], "GIF", save_all=True, append_images=images[1:], duration=100, loop=0)


def small_first_frame(side):
    """A GIF whose screen is far larger than its only frame of one pixel."""
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(RED + GREEN) + \
        b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;"


def half_clear(width, height):
    image = quadrants(width, height).convert("RGBA")
    image.paste((0, 0, 0, 0), (width // 2, 0, width, height))
    return image


def upside_down_bmp(image):
    """The same picture with its rows from the top, which a negative height says."""
    data = bytearray(saved(image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), "BMP"))
    struct.pack_into("<i", data, 22, -image.height)
    return bytes(data)


def _patched(data, old, new):
    if data.count(old) != 1:
        raise ValueError("what is to be patched must be there once")
    return data.replace(old, new)


def _imperfect_jpegs(plain, progressive):
    """What cameras and careless copies leave: first whole pictures, then such as lack pixels."""
    frame, scan = plain.index(b"\xff\xc0"), plain.index(b"\xff\xda")
    middle = (scan + len(plain)) // 2
    return {
        "no-end.jpg": plain[:-2],
        "no-end-progressive.jpg": progressive[:-2],
        "stray-segments.jpg": plain[:frame] + b"stray\0\xff\0" + plain[frame:scan] + b"\0" * 300 + plain[scan:],
        "stray-behind-scan.jpg": plain[:-2] + b"\0stray" + plain[-2:],
        "odd-adobe.jpg": plain[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x09" + plain[2:],
        "odd-profile.jpg": plain[:2] + b"\xff\xe2\0\x14ICC_PROFILE\0\x05\x02none" + plain[2:],
        "cut-scan.jpg": plain[:-12],
        "early-end.jpg": plain[:middle] + b"\xff\xd9",
        "no-last-scan.jpg": progressive[:progressive.rindex(b"\xff\xda")],
        "no-colour-scans.jpg": progressive[:progressive.index(b"\xff\xda")] + b"\xff\xd9",
    }


def _jpegs(flat):
    plain = jpeg(flat)
    files = {f"orientation-{o}.jpg": camera_jpeg(600, 400, 7, o, order="<>"[o & 1]) for o in range(1, 9)}
    files |= {
        "camera.jpg": camera_jpeg(640, 480, 1, gps=(-33.8568, 151.2153)),
        "no-offset.jpg": camera_jpeg(64, 48, 1, offset=None, gps=(48.5, -9.25), order=">"),
        "unset-clock.jpg": camera_jpeg(64, 48, 1, taken_at="0000:00:00 00:00:00", offset=None),
        "large.jpg": camera_jpeg(3400, 2200, 2),
        "wide.jpg": jpeg(quadrants(6600, 500)),
        "plain.jpg": plain,
        "progressive.jpg": jpeg(flat, progressive=True),
        "full-colour.jpg": jpeg(flat, subsampling=0),
        "grey.jpg": jpeg(flat.convert("L")),
        "cmyk.jpg": jpeg(flat.convert("CMYK")),
        "one-pixel.jpg": jpeg(Image.new("RGB", (1, 1), RED)),
        "scans-60.jpg": progressive_of_scans(60),
        "scans-70.jpg": progressive_of_scans(70),
        "stray-bytes.jpg": _patched(plain, b"\xff\xda", b"\xff\xff\xff\xda"),
        "trailing.jpg": plain + b"behind the end" * 100,
        "arithmetic.jpg": _patched(plain, b"\xff\xc0\0\x11", b"\xff\xc9\0\x11"),
        "lossless.jpg": _patched(plain, b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
        "twelve-bits.jpg": _patched(plain, b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"),
        "no-height.jpg": _patched(plain, b"\x11\x08" + struct.pack(">H", flat.height), b"\x11\x08\0\0"),
        "no-pixels.jpg": plain[:plain.index(b"\xff\xda")] + b"\xff\xd9",
    }
    return files | _imperfect_jpegs(plain, files["progressive.jpg"])


def _others(flat):
    clear = half_clear(flat.width, flat.height)
    blue = Image.new("RGB", flat.size, BLUE)
    tiff = exif(8, (1.5, 2.5))
    return {
        "first-frame.gif": gif([flat, blue, flat]),
        "small-frame.gif": small_first_frame(300),
        "giant-screen.gif": small_first_frame(4000),
        "over-limit.gif": small_first_frame(65535),
        "rgb24.bmp": saved(flat, "BMP"),
        "palette.bmp": saved(flat.quantize(8), "BMP"),
        "from-top.bmp": upside_down_bmp(flat),
        "lossy.webp": saved(flat, "WEBP", quality=90),
        "lossless.webp": saved(flat, "WEBP", lossless=True),
        "clear.webp": saved(clear, "WEBP", quality=90),
        "clear-lossless.webp": saved(clear, "WEBP", lossless=True),
        "animated.webp": saved(flat, "WEBP", save_all=True, append_images=[blue], duration=100,
                               lossless=True),
        "exif.webp": saved(flat, "WEBP", quality=90, exif=tiff),
        "large.webp": saved(quadrants(3600, 400), "WEBP", quality=80),
        "giant.png": png_header(60000, 60000),
        "empty-giant.png": png_header(9000, 9000),
    }


def unit_test_set():
    """Name to bytes of everything that the unit tests read."""
    flat = quadrants(320, 240)
    return _jpegs(flat) | _pngs(160, 120) | _others(flat)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, data in unit_test_set().items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(data)


if __name__ == "__main__":
    main()
