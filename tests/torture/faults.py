"""faults: every call of the operating system fails, at its first, second, third … turn, once and for ever; then the server
is started again without the fault, and an oracle outside of it says what must be there.

The real program runs under strace, which answers a call in the kernel's place.  strace counts the calls of each thread
by itself: "the 2nd" is the 2nd of whichever thread makes it.  A disk that is really full, and writes that are really
short, come from a tmpfs with few pages left.
"""
import collections
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import ssl
import subprocess
import threading
import time
from concurrent import futures

import traffic
from fault_run import BINARY, END_S, FULL, REPORT, Client, Point, Run, environment, picture

KINDS = ("lost", "torn", "purged but readable", "failed restart", "hang", "crash", "false answer", "damage found")
Fault = collections.namedtuple("Fault", "kind what")
CALLS = {
    "write": ("EIO", "ENOSPC"), "pwrite64,pwritev,pwritev2": ("EIO", "ENOSPC"), "fdatasync": ("EIO", "ENOSPC"), "fsync": ("EIO",),
    "openat": ("EMFILE", "EIO", "ENOSPC"), "fallocate": ("ENOSPC", "EIO"), "ftruncate": ("EIO",), "renameat,renameat2,rename": ("EIO", "ENOSPC"),
    "unlink,unlinkat": ("EIO",), "pread64,preadv": ("EIO",), "mkdir,mkdirat": ("ENOSPC",),
}
# What is under way when it fails: a directory is made; one is opened whose catalog lags behind its log; requests; the end.
PHASES = ("making", "replay", "work", "end")
NTH_MAX, FULL_NTH_MAX, PAGE, AT_ONCE = 2000, 60, 4096, 3
ENDED = 70                      # must_end(): a broken promise of the disk; see docs/operations.md
LOADER = 127                    # of a program that is not static
COLLECTIONS = {"short": 300, "long": 604800}    # seconds of trusted time; the short one is half a second of ours


class Image:
    """What the oracle knows: state is sent, kept, erasing, or gone."""

    def __init__(self, collection, body):
        self.collection, self.body, self.state = collection, body, "sent"
        self.id = self.expires_ms = None


class Trial:
    """One point: a directory, a fault, and what is so afterwards."""

    def __init__(self, suite, directory, point):
        self.suite, self.directory, self.point = suite, directory, point
        self.data, self.images, self.makings = directory / "data", [], {}
        self.key, self.fired, self.answered = None, [], []
        self.can_hang_up = self.is_kept = False

    def fault(self, kind, what):
        self.is_kept = True
        self.suite.add(kind, f"{what}; {self.suite.name_of(self.point)}")

    def ask(self, client, method, path, body=None, headers=(), fine=(200, 201, 204)):
        """status and body; a status that is neither fine nor an honest refusal is a fault.  Down: it hung up."""
        began = time.time()
        try:
            status, fields, text = client.ask(method, path, body, headers)
        except traffic.Down as down:
            if "timed out" in str(down) and not self.run.is_waiting_for_room():
                self.fault("hang", f"{method} {path} gets no answer")
            raise
        self.answered.append((began, time.time(), method, path, status))
        if status in fine:
            return status, text
        if status not in (500, 503, 507) or fields.get("Content-Type") != "application/problem+json":
            self.fault("false answer", f"{method} {path} answers {status}: {text[:200]!r}")
        elif json.loads(text)["status"] != status:
            self.fault("false answer", f"{method} {path} answers {status} and says {text[:200]!r}")
        return status, text

    def now_ms(self, client):
        before = time.monotonic()
        status, _, text = client.ask("GET", "/readyz")
        if status not in (200, 503):
            self.fault("false answer", f"/readyz answers {status}")
        found = json.loads(text).get("time")
        return before, found and traffic.moment_ms(found)

    # --- requests ---

    def upload(self, client, collection, rows, wait=""):
        image = Image(collection, picture(f"{self.suite.seed}.{self.point}.{len(self.images)}", rows))
        self.images.append(image)
        status, text = self.ask(client, "POST", f"/v1/images?collection={collection}{wait}", image.body,
                                fine=(201, 202) if self.is_made(collection) else (201, 202, 404))
        if status in (201, 202):
            record = json.loads(text)
            image.state, image.id, image.expires_ms = "kept", record["id"], traffic.moment_ms(record["expires_at"])
        else:
            image.state = "refused"
        return image

    def is_made(self, collection):
        return self.point.phase != "making" or isinstance(self.makings.get(collection), dict) or collection not in COLLECTIONS

    def erase(self, client, image):
        image.state = "erasing"
        status, _ = self.ask(client, "DELETE", f"/v1/images/{image.id}", fine=(204, 410))
        image.state = "gone" if status in (204, 410) else "erasing"

    def read(self, client, image):
        """Only its bytes, or a reason why not."""
        before, now = self.now_ms(client)
        status, body = self.ask(client, "GET", f"/v1/images/{image.id}/original", fine=(200, 404, 410))
        if status == 200:
            if body != image.body:
                self.fault("torn", f"image {image.id}: {len(body)} bytes unlike those that were sent")
            if image.state == "gone" or (now and now > image.expires_ms):
                self.fault("purged but readable", f"image {image.id} ({image.state}, {image.collection})")
        elif status == 404:
            self.fault("lost", f"image {image.id} ({image.state}) answers 404")
        elif status == 410 and image.state == "kept":
            _, late = self.now_ms(client)
            if late and late < image.expires_ms:
                self.fault("lost", f"image {image.id} answers 410 before its time")
        return status

    def work(self, client):
        """All kinds of change, one after the other."""
        steps = (*(
            lambda name=name, seconds=seconds: self.make(client, "collections", {"name": name, "retention_s": seconds})
            for name, seconds in COLLECTIONS.items() if self.point.phase == "making"),
            lambda: self.make(client, "collections", {"name": "new", "retention_s": 3600}),
            lambda: self.make(client, "keys", {"principal": "new", "role": "uploader"}),
            lambda: self.upload(client, "short", 20),
            lambda: self.upload(client, "long", 3),
            lambda: self.wait_for_rendition(client, self.upload(client, "long", 200)),
            lambda: self.upload(client, "long", 1500),
            lambda: self.erase_one(client),
            lambda: self.read_all(client),
            lambda: self.upload(client, "long", 5),
            lambda: self.wait_for_expiry(client),
            lambda: self.upload(client, "long", 40),
        )
        for step in steps:
            try:
                step()
            except traffic.Down as down:
                if self.run.wait_end(0.05 if "timed out" in str(down) else 3):
                    return
                if not self.can_hang_up and "timed out" not in str(down):
                    self.fault("false answer", f"it hung up and lives on: {down}")

    def make(self, client, what, body):
        name = body.get("name", what)
        self.makings[name] = "sent"
        status, text = self.ask(client, "POST", f"/v1/{what}", json.dumps(body))
        self.makings[name] = json.loads(text) if status == 201 else "refused"

    def erase_one(self, client):
        kept = [i for i in self.images if i.state == "kept" and i.collection == "long"]
        if kept:
            self.erase(client, kept[0])

    def read_all(self, client):
        for image in self.images:
            if image.state in ("kept", "gone", "erasing"):
                (self.is_gone if image.collection == "short" else self.read)(client, image)

    def wait_for_rendition(self, client, image):
        """Not by ?wait=processed: when a fault keeps the image from being processed, that takes its 30 s."""
        end, status = time.monotonic() + 1, image.state == "kept" and 200
        while status == 200 and time.monotonic() < end:
            status, text = self.ask(client, "GET", f"/v1/images/{image.id}")
            if status == 200 and json.loads(text)["state"] in ("ready", "failed"):
                return
            time.sleep(0.02)

    def wait_for_expiry(self, client):
        """What a fault delays is looked at after the restart."""
        end = time.monotonic() + 1
        short = [i for i in self.images if i.state == "kept" and i.collection == "short"]
        while short and time.monotonic() < end:
            short = [i for i in short if not self.is_gone(client, i)]
            time.sleep(0.05)

    def is_gone(self, client, image):
        """It may end in the middle of an answer: the key is destroyed under its reader, and the connection is cut."""
        try:
            return self.read(client, image) == 410
        except traffic.Down:
            if not self.run.is_alive():
                raise
            return False

    # --- the fault ---

    def faulty_run(self):
        self.run = Run(self.data, self.directory / "faulty", self.point)
        phase = self.point.phase
        self.can_hang_up = self.point.calls.startswith(("pread64", "write", "openat"))
        state = self.run.wait_ready()
        if state == "hung":
            self.fault("hang", f"neither ready nor ended: {self.run.log()[-1500:]}")
            self.run.kill()
        elif state == "ready":
            self.serve(phase)
        self.fired = self.run.close()
        self.judge_end(state)

    def serve(self, phase):
        run = self.run
        if phase == "work" and self.point.error != FULL:
            run.attach()
        client = self.client(run)
        if client:
            try:
                self.work(client)
            finally:
                client.close()
        if phase == "end" and self.point.error != FULL and run.is_alive():
            run.attach()
        run.send(signal.SIGTERM)
        if not run.wait_end(END_S):
            self.fault("hang", f"it does not end: {run.log()[-1500:]}")
            run.kill()

    def client(self, run):
        """None: nobody knows a key, because its start was cut short or could not say it."""
        self.key = self.key or run.key()
        ca = self.data / "tls/ca.pem"
        if not self.key:
            return None
        return Client(run.port, ssl.create_default_context(cafile=ca), self.key)

    def judge_end(self, state):
        code, log = self.run.process.returncode, self.run.log()
        if code == LOADER:
            self.fired = []         # the loader of a program that is not static
            return
        report = REPORT.search(log)
        if report or code < 0 and code != -signal.SIGKILL:
            self.fault("crash", f"it ended with {code}: {log[-3000:]}")
        elif code and not self.fired and self.point.error != FULL:
            self.fault("false answer", f"it ended with {code} and nothing had failed: {log[-1500:]}")
        elif code and self.point.calls != "write" and "level=error" not in log and not re.search(r"^darkroom: .", log, re.M):
            self.fault("false answer", f"it ended with {code} and does not say why: {log[-1500:]}")
        for at, call, arguments in self.fired:
            if call == "fdatasync" and "/originals/" in arguments:
                self.judge_sync(at, code)

    def judge_sync(self, at, code):
        """A sync of the originals failed: the end, and nobody who waited for it is answered that it is done."""
        if code != ENDED and not self.is_sealing(at):
            self.fault("false answer", f"a sync of the originals failed and it ended with {code}")
        for began, ended, method, path, status in self.answered:
            is_change = method in ("POST", "DELETE") and path.startswith("/v1/images")
            if is_change and status < 300 and ended > at and not self.is_sealing(at):
                self.fault("false answer", f"{method} {path} answers {status} though its sync failed")

    def is_sealing(self, at):
        """The last sync of a store that stops: everything was answered before."""
        return bool(re.search("main.signal.received", self.run.log())) and all(ended < at for _, ended, *_ in self.answered)

    # --- afterwards ---

    def after(self):
        self.run = run = Run(self.data, self.directory / "after")
        if run.wait_ready() != "ready":
            self.fault("failed restart", f"{run.process.poll()}: {run.log()[-2000:]}")
            run.kill()
            return
        self.can_hang_up = False
        self.key = self.key or run.key() or self.make_key()
        client = self.client(run)
        try:
            self.check(client)
        except traffic.Down as down:
            self.fault("false answer", f"after the restart it hangs up: {down}")
        finally:
            client.close()
        run.send(signal.SIGTERM)
        if not run.wait_end(END_S):
            self.fault("hang", "it does not end after the restart")
            run.kill()
        if run.process.returncode or "level=error" in run.log() or REPORT.search(run.log()):
            self.fault("damage found", f"after the restart, {run.process.returncode}: {self.errors_of(run.log())}")
        self.verify()

    @staticmethod
    def errors_of(log):
        return "\n".join(line for line in log.splitlines() if "level=info" not in line)[:2000]

    def make_key(self):
        done = subprocess.run([str(BINARY), "key", "create", "--data", str(self.data), "--principal", "again", "--role", "admin"],
                              capture_output=True, text=True, timeout=60, env=environment())
        found = re.search(r"dr_\S+", done.stdout)
        if not found:
            self.fault("failed restart", f"no key can be made: {done.stdout}{done.stderr}")
            raise RuntimeError("no key")
        return found.group(0)

    def check(self, client):
        for image in self.images:
            if image.state in ("kept", "gone", "erasing") and self.read(client, image) not in (200, 410):
                self.fault("lost", f"image {image.id} ({image.state}) cannot be read after the restart")
        self.check_list(client)
        self.check_made(client)
        name = "afterwards"
        self.ask(client, "POST", "/v1/collections", json.dumps({"name": name}))
        image = self.upload(client, name, 4, "&wait=processed")
        if image.state != "kept" or self.read(client, image) != 200:
            self.fault("failed restart", f"an upload is {image.state} after the restart")

    def check_list(self, client):
        """Nothing is listed that was not sent: a refused image is absent, one without an answer whole or absent."""
        ids, why = traffic.listed(client)
        if why:
            self.fault("false answer", why)
            return
        strangers = ids - {i.id for i in self.images if i.id}
        unknown = [i for i in self.images if i.state == "sent"]
        for stranger in strangers:
            status, body = self.ask(client, "GET", f"/v1/images/{stranger}/original", fine=(200, 410))
            match = next((i for i in unknown if i.body == body), None)
            if match:
                unknown.remove(match)
            elif status == 200:
                refused = any(i.body == body for i in self.images)
                self.fault("false answer" if refused else "torn", f"image {stranger} is listed, and was "
                           + ("refused" if refused else "never sent"))

    def check_made(self, client):
        _, text = self.ask(client, "GET", "/v1/collections")
        for name, made in self.makings.items():
            if name != "keys" and isinstance(made, dict) and f'"{name}"' not in text.decode():
                self.fault("lost", f"collection {name}, which was made, is not there: {text[:300]!r}")
        made = self.makings.get("keys")
        if isinstance(made, dict):
            other = Client(self.run.port, client.context, made["key"])
            if other.ask("POST", "/v1/images", b"x")[0] in (401, 403):
                self.fault("lost", "a key that was made is refused")
            other.close()

    def verify(self):
        done = subprocess.run([str(BINARY), "verify", "--data", str(self.data)], capture_output=True, text=True, timeout=120,
                              env=environment())
        if done.returncode:
            self.fault("damage found", f"verify ends with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")


class Faults:
    NAME, POINTS, QUICK = "faults", 300, 30

    @staticmethod
    def why_not():
        if not shutil.which("strace"):
            return "there is no strace here"
        done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True)
        return None if done.returncode == 0 else "strace may not trace here"

    def __init__(self, directory, seed, points):
        self.directory, self.seed, self.points = pathlib.Path(directory).resolve(), seed, points
        self.faults, self.count, self.tried = [], collections.Counter(), collections.Counter()
        self.has_disk, self.by_call, self.ended, self.lock = os.geteuid() == 0, collections.Counter(), set(), threading.Lock()

    def add(self, kind, what):
        assert kind in KINDS
        with self.lock:
            self.count[kind] += 1
        if len(self.faults) < 200:
            self.faults.append(Fault(kind, what))

    def name_of(self, point):
        how = f"{point.nth} left" if point.error == FULL else f"{point.nth}{'+' if point.is_forever else ''}"
        return f"point {point.number}, seed {self.seed}: {point.calls} {point.error} at {how} while {point.phase}"

    # --- which points ---

    def order(self):
        """Every combination at its first turn, then at its second …, until a run ends without its fault having come."""
        kinds = [(phase, calls, error, is_forever) for phase in PHASES for calls, errors in CALLS.items() for error in errors
                 for is_forever in (False, True)]
        if self.has_disk:
            kinds += [(phase, "disk", FULL, False) for phase in ("making", "work")]
        number = 0
        for nth in itertools.count(1):
            if not kinds or nth > NTH_MAX:
                return
            dice = random.Random(f"{self.seed}.{nth}")
            for phase, calls, error, is_forever in dice.sample(kinds, len(kinds)):
                number += 1
                yield Point(number, phase, calls, error, nth, is_forever)
            kinds = [kind for kind in kinds if kind not in self.ended]

    # --- the directories that the points begin with ---

    def prepare(self):
        """A directory with a few images; and the same with an older catalog, and killed, so that its log is replayed."""
        self.template = self.directory / "template"
        trial = Trial(self, self.template, Point(0, "making", "nothing", "none", 0, False))
        self.template.mkdir(parents=True)
        trial.run = Run(trial.data, self.template / "first")
        if trial.run.wait_ready() != "ready":
            raise RuntimeError(f"it does not start: {trial.run.log()[-2000:]}")
        end = time.monotonic() + 5
        while not trial.run.key() and time.monotonic() < end:
            time.sleep(0.01)
        client = trial.client(trial.run)
        for name, seconds in COLLECTIONS.items():
            trial.ask(client, "POST", "/v1/collections", json.dumps({"name": name, "retention_s": seconds}))
        trial.upload(client, "long", 30)
        self.stop(trial, client, signal.SIGTERM)
        for name in ("catalog.db", "catalog.db-wal"):
            if (trial.data / name).exists():
                shutil.copy(trial.data / name, self.template / name)
        trial.run = Run(trial.data, self.template / "second")
        trial.run.wait_ready()
        client = trial.client(trial.run)
        for rows in (4, 90, 400):
            trial.upload(client, "long", rows, "&wait=processed")
        trial.upload(client, "short", 7)
        trial.erase(client, trial.images[1])
        self.stop(trial, client, signal.SIGKILL)
        self.seen, self.key = trial.images, trial.key
        self.fresh, self.lagging = trial.data, self.directory / "lagging"
        shutil.copytree(trial.data, self.lagging, ignore=shutil.ignore_patterns("catalog.db*", "admin.sock"))
        for path in self.template.glob("catalog.db*"):
            shutil.copy(path, self.lagging / path.name)
        trial.run = Run(trial.data, self.template / "third")
        trial.run.wait_ready()
        self.stop(trial, None, signal.SIGTERM)
        if self.faults:
            raise RuntimeError(f"without any fault: {self.faults[0]}")

    @staticmethod
    def stop(trial, client, number):
        if client:
            client.close()
        trial.run.send(number)
        trial.run.wait_end(END_S)

    def one(self, point):
        place = self.directory / f"point-{point.number:05d}"
        place.mkdir()
        trial = Trial(self, place, point)
        try:
            self.fill(trial, place)
            trial.faulty_run()
            (trial.data / "ballast").unlink(missing_ok=True)
            trial.after()
        except RuntimeError as error:
            trial.fault("failed restart", str(error))
        except BaseException as error:
            trial.fault("false answer", f"the suite itself failed: {error!r}")
            raise
        finally:
            if os.path.ismount(trial.data):
                subprocess.run(["umount", "-l", trial.data], check=True)
        has_come = bool(trial.fired) or (point.error == FULL and point.nth < FULL_NTH_MAX)
        if not has_come:
            self.ended.add((point.phase, point.calls, point.error, point.is_forever))
        with self.lock:
            self.tried["came" if has_come else "did not come"] += 1
            self.by_call[point.calls.split(",", 1)[0]] += has_come
        if not trial.is_kept:
            shutil.rmtree(place)

    def fill(self, trial, place):
        point = trial.point
        if point.error == FULL:
            trial.data.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", trial.data], check=True)
        if point.phase != "making":
            source = self.lagging if point.phase == "replay" else self.fresh
            shutil.copytree(source, trial.data, ignore=shutil.ignore_patterns("admin.sock"), dirs_exist_ok=True)
            trial.key = self.key
            trial.images = [self.copy_of(image) for image in self.seen]
        if point.error == FULL:
            free = os.statvfs(trial.data).f_bavail * PAGE
            # Pages left grow faster than the number of the point: a server's start alone takes some hundreds.
            left = int(point.nth ** 1.5) * 8 * PAGE
            with open(trial.data / "ballast", "wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, max(PAGE, free - left))

    @staticmethod
    def copy_of(image):
        twin = Image(image.collection, image.body)
        twin.state, twin.id, twin.expires_ms = image.state, image.id, image.expires_ms
        return twin

    # --- the suite ---

    def run(self, seconds):
        end = time.monotonic() + seconds if seconds else float("inf")
        self.prepare()
        with futures.ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(pool.map(lambda point: self.tries(point, end), itertools.islice(self.order(), self.points)))

    def tries(self, point, end):
        if time.monotonic() >= end:
            return False
        self.one(point)
        return True

    def zeros(self):
        return {kind: self.count[kind] for kind in KINDS}

    def told(self):
        calls = ", ".join(f"{name} {count:,}" for name, count in sorted(self.by_call.items()) if count)
        lines = [f"{self.tried['came']:,} faults came ({calls}); {self.tried['did not come']:,} runs ended before theirs",
                 "each followed by a start without it, a look at everything, and darkroom verify"]
        return lines if self.has_disk else lines + ["a disk that is really full was not tried: it needs root"]
