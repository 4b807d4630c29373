#!/usr/bin/env python3
"""The gate over real sockets: TLS, certificates, strict heads and bodies.

usage: test_gate_wire.py GATE_SERVER [unittest arguments]
"""
import json
import os
import ssl
import threading

from gate_wire import (CHUNKED, GET, POST, Server, WireTest, client, has_ended, main, path, read_reply)


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


if __name__ == "__main__":
    main(__doc__)
