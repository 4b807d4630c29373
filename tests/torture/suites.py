"""kill and power: a server under load that dies, again and again, and what is found after each restart."""
import fcntl
import math
import os
import pathlib
import random
import re
import shutil
import signal
import ssl
import struct
import subprocess
import tempfile
import time

import traffic
from journal import COLLECTIONS, KINDS, Journal

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("DARKROOM") or ROOT / "build/release/darkroom")
SCALE = 60
READY_S, END_S = 60, 60
# Which calls, and at most the how-maniest of one thread: so that most of them come within a run.
CALLS = {"fdatasync": 30, "fsync": 4, "pwrite64": 120, "pwritev,pwritev2": 30, "renameat,renameat2": 2, "ftruncate": 3,
         "fallocate": 2, "unlink,unlinkat": 3, "openat": 30, "write": 30}
MAKING = {"mkdir,mkdirat": 6, "openat": 40, "write": 10, "fsync": 20, "fdatasync": 10, "pwrite64": 600, "renameat,renameat2": 6,
          "fallocate": 4, "fchmod,chmod": 5, "ftruncate": 3}
TRACED_S = 1.5
CHECKPOINT, BIRTHS = 25, 4
FLAGS = ("--time-scale", str(SCALE), "--segment-bytes", "4MiB", "--segment-age", "60s", "--workers", "1")
LOGS_KEPT = 30
BORN = "while the directory was made"
SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2            # EXT4_IOC_SHUTDOWN: nothing more reaches the device
DISK_BYTES = 4 << 30


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("DARKROOM")} | {"LC_ALL": "C.UTF-8"}


class Program:
    """One run of `darkroom serve`, perhaps under strace."""

    def __init__(self, data, out, point=None):
        self.out, self.log_path = out.with_suffix(".out"), out.with_suffix(".log")
        command = [str(BINARY), "serve", "--data", str(data), "--listen", "127.0.0.1:0", *FLAGS]
        self.is_traced = point is not None
        if point:
            calls, when = point
            command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
                       "-e", f"inject={calls}:signal=KILL:when={when}"] + command
        with open(self.out, "wb") as output, open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=output, stderr=log, env=environment())

    def is_alive(self):
        return self.process.poll() is None

    def wait_ready(self):
        """True once it serves; False if it ended first, or is not ready in time."""
        end = time.monotonic() + READY_S
        while self.is_alive() and time.monotonic() < end:
            greeting = self.out.read_text()
            if "is signed by" in greeting:
                self.port = int(re.search(r"serves https://127.0.0.1:(\d+)", greeting).group(1))
                return True
            time.sleep(0.005)
        return False

    def wait_dead(self, seconds):
        """True if it ended within that time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, number):
        """To the server itself: strace passes nothing on."""
        pids = [self.process.pid]
        if self.is_traced:
            children = pathlib.Path(f"/proc/{pids[0]}/task/{pids[0]}/children")
            pids = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        end = time.monotonic() + END_S
        while self.is_alive() and time.monotonic() < end:
            self.send(signal.SIGKILL)       # again: under strace the server may not have begun when it was sent
            self.wait_dead(0.05)
        if self.is_alive():
            raise RuntimeError("the server does not end")

    def log(self):
        return self.log_path.read_text(errors="replace")


class Suite:
    """What both have in common; kill() and prepare() differ."""

    NAME = ""

    def __init__(self, directory, seed, points):
        self.directory, self.seed, self.points = directory, seed, points
        self.dice, self.journal = random.Random(seed), Journal(seed)
        self.data, self.context, self.key = directory / "data", None, None
        self.tried = {"at a system call": 0, "before it was ready": 0, BORN: 0,
                      "with data=writeback": 0}
        self.ready_s, self.number, self.done, self.program = 0.2, 0, 0, None

    # --- a run of the server ---

    def start(self, point=None):
        out = self.directory / f"run-{self.number:05d}"
        for old in sorted(self.directory.glob("run-*"))[:-2 * LOGS_KEPT]:
            old.unlink()
        self.program = Program(self.data, out, point)
        return self.program

    def client(self, program):
        return traffic.Client(program.port, self.context, self.key)

    def first_start(self):
        program = self.start()
        if not program.wait_ready():
            raise RuntimeError(f"it does not start: {program.log()[-2000:]}")
        end = time.monotonic() + END_S
        while not (found := re.search(r"DARKROOM_KEY=(dr_\S+)", program.out.read_text())) and time.monotonic() < end:
            time.sleep(0.01)
        self.key = found.group(1)
        self.context = ssl.create_default_context(cafile=self.data / "tls/ca.pem")
        client = self.client(program)
        for name, seconds in COLLECTIONS.items():
            status, _, text = client.ask("POST", "/v1/collections", f'{{"name":"{name}","retention_s":{seconds}}}')
            if status != 201:
                raise RuntimeError(f"no collection {name}: {text}")
        client.close()
        self.stop(program)

    def stop(self, program):
        program.send(signal.SIGTERM)
        if not program.wait_dead(END_S):
            self.journal.fault("wrong answer", "it does not stop in time")
            program.kill()
        elif program.process.returncode != 0:
            self.journal.fault("wrong answer", f"it stopped with {program.process.returncode}")

    def judge_log(self, text):
        for line in text.splitlines():
            if "level=error" in line or "must(" in line:
                self.journal.fault("damage found" if "damaged" in line else "wrong answer", f"its log says: {line}")

    def command(self, *words):
        """A command on the stopped directory, which must find nothing; gives what it prints."""
        done = subprocess.run([str(BINARY), *map(str, words), "--data", str(self.data)], capture_output=True, text=True,
                              timeout=600, env=environment())
        if done.returncode:
            self.journal.fault("damage found", f"darkroom {words[0]} ends with {done.returncode}: "
                                               f"{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return done.stdout

    def verify(self):
        self.command("verify")
        receipts, key = self.directory / "receipts.json", self.directory / "receipts.pem"
        receipts.write_text(self.command("receipt", "list"))
        key.write_text(self.command("receipt", "key"))
        self.command("receipt", "verify", receipts, key)

    # --- one point ---

    def point_of(self, calls):
        """At which system call to kill; None: at a moment."""
        return None

    def one(self):
        self.number += 1
        point, is_early = self.point_of(CALLS), self.dice.random() < 0.15
        unknown = self.journal.of_state("sent")
        program = self.start(point)
        if is_early and not point:
            program.wait_dead(self.dice.uniform(0, 1.3 * self.ready_s))
            self.tried["before it was ready"] += 1
            self.end(program)
            return
        began = time.monotonic()
        if not program.wait_ready():
            self.ended_early(program, point)
            return
        self.ready_s += 0.1 * (time.monotonic() - began - self.ready_s)
        self.work(program, point, unknown)

    def work(self, program, point, unknown):
        """Load, the check of what was before, and the end."""
        client = self.client(program)
        try:
            traffic.take_time(client, self.journal, SCALE)
            load = traffic.Traffic(self.journal, lambda: self.client(program), f"{self.seed}.{self.number}")
        except traffic.Down:
            load = None
        try:
            if load:
                traffic.check(client, self.journal, self.dice, unknown)
        except traffic.Down:
            pass                            # it died in the middle of it: the next start is asked
        try:
            self.wait_moment(program, load)
            self.tried["at a system call"] += not program.is_alive() and point is not None
            self.end(program)
        finally:
            if load:
                load.stop()
            client.close()

    def wait_moment(self, program, load):
        program.wait_dead(self.dice.uniform(0.02, 0.6))

    def ended_early(self, program, point):
        self.tried["before it was ready"] += 1
        if program.is_alive() or not point or program.process.returncode not in (-9, 137):
            self.journal.fault("failed restart", f"run {self.number}: {program.log()[-3000:]}")
        elif point:
            self.tried["at a system call"] += 1
        self.end(program)

    def end(self, program):
        """The death; what it left is looked at by the next run."""
        is_by_itself = not program.is_alive()
        program.kill()
        if is_by_itself and program.process.returncode not in (-9, 137):
            self.journal.fault("wrong answer", f"run {self.number} ended by itself with {program.process.returncode}: "
                                               f"{program.log()[-3000:]}")
        self.judge_log(program.log())

    # --- every so often ---

    def checkpoint(self):
        """As the last death left it, verify finds nothing; nor after a start, a look at everything, and a stop."""
        self.number += 1
        self.verify()
        program = self.start()
        if not program.wait_ready():
            self.journal.fault("failed restart", f"run {self.number}: {program.log()[-3000:]}")
            program.kill()
            return
        client = self.client(program)
        try:
            traffic.take_time(client, self.journal, SCALE)
            traffic.check_all(client, self.journal)
        except traffic.Down as down:
            self.journal.fault("wrong answer", f"it hung up without being killed: {down}")
        client.close()
        self.stop(program)
        self.judge_log(program.log())
        self.verify()
        if self.dice.random() < 0.5:
            self.command("rebuild")
            self.verify()
        for _ in range(BIRTHS):
            self.birth()
        self.journal.forget_old()

    def birth(self):
        """A directory whose making is cut short is finished by the next start."""
        self.number += 1
        kept, self.data = self.data, self.data.with_name("born")
        shutil.rmtree(self.data, ignore_errors=True)
        point = self.point_of(MAKING)
        program = self.start(point)
        program.wait_dead(TRACED_S / 2 if point else self.dice.uniform(0, 1.3 * self.ready_s))
        self.end(program)
        self.tried[BORN] += 1
        program = self.start()
        if program.wait_ready():
            self.stop(program)
            self.judge_log(program.log())
            self.command("verify")
            self.data = kept
        else:
            self.journal.fault("failed restart", f"of a directory that {point} left: {program.log()[-3000:]}")

    def run(self, until):
        """All points, or as many as there is time for; gives how many."""
        began = time.monotonic()
        self.prepare()
        try:
            self.first_start()
            while self.done < self.points and not self.faults and (not until or time.monotonic() - began < until):
                self.one()
                self.done += 1
                if self.done % CHECKPOINT == 0 and not self.faults:
                    self.checkpoint()
                    self.tell_progress(began)
            if not self.faults and self.done % CHECKPOINT:
                self.checkpoint()
        finally:
            if self.program:
                self.program.kill()         # nothing is left running, whatever went wrong
            self.clean_up()
        return self.done

    def tell_progress(self, began):
        """Of a long run: a line every 500 deaths."""
        if self.done % 500 == 0:
            print(f"{self.done:,} of {self.points:,} after {time.monotonic() - began:.0f} s: {dict(self.journal.counts)}", flush=True)

    def prepare(self):
        pass

    def clean_up(self):
        pass

    # --- what came of it ---

    @property
    def faults(self):
        return self.journal.faults

    def keep(self):
        self.journal.dump(self.directory / "journal.jsonl")

    def zeros(self):
        return {kind: sum(f.kind == kind for f in self.faults) for kind in KINDS}

    def told(self):
        counts, tried = self.journal.counts, self.tried
        where = ", ".join(f"{tried[what]:,} {what}" for what in tried if tried[what] and what != BORN)
        return [
            f"{self.done:,} deaths" + (f" ({where})" if where else "") + f"; {tried[BORN]} more while a data directory was being made",
            f"{counts['sent']:,} uploads sent, {counts['acknowledged']:,} acknowledged, {counts['refused']:,} refused; "
            f"{counts['unanswered']:,} not answered and sent again, {counts['found whole']:,} of them found whole; "
            f"{counts['expired']:,} seen to expire, {counts['erased']:,} to be erased; {counts['reads judged']:,} reads judged",
        ]


class Kill(Suite):
    """SIGKILL: half of them at random moments, half where a thread enters its n-th call of a kind."""

    NAME, POINTS, QUICK = "kill", 10000, 100

    @staticmethod
    def why_not():
        return None if shutil.which("strace") else "strace is missing"

    def point_of(self, calls):
        if self.number % 2:
            return None
        name = self.dice.choice(list(calls))
        return name, round(math.exp(self.dice.uniform(0, math.log(calls[name]))))

    def wait_moment(self, program, load):
        if program.is_traced:
            program.wait_dead(TRACED_S)
        else:
            super().wait_moment(program, load)


def can_mount():
    """Whether a file system in a file can be mounted: containers have the devices and may still refuse."""
    with tempfile.TemporaryDirectory() as place:
        disk, point = pathlib.Path(place, "disk"), pathlib.Path(place, "point")
        point.mkdir()
        with open(disk, "wb") as file:
            file.truncate(4 << 20)
        done = [subprocess.run(words, capture_output=True).returncode
                for words in (["mkfs.ext4", "-qF", disk], ["mount", "-o", "loop", disk, point])]
        if done[1] == 0:
            subprocess.run(["umount", point], check=True)
        return not any(done)


class Power(Suite):
    """The file system stops: nothing that was not flushed reaches the disk.  Half right after an acknowledgement."""

    NAME, POINTS, QUICK = "power", 2000, 50

    @staticmethod
    def why_not():
        if os.geteuid() != 0 or not pathlib.Path("/dev/loop-control").exists():
            return "it needs root and loop devices"
        return None if can_mount() else "a loop device cannot be mounted here"

    def prepare(self):
        self.mounts = 0
        self.disk, self.mount_point = self.directory / "disk.img", self.directory / "mounted"
        self.mount_point.mkdir()
        with open(self.disk, "wb") as disk:
            disk.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-qF", self.disk], check=True)
        self.mount()
        self.data = self.mount_point / "data"

    def mount(self):
        """Every other pair of them without the order that ext4 keeps between data and its own journal."""
        self.mounts += 1
        self.is_writeback = self.mounts % 4 >= 2
        options = "loop,data=writeback" if self.is_writeback else "loop"
        subprocess.run(["mount", "-o", options, self.disk, self.mount_point], check=True)

    def unmount(self):
        end = time.monotonic() + END_S
        while subprocess.run(["umount", self.mount_point], capture_output=True).returncode:
            if time.monotonic() > end:
                raise RuntimeError("the file system stays busy")
            time.sleep(0.05)

    def wait_moment(self, program, load):
        super().wait_moment(program, load)
        if load and self.number % 2:
            load.acknowledged.clear()
            load.acknowledged.wait(1)

    def start(self, point=None):
        self.journal.is_disk_gone = False
        return super().start(point)

    def end(self, program):
        """What the log says after the cut is about a disk that is gone."""
        if not program.is_alive():
            self.journal.fault("wrong answer", f"run {self.number} ended by itself with {program.process.returncode}: "
                                               f"{program.log()[-3000:]}")
        log, self.journal.is_disk_gone = program.log(), True
        fd = os.open(self.mount_point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)
        program.kill()
        self.tried["with data=writeback"] += self.is_writeback
        self.unmount()
        self.mount()
        self.judge_log(log)

    def clean_up(self):
        if self.mount_point.is_mount():
            self.unmount()
