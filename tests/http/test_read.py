"""Bytes out: ranges, validators, caching, HEAD; and how images are found."""
import re
import urllib.parse

import pytest

import images

DATA = images.photograph(1000, 700, 3)


@pytest.fixture(scope="module")
def one(server):
    server.collection("reading")
    return server.admin.upload(DATA, collection="reading", wait="processed")


def ranged(client, one, value, **headers):
    return client.get(one["links"]["original"], headers={"Range": value} | headers)


# --- headers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["original", "thumb", "preview"])
def test_headers_of_bytes(admin, one, link):
    reply = admin.get(one["links"][link])
    assert reply.status_code == 200 and reply.headers["Content-Type"] == "image/jpeg"
    assert reply.headers["X-Content-Type-Options"] == "nosniff" and reply.headers["Accept-Ranges"] == "bytes"
    assert int(reply.headers["Content-Length"]) == len(reply.content)
    assert re.fullmatch(r'"[^"]+"', reply.headers["ETag"])
    assert re.fullmatch(r"private, max-age=\d+", reply.headers["Cache-Control"])
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    assert f"{one['id']}.jpg" in reply.headers["Content-Disposition"]


def test_json_is_not_kept_by_caches(admin, one):
    for path in (one["links"]["self"], "/v1/images", "/v1/me"):
        reply = admin.get(path)
        assert reply.headers["Cache-Control"] == "no-store" and reply.headers["X-Content-Type-Options"] == "nosniff"


def test_caches_forget_in_time(own_server):
    """max-age is never beyond the expiry, in seconds of the reader's clock."""
    server = own_server(time_scale=60)
    server.collection("hour", retention_s=3600)
    one = server.admin.upload(images.small(1), collection="hour")
    reply = server.admin.get(one["links"]["original"])
    assert int(reply.headers["Cache-Control"].split("max-age=")[1]) <= 60


def test_original_and_renditions_have_etags_of_their_own(admin, one):
    etags = {admin.get(one["links"][link]).headers["ETag"] for link in ("original", "thumb", "preview")}
    assert len(etags) == 3


def test_etag_is_no_plain_hash(admin, one):
    import hashlib
    etag = admin.get(one["links"]["original"]).headers["ETag"].strip('"').lower()
    for name in ("md5", "sha1", "sha256"):
        assert hashlib.new(name, DATA).hexdigest()[:16] not in etag


@pytest.mark.parametrize("form", ['{}', 'W/{}', '"other", {}', "*"])
def test_not_modified(admin, one, form):
    etag = admin.get(one["links"]["original"]).headers["ETag"]
    reply = admin.get(one["links"]["original"], headers={"If-None-Match": form.format(etag)})
    assert reply.status_code == 304 and reply.content == b"" and reply.headers["ETag"] == etag


def test_modified(admin, one):
    reply = admin.get(one["links"]["original"], headers={"If-None-Match": '"something"'})
    assert reply.status_code == 200 and reply.content == DATA


@pytest.mark.parametrize("path", ["original", "renditions/thumb", ""])
def test_head(admin, one, path):
    path = f"/v1/images/{one['id']}/{path}".rstrip("/")
    whole, head = admin.get(path), admin("HEAD", path)
    assert head.status_code == 200 and head.content == b""
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == whole.headers[name]
    assert admin("HEAD", path + "nothing").status_code == 404


# --- ranges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value,first,last", [
    ("bytes=0-99", 0, 99), ("bytes=65530-65545", 65530, 65545), ("bytes=100-", 100, len(DATA) - 1),
    ("bytes=-100", len(DATA) - 100, len(DATA) - 1), (f"bytes=0-{len(DATA) * 2}", 0, len(DATA) - 1),
    (f"bytes=-{len(DATA) * 2}", 0, len(DATA) - 1), (f"bytes={len(DATA) - 1}-", len(DATA) - 1, len(DATA) - 1),
])
def test_range(admin, one, value, first, last):
    reply = ranged(admin, one, value)
    assert reply.status_code == 206 and reply.content == DATA[first:last + 1]
    assert reply.headers["Content-Range"] == f"bytes {first}-{last}/{len(DATA)}"


@pytest.mark.parametrize("value", [f"bytes={len(DATA)}-", f"bytes={len(DATA) + 5}-{len(DATA) + 9}", "bytes=-0"])
def test_range_outside(admin, one, value):
    reply = ranged(admin, one, value)
    assert reply.status_code == 416 and reply.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert reply.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["bytes=5-2", "bytes=a-b", "lines=0-5", "bytes=0-1,5-6", "bytes=-", "bytes=1"])
def test_range_that_is_ignored(admin, one, value):
    reply = ranged(admin, one, value)
    assert reply.status_code == 200 and reply.content == DATA


def test_if_range(admin, one):
    etag = admin.get(one["links"]["original"]).headers["ETag"]
    assert ranged(admin, one, "bytes=0-9", **{"If-Range": etag}).status_code == 206
    assert ranged(admin, one, "bytes=0-9", **{"If-Range": '"old"'}).status_code == 200
    assert ranged(admin, one, "bytes=0-9", **{"If-Range": "W/" + etag}).status_code == 200


def test_range_of_head_is_ignored(admin, one):
    reply = admin("HEAD", one["links"]["original"], headers={"Range": "bytes=0-9"})
    assert reply.status_code == 200 and int(reply.headers["Content-Length"]) == len(DATA)


def test_unknown_rendition(admin, one):
    for name in ("poster", "thumb.jpg", "x" * 100):
        assert admin.get(f"/v1/images/{one['id']}/renditions/{name}").status_code == 404


# --- finding -----------------------------------------------------------------------------------------------------


def ids(reply):
    assert reply.status_code == 200, reply.text
    return [one["id"] for one in reply.json()["images"]]


@pytest.fixture(scope="module")
def mixed(server):
    """A collection with one of each kind; gives the records by name."""
    server.collection("mixed")
    up = {"photo": images.photograph(1000, 700, 4), "png": images.small(5, size=(300, 200)), "gif": images.small(6, "GIF"),
          "broken": images.truncated()}
    return {name: server.admin.upload(data, collection="mixed", wait="processed") for name, data in up.items()}


@pytest.mark.parametrize("filters,expected", [
    ({"format": "png"}, {"png"}), ({"format": "jpeg"}, {"photo", "broken"}), ({"format": "bmp"}, set()),
    ({"camera": "example works"}, {"photo"}), ({"camera": "Nikon"}, set()), ({"width_min": 300}, {"photo", "png", "broken"}),
    ({"height_min": 700}, {"photo"}), ({"bytes_min": 20000}, {"photo"}), ({"bytes_max": 200}, {"gif"}),
    ({"format": "jpeg", "height_min": 700}, {"photo"}), ({"from": "2026-01-01T00:00:00Z"}, {"photo", "png", "gif", "broken"}),
    ({"to": "2026-01-01T00:00:00Z"}, set()), ({"state": "ready"}, {"photo", "png", "gif"}),
])
def test_filters(admin, mixed, filters, expected):
    found = ids(admin.get("/v1/images", params={"collection": "mixed"} | filters))
    assert {name for name, one in mixed.items() if one["id"] in found} == expected and len(found) == len(expected)


def test_filter_by_time_is_exact(admin, mixed):
    at = mixed["png"]["received_at"]
    since = ids(admin.get("/v1/images", params={"collection": "mixed", "from": at}))
    before = ids(admin.get("/v1/images", params={"collection": "mixed", "to": at}))
    assert mixed["png"]["id"] in since and mixed["png"]["id"] not in before
    assert mixed["photo"]["id"] in before and mixed["gif"]["id"] in since


@pytest.mark.parametrize("filters", [
    {"format": "tiff"}, {"state": "done"}, {"limit": "0"}, {"limit": "501"}, {"limit": "ten"}, {"from": "yesterday"},
    {"cursor": "nonsense"}, {"bytes_min": "-1"}, {"collection": "nowhere"}, {"camera": b"\xff"},
])
def test_bad_filters(admin, filters):
    reply = admin.get("/v1/images?" + urllib.parse.urlencode(filters))
    assert reply.status_code == 400 and reply.json()["code"] == "invalid" and reply.json()["detail"]


class TestPaging:
    COUNT = 260

    @pytest.fixture(scope="class")
    def many(self, server):
        import concurrent.futures
        server.collection("many")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: server.client_for_many.upload(images.small(1000 + n), collection="many")["id"],
                                 range(self.COUNT)))
        assert len(set(made)) == self.COUNT
        return made

    @pytest.fixture(scope="class", autouse=True)
    def pool_client(self, server):
        server.client_for_many = server.admin
        server.admin.session.adapters["https://"] = type(server.admin.session.adapters["https://"])(pool_maxsize=16)

    @pytest.mark.parametrize("limit", [1 + 96, 100, 500])
    def test_no_gap_and_no_repeat(self, admin, many, limit):
        seen, cursor, pages = [], None, 0
        while True:
            page = admin.get("/v1/images", params={"collection": "many", "limit": limit} | ({"cursor": cursor} if cursor else {}))
            seen += ids(page)
            pages += 1
            cursor = page.json().get("next_cursor")
            if not cursor:
                break
        assert len(seen) == len(set(seen)) == self.COUNT and set(seen) == set(many)
        assert pages == self.COUNT // limit + 1

    def test_newest_first(self, admin, many):
        times = [one["received_at"] for one in admin.get("/v1/images", params={"collection": "many", "limit": 500}).json()["images"]]
        assert times == sorted(times, reverse=True)

    def test_what_comes_while_paging_moves_nothing(self, admin, many):
        first = admin.get("/v1/images", params={"collection": "many", "limit": 50}).json()
        late = admin.upload(images.small(5000), collection="many")["id"]
        second = admin.get("/v1/images", params={"collection": "many", "limit": 500, "cursor": first["next_cursor"]})
        rest = ids(second)
        assert late not in rest and not set(rest) & {one["id"] for one in first["images"]}
        assert len(rest) == self.COUNT - 50
        assert admin.delete(f"/v1/images/{late}").status_code == 204
