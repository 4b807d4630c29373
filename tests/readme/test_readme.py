"""README.md, done as a stranger does it: every ```sh block, in order, in a fresh directory, with a photograph.

A block is run by sh -eu in a shell that has the variables and the directory that the blocks before left behind.
What cannot be run as it stands is named in BY_HAND: it is done here as a person does it.  Blocks under STOPPED
need the server stopped, as their text says; all others find it running.
"""
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import time

import pytest

import tables

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/data"))
PROGRAM = pathlib.Path(os.environ.get("DARKROOM") or ROOT / "build/release/darkroom").resolve()
README = (ROOT / "README.md").read_text()

STOPPED = {"Back up", "Restore", "Upgrade", "Rebuild", "Verify"}
WAIT_S = 60


def blocks():
    """(heading, number under it, text) of each sh block."""
    heading, found, count = "", [], {}
    for part in re.finditer(r"^#+ (?P<heading>[^\n]+)$|^```sh\n(?P<block>.*?)^```$", README, re.M | re.S):
        if part["heading"]:
            heading = part["heading"]
        else:
            count[heading] = count.get(heading, 0) + 1
            found.append((heading, count[heading], part["block"]))
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"did not happen: {what}"
        time.sleep(0.05)


def printed_commands(text):
    """The lines of a greeting that stand for themselves: indented, without what is said behind them."""
    return [line.strip() for line in text.splitlines() if line.startswith("  ") and line.strip()]


class Reader:
    """A directory that looks like the repository after `./dev build`, and what its reader has running."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = {"8443": free_port(), "8444": free_port()}
        (directory / "build/release").mkdir(parents=True)
        (directory / "build/release/darkroom").symlink_to(PROGRAM)
        import photos
        (directory / "photo.jpg").write_bytes(photos.camera_jpeg(1200, 800, 5, 6, gps=(48.5, 9.1)))
        self.home = directory / ".reader"
        self.home.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DARKROOM")}
        self.environment = kept | {"LC_ALL": "C.UTF-8", "TMPDIR": str(self.home),
                                   "DARKROOM_LISTEN": self.at("127.0.0.1:8443")}
        self.server = None
        self.run(":")

    def at(self, text):
        """The same with ports that are free here."""
        for shown, real in self.ports.items():
            text = text.replace(f":{shown}", f":{real}")
        return text

    def run(self, block, expect=0):
        """Runs a block where the one before ended; gives what it printed."""
        state = self.home / "state"
        keep = f"export -p; echo cd \"$(pwd)\"; set | grep -E \"^id=\" || :"
        script = (f"[ ! -e {state} ] || . {state}\n"
                  f"trap 'code=$?; {{ {keep}; }} > {state}; exit $code' EXIT\n"
                  f"set -eu\n{self.at(block)}")
        done = subprocess.run(["/bin/sh", "-c", script], cwd=self.directory, env=self.environment,
                              capture_output=True, text=True, timeout=WAIT_S)
        said = f"{block}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == expect, said
        return done.stdout

    def begin(self, command, sign):
        """Starts a program that stays, waits for `sign` in what it prints; gives the process and the text."""
        output = self.home / "output"
        with open(output, "wb") as out, open(self.home / "errors", "ab") as errors:
            process = subprocess.Popen(shlex.split(self.at(command)), cwd=self.directory, env=self.environment,
                                       stdout=out, stderr=errors)
        until(lambda: process.poll() is not None or sign in output.read_text(), f"{command} prints {sign!r}")
        assert process.poll() is None, (self.home / "errors").read_text()[-2000:]
        return process, output.read_text()

    @staticmethod
    def interrupt(process):
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0

    def start(self):
        if not self.server:
            self.server, greeting = self.begin("build/release/darkroom serve", "local CA")
            return greeting
        return ""

    def stop(self):
        if self.server:
            process, self.server = self.server, None
            self.interrupt(process)

    # --- by hand ---

    def dev_run(self):
        """What `./dev run` ends with; a new server's lines are pasted."""
        assert "command_run()" in (ROOT / "dev").read_text()
        self.stop()
        self.server, greeting = self.begin("build/release/darkroom serve", "more keys")
        assert len(greeting.splitlines()) <= 20
        for line in printed_commands(greeting):
            self.run(line)
        more = re.search(r"more keys: (.*)", greeting).group(1).replace("NAME", "somebody")
        assert re.search(r"^dr_", self.run(more))

    def dev_test(self):
        """The tests do not run themselves."""
        usage = subprocess.run([ROOT / "dev"], capture_output=True, text=True, check=True).stdout
        assert "./dev test" in usage and "./dev run" in usage

    def demo(self):
        command = next(text for heading, _, text in blocks() if text.startswith("darkroom demo"))
        process, greeting = self.begin("build/release/" + command, "Ctrl-C ends it")
        directory = re.search(r"Ctrl-C ends it and removes (\S+)", greeting).group(1)
        assert pathlib.Path(directory).is_dir()
        lines = [line for line in printed_commands(greeting) if not line.startswith("watch")]
        seen = self.run(f"( {' && '.join(lines)} )")
        assert "holiday" in seen and "shop" in seen
        self.interrupt(process)
        assert not pathlib.Path(directory).exists()


BY_HAND = {"./dev run\n": Reader.dev_run, "./dev test\n": Reader.dev_test,
           "darkroom demo --listen 127.0.0.1:8444\n": Reader.demo}


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    made = Reader(tmp_path_factory.mktemp("reader"))
    yield made
    made.stop()


@pytest.mark.parametrize("heading, number, block", [pytest.param(*b, id=f"{b[0]}-{b[1]}") for b in blocks()])
def test_block(reader, heading, number, block):
    if block in BY_HAND:
        BY_HAND[block](reader)
        return
    if heading in STOPPED:
        reader.stop()
    else:
        reader.start()
    reader.run(block)


def test_one_minute_is_one_minute(reader):
    """What the reader was told to watch: the collection that keeps images for a minute empties by itself."""
    reader.start()
    left = "darkroom ls --collection one-minute --json"
    until(lambda: '"images":[]' in reader.run(left), "the collection one-minute is empty")


def test_every_block_by_hand_is_there():
    texts = [text for _, _, text in blocks()]
    assert all(text in texts for text in BY_HAND)
    assert STOPPED <= {heading for heading, _, _ in blocks()}


@pytest.mark.parametrize("head", tables.TABLES)
def test_table(head):
    """python3 tests/readme/tables.py build/release/darkroom writes them anew."""
    _, rows, _ = tables.split_at(README, head)
    assert rows.splitlines() == tables.TABLES[head](str(PROGRAM))


def test_links_lead_somewhere():
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} names {target}"


def test_order_of_the_readme():
    """What it is, run it, operate it, limits, components: in this order (house style)."""
    wanted = ["What it is and is not", "Run it in one minute", "Operate it", "Back up", "Restore", "Upgrade",
              "Rebuild", "Verify", "Known limits", "Third-party components"]
    headings = re.findall(r"^#+ (.+)$", README, re.M)
    assert [h for h in headings if h in wanted] == wanted
