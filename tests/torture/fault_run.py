"""One run of the server with one call failing, under strace, and what the other side of the connection needs."""
import collections
import http.client
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import time

import traffic

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("DARKROOM") or ROOT / "build/release/darkroom").resolve()
Point = collections.namedtuple("Point", "number phase calls error nth is_forever")

FULL = "no pages left"          # the tmpfs; its turn is how many are
SCALE, READY_S, ANSWER_S, END_S = 600, 20, 15, 30
FLAGS = ("--time-scale", str(SCALE), "--http-threads", "8", "--workers", "1", "--segment-bytes", "1MiB", "--disk-reserve", "1MiB",
         "--job-retry", "1s")
SLOW = 4 if "asan" in str(BINARY) else 1
REPORT = re.compile(r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|DEADLYSIGNAL|must failed")
FIRED = re.compile(r"^\d+ +(\d+\.\d+) (\w+)\((.*)\) += -1 .*\(INJECTED\)$", re.M)


def environment(is_traced=False):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DARKROOM")} | {"LC_ALL": "C.UTF-8"}
    return kept | {"ASAN_OPTIONS": "detect_leaks=0"} if is_traced else kept      # LeakSanitizer is a tracer too


def picture(seed, rows):
    size, width = 192 * rows, 64
    head = b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, rows, 1, 24, 0, size, 0, 0, 0, 0)
    return head + random.Random(f"{seed}").randbytes(size)


class Client(traffic.Client):
    """One that waits for less long."""

    def ask(self, *request):
        if not self.connection:
            self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=ANSWER_S * SLOW)
        return super().ask(*request)


class Run:
    """One run of the server, perhaps with a fault in it."""

    def __init__(self, data, out, point=None):
        self.out, self.log_path, self.trace = out.with_suffix(".out"), out.with_suffix(".log"), out.with_suffix(".trace")
        self.strace = None
        self.data, self.point = data, point
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [str(BINARY), "serve", "--data", str(data), "--listen", f"127.0.0.1:{self.port}", *FLAGS]
        is_traced = point is not None and point.error != FULL and point.phase in ("making", "replay")
        with open(self.out, "wb") as output, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.inject(point) + command if is_traced else command, stdout=output, stderr=log,
                                            env=environment(point is not None))
        self.is_traced = is_traced

    def inject(self, point):
        when = f"{point.nth}+" if point.is_forever else f"{point.nth}"
        # Of write only what goes to a file: the log.  That an eventfd or a pipe of our own fails with EIO happens nowhere.
        where = ["-P", str(self.log_path), "-P", str(self.out)] if point.calls == "write" else []
        return ["strace", "-f", "-qq", "-y", "-ttt", "-o", str(self.trace), *where, "-e", f"trace={point.calls}",
                "-e", "signal=none", "-e", f"inject={point.calls}:error={point.error}:when={when}"]

    def attach(self):
        """From here on the fault is in it."""
        self.strace = subprocess.Popen([*self.inject(self.point), "-p", str(self.process.pid)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        end = time.monotonic() + READY_S
        while time.monotonic() < end and self.is_alive():
            tasks = list(pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/status"))
            if tasks and all("TracerPid:\t0\n" not in status.read_text() for status in tasks):
                return
            time.sleep(0.002)

    def is_alive(self):
        return self.process.poll() is None

    def is_listening(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def wait_ready(self):
        """ready, ended, or hung."""
        end = time.monotonic() + READY_S * SLOW
        while time.monotonic() < end:
            if not self.is_alive():
                return "ended"
            if self.is_listening():
                return "ready"
            time.sleep(0.01)
        return "hung"

    def key(self):
        found = re.search(r"DARKROOM_KEY=(dr_\S+)", self.out.read_text())
        return found and found.group(1)

    def server_pids(self):
        if not self.is_traced:
            return [self.process.pid]
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def send(self, number):
        for pid in self.server_pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def wait_end(self, seconds):
        try:
            self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self):
        self.send(signal.SIGKILL)
        if not self.wait_end(2):
            self.process.kill()
            self.process.wait()

    def close(self):
        """The end of strace, and what it made fail: (when, call, arguments) of each."""
        if self.strace:
            try:
                self.strace.wait(2)
            except subprocess.TimeoutExpired:
                self.strace.terminate()
                self.strace.wait()
        if not self.trace.exists():
            return []
        return [(float(at), call, arguments) for at, call, arguments in FIRED.findall(self.trace.read_text(errors="replace"))]

    def is_waiting_for_room(self):
        """What is synced is not answered before the catalog has it: it waits for space or descriptors to come back."""
        return "commit.apply.waits" in self.log() and self.point is not None

    def log(self):
        return self.log_path.read_text(errors="replace")
