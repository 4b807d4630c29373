#!/usr/bin/env python3
"""The gate over real sockets: deadlines, caps, draining and stopping.

usage: test_gate_time.py GATE_SERVER [unittest arguments]
"""
import select
import ssl
import time

from gate_wire import (GET, POST, Server, WireTest, client, has_ended, main, read_reply)


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
    main(__doc__)
