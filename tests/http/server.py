"""A real server in a directory of its own, and a client that speaks to it.

DARKROOM_BINARY (or DARKROOM) names the program; DARKROOM_TIME_FACTOR stretches every deadline, for slow builds.
"""
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/data"))

BINARY = pathlib.Path(os.environ.get("DARKROOM_BINARY") or os.environ.get("DARKROOM") or ROOT / "build/release/darkroom")
BINARY = BINARY if BINARY.is_absolute() else ROOT / BINARY
SLOW = {"asan": 3.0, "tsan": 6.0}
FACTOR = float(os.environ.get("DARKROOM_TIME_FACTOR") or SLOW.get(os.environ.get("DARKROOM_PRESET", ""), 1.0))
# What a sanitizer prints when it found something, and what our own `must` prints.
REPORTS = re.compile(r"(ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:|must\(|DEADLYSIGNAL)")


def environment(**more):
    """Ours without any setting that the program would take for its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DARKROOM")}
    return kept | {"LC_ALL": "C.UTF-8"} | more


def run(*arguments, timeout=60, stdin=None, **variables):
    """One command of the program; gives its CompletedProcess, and fails on a sanitizer's report."""
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, timeout=timeout * FACTOR, input=stdin,
                          env=environment(**variables))
    done.out, done.err = done.stdout.decode(), done.stderr.decode(errors="replace")
    assert not REPORTS.search(done.err), done.err
    return done


def until(condition, seconds=15, every=0.02):
    """Waits for condition() to be true and gives its value; fails after a while."""
    end = time.monotonic() + seconds * FACTOR
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"did not happen within {seconds * FACTOR:.0f} s: {condition}"
        time.sleep(every)


class Client:
    """One key's view of the server."""

    def __init__(self, url, ca, key):
        self.url, self.ca, self.key = url, str(ca), key
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = self.ca
        if key:
            self.session.headers["Authorization"] = f"Bearer {key}"

    def __call__(self, method, path, **options):
        options.setdefault("timeout", 60 * FACTOR)
        return self.session.request(method, self.url + path, **options)

    def get(self, path, **options):
        return self("GET", path, **options)

    def post(self, path, **options):
        return self("POST", path, **options)

    def delete(self, path, **options):
        return self("DELETE", path, **options)

    def upload(self, data, expect=201, headers=None, **parameters):
        """Uploads one raw body and gives its record."""
        reply = self.post("/v1/images", data=data, params=parameters, headers=headers or {})
        assert reply.status_code == expect, reply.text
        return reply.json()

    def sql(self, text, *parameters, expect=200):
        reply = self.post("/v1/sql", json={"sql": text, "parameters": list(parameters)})
        assert reply.status_code == expect, (text, reply.text)
        return reply.json()

    def rows(self, text, *parameters):
        return self.sql(text, *parameters)["rows"]

    def metric(self, name):
        text = self.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        assert found, f"no metric {name}"
        return float(found.group(1))

    def raw(self, timeout=20):
        """A TLS connection on which a test writes bytes itself."""
        host, port = re.fullmatch(r"https://(.*):(\d+)", self.url).groups()
        plain = socket.create_connection((host, int(port)), timeout=timeout * FACTOR)
        return ssl.create_default_context(cafile=self.ca).wrap_socket(plain, server_hostname=host)


class Server:
    """`darkroom serve` in `directory`/data; the directory outlives restarts."""

    def __init__(self, directory, *flags, time_scale=None):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.flags = [*flags, *(["--time-scale", str(time_scale)] if time_scale else [])]
        self.scale = time_scale or 1
        self.key = self.process = self.greeting = None
        self.errors = self.directory / "stderr"
        self.start()

    def start(self):
        self.seen = self.errors.stat().st_size if self.errors.exists() else 0
        output = self.directory / "stdout"
        with open(self.errors, "ab") as errors, open(output, "wb") as out:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", *self.flags],
                stdout=out, stderr=errors, env=environment())

        def look():
            assert self.process.poll() is None, f"it ended at once: {self.log()[-4000:]}"
            self.greeting = output.read_text()
            return "certificate is signed by" in self.greeting and (self.key or "more keys:" in self.greeting)

        until(look, 30)
        self.url = re.search(r"serves (https://\S+)", self.greeting).group(1)
        self.ca = self.data / "tls/ca.pem"
        self.key = self.key or re.search(r"DARKROOM_KEY=(dr_\S+)", self.greeting).group(1)
        self.admin = Client(self.url, self.ca, self.key)

    def log(self):
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    def check_log(self):
        text = self.errors.read_bytes()[self.seen:].decode(errors="replace")
        found = REPORTS.search(text)
        assert not found, text[max(0, found.start() - 200):][:6000]

    def stop(self, number=signal.SIGTERM):
        """Ends it; a normal end must be clean and quick."""
        if not self.process:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            code = process.wait(30 * FACTOR)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            self.check_log()
        assert code == (0 if number == signal.SIGTERM else -number), f"ended with {code}: {self.log()[-2000:]}"

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        self.start()

    def command(self, *arguments, **options):
        """An administration command, through the socket while it runs."""
        return run(*arguments, "--data", self.data, **options)

    def client(self, role, *collections, principal=None):
        body = {"principal": principal or role, "role": role}
        if collections:
            body["collections"] = list(collections)
        reply = self.admin.post("/v1/keys", json=body)
        assert reply.status_code == 201, reply.text
        return Client(self.url, self.ca, reply.json()["key"])

    def collection(self, name, retention_s=None, formats=None):
        body = {"name": name} | ({"retention_s": retention_s} if retention_s else {}) | ({"formats": formats} if formats else {})
        reply = self.admin.post("/v1/collections", json=body)
        assert reply.status_code == 201, reply.text
        return reply.json()
