"""Images in: raw and multipart, what is answered, what is refused, what is stored once."""
import base64
import concurrent.futures
import datetime
import hashlib
import io
import re

import pytest
from PIL import Image

import images
from server import until


def when(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", text), text
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def digest(data):
    return "sha-256=:" + base64.b64encode(hashlib.sha256(data).digest()).decode() + ":"


def form(*files, collection=None):
    """Parts for requests: (name, bytes) each."""
    parts = [("collection", (None, collection))] if collection else []
    return parts + [("file", (name, data, "image/jpeg")) for name, data in files]


# --- one image ---------------------------------------------------------------------------------------------------


def test_raw_body_answers_every_field(admin, collection):
    data = images.photograph()
    before = datetime.datetime.now(datetime.timezone.utc)
    reply = admin.post("/v1/images", params={"collection": collection}, data=data)
    assert reply.status_code == 201
    one = reply.json()
    assert one["collection"] == collection and one["format"] == "jpeg" and one["state"] in ("received", "ready")
    assert (one["width"], one["height"], one["bytes"]) == (1800, 1200, len(data))
    assert abs((when(one["received_at"]) - before).total_seconds()) < 60
    assert when(one["expires_at"]) - when(one["received_at"]) <= datetime.timedelta(days=7)
    assert when(one["expires_at"]) - when(one["received_at"]) > datetime.timedelta(days=7, seconds=-31)
    assert reply.headers["Location"] == f"/v1/images/{one['id']}" == one["links"]["self"]
    assert one["links"]["original"] == f"/v1/images/{one['id']}/original"
    assert reply.headers["Content-Type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{16}", reply.headers["X-Request-Id"])
    again = admin.get(reply.headers["Location"]).json()
    assert {k: again[k] for k in ("id", "expires_at", "received_at", "bytes")} == \
        {k: one[k] for k in ("id", "expires_at", "received_at", "bytes")}
    assert admin.get(one["links"]["original"]).content == data


def test_chunked_body(admin, collection):
    data = images.photograph(600, 400, 3)
    reply = admin.post("/v1/images", params={"collection": collection}, data=(data[i:i + 5000] for i in range(0, len(data), 5000)))
    assert reply.status_code == 201, reply.text
    assert admin.get(reply.json()["links"]["original"]).content == data


def test_default_collection(admin):
    assert admin.upload(images.small(1))["collection"] == "default"


@pytest.mark.parametrize("kind,format", [("PNG", "png"), ("GIF", "gif"), ("BMP", "bmp"), ("WEBP", "webp"), ("JPEG", "jpeg")])
def test_every_format(admin, collection, kind, format):
    one = admin.upload(images.small(7, kind, (40, 30)), collection=collection, wait="processed")
    assert (one["format"], one["state"], one["width"], one["height"]) == (format, "ready", 40, 30)
    thumb = Image.open(io.BytesIO(admin.get(one["links"]["thumb"]).content))
    assert thumb.format == "JPEG" and thumb.size == (40, 30)


# --- renditions and what is found in the image -------------------------------------------------------------------


@pytest.fixture(scope="module")
def processed(server):
    server.collection("processed")
    return server.admin.upload(images.photograph(), collection="processed", wait="processed", name="IMG-holiday.jpg")


def rendition(client, one, name):
    reply = client.get(f"/v1/images/{one['id']}/renditions/{name}")
    assert reply.status_code == 200, reply.text
    return reply.content, Image.open(io.BytesIO(reply.content))


def test_renditions_have_their_sizes(admin, processed):
    assert processed["state"] == "ready"
    _, thumb = rendition(admin, processed, "thumb")
    _, preview = rendition(admin, processed, "preview")
    assert max(thumb.size) == 320 and thumb.size[1] in (213, 214)
    assert max(preview.size) == 1600 and preview.size[1] in (1066, 1067)


def test_record_lists_its_renditions(admin, processed):
    listed = {r["name"]: r for r in admin.get(processed["links"]["self"]).json()["renditions"]}
    assert set(listed) == {"thumb", "preview"}
    for name, row in listed.items():
        content, picture = rendition(admin, processed, name)
        assert (row["width"], row["height"], row["bytes"]) == (*picture.size, len(content)), row
        assert row["href"] == f"/v1/images/{processed['id']}/renditions/{name}" and row["format"] == "jpeg"


@pytest.mark.parametrize("name", ["thumb", "preview"])
def test_renditions_hold_no_metadata(admin, processed, name):
    content, picture = rendition(admin, processed, name)
    assert not picture.getexif() and "exif" not in picture.info
    assert b"Exif" not in content and images.MAKER.encode() not in content and b"Example Works" not in content


def test_metadata(admin, processed):
    meta = admin.get(processed["links"]["self"]).json()["meta"]
    assert "Example Works One" in meta["camera"] and "24-70mm" in meta["lens"]
    assert abs(meta["exposure_s"] - 1 / 250) < 1e-9 and abs(meta["aperture"] - 2.8) < 1e-9
    assert meta["iso"] == 400 and abs(meta["focal_mm"] - 50) < 1e-9
    assert when(meta["taken_at"]) == when("2026-05-01T10:34:56Z")
    assert meta["has_gps"] is True
    assert re.fullmatch(r"#[0-9a-f]{6}", meta["dominant_colour"])
    assert 0 < meta["brightness"] < 1 and meta["sharpness"] > 0 and len(meta["blurhash"]) >= 6


def test_position_is_never_shown_to_lists_or_analysts(server, admin, processed):
    """has_gps says that there is one; the position itself is in no list and in no view."""
    listed = admin.get("/v1/images", params={"collection": "processed"}).text
    rows = admin.post("/v1/sql", json={"sql": "SELECT * FROM v1_images WHERE collection = 'processed'"}).text
    schema = admin.get("/v1/sql/schema").text
    for place in images.GPS_PLACE:
        for text in (listed, rows):
            assert f"{place:.3f}"[:5] not in text
    for word in ("latitude", "longitude", "gps_lat", "position"):
        assert word not in listed and word not in rows and word not in schema
    assert "has_gps" in schema and "IMG-holiday" not in listed + rows


def test_file_name_is_shown_only_with_the_original(server, admin, processed):
    path = processed["links"]["self"]
    assert admin.get(path).json()["private"]["file_name"] == "IMG-holiday.jpg"
    assert admin.get(path).json()["private"]["uploader"] == "admin"
    assert "private" not in admin.get("/v1/images", params={"collection": "processed"}).text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(admin, collection, orientation):
    """However the camera stored it, red is at the top left and yellow at the bottom right."""
    one = admin.upload(images.photograph(600, 400, 5, orientation), collection=collection, wait="processed")
    _, thumb = rendition(admin, one, "thumb")
    assert thumb.size == (320, 213) or thumb.size == (320, 214)
    pixels = thumb.convert("RGB")
    red, yellow = pixels.getpixel((8, 8)), pixels.getpixel((311, thumb.size[1] - 9))
    assert red[0] > 150 and red[1] < 90, red
    assert yellow[0] > 150 and yellow[1] > 130 and yellow[2] < 110, yellow


def test_a_picture_that_cannot_be_decoded_is_kept(own_server):
    server = own_server("--job-retry", "0s", "--job-attempts-max", "2")
    data = images.truncated()
    one = server.admin.upload(data)
    record = until(lambda: (r := server.admin.get(one["links"]["self"]).json())["state"] == "failed" and r)
    assert record["reason"]
    assert server.admin.get(one["links"]["original"]).content == data
    reply = server.admin.get(f"/v1/images/{one['id']}/renditions/thumb")
    assert reply.status_code == 404 and "could not be processed" in reply.json()["detail"]
    assert server.admin.rows("SELECT state, failure_reason FROM v1_images") == [["failed", record["reason"]]]
    assert server.admin.upload(data, wait="processed")["state"] == "failed"


# --- multipart ---------------------------------------------------------------------------------------------------


def test_form_with_one_file(admin, collection):
    data = images.photograph(500, 300, 8)
    reply = admin.post("/v1/images", files=form(("a photo.jpg", data), collection=collection))
    assert reply.status_code == 201, reply.text
    one = reply.json()
    assert one["collection"] == collection and reply.headers["Location"] == one["links"]["self"]
    assert admin.get(one["links"]["original"]).content == data
    assert admin.get(one["links"]["self"]).json()["private"]["file_name"] == "a photo.jpg"


def test_form_with_three_files(admin, collection):
    datas = [images.small(n) for n in (11, 12, 13)]
    reply = admin.post("/v1/images", params={"collection": collection}, files=form(*((f"{i}.png", d) for i, d in enumerate(datas))))
    assert reply.status_code == 201, reply.text
    files = reply.json()["files"]
    assert [f["status"] for f in files] == [201, 201, 201]
    for data, one in zip(datas, files):
        assert admin.get(one["image"]["links"]["original"]).content == data


def test_bad_file_among_good_ones(admin, collection):
    files = form(("good.png", images.small(21)), ("bad.txt", b"this is no picture" * 10), ("good.jpg", images.photograph(300, 200, 4)))
    reply = admin.post("/v1/images", params={"collection": collection}, files=files)
    assert reply.status_code == 207, reply.text
    files = reply.json()["files"]
    assert [f["status"] for f in files] == [201, 415, 201]
    assert files[1]["code"] == "unsupported" and files[1]["detail"]
    assert len(admin.get("/v1/images", params={"collection": collection}).json()["images"]) == 2


def test_form_with_one_bad_file(admin, collection):
    reply = admin.post("/v1/images", params={"collection": collection}, files=form(("bad.txt", b"nothing" * 30)))
    assert reply.status_code == 415 and reply.json()["code"] == "unsupported"


def test_form_without_a_file(admin):
    reply = admin.post("/v1/images", files=[("collection", (None, "default"))])
    assert reply.status_code == 400 and "no file" in reply.json()["detail"]


def test_form_without_a_boundary(admin):
    reply = admin.post("/v1/images", data=b"x", headers={"Content-Type": "multipart/form-data"})
    assert reply.status_code == 400 and "boundary" in reply.json()["detail"]


def test_form_that_breaks_off(admin):
    body = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + images.small(1)
    reply = admin.post("/v1/images", data=body, headers={"Content-Type": "multipart/form-data; boundary=B"})
    assert reply.status_code == 400 and "ends before" in reply.json()["detail"]


# --- duplicates --------------------------------------------------------------------------------------------------


def test_same_bytes_twice_are_two_images_stored_once(own_server):
    client = own_server("--workers", "0").admin
    data = images.photograph(400, 300, 31)
    first = client.upload(data)
    stored = client.get("/v1/stats").json()["stored_bytes"]
    second = client.upload(data)
    stats = client.get("/v1/stats").json()
    assert first["id"] != second["id"] and stats["images"] == 2
    assert stored >= len(data) and stats["stored_bytes"] == stored
    assert client.metric("darkroom_uploads_duplicate_total") == 1
    assert client.delete(first["links"]["self"]).status_code == 204
    assert client.get(second["links"]["original"]).content == data


def test_same_bytes_in_two_collections_are_never_linked(server, admin, collection):
    server.collection(collection + "-b")
    data = images.photograph(400, 300, 32)
    before = admin.metric("darkroom_uploads_duplicate_total")
    first, second = admin.upload(data, collection=collection), admin.upload(data, collection=collection + "-b")
    assert admin.metric("darkroom_uploads_duplicate_total") == before
    etags = [admin.get(one["links"]["original"]).headers["ETag"] for one in (first, second)]
    assert etags[0] != etags[1]


# --- idempotency -------------------------------------------------------------------------------------------------


def test_retry_gets_the_first_answer(admin, collection):
    data = images.photograph(400, 300, 41)
    replies = [admin.post("/v1/images", params={"collection": collection}, data=data, headers={"Idempotency-Key": "retry-1"})
               for _ in range(2)]
    assert [r.status_code for r in replies] == [201, 201]
    assert replies[0].json()["id"] == replies[1].json()["id"]
    assert "Idempotent-Replayed" not in replies[0].headers and replies[1].headers["Idempotent-Replayed"] == "true"
    assert len(admin.get("/v1/images", params={"collection": collection}).json()["images"]) == 1


def test_same_key_with_another_body(admin, collection):
    headers = {"Idempotency-Key": "other-body"}
    admin.upload(images.small(51), headers=headers, collection=collection)
    reply = admin.post("/v1/images", params={"collection": collection}, data=images.small(52), headers=headers)
    assert reply.status_code == 422 and reply.json()["code"] == "mismatch"


def test_same_key_at_once(admin, collection):
    data = images.photograph(900, 700, 42)

    def send(_):
        return admin.post("/v1/images", params={"collection": collection}, data=data, headers={"Idempotency-Key": "at-once"})

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(send, range(6)))
    assert {r.status_code for r in replies} == {201}
    assert len({r.json()["id"] for r in replies}) == 1
    assert sum("Idempotent-Replayed" in r.headers for r in replies) == 5


def test_key_of_another_principal_is_another_key(server, admin, collection):
    other = server.client("uploader", collection)
    headers = {"Idempotency-Key": "shared-words"}
    first = admin.upload(images.small(53), headers=headers, collection=collection)
    second = other.upload(images.small(54), headers=headers, collection=collection)
    assert first["id"] != second["id"]


def test_key_outlives_a_restart(own_server):
    server = own_server()
    headers = {"Idempotency-Key": "restart"}
    first = server.admin.upload(images.small(55), headers=headers)
    server.restart()
    reply = server.admin.post("/v1/images", data=images.small(55), headers=headers)
    assert reply.json()["id"] == first["id"] and reply.headers["Idempotent-Replayed"] == "true"


def test_form_keys_are_one_a_file(admin, collection):
    def send():
        return admin.post("/v1/images", params={"collection": collection}, headers={"Idempotency-Key": "form"},
                          files=form(("a.png", images.small(61)), ("b.png", images.small(62)))).json()["files"]

    first, second = send(), send()
    assert [f["image"]["id"] for f in first] == [f["image"]["id"] for f in second]
    assert len({f["image"]["id"] for f in first}) == 2


def test_idempotency_key_too_long(admin):
    reply = admin.post("/v1/images", data=images.small(1), headers={"Idempotency-Key": "k" * 256})
    assert reply.status_code == 400


# --- digest ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Repr-Digest", "Content-Digest"])
def test_digest_that_fits(admin, collection, header):
    data = images.small(71)
    admin.upload(data, headers={header: "sha-512=:AAAA:, " + digest(data)}, collection=collection)


def test_digest_that_does_not_fit(admin, collection):
    reply = admin.post("/v1/images", params={"collection": collection}, data=images.small(72), headers={"Repr-Digest": digest(b"x")})
    assert reply.status_code == 422 and reply.json()["code"] == "mismatch"
    assert admin.get("/v1/images", params={"collection": collection}).json()["images"] == []


@pytest.mark.parametrize("value", ["sha-256=:AAAA:", "sha-256=nothing", "sha-256=:" + "A" * 43 + "!:", "sha-256=::"])
def test_digest_that_is_none(admin, value):
    reply = admin.post("/v1/images", data=images.small(73), headers={"Repr-Digest": value})
    assert reply.status_code == 400 and "Repr-Digest" in reply.json()["detail"]


# --- what is refused ---------------------------------------------------------------------------------------------


def test_bytes_that_are_no_image(admin):
    before = admin.metric("darkroom_uploads_refused_total")
    reply = admin.post("/v1/images", data=b"#!/bin/sh\necho no picture\n" * 20)
    assert reply.status_code == 415 and reply.json()["code"] == "unsupported"
    assert admin.metric("darkroom_uploads_refused_total") == before + 1


def test_empty_body(admin):
    reply = admin.post("/v1/images", data=b"", headers={"Content-Length": "0"})
    assert reply.status_code in (400, 415)


def test_format_that_the_collection_does_not_take(server, admin):
    server.collection("only-png", formats=["png"])
    admin.upload(images.small(81), collection="only-png")
    reply = admin.post("/v1/images", params={"collection": "only-png"}, data=images.photograph(200, 100, 2))
    assert reply.status_code == 415


def test_more_pixels_than_allowed(admin):
    import photos
    reply = admin.post("/v1/images", data=photos.png_header(60000, 60000))
    assert reply.status_code == 413 and reply.json()["code"] == "too_big"


def test_unknown_collection(admin):
    reply = admin.post("/v1/images", params={"collection": "nowhere"}, data=images.small(1))
    assert reply.status_code == 404


def test_wait_for_something_else(admin):
    reply = admin.post("/v1/images", params={"wait": "long"}, data=images.small(1))
    assert reply.status_code == 400 and "processed" in reply.json()["detail"]
