"""The journal outside the server: what was sent, acknowledged, erased and due; it alone says what must be there.

An image is `sent` until an answer comes: until then it may be whole or absent, and a retry with its Idempotency-Key
settles which.  From 201 on it is `kept`: readable, bit for bit, until its expiry or its erase.
"""
import collections
import hashlib
import json
import random
import struct
import threading
import time

COLLECTIONS = {"minute": 60, "quarter": 900, "hour": 3600, "week": 7 * 24 * 3600}   # seconds of trusted time
WEIGHTS = (40, 29, 30, 1)
WIDTH, ROW, HEAD = 64, 192, 54
KINDS = ("lost", "torn", "purged but readable", "failed restart", "stored twice", "damage found", "wrong answer")
REMEMBERED_MAX = 2000

Fault = collections.namedtuple("Fault", "kind what")


class Image:
    __slots__ = ("number", "collection", "content", "rows", "state", "id", "expires_ms", "digest", "erase", "is_gone", "is_unchecked")

    def __init__(self, number, collection, content, rows):
        self.number, self.collection, self.content, self.rows = number, collection, content, rows
        self.state, self.id, self.expires_ms, self.digest = "sent", None, None, None
        self.erase, self.is_gone, self.is_unchecked = "no", False, True

    def path(self):
        return f"/v1/images/{self.id}/original"

    def as_dict(self):
        return {name: getattr(self, name) for name in self.__slots__}


class Journal:
    def __init__(self, seed):
        self.seed, self.lock = seed, threading.Lock()
        self.images, self.ids, self.next, self.faults = [], {}, 0, []
        self.counts = collections.Counter()
        self.is_disk_gone = False          # from here on a 5xx is no fault, and an upload that gets one may be whole
        self.clock = None                  # (monotonic before, after, trusted ms, scale)

    # --- images ---

    def new(self, dice):
        """An upload that is about to be sent; some have the bytes of an earlier one."""
        collection = dice.choices(list(COLLECTIONS), WEIGHTS)[0]
        with self.lock:
            self.next += 1
            image = Image(self.next, collection, self.next, int(2 ** dice.uniform(0, 11 if dice.random() < 0.95 else 14)))
            twins = [i for i in self.images[-50:] if i.collection == collection] if dice.random() < 0.15 else []
            if twins:
                twin = dice.choice(twins)
                image.content, image.rows = twin.content, twin.rows
            self.images.append(image)
            self.counts["sent"] += 1
        return image

    def body(self, image):
        size = ROW * image.rows
        head = b"BM" + struct.pack("<IHHI", HEAD + size, 0, 0, HEAD)
        head += struct.pack("<IiiHHIIiiII", 40, WIDTH, image.rows, 1, 24, 0, size, 0, 0, 0, 0)
        return head + random.Random(f"{self.seed}.{image.content}").randbytes(size)

    def refused(self, image):
        with self.lock:
            self.images.remove(image)
            self.counts["refused"] += 1

    def acknowledged(self, image, body, record, expires_ms):
        with self.lock:
            twin = self.ids.get(record["id"])
            image.id, image.expires_ms, image.digest = record["id"], expires_ms, hashlib.sha256(body).digest()
            image.state = "kept"
            self.ids[image.id] = image
            self.counts["acknowledged"] += 1
        if twin:
            self.fault("stored twice", f"uploads {twin.number} and {image.number} got one id, {image.id}")
        if record["bytes"] != len(body):
            self.fault("torn", f"image {image.id} of {len(body)} bytes is recorded with {record['bytes']}")

    def of_state(self, state):
        with self.lock:
            return [i for i in self.images if i.state == state]

    def begin_erase(self, dice):
        with self.lock:
            live = [i for i in self.images[-400:] if i.state == "kept" and i.erase == "no" and not i.is_gone]
            if not live:
                return None
            image = dice.choice(live)
            image.erase = "sent"
            return image

    def forget_old(self):
        """Of what is gone only the latest is remembered, so that a long run stays small."""
        with self.lock:
            gone = [i for i in self.images if i.is_gone]
            dropped = set(map(id, gone[:-REMEMBERED_MAX]))
            self.images = [i for i in self.images if id(i) not in dropped]

    # --- trusted time ---

    def set_clock(self, before, after, trusted_ms, scale):
        self.clock = (before, after, trusted_ms, scale)

    def earliest_ms(self, at):
        before, after, trusted_ms, scale = self.clock
        return trusted_ms + (at - after) * 1000 * scale * 0.999

    def latest_ms(self, at):
        before, after, trusted_ms, scale = self.clock
        return trusted_ms + (at - before) * 1000 * scale * 1.001 + scale

    # --- judging ---

    def fault(self, kind, what):
        assert kind in KINDS
        with self.lock:
            self.faults.append(Fault(kind, what))

    def before_reading(self, image):
        return time.monotonic(), image.erase == "done", image.is_gone

    def judge(self, image, seen, status, body):
        """One answer to GET .../original; `seen` is what before_reading() said."""
        began, was_erased, was_gone = seen
        image.is_unchecked = False
        self.counts["reads judged"] += 1
        if status == 200:
            self.judge_bytes(image, body, was_erased or was_gone or self.earliest_ms(began) > image.expires_ms)
        elif status == 410:
            is_due = self.latest_ms(time.monotonic()) >= image.expires_ms
            if not is_due and image.erase == "no":
                self.fault("lost", f"image {image.id} answers 410 before its expiry")
            if not image.is_gone:
                self.counts["expired" if image.erase == "no" else "erased"] += 1
            image.is_gone = True
        elif status == 404:
            self.fault("lost", f"image {image.id} answers 404")
        elif status != 503 and not (self.is_disk_gone and status == 500):
            self.fault("wrong answer", f"GET of image {image.id} answers {status}: {body[:300]!r}")

    def judge_bytes(self, image, body, must_be_gone):
        if must_be_gone:
            self.fault("purged but readable", f"image {image.id} (erase: {image.erase}) is readable after its end")
        if hashlib.sha256(body).digest() != image.digest:
            self.fault("torn", f"image {image.id}: {len(body)} bytes unlike those that were sent")

    def dump(self, path):
        with self.lock, open(path, "w") as out:
            for image in self.images:
                facts = image.as_dict()
                facts["digest"] = facts["digest"].hex() if facts["digest"] else None
                out.write(json.dumps(facts) + "\n")
