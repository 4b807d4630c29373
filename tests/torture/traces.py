"""Markers in everything that a user can put into an image; after its end none is in any file, and an older copy opens nothing."""
import collections
import io
import json
import random
import shutil
import sqlite3
import string
import struct
import sys
import time

from PIL import Image as Pillow
from PIL.TiffImagePlugin import IFDRational

import markers
from keyring_file import EPOCH_MS, MIRRORS
from serving import PAGE, ROOT, WEEK_S, Image, Serving, bmp, now_s, upload

sys.path.insert(0, str(ROOT / "tests/data"))
import photos  # noqa: E402

# What is in plain text while an image lives, and where: docs/security.md.  It leaves with the image's row.
PLAIN_WHILE_ALIVE = {"camera": ("catalog.db",), "lens": ("catalog.db",), "collection": ("catalog.db", "control.db")}
# What stays for ever by design: a key's principal, so that the prefix in an old log still says whose it was.
KEPT = {"principal": ("control.db",)}
# What the server's log, which lies outside of the data directory, says by design: the paths that were asked for.
LOGGED = ("collection",)
MAKE, MODEL, DESCRIPTION, ARTIST, COPYRIGHT, EXIF, GPS = 0x010F, 0x0110, 0x010E, 0x013B, 0x8298, 0x8769, 0x8825
LENS, COMMENT, LATITUDE, LONGITUDE = 0xA434, 0x9286, 2, 4
IN_EXIF = ("camera", "lens", "description", "artist", "copyright", "comment", "place")
WINDOW = 24


def is_of(file, names):
    """The database itself, its log or its index."""
    return any(file in (name, name + "-wal", name + "-shm") for name in names)


class Traces:
    """One server, at a speed at which its hourly work comes every 12 s."""

    SCALE, RETENTION_S, IMAGES, NEIGHBOURS = 300, 9000, 60, 12

    def __init__(self, faults, directory, seed):
        self.faults, self.dice, self.directory = faults, random.Random(f"{seed}.traces"), directory
        self.serving = Serving(faults, directory, self.SCALE, "--segment-bytes", "1MiB", "--segment-age", "600s")
        self.servers, self.counts = [self.serving], collections.Counter()
        self.words = {name: self.word() for name in ("camera", "lens", "description", "artist", "copyright", "comment", "file name",
                                                     "Idempotency-Key", "principal", "collection")}
        self.markers = {name: word.encode() for name, word in self.words.items()}
        self.images, self.neighbours = [], []

    def word(self):
        return "".join(self.dice.choices(string.ascii_lowercase + string.digits, k=WINDOW))

    # --- images that carry them ---

    def place(self):
        """A random position: as Exif writes it, and as a number in text would."""
        parts = [self.dice.randint(1, 89), self.dice.randint(1, 59), self.dice.randint(100000, 5999999) * 10 + 1]   # no fraction to reduce
        rationals = [(parts[0], 1), (parts[1], 1), (parts[2], 1000000)]
        self.markers |= {"place": struct.pack(">6I", *(n for pair in rationals for n in pair)),
                         "place as text": f"{parts[0] + parts[1] / 60 + parts[2] / 3.6e9:.6f}".encode()}
        return tuple(IFDRational(n, d) for n, d in rationals)

    def exif(self, number, latitude):
        w, exif = self.words, Pillow.Exif()
        exif[MAKE], exif[MODEL], exif[DESCRIPTION] = w["camera"], f"{w['camera']} {number}", w["description"]
        exif[ARTIST], exif[COPYRIGHT] = w["artist"], w["copyright"]
        exif[EXIF] = {LENS: w["lens"], COMMENT: b"ASCII\0\0\0" + w["comment"].encode()}
        exif[GPS] = {1: "N", LATITUDE: latitude, 3: "E", LONGITUDE: latitude}
        return exif.tobytes()

    def photograph(self, number, latitude):
        out = io.BytesIO()
        photos.scene(160, 120, self.dice.random()).save(out, "JPEG", quality=90, exif=self.exif(number, latitude))
        missing = [name for name in IN_EXIF if self.markers[name] not in out.getvalue()]
        if missing:
            raise RuntimeError(f"the photograph does not hold {missing}")
        return out.getvalue()

    def pixels(self):
        block = self.dice.randbytes(48)
        swapped = b"".join(bytes(reversed(block[at:at + 3])) for at in range(0, 48, 3))
        self.markers |= {"pixels": block[:WINDOW], "pixels as RGB": swapped[:WINDOW]}
        return bmp(block * 1200)

    def window(self, name, data):
        at = self.dice.randrange(len(data) // 2, len(data) - WINDOW)
        self.markers[name] = data[at:at + WINDOW]

    def send(self):
        serving, latitude = self.serving, self.place()
        made = json.loads(serving.ask("POST", "/v1/keys", {"principal": self.words["principal"], "role": "uploader"}, 201))
        client, plain = serving.client(made["key"]), self.pixels()
        for number in range(self.IMAGES):
            body = plain if number % 10 == 3 else self.photograph(number, latitude)
            image = Image(number, f"{self.words['collection']}&name={self.words['file name']}-{number}.jpg", body)
            if upload(serving, client, image, {"Idempotency-Key": f"{self.words['Idempotency-Key']}{number}"}):
                self.images.append(image)
            if number % (self.IMAGES // self.NEIGHBOURS) == 0:
                other = Image(f"neighbour {number}", "week", photos.camera_jpeg(160, 120, number))
                if upload(serving, client, other):
                    self.neighbours.append(other)
        client.close()

    def processed(self, seconds=60):
        end = time.monotonic() + seconds
        while json.loads(self.serving.ask("GET", "/v1/stats"))["received"] and time.monotonic() < end:
            time.sleep(0.05)
        client = self.serving.client()
        for name, part in (("JPEG", "/original"), ("thumb", "/renditions/thumb"), ("preview", "/renditions/preview")):
            status, _, data = client.ask("GET", self.images[0].path + part)
            if status == 200:
                self.window(f"bytes of the {name}", data)
            else:
                self.faults.add("wrong answer", f"{name} answers {status} before its end")
        record = json.loads(client.ask("GET", self.images[0].path)[2])
        self.markers["BlurHash"] = record["meta"]["blurhash"].encode()
        if self.words["file name"] not in json.dumps(record["private"]):
            self.faults.add("wrong answer", "the record does not show the file name that was sent")
        client.close()

    # --- looking for them ---

    def scan(self):
        hits, files, size = markers.scan(self.serving.data, self.markers)
        self.counts |= {"files": files, "bytes": size}
        return hits

    def scan_alive(self):
        """What is sealed is nowhere even now; what is plain is found: so the search finds what is there."""
        found = self.scan()
        for name, form, file, at in found:
            if not is_of(file, (PLAIN_WHILE_ALIVE | KEPT | {"BlurHash": ("catalog.db",)}).get(name, ())):
                self.faults.add("trace left", f"{name} is in {file} at {at} ({form}) while its image lives, where it should be sealed")
        for name in (*PLAIN_WHILE_ALIVE, *KEPT, "BlurHash"):
            if name not in {hit[0] for hit in found}:
                self.faults.add("wrong answer", f"the search does not find {name} in the databases while its image lives")

    def scan_control(self):
        """A file with every marker in every form: each must be found."""
        path, all_forms = self.serving.data / "planted", [(n, f, d) for n, m in self.markers.items() for f, d in markers.forms(m).items()]
        for name, form, data in all_forms:
            path.write_bytes(self.dice.randbytes(self.dice.randrange(1, 9000)) + data + self.dice.randbytes(100))
            if (name, form, "planted") not in {hit[:3] for hit in markers.scan(self.serving.data, {name: self.markers[name]}, "planted")[0]}:
                self.faults.add("wrong answer", f"the search does not find {name} ({form}) in a file that holds it")
        path.unlink()
        self.counts["forms planted and found"] += len(all_forms)

    def left(self):
        return [hit for hit in self.scan() if not is_of(hit[2], KEPT.get(hit[0], ()))]

    def judge_left(self, when):
        for name, form, file, at in self.left():
            self.faults.add("trace left", f"{name} is in {file} at {at} ({form}) {when}")

    # --- the way of it ---

    def run(self, until=None):
        serving = self.serving.start()
        serving.ask("POST", "/v1/collections", {"name": self.words["collection"], "retention_s": self.RETENTION_S}, 201)
        serving.ask("POST", "/v1/collections", {"name": "week", "retention_s": WEEK_S}, 201)
        self.send()
        self.processed()
        self.scan_alive()
        self.scan_control()
        before_ms = serving.time.earliest()
        serving.stop()
        older = self.directory / "older"
        shutil.copytree(serving.data, older / "data")
        if serving.time.latest() >= min(i.expires_ms for i in self.images):
            raise RuntimeError("this machine is too slow: images ended before they could be copied")
        serving.start()
        for image in self.images[::12]:
            serving.ask("DELETE", image.path, expect=204)
        serving.ask("DELETE", f"/v1/collections/{self.words['collection']}", expect=204)
        self.wait_gone()
        serving.stop()
        self.judge_left("after the purge, stopped")
        for path in (serving.log_path, serving.out):
            for name, form, _, at in markers.scan(path.parent, self.markers, path.name)[0]:
                if name not in LOGGED:
                    self.faults.add("trace left", f"{name} is in the server's {path.name} at {at} ({form})")
        serving.command("verify")
        serving.judge_log()
        self.open_copies(older, before_ms)

    def wait_gone(self):
        """All keys are due; then rows, the log of the catalog and the removed collection have two of the server's hours."""
        serving = self.serving
        last = max(i.epoch for i in self.images) * EPOCH_MS
        time.sleep(max(0, serving.time.certainly(last) - now_s()) + 0.5)
        keyring = serving.keyring()
        for epoch in {i.epoch for i in self.images}:
            if not keyring.is_zero(epoch):
                self.faults.add("key not zero in time", f"the slots of epoch {epoch} hold {keyring.say(epoch)}")
        keyring.close()
        end = time.monotonic() + 2 * 3600 / self.SCALE + 3
        while self.left() and time.monotonic() < end:
            time.sleep(0.5)
        self.judge_left("after the purge, while it runs")

    # --- older copies ---

    def open_copies(self, older, before_ms):
        """Everything from before the purge but the keyring: opens nothing, though its clock is turned back to before."""
        self.try_copy(older, "with its own keyring, the clock turned back", before_ms, None, 200)
        self.try_copy(older, "with the keyring of after", None, self.serving.data, 410)
        self.try_copy(older, "with the keyring of after, the clock turned back", before_ms, self.serving.data, 410)
        self.try_copy(older, "rebuilt, with the keyring of after, the clock turned back", before_ms, self.serving.data, 410, True)

    def try_copy(self, older, what, before_ms, keys, expected, is_rebuilt=False):
        directory = self.directory / f"copy-{len(self.servers)}"
        shutil.copytree(older, directory)
        for name in MIRRORS if keys else ():
            shutil.copyfile(keys / name, directory / "data" / name)
        copy = Serving(self.faults, directory, self.SCALE, "--workers", "0")
        copy.key, copy.context = self.serving.key, self.serving.context
        self.servers.append(copy)
        if before_ms:
            turn_back(copy, before_ms)
        if is_rebuilt:
            said = copy.command("rebuild").decode()
            if f": {len(self.neighbours)} images" not in said:
                self.faults.add("opened from a copy", f"{what}, rebuild says: {said}")
            turn_back(copy, before_ms)
        copy.start()
        self.ask_copy(copy, what, expected)
        copy.stop()
        shutil.rmtree(directory)

    def ask_copy(self, copy, what, expected):
        client = copy.client()
        for image in self.images:
            for part in ("", "/original", "/renditions/thumb"):
                status, _, body = client.ask("GET", image.path + part)
                self.counts["answers of copies"] += 1
                if part == "/renditions/thumb" and status == 404 and expected == 200:
                    continue
                if status != expected:
                    kind = "opened from a copy" if status == 200 else "wrong answer"
                    self.faults.add(kind, f"{what}: image {image.number}{part} answers {status}")
                elif status == 200 and part == "/original" and body != image.body:
                    self.faults.add("wrong answer", f"{what}: image {image.number} is unlike what was sent")
        listed = json.loads(client.ask("GET", f"/v1/images?limit={PAGE}")[2])["images"]
        if expected == 200 and len(listed) != len(self.images) + len(self.neighbours):
            self.faults.add("wrong answer", f"{what}: {len(listed)} images are listed")
        for image in self.neighbours:
            status, _, body = client.ask("GET", image.path + "/original")
            if status != 200 or body != image.body:
                self.faults.add("neighbour hurt", f"{what}: {image.number} answers {status}")
        client.close()

    def close(self):
        for server in self.servers:
            if server.process:
                server.process.kill()
                server.process.wait()

    def told(self):
        c = self.counts
        yield (f"{len(self.markers)} markers of {len(self.images)} images looked for in {c['files']} files "
               f"({c['bytes'] / 1e6:.1f} MB that are not zeros) in {c['forms planted and found']} forms, each of which is found "
               f"when it is planted; a key's principal stays in control.db by design")
        yield (f"{c['answers of copies']} answers of copies from before the purge: with its own keys and its clock turned back it "
               f"opens every image, with the keyring of after the purge none, nor after a rebuild")


def turn_back(copy, before_ms):
    """Makes the copy's trusted time begin before the ends: only its keys are left to say no."""
    wall_ms, db = time.time() * 1000, sqlite3.connect(copy.data / "control.db")
    origin = (copy.scale * wall_ms - before_ms) / (copy.scale - 1)
    with db:
        db.execute("UPDATE setting SET number = ? WHERE name = 'clock_high_water_ms'", (int(before_ms),))
        db.execute("UPDATE setting SET number = ? WHERE name = 'clock_origin_ms'", (int(origin),))
    db.close()
