"""peers - what else takes uploads and installs from a registry, over the same TLS and from the same clients.

Two of them sync before they answer: FastAPI on PostgreSQL, with the image in its row or in a file.  nginx's DAV module
does not, and loses what it has just answered when the power goes.  Everything is unpacked or installed into
build/bench; a peer that cannot be had on this machine is left out and named.
"""
import os
import pathlib
import pwd
import shutil
import subprocess

from ingest import numbers, settle
from measure import ROOT, SIZES, WORK, CannotRun, Child, Table, fast, free_port, serve, times, unpack

CLIENTS = (1, 8, 64)
PACKAGES = ["fastapi==0.163.2", "uvicorn==0.54.0", "asyncpg==0.32.0", "uvloop==0.23.0", "httptools==0.9.0"]
TABLE = """CREATE TABLE image (id uuid PRIMARY KEY, digest bytea NOT NULL, type text NOT NULL, bytes bigint NOT NULL,
received timestamptz NOT NULL DEFAULT now(), place text, body bytea); ALTER TABLE image ALTER body SET STORAGE EXTERNAL;
CREATE INDEX image_digest ON image (digest); CREATE INDEX image_received ON image (received);"""
ASK = """import asyncio, asyncpg, sys
async def ask():
    await (await asyncpg.connect(host=sys.argv[1], user="peer", database="postgres")).execute(sys.argv[2])
asyncio.run(ask())"""
# fsync, synchronous_commit and full_page_writes stay on, as they come; room for the log keeps checkpoints rare.
SETTINGS = {"listen_addresses": "", "shared_buffers": "512MB", "max_wal_size": "8GB", "max_connections": "100", "jit": "off"}


# --- what has to be there ----------------------------------------------------------------------------------------


def postgres_programs():
    """The directory of initdb and postgres: installed, or unpacked."""
    installed = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed:
        return installed[-1].parent
    version = subprocess.run(["apt-cache", "depends", "postgresql"], capture_output=True, text=True).stdout
    number = next((word.rsplit("-", 1)[1] for word in version.split() if word.startswith("postgresql-") and word[-1].isdigit()), None)
    if not number:
        raise CannotRun("apt has no PostgreSQL")
    return unpack(f"postgresql-{number}", f"usr/lib/postgresql/{number}/bin/postgres").parent


def python_packages():
    """A Python of its own with what the service needs."""
    python = WORK / "python/bin/python"
    if not (WORK / "python/whole").exists():
        try:
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", WORK / "python"], check=True, capture_output=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as failure:
            raise CannotRun(f"pip cannot install {PACKAGES[0]}") from failure
        (WORK / "python/whole").touch()
    return python


# --- the peers ---------------------------------------------------------------------------------------------------


class Dav(Child):
    """nginx again: its PUT writes a file and renames it, and syncs neither."""

    name, syncs, method, target = "nginx DAV", False, "PUT", "/kept/%"

    def __init__(self, bench):
        self.port, self.ca, self.at, self.process = bench.sink.port, bench.sink.ca, bench.sink.at, bench.sink.process

    def stop(self):
        """The sink's own business."""

    def clear(self):
        clear_directory(self.at / "kept")


class Postgres(Child):
    """The database, with a socket in its own directory; it refuses to run as root."""

    def __init__(self, at):
        programs = postgres_programs()
        user = None
        if os.getuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            user = "postgres" if "postgres" in names else "nobody"
        who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        at.mkdir()
        if user:
            shutil.chown(at, user)
        self.data, self.programs, self.who = at / "data", programs, who
        made = subprocess.run([programs / "initdb", "-D", self.data, "-U", "peer", "-A", "trust", "-E", "UTF8", "--locale=C"],
                              capture_output=True, text=True, cwd=at, **who)
        if made.returncode:
            raise CannotRun(f"initdb: {made.stderr.strip()[-300:]}")
        settings = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        self.start([programs / "postgres", "-D", self.data, "-k", at, *settings], at, cwd=at, **who)
        self.sql(TABLE)

    def is_up(self):
        assert self.process.poll() is None, "it ended at once"
        return self.ask("SELECT 1").returncode == 0

    def ask(self, text):
        """By the service's driver: the package of the server brings no client."""
        return subprocess.run([python_packages(), "-c", ASK, self.at, text], capture_output=True, text=True)

    def sql(self, text):
        done = self.ask(text)
        if done.returncode:
            raise CannotRun(f"PostgreSQL: {done.stderr.strip()[-300:]}")

    def stop(self):
        if self.process:
            self.process.send_signal(2)  # fast: without waiting for clients
            self.process.wait()
            self.process = None


class Service(Child):
    """peers_app.py under uvicorn, two processes."""

    def __init__(self, bench, database):
        self.database, self.more_pids = database, (database.pid,)
        python, at = python_packages(), bench.work / "service"
        for number in range(256):
            (at / "kept" / f"{number:02x}").mkdir(parents=True)
        self.port, self.ca = free_port(), bench.tls / "ca.pem"
        self.start([python, "-m", "uvicorn", "peers_app:app", "--app-dir", ROOT / "tests/bench", "--host", "127.0.0.1", "--port", self.port,
                    "--workers", os.cpu_count(), "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
                    "--ssl-certfile", bench.tls / "server.pem", "--ssl-keyfile", bench.tls / "server.key"],
                   at, seconds=30, env=os.environ | {"PEER_DATABASE": str(database.at), "PEER_FILES": str(at / "kept")})

    def clear(self):
        for directory in (self.at / "kept").iterdir():
            clear_directory(directory)
        self.database.sql("TRUNCATE image")
        self.database.sql("CHECKPOINT")


class Variant:
    """One of the service's two ways to keep an image."""

    key, header, method, syncs = "", "", "POST", True

    def __init__(self, service, way):
        self.service, self.name, self.target = service, f"FastAPI + PostgreSQL, {way}", f"/{way}"
        self.port, self.ca, self.pid, self.more_pids = service.port, service.ca, service.pid, service.more_pids

    def clear(self):
        self.service.clear()

    def stop(self):
        self.service.stop()
        self.service.database.stop()


def clear_directory(directory):
    for entry in os.scandir(directory):
        os.unlink(entry.path)


def variants(bench):
    service = Service(bench, Postgres(bench.work / "postgres"))
    return [Variant(service, "bytea"), Variant(service, "file")]


def present(bench):
    """Those that can be had, and a sentence about each that cannot."""
    found, missing = [], []
    for make in (variants, lambda b: [Dav(b)]):
        try:
            found += make(bench)
        except CannotRun as why:
            missing.append(f"Left out: {why}.")
            print(missing[-1], flush=True)
    return found, missing


# --- the part ----------------------------------------------------------------------------------------------------


def one_cell(bench, servers, clients, size):
    """Those that sync, and we, in every window; the others in the first."""
    takes = {server.name: (lambda samples, server=server: bench.put(samples, server, clients, size)) for server in servers}
    loose = {server.name for server in servers if not getattr(server, "syncs", True)}
    cells = bench.in_turn({name: take for name, take in takes.items() if name not in loose}, min(bench.windows, 2))
    return cells | bench.in_turn({name: takes[name] for name in loose}, 1)


def peers(bench):
    """Part peers: the same uploads, ours in the same minutes."""
    found, missing = present(bench)
    headings = [word for peer in found for word in (f"{peer.name}{'' if peer.syncs else ' (no sync)'}, 1/s", "p50 / p99 ms")]
    table = Table("upload", "clients", "Darkroom, 1/s", "p50 / p99 ms", *headings)
    facts = {"cells": {}, "syncs": [peer.name for peer in found if peer.syncs], "missing": missing}
    for name, size in SIZES.items():
        ours = serve(bench.work, f"beside-{size}", "--workers", "0")
        for clients in CLIENTS:
            cells = one_cell(bench, [ours, *found], clients, size)
            table.add(name, clients, *(word for who in [ours, *found] for word in (fast(cells[who.name].rate), times(cells[who.name]))))
            facts["cells"][f"{name}, {clients}"] = {who: numbers(cell) for who, cell in cells.items()}
            for peer in found:
                peer.clear()
            os.sync()
        ours.stop()
        settle(ours.directory)
    for peer in found:
        peer.stop()
    return table.lines + (["", *missing] if missing else []), facts
