"""The release program is one file that needs nothing else.

It is looked at with readelf, then run by chroot in a directory that holds only itself and what a test puts beside it.
Name resolution there is asked against a DNS server of our own on the loopback interface, with the two files that
resolution may read: /etc/hosts and /etc/resolv.conf.
"""
import contextlib
import io
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
import urllib.error
import urllib.request

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("DARKROOM", ROOT / "build/release/darkroom"))
# resolv.conf has no place for a port: an address of the loopback network that nobody else uses.
NAME_SERVER = "127.0.0.153"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")


def readelf(*arguments):
    return subprocess.run(["readelf", "--wide", *arguments, str(PROGRAM)], check=True, capture_output=True, text=True).stdout


class TestFile:
    def test_needs_no_interpreter_and_no_library(self):
        assert "INTERP" not in readelf("--program-headers")
        assert "(NEEDED)" not in readelf("--dynamic")

    def test_is_position_independent(self):
        assert re.search(r"Type:\s+DYN", readelf("--file-header"))
        assert re.search(r"\(FLAGS_1\).*PIE", readelf("--dynamic"))
        assert "(TEXTREL)" not in readelf("--dynamic")

    def test_relocations_are_read_only_from_the_start(self):
        assert "GNU_RELRO" in readelf("--program-headers")
        assert re.search(r"\(FLAGS(_1)?\).*NOW", readelf("--dynamic"))

    def test_no_memory_is_writable_and_executable(self):
        headers = readelf("--program-headers")
        stack = re.search(r"GNU_STACK\s+(?:0x\w+\s+){5}([RWE ]+?)\s+0x", headers)
        assert stack and stack.group(1).strip() == "RW"
        loads = re.findall(r"LOAD\s+(?:0x\w+\s+){5}([RWE ]+?)\s+0x", headers)
        assert loads
        assert not [flags for flags in loads if "W" in flags and "E" in flags]

    def test_functions_have_stack_guards(self):
        assert "__stack_chk_fail" in readelf("--symbols")

    def test_holds_no_path_of_the_machine_that_built_it(self, tmp_path):
        bare = tmp_path / "bare"
        subprocess.run(["strip", "-o", str(bare), str(PROGRAM)], check=True)
        content = bare.read_bytes()
        assert str(ROOT).encode() + b"/" not in content
        assert b"/.cache/darkroom" not in content


# --- the empty directory -------------------------------------------------------------------------------------------


class Jail:
    """A directory with the program and nothing else, as / of what runs in it."""

    def __init__(self, path):
        self.path = path
        # A hard link where that works, for the program is large.
        try:
            os.link(PROGRAM, path / "darkroom")
        except OSError:
            (path / "darkroom").write_bytes(PROGRAM.read_bytes())
            (path / "darkroom").chmod(0o755)
        (path / "data").mkdir(mode=0o700)

    def put(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def enter(self):
        os.chroot(self.path)
        os.chdir("/")

    def start(self, *arguments, log=None):
        # The environment is empty and no descriptor is left open: only standard streams come along.
        with open(log, "w") if log else contextlib.nullcontext(subprocess.PIPE) as errors:
            return subprocess.Popen(["/darkroom", *arguments], preexec_fn=self.enter, env={}, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=errors, text=True)

    def run(self, *arguments):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def jail(tmp_path):
    return Jail(tmp_path)


@as_root
class TestAlone:
    def test_says_what_it_is_made_of(self, jail):
        code, out, err = jail.run("version", "--verbose")
        assert code == 0, err
        names = [line.split("|")[0].strip() for line in (ROOT / "third_party/components").read_text().splitlines()
                 if line.strip() and not line.startswith("#")]
        assert len(names) > 10
        for name in names:
            assert re.search(rf"^{re.escape(name)}\s+\S*\d", out, re.MULTILINE), f"{name} is not listed"
        head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
        assert f"commit {head.stdout.strip() if head.returncode == 0 else 'unknown'}" in out

    def test_serves_an_image_and_stops(self, jail):
        with Server(jail) as server:
            status, reply = server.ask("/v1/images?wait=processed", photograph())
            assert status == 201, reply
            # The child that decoded it found its program and its files without /proc.
            assert reply["state"] == "ready"
            assert {"thumb", "preview"} <= reply["links"].keys()
        assert server.process.returncode == 0
        assert (jail.path / "data").stat().st_mode & 0o077 == 0
        # Everything it wrote is in the data directory.
        assert sorted(entry.name for entry in jail.path.iterdir()) == ["darkroom", "data"]


def photograph():
    data = io.BytesIO()
    Image.linear_gradient("L").resize((2000, 1500)).convert("RGB").save(data, "JPEG")
    return data.getvalue()


class Server:
    """`darkroom serve` in a jail; the first key is read from what it prints."""

    def __init__(self, jail):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.errors = jail.path.parent / (jail.path.name + ".log")
        self.process = jail.start("serve", "--data", "/data", "--listen", f"127.0.0.1:{self.port}", log=self.errors)

    def __enter__(self):
        for line in self.process.stdout:
            if "DARKROOM_KEY=" in line:
                self.key = line.split("=", 1)[1].strip()
                return self
        self.process.wait()
        pytest.fail("it ended without printing a key: " + self.errors.read_text())

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)

    def ask(self, path, body):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body,
                                         {"Authorization": "Bearer " + self.key, "Content-Type": "image/jpeg"})
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


# --- names -----------------------------------------------------------------------------------------------------------

A, AAAA = 1, 28
MANY = [f"10.9.{i // 250}.{i % 250 + 1}" for i in range(60)]
RECORDS = {
    ("one.example", A): ["192.0.2.10"],
    ("one.example", AAAA): ["2001:db8::10"],
    ("short.inner.example", A): ["192.0.2.20"],
    ("many.example", A): MANY,
}


def answer(query, may_truncate):
    """One DNS reply.  Over UDP a long one is cut, so that the asker must come again over TCP."""
    identity, = struct.unpack_from("!H", query)
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind, = struct.unpack_from("!H", query, at + 1)
    question = query[12:at + 5]
    name = ".".join(labels).lower()
    family = socket.AF_INET if kind == A else socket.AF_INET6
    found = [b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(packed)) + packed
             for packed in (socket.inet_pton(family, text) for text in RECORDS.get((name, kind), []))]
    is_known = any(known == name for known, _ in RECORDS)
    flags = 0x8180 | (0 if is_known else 3)
    if may_truncate and 12 + len(question) + sum(map(len, found)) > 512:
        flags, found = flags | 0x0200, []
    return struct.pack("!HHHHHH", identity, flags, 1, len(found), 0, 0) + question + b"".join(found)


class NameServer:
    """Answers on UDP and TCP until closed; `asked` counts by protocol."""

    def __init__(self):
        self.asked = {"udp": 0, "tcp": 0}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((NAME_SERVER, 53))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((NAME_SERVER, 53))
        self.tcp.listen()
        self.is_closed = False
        self.threads = [threading.Thread(target=self.serve_udp), threading.Thread(target=self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def serve_udp(self):
        while True:
            query, peer = self.udp.recvfrom(4096)
            if self.is_closed:
                return
            self.asked["udp"] += 1
            self.udp.sendto(answer(query, may_truncate=True), peer)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            with connection, connection.makefile("rb") as stream:
                if self.is_closed:
                    return
                # glibc may send both questions, A and AAAA, down one connection.
                while head := stream.read(2):
                    self.asked["tcp"] += 1
                    reply = answer(stream.read(struct.unpack("!H", head)[0]), may_truncate=False)
                    connection.sendall(struct.pack("!H", len(reply)) + reply)

    def close(self):
        self.is_closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (NAME_SERVER, 53))
        socket.create_connection((NAME_SERVER, 53)).close()
        for thread in self.threads:
            thread.join()
        self.udp.close()
        self.tcp.close()


@pytest.fixture
def names(jail):
    server = NameServer()
    jail.put("etc/hosts", "127.0.0.1 localhost\n198.51.100.7 camera.example camera\n")
    jail.put("etc/resolv.conf", f"nameserver {NAME_SERVER}\nsearch inner.example\noptions timeout:2 attempts:2\n")
    yield server
    server.close()


def resolve(jail, name):
    code, out, err = jail.run("doctor", "--resolve", name)
    assert code == 0, err
    return sorted(set(out.split()))


@as_root
class TestNames:
    def test_from_hosts_without_asking(self, jail, names):
        assert resolve(jail, "camera") == ["198.51.100.7"]
        assert names.asked == {"udp": 0, "tcp": 0}

    def test_from_dns(self, jail, names):
        assert resolve(jail, "one.example") == ["192.0.2.10", "2001:db8::10"]

    def test_with_the_search_suffix(self, jail, names):
        assert resolve(jail, "short") == ["192.0.2.20"]

    def test_by_tcp_when_the_answer_is_long(self, jail, names):
        assert resolve(jail, "many.example") == sorted(MANY)
        assert names.asked["tcp"] > 0

    def test_unknown_is_an_error(self, jail, names):
        code, out, err = jail.run("doctor", "--resolve", "nobody.example")
        assert code != 0
        assert out == ""
        assert "nobody.example" in err
        assert names.asked["udp"] > 0

    def test_the_hosts_modules_are_not_wanted(self, jail, names):
        jail.put("etc/nsswitch.conf", "hosts: mymachines mdns4_minimal [NOTFOUND=return] resolve [!UNAVAIL=return] wins\n")
        assert resolve(jail, "camera") == ["198.51.100.7"]
        assert resolve(jail, "one.example") == ["192.0.2.10", "2001:db8::10"]
