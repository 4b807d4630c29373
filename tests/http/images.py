"""Pictures for the tests: camera-like photographs and small ones that are all different."""
import functools
import io
import struct

import server  # noqa: F401  puts tests/data on the path
import photos
from PIL import Image

# They are looked for in the data directory after a purge: nothing else may look like them.
MAKER, GPS_PLACE = "Zyxomma Optical", (47.376887, 8.541694)


@functools.lru_cache(maxsize=None)
def photograph(width=1800, height=1200, seed=1, orientation=1):
    """A JPEG with Exif, a camera and a place."""
    return photos.camera_jpeg(width, height, seed, orientation=orientation, gps=GPS_PLACE)


@functools.lru_cache(maxsize=None)
def small(number, kind="PNG", size=(24, 16)):
    """A small image; each number gives other bytes."""
    image = Image.new("RGB", size, (number % 256, number // 256 % 256, 77))
    image.putpixel((0, 0), (1, 2, 3))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def truncated():
    """A JPEG whose header is sound and whose pixels end early."""
    data = photograph(800, 600, 9)
    return data[:data.index(b"\xff\xda") + 40]


def bmp_with_block(block, width=256, height=64):
    """An uncompressed BMP whose pixels are `block` repeated."""
    size = width * 3 * height
    pixels = (block * (size // len(block) + 1))[:size]
    return b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0) + \
        pixels
