#!/usr/bin/env python3
"""The gate over real sockets: TLS, deadlines, caps, strict heads.

usage: test_gate_wire.py GATE_SERVER [unittest arguments]

Deadlines are set to tenths of seconds, so that waiting for them is short.  The bounds asserted are wide: what
is checked is that a peer is cut at all, and not at once.
"""
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
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


class Handshakes(WireTest):
    def test_both_versions_are_spoken_with_aes_gcm(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.server.connect(client(version)) as connection:
                self.assertIn("GCM", connection.cipher()[0])
                connection.sendall(GET)
                self.assertEqual(read_reply(connection)[0], 200)

    def test_older_versions_and_weak_suites_are_refused(self):
        old = client()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        self.assert_refuses_handshake(old)
        for suites in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-CCM"):
            weak = client(ssl.TLSVersion.TLSv1_2)
            weak.set_ciphers(suites)
            self.assert_refuses_handshake(weak)

    def test_alpn_is_http_1_1_or_nothing(self):
        context = client()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with self.server.connect(context) as connection:
            self.assertEqual(connection.selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h2"])
        self.assert_refuses_handshake(context)

    def test_sessions_are_resumed(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client(version)
            with self.server.connect(context) as connection:
                connection.sendall(GET)
                read_reply(connection)
                session = connection.session
            with self.server.connect(context, session) as connection:
                self.assertTrue(connection.session_reused)
                connection.sendall(GET)
                self.assertEqual(read_reply(connection)[0], 200)

    def test_plain_http_gets_nothing(self):
        with self.server.connect_raw() as connection:
            connection.sendall(GET)
            self.assertFalse(b"HTTP" in connection.recv(100))

    def test_the_peer_is_named(self):
        self.assertEqual(self.exchange(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n")[2], "127.0.0.1 0  0\n")

    def test_a_hundred_connections_at_once(self):
        replies = []

        def run():
            with self.server.connect() as connection:
                for _ in range(5):
                    connection.sendall(POST + b"Content-Length: 70000\r\n\r\n" + b"\1" * 70000)
                    replies.append(read_reply(connection)[::2])

        threads = [threading.Thread(target=run) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, [(200, "70000 70000 OK\n")] * 500)

    options = {"address_connections_max": 200}


class Reload(WireTest):
    def serial(self):
        with self.server.connect() as connection:
            return connection.getpeercert()["subject"][1][0][1]

    def tearDown(self):
        self.server.install("first")
        self.server.ask("reload")

    def test_a_new_pair_is_used_at_once_and_old_connections_stay(self):
        with self.server.connect() as old:
            self.assertEqual(self.serial(), "first")
            self.server.install("second")
            self.assertEqual(self.server.ask("reload"), "OK")
            self.assertEqual(self.serial(), "second")
            old.sendall(GET)
            self.assertEqual(read_reply(old)[0], 200)

    def test_a_bad_pair_leaves_the_old_one(self):
        self.server.install("second", key="first")
        self.assertEqual(self.server.ask("reload"), "INVALID")
        for name in ("live.pem", "live.key"):
            self.server.install("second")
            with open(path(name), "w") as file:
                file.write("-----BEGIN CERTIFICATE-----\nnonsense\n")
            self.assertEqual(self.server.ask("reload"), "INVALID")
        os.unlink(path("live.pem"))
        self.assertEqual(self.server.ask("reload"), "INVALID")
        self.assertEqual(self.serial(), "first")

    def test_reloads_under_load_break_no_handshake(self):
        failures = []

        def run():
            for _ in range(20):
                try:
                    self.assert_serves()
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for i in range(20):
            self.server.install(("second", "first")[i % 2])
            self.assertEqual(self.server.ask("reload"), "OK")
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class ClientCertificates(WireTest):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.required = Server(client_ca=path("authority.pem"), client_certificate=2)
        cls.optional = Server(client_ca=path("authority.pem"), client_certificate=1)

    @classmethod
    def tearDownClass(cls):
        assert cls.required.close() == 0 and cls.optional.close() == 0

    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

    def test_a_good_one_is_named(self):
        for server in (self.required, self.optional):
            self.server = server
            for version in self.versions:
                reply = self.exchange(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n", client(version, "friend"))
                peer, size = reply[2].rsplit(" ", 1)
                self.assertEqual(peer, "127.0.0.1 1 O=Darkroom, CN=friend")
                self.assertGreater(int(size), 200)

    def test_wrong_ones_are_refused(self):
        for server in (self.required, self.optional):
            self.server = server
            for version in self.versions:
                for certificate in ("foe", "late"):
                    self.assert_refuses_handshake(client(version, certificate))

    def test_none_is_refused_only_where_one_is_required(self):
        for version in self.versions:
            self.server = self.required
            self.assert_refuses_handshake(client(version))
            self.server = self.optional
            self.assert_serves(client(version))

    def test_no_session_outlives_its_verification(self):
        for version in self.versions:
            context = client(version, "friend")
            with self.required.connect(context) as connection:
                connection.sendall(GET)
                read_reply(connection)
                session = connection.session
            with self.required.connect(context, session) as connection:
                self.assertFalse(connection.session_reused)


class Requests(WireTest):
    options = {"head_ms": 2000}

    def assert_only(self, text, status):
        """One refusal in problem form, then the end: what follows the head is not taken for a request."""
        with self.server.connect() as connection:
            connection.sendall(text)
            got, fields, body = read_reply(connection)
            self.assertEqual(got, status, text)
            self.assertEqual(fields["content-type"], "application/problem+json")
            self.assertEqual(fields["connection"], "close")
            self.assertEqual(json.loads(body)["status"], status)
            connection.settimeout(5)
            self.assertEqual(connection.recv(1), b"")

    def test_doubtful_heads_are_refused_and_hide_nothing(self):
        host = b"Host: a\r\n"
        for head, status in (
            (POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
            (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG", 400),
            (POST + b"Content-Length: 5\r\nContent-Length: 40\r\n\r\nhello", 400),
            (POST + b"Content-Length: +5\r\n\r\nhello", 400),
            (POST + b"Content-Length: 18446744073709551621\r\n\r\nhello", 400),
            (POST + b"Content-Length : 5\r\n\r\nhello", 400),
            (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
            (b"GET /hello HTTP/1.1\nHost: a\n\n", 400),
            (b"GET /hello HTTP/1.1\r\n\r\n", 400),
            (b"GET /hello HTTP/1.1\r\n" + host + host + b"\r\n", 400),
            (b"GET /hello HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n", 400),
            (b"GET /hello%00x HTTP/1.1\r\n" + host + b"\r\n", 400),
            (b"GET /x/../hello HTTP/1.1\r\n" + host + b"\r\n", 400),
            (b"GET //hello HTTP/1.1\r\n" + host + b"\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"X: y\r\n" * 64 + b"\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + host + b"X: " + b"y" * 20000 + b"\r\n\r\n", 431),
            (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + host + b"\r\n", 414),
            (b"TRACE / HTTP/1.1\r\n" + host + b"\r\n", 405),
            (b"BREW / HTTP/1.1\r\n" + host + b"\r\n", 501),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            (POST + b"Content-Length: 5\r\nExpect: tea\r\n\r\nhello", 417),
        ):
            before = self.server.counts()["heads_refused"]
            self.assert_only(head + GET, status)
            self.assertEqual(self.server.counts()["heads_refused"], before + 1)

    def test_requests_on_one_connection_do_not_mix(self):
        text = (POST + b"Content-Length: 5\r\n\r\n\1\1\1\1\1" + GET +
                CHUNKED + b"3\r\n\1\1\1\r\n2\r\n\2\2\r\n0\r\n\r\n" +
                b"GET /last?x=%00 HTTP/1.1\r\nHost: a\r\n\r\n")
        for step in (len(text), 1, 7):
            with self.server.connect() as connection:
                for at in range(0, len(text), step):
                    connection.sendall(text[at:at + step])
                self.assertEqual([read_reply(connection)[::2] for _ in range(4)], [
                    (200, "5 5 OK\n"), (200, "GET /hello\n"), (200, "5 7 OK\n"), (200, "GET /last?x=%00\n")])

    def test_the_longest_head_passes(self):
        head = b"GET /hello HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
        head = head.replace(b"X: ", b"X: " + b"y" * (16384 - len(head)))
        self.assertEqual(self.exchange(head)[0], 200)

    def test_tabs_are_read_as_spaces(self):
        self.assertEqual(self.exchange(b"GET /hello HTTP/1.1\r\nHost:\ta\t\r\nAccept: b\tc\r\n\r\n")[0], 200)

    def test_connections_end_when_the_client_asks(self):
        for text in (b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                     b"GET /hello HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"):
            with self.server.connect() as connection:
                connection.sendall(text + GET)
                _, fields, _ = read_reply(connection)
                self.assertEqual(fields["connection"], "close")
                self.assertTrue(has_ended(connection, 5))

    def test_broken_chunks_end_the_connection(self):
        for body in (b"0x5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"5\nhello\n0\n\n",
                     b"5;x\r\nhello\r\n0\r\n\r\n",
                     b"5\r\nhelloworld\r\n0\r\n\r\n", b"fffffffffffffffff\r\n", b"0\r\nX: y\r\n\r\n"):
            with self.server.connect() as connection:
                connection.sendall(CHUNKED + body + GET)
                status, fields, text = read_reply(connection)
                self.assertEqual((status, text.split()[-1]), (400, "INVALID"), body)
                self.assertEqual(fields["connection"], "close")
                self.assertTrue(has_ended(connection, 5))

    def test_a_body_that_ends_early_hurts_nobody(self):
        with self.server.connect() as connection:
            connection.sendall(POST + b"Content-Length: 9\r\n\r\nhello")
        self.assert_serves()

    def test_continue_is_left_to_the_handler(self):
        with self.server.connect() as connection:
            connection.sendall(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(read_reply(connection)[0], 100)
            connection.sendall(b"\1\1")
            self.assertEqual(read_reply(connection)[::2], (200, "2 2 OK\n"))

    def test_a_refused_upload_still_gets_its_answer(self):
        with self.server.connect() as connection:
            connection.sendall(b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n")
            try:
                connection.sendall(b"x" * 8000000)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                self.fail("the connection was reset before the answer was read")
            self.assertEqual(read_reply(connection)[0], 413)

    def test_a_cut_connection_ends_without_goodbye(self):
        context = client(ssl.TLSVersion.TLSv1_2)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        with self.server.connect(context) as connection:
            connection.sendall(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
            with self.assertRaises((ssl.SSLError, ConnectionResetError, AssertionError)):
                read_reply(connection)

    def test_upgrades_are_ignored(self):
        text = (b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        self.assertEqual(self.exchange(text)[0], 200)


class Deadlines(WireTest):
    options = {"handshake_ms": 600, "head_ms": 600, "keep_alive_ms": 400, "body_ms_base": 600,
               "body_rate_min": 20000, "reply_rate_min": 100000000}

    def cut_after(self, connection, drip, every=0.05, limit=10):
        """Sends a piece of `drip` now and then; gives the seconds until the server answered or ended it all.
        For TLS 1.2 only: with 1.3 the server speaks first, with tickets."""
        start = time.monotonic()
        while time.monotonic() < start + limit:
            readable, _, _ = select.select([connection], [], [], every)
            if readable:
                return time.monotonic() - start
            try:
                connection.sendall(next(drip))
            except (BrokenPipeError, ConnectionError, ssl.SSLError):
                return time.monotonic() - start
        return limit

    def assert_timely(self, seconds, least=0.3, most=8):
        self.assertGreater(seconds, least)
        self.assertLess(seconds, most)

    def test_silence_before_the_handshake(self):
        with self.server.connect_raw() as connection:
            start = time.monotonic()
            self.assertTrue(has_ended(connection, 10))
            self.assert_timely(time.monotonic() - start)

    def test_a_dripping_handshake(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            client().wrap_bio(incoming, outgoing).do_handshake()
        except ssl.SSLWantReadError:
            hello = outgoing.read()
        with self.server.connect_raw() as connection:
            drip = (hello[i:i + 1] for i in range(len(hello)))
            self.assert_timely(self.cut_after(connection, drip))

    def test_silence_after_the_handshake(self):
        with self.server.connect() as connection:
            start = time.monotonic()
            self.assertTrue(has_ended(connection, 10))
            self.assert_timely(time.monotonic() - start)

    def test_an_idle_connection(self):
        with self.server.connect() as connection:
            connection.sendall(GET)
            read_reply(connection)
            start = time.monotonic()
            self.assertTrue(has_ended(connection, 10))
            self.assert_timely(time.monotonic() - start, 0.2)

    def test_a_dripping_head(self):
        before = self.server.counts()["timeouts"]
        with self.server.connect(client(ssl.TLSVersion.TLSv1_2)) as connection:
            drip = (bytes([c]) for c in b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1000)
            self.assert_timely(self.cut_after(connection, drip))
            self.assertEqual(read_reply(connection)[0], 408)
        self.assertEqual(self.server.counts()["timeouts"], before + 1)

    def test_a_dripping_body(self):
        chunked = (b"Transfer-Encoding: chunked", b"1\r\ny\r\n")
        for framing, part in ((b"Content-Length: 100000", b"y"), chunked):
            with self.server.connect(client(ssl.TLSVersion.TLSv1_2)) as connection:
                connection.sendall(POST + framing + b"\r\n\r\n")
                self.assert_timely(self.cut_after(connection, iter(lambda: part, None)))
                status, _, text = read_reply(connection)
                self.assertEqual((status, text.split()[-1]), (408, "TIMEOUT"))

    def test_a_steady_body_may_take_longer_than_the_base(self):
        part = b"\1" * 40000
        with self.server.connect() as connection:
            connection.sendall(POST + b"Content-Length: 400000\r\n\r\n")
            for _ in range(10):
                connection.sendall(part)
                select.select([connection], [], [], 0.15)
            self.assertEqual(read_reply(connection)[::2], (200, "400000 400000 OK\n"))

    def test_a_peer_that_does_not_read(self):
        before = self.server.counts()["timeouts"]
        with self.server.connect() as connection:
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
            deadline = time.monotonic() + 10
            while self.server.counts()["timeouts"] == before and time.monotonic() < deadline:
                select.select([], [], [], 0.05)
            self.assertEqual(self.server.counts()["timeouts"], before + 1)

    def test_waiting_costs_no_processor_time(self):
        connections = [self.server.connect_raw() for _ in range(4)]
        before = self.server.cpu()
        select.select([], [], [], 0.5)
        self.assertLess(self.server.cpu() - before, 0.1)
        for connection in connections:
            connection.close()


class Caps(WireTest):
    def test_one_address_holds_only_so_many(self):
        self.server = Server(address_connections_max=3)
        connections = [self.server.connect() for _ in range(3)]
        with self.server.connect_raw() as one_more:
            self.assertTrue(has_ended(one_more, 5))
        self.assertEqual(self.server.counts()["refused_by_cap"], 1)
        connections.pop().close()
        while self.server.counts()["open"] == 3:
            pass
        self.assert_serves()
        for connection in connections:
            connection.close()
        self.assertEqual(self.server.close(), 0)

    def test_all_together_hold_only_so_many(self):
        self.server = Server(connections_max=5)
        connections = [self.server.connect() for _ in range(5)]
        with self.server.connect_raw() as one_more:
            self.assertTrue(has_ended(one_more, 5))
        for connection in connections:
            connection.close()
        self.assertEqual(self.server.close(), 0)

    def test_idle_connections_make_room(self):
        self.server = Server(connections_max=8, keep_alive_ms=8000, head_ms=8000)
        connections = [self.server.connect() for _ in range(6)]
        for connection in connections:
            connection.sendall(GET)
            read_reply(connection)
        self.assertFalse(has_ended(connections[0], 1.5))
        self.assertEqual(self.server.counts()["dropped"], 0)
        connections.append(self.server.connect())
        deadline = time.monotonic() + 8
        while self.server.counts()["open"] > 4 and time.monotonic() < deadline:
            select.select([], [], [], 0.05)
        # Those that are left when room is found again keep their time.
        self.assertEqual(self.server.counts()["open"], 4)
        self.assertEqual(self.server.counts()["dropped"], 3)
        for connection in connections:
            connection.close()
        self.assertEqual(self.server.close(), 0)

    def test_draining_ends_idle_connections_and_begins_nothing(self):
        self.server = Server(keep_alive_ms=60000, head_ms=60000)
        with self.server.connect() as idle, self.server.connect() as busy:
            for connection in (idle, busy):
                connection.sendall(GET)
                read_reply(connection)
            busy.sendall(POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n\1\1")
            self.assertEqual(read_reply(busy)[0], 100)
            self.server.ask("drain")
            self.assertTrue(has_ended(idle, 5))
            busy.settimeout(20)
            busy.sendall(b"\1\1" + GET)
            self.assertEqual(read_reply(busy)[::2], (200, "4 4 OK\n"))
            self.assertTrue(has_ended(busy, 5))
        self.assertEqual(self.server.close(), 0)

    def test_stopping_does_not_wait_for_peers(self):
        self.server = Server(keep_alive_ms=60000, head_ms=60000, body_ms_base=60000)
        with self.server.connect_raw(), self.server.connect(), self.server.connect() as busy:
            busy.sendall(POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            read_reply(busy)
            start = time.monotonic()
            self.assertEqual(self.server.close(), 0)
            self.assertLess(time.monotonic() - start, 10)

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass


if __name__ == "__main__":
    server_path = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as files:
        make_files()
        program = unittest.main(argv=sys.argv, exit=False)
    sys.exit(not program.result.wasSuccessful())
