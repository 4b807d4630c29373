"""A gate_server and a client to it, for test_gate_wire.py and test_gate_time.py.

Deadlines are set to tenths of seconds, so that waiting for them is short.  The bounds asserted are wide: what
is checked is that a peer is cut at all, and not at once.
"""
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

server_path = None
files = None
GET = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=files, check=True, capture_output=True)


def path(name):
    return os.path.join(files, name)


def make_key(name, kind="ec"):
    if kind == "rsa":
        openssl("genrsa", "-out", name + ".key", "2048")
    else:
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", name + ".key")


def make_authority(name):
    make_key(name)
    openssl("req", "-x509", "-new", "-key", name + ".key", "-subj", "/CN=" + name, "-days", "30",
            "-out", name + ".pem")


def make_certificate(name, authority, kind="ec", days="30"):
    make_key(name, kind)
    openssl("req", "-new", "-key", name + ".key", "-subj", "/O=Darkroom/CN=" + name, "-out", name + ".csr")
    openssl("x509", "-req", "-in", name + ".csr", "-CA", authority + ".pem", "-CAkey", authority + ".key",
            "-days", days, "-out", name + ".pem")


def make_files():
    make_authority("authority")
    make_authority("stranger")
    make_certificate("first", "authority")
    make_certificate("second", "authority", "rsa")
    make_certificate("friend", "authority")
    make_certificate("late", "authority", days="-1")
    make_certificate("foe", "stranger")


class Server:
    """One gate_server; `certificate` and `key` are copies, for reload."""

    def __init__(self, **options):
        self.install("first")
        arguments = {"certificate": path("live.pem"), "key": path("live.key"), **options}
        command = [server_path, *(f"{key}={value}" for key, value in arguments.items())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("port "), f"the server did not start: {line!r}"
        self.port = int(line.split()[1])

    @staticmethod
    def install(name, key=None):
        for source, target in ((name + ".pem", "live.pem"), ((key or name) + ".key", "live.key")):
            with open(path(source), "rb") as file:
                content = file.read()
            with open(path(target), "wb") as file:
                file.write(content)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def counts(self):
        return json.loads(self.ask("counts"))

    def cpu(self):
        return float(self.ask("cpu"))

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        return code

    def connect_raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def connect(self, context=None, session=None):
        raw = self.connect_raw()
        try:
            return (context or client()).wrap_socket(raw, server_hostname="localhost", session=session)
        except BaseException:
            raw.close()
            raise


def client(version=None, certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(path("authority.pem"))
    if version:
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(path(certificate + ".pem"), path(certificate + ".key"))
    return context


def read_reply(connection):
    """Status, fields (lower case) and body of one reply; None when the connection ended before it."""
    text = b""
    while b"\r\n\r\n" not in text:
        part = connection.recv(1)
        if not part:
            assert not text, f"cut head {text!r}"
            return None
        text += part
    lines = text.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    body = b""
    while len(body) < int(fields.get("content-length", 0)):
        part = connection.recv(65536)
        assert part, "cut body"
        body += part
    return int(lines[0].split()[1]), fields, body.decode()


def has_ended(connection, within):
    """True if the peer ends the connection in this time and says nothing more."""
    connection.settimeout(within)
    try:
        return connection.recv(1) == b""
    except (ConnectionResetError, ssl.SSLError):
        return True
    except socket.timeout:
        return False


class WireTest(unittest.TestCase):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**cls.options)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.close() == 0, "the server ended badly"

    def exchange(self, text, context=None):
        with self.server.connect(context) as connection:
            connection.sendall(text)
            return read_reply(connection)

    def assert_serves(self, context=None):
        self.assertEqual(self.exchange(GET, context)[::2], (200, "GET /hello\n"))

    def assert_refuses_handshake(self, context):
        # With TLS 1.3 a client believes that it is through before the server has seen its certificate.
        with self.assertRaises((ssl.SSLError, ConnectionError, AssertionError)):
            reply = self.exchange(GET, context)
            self.assertIsNotNone(reply)


def main(title):
    """Runs the test classes of the program that calls: usage: PROGRAM GATE_SERVER [unittest arguments]"""
    global server_path, files
    if len(sys.argv) < 2:
        sys.exit(title)
    server_path = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as files:
        make_files()
        program = unittest.main(argv=sys.argv, exit=False)
    sys.exit(not program.result.wasSuccessful())
