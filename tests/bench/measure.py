"""measure - what every part of the bench stands on: servers as children, the load generator, windows in turn."""
import collections
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/http"), str(ROOT / "tests/data")]

from server import BINARY, Server, until  # noqa: E402

WORK = ROOT / "build/bench"
SIZES = {"20 KB": 20_000, "100 KB": 100_000, "500 KB": 500_000, "2 MB": 2_000_000}
BMP_HEAD = 54

# One window, or the median of several.
Cell = collections.namedtuple("Cell", "rate p50_ms p99_ms cpu_ms spread")


class CannotRun(Exception):
    """Why a part, or a peer, is left out on this machine."""


# --- what is sent ------------------------------------------------------------------------------------------------


def bmp(size):
    """A sound BMP of about that many bytes, its pixels noise."""
    width = 64
    height = (size - BMP_HEAD) // (3 * width)
    pixels = 3 * width * height
    head = b"BM" + struct.pack("<IHHI", BMP_HEAD + pixels, 0, 0, BMP_HEAD)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, pixels, 0, 0, 0, 0) + os.urandom(pixels)


# --- processes ---------------------------------------------------------------------------------------------------


def cpu_seconds(pid):
    """Processor time of a process, of its children that live, and of those that ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    mine = sum(int(f) for f in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return mine + sum(cpu_seconds(child) for child in children)


def resident_mib(pid, field="VmHWM"):
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def unpack(package, inside):
    """A file of a Debian package, unpacked beside the build: installing it would start a service."""
    target = WORK / package
    found = target / inside
    if not found.exists():
        target.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(["apt-get", "-qq", "download", package], cwd=target, check=True, stderr=subprocess.DEVNULL)
        except subprocess.CalledProcessError as failure:
            raise CannotRun(f"apt has no package {package}") from failure
        subprocess.run(["dpkg-deb", "-x", next(target.glob(f"{package}_*.deb")), target], check=True)
    return found


class Child:
    """A server beside ours, as our child: `port`, `ca`, `process`.  Where it is reached and how is its class's."""

    key, header, method, target = "", "", "POST", "/"
    more_pids = ()

    def start(self, arguments, at, seconds=15, **options):
        self.at = at
        with open(at / "log", "ab") as log:
            self.process = subprocess.Popen(list(map(str, arguments)), stdout=log, stderr=log, **options)
        running.append(self)
        try:
            until(self.is_up, seconds)
        except AssertionError as failure:
            raise CannotRun(f"{pathlib.Path(str(arguments[0])).name} did not start: {(at / 'log').read_text()[-300:]}") from failure

    def is_up(self):
        assert self.process.poll() is None, "it ended at once"
        return accepts(self.port)

    pid = property(lambda self: self.process.pid)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def clear(self):
        """Takes from the disk what was uploaded, so that the next cell finds room."""


NGINX = """daemon off; worker_processes {workers}; pid {at}/pid; error_log {at}/errors; user {user};
events {{ worker_connections 1024; }}
http {{
	access_log off; server_tokens off; keepalive_requests 100000000; client_max_body_size 0; default_type image/bmp;
	client_body_temp_path {at}/body; proxy_temp_path {at}/a; fastcgi_temp_path {at}/b; uwsgi_temp_path {at}/c; scgi_temp_path {at}/d;
	client_body_buffer_size 4m;
	server {{
		listen 127.0.0.1:{port} ssl; ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key;
		ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets off;
		location /files/ {{ alias {at}/files/; }}
		location /kept/ {{ alias {at}/kept/; dav_methods PUT; }}
		location / {{ return 204; }}
	}}
}}
"""


class Nginx(Child):
    """The ceiling of the protocol: takes bodies and throws them away.  Under /files/ it serves what lies there."""

    name = "nginx"

    def __init__(self, at, tls):
        for part in ("", "files", "kept"):
            (at / part).mkdir()
        self.port, self.ca = free_port(), tls / "ca.pem"
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        (at / "conf").write_text(NGINX.format(at=at, port=self.port, tls=tls.resolve(), user=user, workers=os.cpu_count()))
        self.start([unpack("nginx", "usr/sbin/nginx"), "-e", at / "errors", "-c", at / "conf"], at)


class Darkroom(Server):
    """Ours.  The limit of connections is raised: all clients have one address, and we look in between."""

    name, header, method, target, more_pids = "Darkroom", "", "POST", "/v1/images", ()
    port = property(lambda self: int(self.url.rsplit(":", 1)[1]))
    pid = property(lambda self: self.process.pid)

    def clear(self):
        """Nothing: what it took in is its own."""


running = []


def serve(work, name, *flags, **options):
    directory = work / name
    directory.mkdir()
    running.append(Darkroom(directory, "--log-level", "warn", "--jobs-queued-max", "10000000", "--address-connections-max", "256",
                            *flags, **options))
    return running[-1]


def end_all():
    """What still runs, the youngest first.  Asked before it is killed: one that is killed leaves its own children."""
    for server in reversed(running):
        if server.process:
            server.process.terminate()
            try:
                server.process.wait(20)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


# --- measuring ---------------------------------------------------------------------------------------------------


class Samples:
    """The windows of one cell, as they come."""

    def __init__(self):
        self.rows, self.cpu_s, self.total = [], 0.0, 0

    def cell(self):
        rates = [row[0] for row in self.rows]
        rate = statistics.median(rates)
        return Cell(rate, statistics.median(r[1] for r in self.rows) / 1000, statistics.median(r[2] for r in self.rows) / 1000,
                    1000 * self.cpu_s / max(self.total, 1), (max(rates) - min(rates)) / rate)


class Bench:
    """The options of the run, its directory, and the programs it measures with."""

    def __init__(self, work, options):
        self.work, self.options, self.windows, self.seconds = work, options, options.windows, options.seconds
        self.sink = self.tls = None

    def compile(self, name, *libraries, sources=None, flags=()):
        """One program of tests/bench; gives its path."""
        files = [ROOT / "tests/bench" / source for source in sources or [f"{name}.c"]]
        subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", *flags, "-o", WORK / name, *files,
                        *libraries], check=True)
        return WORK / name

    def prepare(self):
        """The load generator, a certificate that all servers use, and nginx."""
        self.load = self.compile("load", "-lssl", "-lcrypto", "-lpthread")
        first = serve(self.work, "certificate")
        first.stop()
        self.tls = first.data / "tls"
        self.sink = Nginx(self.work / "nginx", self.tls)

    def body(self, size):
        path = self.work / f"{size}.bmp"
        if not path.exists():
            path.write_bytes(bmp(size))
        return path

    def call(self, server, mode, clients, count, seconds, *more, header=None, groups=None):
        """One run of the load generator; gives its lines as words."""
        extra = {"LOAD_METHOD": server.method, "LOAD_HEADER": server.header if header is None else header}
        extra |= {"DARKROOM_KEY": server.key} if server.key else {}
        extra |= {"LOAD_GROUPS": groups} if groups else {}
        done = subprocess.run([self.load, mode, str(server.port), server.ca, str(clients), str(count), str(seconds), *map(str, more)],
                              capture_output=True, text=True, env=os.environ | extra)
        if done.returncode:
            raise RuntimeError(f"{server.name}, {mode} at {clients} clients: {done.stderr.strip()}")
        return [line.split() for line in done.stdout.splitlines()]

    def add(self, samples, server, mode, clients, *more, windows=1, seconds=None, **options):
        """More windows of one cell."""
        def cpu():
            return sum(cpu_seconds(pid) for pid in (server.pid, *server.more_pids))
        before = cpu()
        lines = self.call(server, mode, clients, windows, seconds or self.seconds, *more, **options)
        samples.cpu_s += cpu() - before
        samples.rows += [[float(word) for word in words] for words in lines if words[0] != "total"]
        samples.total += sum(int(words[1]) for words in lines if words[0] == "total")

    def measure(self, server, mode, clients, *more, **options):
        samples = Samples()
        self.add(samples, server, mode, clients, *more, windows=self.windows, **options)
        return samples.cell()

    def put(self, samples, server, clients, size, **options):
        self.add(samples, server, "put", clients, server.target, self.body(size), BMP_HEAD, **options)

    def in_turn(self, takes, windows=None):
        """takes: name -> what takes one window into the Samples it is given; gives name -> Cell."""
        samples = {name: Samples() for name in takes}
        for _ in range(windows or self.windows):
            for name, take in takes.items():
                take(samples[name])
        return {name: each.cell() for name, each in samples.items()}


class Reference:
    """reference.c: how fast groups can be committed with nothing around them."""

    def __init__(self, bench):
        self.bench = bench
        self.program = bench.compile("reference", "-lsqlite3", "-lcrypto", "-lpthread",
                                     sources=["reference.c", "reference_writer.c", "reference_catalog.c"])
        self.at = bench.work / "reference"
        self.at.mkdir(exist_ok=True)
        self.facts = {}

    def add(self, samples, mode, segments, clients, size):
        """One window; its facts are in `facts` then."""
        done = subprocess.run([self.program, mode, segments, str(clients), "1", str(self.bench.seconds), str(size), self.at],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        window, total, facts = done.stdout.splitlines()
        self.facts = {key: float(value) for key, value in (word.split("=") for word in facts.split())}
        samples.rows.append([float(word) for word in window.split()])
        samples.total += int(total.split()[1])
        samples.cpu_s += self.facts["cpu_ms"] / 1000 * int(total.split()[1])

    def cell(self, *arguments):
        samples = Samples()
        self.add(samples, *arguments)
        return samples.cell()

    def end(self):
        shutil.rmtree(self.at)


# --- telling -----------------------------------------------------------------------------------------------------


def fast(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def times(cell):
    return f"{cell.p50_ms:.2f} / {cell.p99_ms:.2f}"


class Table:
    """Rows as Markdown; each is printed at once, for a run takes minutes."""

    def __init__(self, *headings, words=1):
        self.lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * words + "--:|" * (len(headings) - words)]
        print("\n" + "  ".join(headings), flush=True)

    def add(self, *row):
        row = [str(word) for word in row]
        self.lines.append("| " + " | ".join(row) + " |")
        print("  ".join(row), flush=True)
