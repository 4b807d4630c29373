"""One server on one directory over its restarts, its trusted time seen from outside, and images that end."""
import base64
import collections
import datetime
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

import traffic
from keyring_file import EPOCH_MS, Keyring

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("DARKROOM") or ROOT / "build/release/darkroom")
KINDS = ("purged but readable", "gone too early", "key not zero in time", "neighbour hurt", "trace left", "opened from a copy",
         "receipt wrong", "failed restart", "wrong answer")
MINUTE_MS, SECOND_MS, WEEK_S, READY_S, PAGE = 60000, 1000, 7 * 24 * 3600, 60, 500
Fault = collections.namedtuple("Fault", "kind what")


def now_s():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def run(*words, timeout=300):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DARKROOM")} | {"LC_ALL": "C.UTF-8"}
    return subprocess.run([str(BINARY), *map(str, words)], capture_output=True, timeout=timeout, env=kept)


class Faults(list):
    """What was found, by any thread; more than enough is not kept."""

    def __init__(self, seed):
        super().__init__()
        self.seed, self.count = seed, collections.Counter()

    def add(self, kind, what):
        assert kind in KINDS, kind
        self.count[kind] += 1
        if self.count[kind] <= 50:
            self.append(Fault(kind, f"{what} (seed {self.seed})"))


# --- a server and its time ---------------------------------------------------------------------------------------


class TrustedTime:
    """Bounds of the server's trusted time at a moment of ours, from what /readyz says; ms."""

    def __init__(self, scale):
        self.rate, self.low, self.high = 1000 * scale, -float("inf"), float("inf")

    def see(self, before, after, ms):
        self.low = max(self.low, ms - after * self.rate)
        self.high = min(self.high, ms + 1 - before * self.rate)

    def earliest(self, at=None):
        return self.low + (now_s() if at is None else at) * self.rate

    def latest(self, at=None):
        return self.high + (now_s() if at is None else at) * self.rate

    def certainly(self, ms):
        """When that time is reached, at the latest."""
        return (ms - self.low) / self.rate


class Client(traffic.Client):
    """An idle connection may be closed while we write to it: then the request is sent again, once."""

    def ask(self, *request):
        was_open = self.connection is not None
        try:
            return super().ask(*request)
        except traffic.Down:
            if not was_open:
                raise
            return super().ask(*request)


class Serving:
    """`darkroom serve` on one directory and one port, over its restarts."""

    def __init__(self, faults, directory, scale, *flags):
        self.faults, self.data, self.scale, self.flags = faults, directory / "data", scale, flags
        self.out, self.log_path = directory / "stdout", directory / "stderr"
        self.process = self.key = self.context = None
        directory.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def begin(self):
        with open(self.out, "wb") as out, open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", "--time-scale",
                 str(self.scale), *self.flags], stdout=out, stderr=log,
                env={k: v for k, v in os.environ.items() if not k.startswith("DARKROOM")} | {"LC_ALL": "C.UTF-8"})

    def wait_ready(self):
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self.process.poll() is None:
            greeting = self.out.read_text()
            if "is signed by" in greeting and (self.key or "more keys:" in greeting):
                self.key = self.key or re.search(r"DARKROOM_KEY=(dr_\S+)", greeting).group(1)
                self.context = self.context or ssl.create_default_context(cafile=self.data / "tls/ca.pem")
                return
            time.sleep(0.005)
        self.faults.add("failed restart", f"{self.data}: {self.log()[-2000:]}")
        raise RuntimeError("the server does not start")

    def start(self):
        self.begin()
        self.wait_ready()
        self.time = self.read_time()
        return self

    def read_time(self):
        found, client = TrustedTime(self.scale), self.client()
        for _ in range(20):
            before = now_s()
            status, _, text = client.ask("GET", "/readyz")
            if status != 200:
                self.faults.add("wrong answer", f"/readyz answers {status}")
                break
            found.see(before, now_s(), traffic.moment_ms(json.loads(text)["time"]))
        client.close()
        return found

    def client(self, key=None):
        return Client(self.port, self.context, key or self.key)

    def ask(self, method, path, body=None, expect=200):
        client = self.client()
        status, _, text = client.ask(method, path, body and json.dumps(body))
        client.close()
        if status != expect:
            self.faults.add("wrong answer", f"{method} {path} answers {status}: {text[:300]!r}")
            raise RuntimeError(f"{method} {path} answers {status}")
        return text

    def metric(self, name):
        return float(re.search(rf"^{name} (\S+)$", self.ask("GET", "/metrics").decode(), re.M).group(1))

    def wait_metric(self, name, least, seconds=30):
        end = time.monotonic() + seconds
        while (value := self.metric(name)) < least and time.monotonic() < end:
            time.sleep(0.05)
        return value

    def keyring(self):
        return Keyring(self.data)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM):
        if not self.process:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            code = process.wait(READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = "a kill after a minute"
        if code != (0 if number == signal.SIGTERM else -number):
            self.faults.add("wrong answer", f"{self.data}: it ended with {code}: {self.log()[-1000:]}")

    def judge_log(self, *allowed):
        for line in self.log().splitlines():
            if ("level=error" in line or "must(" in line) and not any(word in line for word in allowed):
                self.faults.add("wrong answer", f"{self.data}: its log says: {line}")

    def command(self, *words):
        done = run(*words, "--data", self.data)
        if done.returncode:
            self.faults.add("wrong answer", f"{self.data}: darkroom {words[0]} ends with {done.returncode}: "
                                            f"{(done.stdout + done.stderr)[-2000:]!r}")
        return done.stdout


def bmp(pixels, width=64):
    """An uncompressed BMP of whole rows of these pixels."""
    rows = len(pixels) // (3 * width)
    size = 3 * width * rows
    head = b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, rows, 1, 24, 0, size, 0, 0, 0, 0) + pixels[:size]


class Image:
    def __init__(self, number, collection, body):
        self.number, self.collection, self.body = number, collection, body
        self.digest, self.is_erased, self.is_there = hashlib.sha256(body).digest(), False, False

    def acknowledged(self, record):
        self.id, self.received = record["id"], record["received_at"]
        received_ms, self.expires_ms = map(traffic.moment_ms, (record["received_at"], record["expires_at"]))
        just_after = datetime.datetime.fromtimestamp((received_ms + 1) / 1000, datetime.timezone.utc)
        self.just_after = just_after.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.epoch = -(-self.expires_ms // EPOCH_MS)
        self.path = f"/v1/images/{self.id}"


def upload(serving, client, image, headers=()):
    status, _, text = client.ask("POST", f"/v1/images?collection={image.collection}", image.body, headers or {"Idempotency-Key": f"key of {image.number}"})
    if status != 201:
        serving.faults.add("wrong answer", f"upload {image.number} answers {status}: {text[:300]!r}")
        return False
    image.acknowledged(json.loads(text))
    return True


# --- receipts ----------------------------------------------------------------------------------------------------


def judge_receipts(faults, serving, images):
    """One for each epoch that held images, with their number, and one for each erase.  All `images` ended; gives how many."""
    listed, number = [], 0
    while page := json.loads(serving.ask("GET", f"/v1/receipts?after={number}")):
        listed += page
        number = json.loads(page[-1]["body"])["number"]
    judge_chain(faults, serving, listed)
    bodies = [json.loads(r["body"]) for r in listed]
    counted = {b["epoch"]: b["images"] for b in bodies if b["kind"] == "epoch"}
    expected = collections.Counter(i.epoch for i in images if not i.is_erased)
    for epoch in sorted(set(counted) | set(expected)):
        if counted.get(epoch) != expected.get(epoch):
            faults.add("receipt wrong", f"of epoch {epoch} receipts say {counted.get(epoch)} images, it had {expected.get(epoch)}")
    erased, said = sum(i.is_erased for i in images), sum(b["kind"] == "erase" for b in bodies)
    if said != erased:
        faults.add("receipt wrong", f"{erased} erases have {said} receipts")
    for body in bodies:
        due, done = map(traffic.moment_ms, (body["due_at"], body["destroyed_at"]))
        if body["kind"] == "epoch" and not due == body["epoch"] * EPOCH_MS <= done:
            faults.add("receipt wrong", f"receipt {body['number']} says due {body['due_at']}, destroyed {body['destroyed_at']}")
    return len(bodies)


def judge_chain(faults, serving, listed):
    """Signatures by the program, numbers and links by us."""
    key, path = serving.data.parent / "receipts.pem", serving.data.parent / "receipts.json"
    key.write_bytes(serving.ask("GET", "/v1/receipts/key"))
    path.write_text(json.dumps(listed))
    done = run("receipt", "verify", path, key)
    if done.returncode:
        faults.add("receipt wrong", f"receipt verify ends with {done.returncode}: {done.stdout + done.stderr!r}")
    previous = "0" * 64
    for number, receipt in enumerate(listed, 1):
        body = json.loads(receipt["body"])
        if (body["number"], body["previous"]) != (number, previous):
            faults.add("receipt wrong", f"receipt {body['number']} does not follow the one before")
        previous = hashlib.sha256(receipt["body"].encode() + base64.b64decode(receipt["signature"])).hexdigest()
