"""Looking for planted bytes in every file of a directory, in each form in which a program might leave them."""
import base64
import os
import pathlib

MARKER_MIN, BLOCK = 8, 4096


def _inner_base64(data, encode):
    """What base64 makes of these bytes wherever they stand in a longer text: three alignments, their edges cut off."""
    for shift in range(3):
        text = encode(b"\0" * shift + data)
        begin, end = -(-shift * 4 // 3), (shift + len(data)) * 4 // 3
        yield text[begin:end].rstrip(b"=")


def forms(data):
    """form -> bytes to look for"""
    assert len(data) >= MARKER_MIN
    found = {"raw": data, "hex": data.hex().encode(), "HEX": data.hex().upper().encode()}
    for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
        found |= {f"{name}, {shift} bytes on": text for shift, text in enumerate(_inner_base64(data, encode))}
    if data.isascii():
        text = data.decode()
        found |= {"UTF-16LE": text.encode("utf-16-le"), "UTF-16BE": text.encode("utf-16-be"), "lower": text.lower().encode(),
                  "upper": text.upper().encode()}
    return found


def _parts(path):
    """The file without its blocks of zeros, in runs that stand together; each run with its offset."""
    content, zeros, begin, run = path.read_bytes(), bytes(BLOCK), 0, []
    for at in range(0, len(content), BLOCK):
        block = content[at:at + BLOCK]
        if block == zeros[:len(block)]:
            if run:
                yield begin, b"".join(run)
            run = []
        else:
            begin = begin if run else at
            run.append(block)
    if run:
        yield begin, b"".join(run)


def scan(directory, markers, only=None):
    """Every (marker, form, file, offset) in the files of `directory`, or in the one named; `markers`: name -> bytes."""
    wanted = [(name, form, data) for name, marker in markers.items() for form, data in forms(marker).items()]
    hits, files, size = [], 0, 0
    for folder, _, names in os.walk(directory):
        for path in sorted(pathlib.Path(folder) / name for name in names):
            if not path.is_file() or only not in (None, path.name):
                continue                   # the socket, for one
            files += 1
            for begin, part in _parts(path):
                size += len(part)
                for name, form, data in wanted:
                    at = part.find(data)
                    if at >= 0:
                        hits.append((name, form, str(path.relative_to(directory)), begin + at))
    return hits, files, size
