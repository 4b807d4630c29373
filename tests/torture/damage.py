"""damage: one bit, block or length of a stopped directory is changed; `verify` must find it and name the file's kind, and a
server on a copy must serve no wrong byte and every image that was not touched.

What a change touches is told by readers of our own: the segments' records as src/store/format.h draws them, and SQLite's
own view of the databases.  A change that touches nothing (a body that no image refers to, the padding behind a
record, unused space of a database page) need not be found; it is counted apart.
"""
import collections
import contextlib
import os
import pathlib
import random
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/http"), str(ROOT / "tests/data")]

import photos  # noqa: E402
from server import BINARY, Client, Server, environment  # noqa: E402

BLOCK, SEGMENT_HEAD, RECORD_HEAD, HEAD_DRAWN, BLOB, COMMIT = 4096, 4096, 48, 64, 2, 9
SERVED_EVERY, VERIFY_S, START_S = 6, 60, 30
KINDS = ("missed", "unnamed", "wrong bytes", "good one hidden", "crash", "rebuild differs")
FLAGS = ("--segment-bytes", "1MiB", "--workers", "1", "--log-level", "warn")
Fault = collections.namedtuple("Fault", "kind what")
# A change: the file in the copy, what was done, and the byte ranges with their old content.
Change = collections.namedtuple("Change", "path kind ranges")
Image = collections.namedtuple("Image", "id body")
Record = collections.namedtuple("Record", "kind begin body end")
# Rows that a rebuild makes again, without the numbers that it gives anew.
REBUILT = {
    "collection": "SELECT number, name, retention_ms, created_at FROM collection",
    "blob": "SELECT blob_id, store, collection, CASE WHEN uses > 0 THEN address END, bytes, segment, offset, length, uses FROM blob",
    "image": "SELECT i.id, i.collection, i.state, i.format, i.bytes, i.width, i.height, i.received_at, i.expires_at, i.epoch, i.source, "
             "i.uploader, i.idempotency, b.blob_id, i.segment, i.offset, i.length, i.ready_at, i.reason, i.camera, i.lens, i.exposure_s, "
             "i.aperture, i.focal_mm, i.iso, i.taken_at, i.has_gps, i.colour, i.brightness, i.sharpness, i.blurhash, i.result_segment, "
             "i.result_offset, i.result_length FROM image AS i JOIN blob AS b ON b.number = i.blob",
    "rendition": "SELECT i.id, r.name, r.format, r.width, r.height, r.bytes, b.blob_id FROM rendition AS r "
                 "JOIN image AS i ON i.number = r.image JOIN blob AS b ON b.number = r.blob",
    "segment": "SELECT store, number, rows FROM segment WHERE rows > 0",
    "tally": "SELECT collection, images, ready, failed, bytes, blob_bytes FROM tally",
}
FILES = {"originals": 9, "processed": 3, "keyring": 4, "catalog.db": 4}   # and how often each is hurt
NAMES = {"originals": "segment", "processed": "segment", "keyring": "keyring", "catalog.db": "catalog"}


def looked_at(path):
    """Closed at the end of `with`, so that no log of ours stays beside the file: it would heal what is hurt."""
    return contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True))


def rows_of(path):
    """Every row of every table, and whether SQLite finds the file whole; None if it is none."""
    try:
        with looked_at(path) as db:
            tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
            rows = {name: sorted(map(repr, db.execute(f'SELECT * FROM "{name}"'))) for name in tables}
            schema = sorted(map(repr, db.execute("SELECT type, name, sql FROM sqlite_schema")))
            return rows, schema, db.execute("PRAGMA user_version").fetchone(), db.execute("PRAGMA integrity_check").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def rebuilt_rows(path):
    with looked_at(path) as db:
        return {name: sorted(map(repr, db.execute(text))) for name, text in REBUILT.items()}


def records_of(path):
    """The records of one segment, in order; a batch begins on a block."""
    data, at = path.read_bytes(), SEGMENT_HEAD
    while at + RECORD_HEAD <= len(data):
        magic, _, kind, key_len, _, _, _, body_len = struct.unpack_from("<4sBBHQQII", data, at)
        if magic != b"DRR1":
            at = (at // BLOCK + 1) * BLOCK
            continue
        body = at + RECORD_HEAD + key_len
        end = body + body_len
        yield Record(kind, at, body, end)
        at = (end + 7) // 8 * 8


def noise_bmp(dice, size):
    """A sound picture whose every byte counts."""
    width = 64
    height = max(1, size // (3 * width))
    pixels = dice.randbytes(3 * width * height)
    head = b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels


class Running:
    """A server on a hurt copy, which may refuse to start, but not break."""

    def __init__(self, directory, key):
        out, self.errors = directory / "stdout", directory / "stderr"
        command = [BINARY, "serve", "--data", directory / "data", "--listen", "127.0.0.1:0", *FLAGS]
        with open(out, "wb") as output, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(command, stdout=output, stderr=errors, env=environment())
        end, self.admin = time.monotonic() + START_S, None
        while self.process.poll() is None and time.monotonic() < end:
            serves = re.search(r"serves (https://\S+)[^$]*is signed by", out.read_text())
            if serves:
                self.admin = Client(serves.group(1), directory / "data/tls/ca.pem", key)
                return
            time.sleep(0.01)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(START_S)

    def is_broken(self):
        """Ended by a signal, for too long, without a word, or with a sanitizer's report."""
        said = self.errors.read_text(errors="replace")
        return self.process.returncode < 0 or "Sanitizer" in said or (self.process.returncode and not said.strip())


class Damage:
    NAME, POINTS, QUICK = "damage", 1000, 60

    def __init__(self, directory, seed, points):
        self.directory, self.points, self.dice = directory, points, random.Random(seed)
        self.faults, self.counts = [], collections.Counter()
        self.seed, self.done = seed, 0

    @staticmethod
    def why_not():
        return None

    def zeros(self):
        return {kind: sum(f.kind == kind for f in self.faults) for kind in KINDS}

    def told(self):
        c = self.counts
        kinds = ", ".join(f"{c[kind]:,} {kind}" for kind in ("flips", "swaps", "truncations", "zeroed blocks") if c[kind])
        return [f"{self.done:,} changes ({kinds}): {c['found']:,} found by verify, {c['idle']:,} touched nothing that means anything",
                f"{c['served']:,} copies started: {c['refused']:,} refused with a sentence, {c['reads']:,} images read, "
                f"{c['withheld']:,} touched ones answered with an error, {c['rebuilt']:,} catalogs rebuilt"]

    def fault(self, kind, what):
        self.faults.append(Fault(kind, f"{what}; point {self.done + 1}, seed {self.seed}"))

    # --- a directory with something of everything ---

    def make(self):
        server = Server(self.directory, *FLAGS)
        self.data, self.images, self.hurt = server.data, [], self.directory / "hurt"
        server.collection("brief", retention_s=3600)
        for number in range(24):
            body = noise_bmp(self.dice, self.dice.randrange(2_000, 200_000))
            self.upload(server, body, collection="brief" if number % 4 == 0 else "default")
        for number in range(4):
            self.upload(server, photos.camera_jpeg(320, 240, number), wait="processed")
        for image in self.images[3:6]:
            self.upload(server, image.body)                                   # the same bytes again
        erased = self.images.pop(8)
        assert server.admin.delete(f"/v1/images/{erased.id}").status_code == 204
        self.key = server.key
        server.stop()
        self.learn()

    def upload(self, server, body, **parameters):
        self.images.append(Image(server.admin.upload(body, **parameters)["id"], body))

    def learn(self):
        """Where everything lies, and what the databases hold, before anything is hurt."""
        done = self.verify(self.data)
        if done.returncode != 0:
            raise RuntimeError(f"verify is not clean before anything was hurt: {done.stdout}{done.stderr}")
        places = "SELECT i.id, i.segment, i.offset, i.length, b.segment, b.offset, b.length FROM image AS i JOIN blob AS b ON b.number = i.blob"
        with looked_at(self.data / "catalog.db") as catalog:
            self.live = set(catalog.execute("SELECT store, segment, offset FROM blob WHERE uses > 0"))
            self.places = {self.text_of(row[0]): ((row[1], row[2], row[2] + row[3]), (row[4], row[5], row[5] + row[6]))
                           for row in catalog.execute(places)}
        self.rows = {name: rows_of(self.data / name) for name in ("catalog.db",)}
        self.learn_rebuilt()

    def learn_rebuilt(self):
        """What a rebuild makes of the sound directory.  It knows a blob that no image refers to until it is forgotten again;
        everything else must be as it was."""
        shutil.copytree(self.data, self.hurt)
        self.run_rebuild(self.hurt, "nothing at all")
        self.rebuilt = rebuilt_rows(self.hurt / "catalog.db")
        before = rebuilt_rows(self.data / "catalog.db")
        for name in ("collection", "image", "rendition"):
            if before[name] != self.rebuilt[name]:
                self.fault("rebuild differs", f"{name} after nothing was hurt")
        if not set(before["blob"]) <= set(self.rebuilt["blob"]):
            self.fault("rebuild differs", "blob after nothing was hurt")

    @staticmethod
    def text_of(id_bytes):
        digits, number = "abcdefghijklmnopqrstuvwxyz234567", int.from_bytes(id_bytes, "big")
        return "".join(digits[number >> shift & 31] for shift in range(195, -1, -5))

    # --- one change and its undoing ---

    def pick(self):
        name = self.dice.choices(list(FILES), FILES.values())[0]
        if name in ("originals", "processed"):
            return name, self.dice.choice(sorted((self.hurt / name).glob("*.seg")))
        if name == "keyring":
            return name, self.dice.choice(sorted(self.hurt.rglob("keyring.[ab]")))
        return name, self.hurt / name

    def change(self, path):
        """Changes the file; None if the dice chose what changes nothing."""
        size, kind = path.stat().st_size, self.dice.choices(("flips", "swaps", "truncations", "zeroed blocks"), (70, 10, 10, 10))[0]
        with open(path, "r+b") as file:
            def old(at, length):
                file.seek(at)
                return at, file.read(length)

            def put(at, data):
                file.seek(at)
                file.write(data)
            blocks = max(1, size // 512)
            at, other = self.dice.randrange(blocks) * 512, self.dice.randrange(blocks) * 512
            if kind == "flips":
                ranges = [old(self.dice.randrange(size), 1)]
                put(ranges[0][0], bytes([ranges[0][1][0] ^ 1 << self.dice.randrange(8)]))
            elif kind == "swaps":
                ranges = [old(at, 512), old(other, 512)]
                if len(ranges[0][1]) != len(ranges[1][1]):
                    return None
                put(at, ranges[1][1])
                put(other, ranges[0][1])
            elif kind == "zeroed blocks":
                ranges = [old(at, 512)]
                put(at, bytes(len(ranges[0][1])))
            else:
                ranges = [old(self.dice.randrange(size), size)]
                file.truncate(ranges[0][0])
        is_idle = all(self.reads(path, at, len(data)) == data for at, data in ranges)
        return None if is_idle else Change(path, kind, ranges)

    @staticmethod
    def reads(path, at, length):
        with open(path, "rb") as file:
            file.seek(at)
            return file.read(length)

    # --- what a change touches ---

    @staticmethod
    def overlaps(change, begin, end):
        return any(at < end and begin < at + len(data) for at, data in change.ranges)

    def is_idle(self, name, change):
        """True when no reader could tell: a body without an image, or the same rows in a sound file."""
        if name in self.rows:
            return rows_of(change.path) == self.rows[name]
        if name not in ("originals", "processed"):
            return False
        store, segment = (1 if name == "originals" else 2), int(change.path.stem, 16)
        records = self.records[change.path.relative_to(self.hurt)]
        if change.kind == "truncations":    # of the seal of a clean stop: then it looks like one that was killed
            return [r.kind for r in records[-2:]] == [COMMIT, COMMIT] and change.ranges[0][0] >= records[-2].end
        idle = [(HEAD_DRAWN, SEGMENT_HEAD)]
        idle += [(r.body, r.end) for r in records if r.kind == BLOB and (store, segment, r.begin) not in self.live]
        idle += [(r.end, (r.end + 7) // 8 * 8) for r in records]
        idle += [(r.end, (r.end + BLOCK - 1) // BLOCK * BLOCK) for r in records if r.kind == COMMIT]
        return all(any(begin <= at and at + len(data) <= end for begin, end in idle) for at, data in change.ranges)

    def is_touched(self, image, name, change):
        if name == "originals":
            segment = int(change.path.stem, 16)
            return any(place[0] == segment and self.overlaps(change, place[1], (place[2] + 7) // 8 * 8) for place in self.places[image.id])
        return name in self.rows            # a row may be what was hurt

    # --- the two questions ---

    @staticmethod
    def verify(data):
        return subprocess.run([BINARY, "verify", "--data", data], capture_output=True, text=True, timeout=VERIFY_S, env=environment(),
                              errors="replace")

    def check_verify(self, name, change, where):
        is_idle = self.is_idle(name, change)
        done = self.verify(self.hurt)
        said = done.stdout + done.stderr
        if done.returncode < 0 or "Sanitizer" in said:
            self.fault("crash", f"verify ended with {done.returncode} after {where}: {said[-300:]}")
        elif done.returncode == 0 and is_idle:
            self.counts["idle"] += 1
        elif done.returncode == 0:
            self.fault("missed", where)
        elif not re.search(NAMES[name], said):
            self.fault("unnamed", f"{where}: {said[-300:]}")
        else:
            self.counts["found"] += 1

    def check_server(self, name, change, where):
        copy = self.directory / "copy"
        self.counts["served"] += 1
        server = self.start(copy, where)
        if not server and name == "catalog.db":
            server = self.rebuild(copy, where)
        if not server:
            self.counts["refused"] += 1
            return
        for image in self.images:
            reply = server.admin.get(f"/v1/images/{image.id}/original")
            self.counts["reads"] += 1
            if reply.status_code == 200 and reply.content != image.body:
                self.fault("wrong bytes", f"{image.id} after {where}")
            elif reply.status_code != 200 and not self.is_touched(image, name, change):
                self.fault("good one hidden", f"{image.id} answers {reply.status_code} after {where}: {reply.text[:200]}")
            self.counts["withheld"] += reply.status_code != 200
        server.stop()
        if server.is_broken():
            self.fault("crash", f"a server ended with {server.process.returncode} after {where}: {server.errors.read_text()[-300:]}")

    def start(self, copy, where):
        """None when it refuses with a sentence."""
        server = Running(copy, self.key)
        if server.admin:
            return server
        if server.is_broken():
            self.fault("crash", f"a start ended with {server.process.returncode} after {where}: {server.errors.read_text()[-300:]}")
        return None

    def run_rebuild(self, data, where):
        done = subprocess.run([BINARY, "rebuild", "--data", data], capture_output=True, text=True, timeout=VERIFY_S, env=environment(),
                              errors="replace")
        if done.returncode != 0:
            self.fault("rebuild differs", f"rebuild ended with {done.returncode} after {where}: {done.stderr[-300:]}")
        return done.returncode == 0

    def rebuild(self, copy, where):
        if not self.run_rebuild(copy / "data", where):
            return None
        rows = rebuilt_rows(copy / "data/catalog.db")
        if rows != self.rebuilt:
            self.fault("rebuild differs", f"{[t for t in rows if rows[t] != self.rebuilt[t]]} after {where}")
        self.counts["rebuilt"] += 1
        return self.start(copy, where)

    def run(self, seconds):
        self.make()
        self.records = {path.relative_to(self.data): list(records_of(path)) for path in self.data.rglob("*.seg")}
        while self.done < self.points:
            shutil.rmtree(self.hurt, ignore_errors=True)
            shutil.copytree(self.data, self.hurt)
            name, path = self.pick()
            change = self.change(path)
            if not change:
                continue
            self.counts[change.kind] += 1
            where = f"{change.kind} in {path.relative_to(self.hurt)} at {[at for at, _ in change.ranges]}"
            if self.done % SERVED_EVERY == 0:
                shutil.rmtree(self.directory / "copy", ignore_errors=True)
                shutil.copytree(self.hurt, self.directory / "copy/data")
                self.check_server(name, change, where)
            self.check_verify(name, change, where)
            self.done += 1
        return self.done
