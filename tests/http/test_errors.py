"""Every error that a client can meet: its code, its shape, and that it costs no body byte."""
import json
import re

import pytest

import images
from server import FACTOR, until

TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 410: "Gone",
          411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
          429: "Too Many Requests", 503: "Service Unavailable", 507: "Insufficient Storage"}


def check_problem(reply, status, code):
    """RFC 9457, with our stable word and the request's id."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert body["type"] == f"urn:darkroom:problem:{code}" and body["code"] == code and body["status"] == status
    assert body["title"] == TITLES[status] and body["detail"]
    assert body["request_id"] == reply.headers["X-Request-Id"]
    assert set(body) == {"type", "title", "status", "code", "detail", "request_id"}
    return body


# --- who and what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", [
    None, "", "Bearer", "Bearer ", "Bearer dr_", "Bearer dr_aaaaaaaaaaaa_" + "a" * 43, "Basic YTpi", "Bearer " + "x" * 2000,
])
def test_no_valid_key(server, admin, authorization):
    reply = admin.get("/v1/me", headers={"Authorization": authorization})
    check_problem(reply, 401, "unauthenticated")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_key_with_another_secret(server, admin):
    key = server.key[:-1] + ("a" if server.key[-1] != "a" else "b")
    check_problem(admin.get("/v1/me", headers={"Authorization": "Bearer " + key}), 401, "unauthenticated")


def test_unknown_route(admin):
    for path in ("/", "/v1", "/v1/images/x/y", "/V1/images", "/v1/images/", "/v1/keys/a/b"):
        check_problem(admin.get(path), 404, "not_found")


@pytest.mark.parametrize("method,path,allowed", [
    ("PUT", "/v1/images", {"GET", "POST"}), ("POST", "/healthz", {"GET"}), ("DELETE", "/v1/sql", {"POST"}),
    ("POST", "/v1/images/x", {"GET", "DELETE"}), ("PUT", "/v1/collections/a", {"GET", "PATCH", "DELETE"}),
])
def test_method_not_allowed(admin, method, path, allowed):
    reply = admin(method, path)
    check_problem(reply, 405, "method_not_allowed")
    assert set(re.split(", *", reply.headers["Allow"])) - {"HEAD", "OPTIONS"} == allowed


def test_options(admin):
    reply = admin("OPTIONS", "/v1/images")
    assert reply.status_code == 204 and {"GET", "POST"} <= set(re.split(", *", reply.headers["Allow"]))


# --- bodies ------------------------------------------------------------------------------------------------------


def exchange(client, head, body=b"", end=b"", wait=20):
    """Sends raw bytes; gives (status, head, body) of the one reply that closes the connection or is `end`ed."""
    with client.raw(wait) as wire:
        wire.sendall(head + body)
        got = b""
        while not (end and end in got):
            part = wire.recv(65536)
            if not part:
                break
            got += part
    head, _, rest = got.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, head.decode(), rest


def request(client, method, path, *lines, key=True):
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", *lines]
    if key:
        head.append(f"Authorization: Bearer {client.key}")
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def test_length_required(admin):
    status, _, body = exchange(admin, request(admin, "POST", "/v1/images", "Connection: close"))
    assert status == 411 and json.loads(body)["status"] == 411


def test_body_larger_than_its_route_takes(admin):
    check_problem(admin.post("/v1/keys", data=b" " * 70000), 413, "too_big")
    check_problem(admin.post("/v1/sql", data=b" " * (1 << 20) + b"1"), 413, "too_big")


def test_chunked_body_larger_than_its_route_takes(admin):
    reply = admin.post("/v1/keys", data=(b" " * 10000 for _ in range(10)))
    check_problem(reply, 413, "too_big")


def test_image_larger_than_allowed(own_server):
    server = own_server("--image-bytes-max", "100KiB")
    big = images.photograph()
    assert len(big) > 120000
    check_problem(server.admin.post("/v1/images", data=big), 413, "too_big")
    check_problem(server.admin.post("/v1/images", data=(big[i:i + 4096] for i in range(0, len(big), 4096))), 413, "too_big")
    files = [("file", ("big.jpg", big)), ("file", ("small.png", images.small(1)))]
    reply = server.admin.post("/v1/images", files=files)
    assert reply.status_code in (207, 413), reply.text
    if reply.status_code == 207:
        assert [f["status"] for f in reply.json()["files"]] == [413, 201]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b'{"sql": 1}', b"{}", b'{"sql":"a"}}', b"\xff", b'{"a":1,"a":2}'])
def test_body_that_is_no_request(admin, body):
    check_problem(admin.post("/v1/sql", data=body), 400, "invalid")


def test_deep_json(admin):
    check_problem(admin.post("/v1/sql", data=b'{"sql":' + b"[" * 5000 + b"]" * 5000 + b"}"), 400, "invalid")


def test_body_shorter_than_its_length(admin):
    with admin.raw() as wire:
        wire.sendall(request(admin, "POST", "/v1/images", "Content-Length: 1000") + b"only this")
        wire.unwrap() if False else wire.shutdown(2)
    assert admin.get("/healthz").status_code == 200


@pytest.mark.parametrize("query", ["camera=%zz", "camera=%2", "camera=%00", "camera=%ff"])
def test_badly_encoded_parameter(admin, query):
    status, _, body = exchange(admin, request(admin, "GET", "/v1/images?" + query, "Connection: close"))
    assert status == 400 and json.loads(body)["code"] in ("invalid", "malformed_request")


# --- Expect: 100-continue: a refusal comes before the body ---------------------------------------------------------


@pytest.mark.parametrize("path,lines,key,status", [
    ("/v1/images", ["Content-Length: 1000"], False, 401),
    ("/v1/images", [f"Content-Length: {1 << 35}"], True, 413),
    ("/v1/images?collection=nowhere", ["Content-Length: 1000"], True, 404),
    ("/v1/images?wait=never", ["Content-Length: 1000"], True, 400),
    ("/v1/nowhere", ["Content-Length: 1000"], True, 404),
    ("/v1/images", ["Content-Length: 1000", "Repr-Digest: sha-256=x"], True, 400),
])
def test_refusal_comes_before_the_body(admin, path, lines, key, status):
    head = request(admin, "POST", path, *lines, "Expect: 100-continue", key=key)
    got, text, _ = exchange(admin, head)
    assert got == status and "Connection: close" in text


def test_forbidden_before_the_body(server, admin):
    reader = server.client("reader")
    got, _, _ = exchange(reader, request(reader, "POST", "/v1/images", "Content-Length: 1000", "Expect: 100-continue"))
    assert got == 403


def test_continue_then_created(admin):
    data = images.small(1)
    with admin.raw() as wire:
        wire.sendall(request(admin, "POST", "/v1/images", f"Content-Length: {len(data)}", "Expect: 100-continue", "Connection: close"))
        got = b""
        while b"\r\n\r\n" not in got:
            got += wire.recv(100)
        assert got == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.sendall(data)
        got = b""
        while part := wire.recv(65536):
            got += part
    assert got.startswith(b"HTTP/1.1 201 ") and got.count(b"HTTP/1.1") == 1


def test_connection_goes_on_after_a_reply(admin):
    with admin.raw() as wire:
        for _ in range(3):
            wire.sendall(request(admin, "GET", "/healthz"))
            got = b""
            while b"}" not in got:
                got += wire.recv(65536)
            assert got.startswith(b"HTTP/1.1 200 ") and b"Connection: close" not in got


# --- load --------------------------------------------------------------------------------------------------------


def test_too_many_requests(own_server):
    server = own_server("--rate-per-s", "1")
    replies = [server.admin.get("/v1/me") for _ in range(30)]
    assert {r.status_code for r in replies[:10]} == {200}
    refused = [r for r in replies if r.status_code == 429]
    assert refused
    check_problem(refused[0], 429, "rate_limited")
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert server.admin.get("/healthz").status_code == 200
    until(lambda: server.admin.get("/v1/me").status_code == 200, 5, every=0.3)


def test_catalog_is_full(own_server):
    server = own_server("--catalog-rows-max", "2")
    server.admin.upload(images.small(1))
    one = server.admin.upload(images.small(2))
    reply = server.admin.post("/v1/images", data=images.small(3))
    check_problem(reply, 503, "full")
    assert int(reply.headers["Retry-After"]) >= 1
    assert server.admin.delete(one["links"]["self"]).status_code == 204
    until(lambda: server.admin.post("/v1/images", data=images.small(3)).status_code == 201, 10, every=0.2)


def test_too_many_jobs_wait(own_server):
    server = own_server("--jobs-queued-max", "2", "--workers", "0")
    codes = [server.admin.post("/v1/images", data=images.small(n)).status_code for n in range(6)]
    assert codes[:2] == [201, 201] and codes[-1] == 503


def test_no_memory_for_bodies(own_server):
    """A body that waits for its bytes holds its memory; another that finds none left is refused."""
    server = own_server("--image-bytes-max", "512KiB", "--body-budget", "1MiB", "--workers", "0")
    size = 500 * 1024
    data = images.bmp_with_block(b"\x10\x20\x30", height=600)
    with server.admin.raw() as wire:
        wire.sendall(request(server.admin, "POST", "/v1/images", f"Content-Length: {size}", "Expect: 100-continue"))
        assert wire.recv(100).startswith(b"HTTP/1.1 100")
        wire.sendall(data[:100000])
        with server.admin.raw() as second:
            second.sendall(request(server.admin, "POST", "/v1/images", f"Content-Length: {size}", "Expect: 100-continue"))
            second.recv(100)
            second.sendall(data[:100000])
            check_problem(server.admin.post("/v1/images", data=data), 503, "full")
    until(lambda: server.admin.post("/v1/images", data=data).status_code == 201, 10, every=0.1)
    until(lambda: server.admin.metric("darkroom_body_budget_used_bytes") == 0, 10)


# --- health ------------------------------------------------------------------------------------------------------


def test_health(admin):
    assert admin.get("/healthz", headers={"Authorization": None}).json()["status"] == "alive"
    assert admin.get("/readyz", headers={"Authorization": None}).json()["status"] == "ready"


def test_metrics_count_errors(admin):
    before = admin.metric("darkroom_http_requests_4xx_total")
    admin.get("/v1/nowhere")
    assert admin.metric("darkroom_http_requests_4xx_total") == before + 1


def test_metrics_are_text_that_prometheus_reads(admin):
    reply = admin.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in reply.text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{le="[^"]+"\})? -?[0-9.]+', line), line
