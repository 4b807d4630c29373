"""Gone on time: at its second an image is 410 everywhere, its key is destroyed, and nothing of it is left on disk."""
import datetime
import json
import struct

import pytest

import images
import photos
from server import FACTOR, run, until

TIME_SCALE = 60
FLAGS = ("--segment-bytes", "1MiB", "--segment-age", "30s")
ROUTES = ("", "/original", "/renditions/thumb", "/renditions/preview")


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def now(client):
    return moment(client.get("/readyz").json()["time"])


@pytest.fixture(scope="module", autouse=True)
def collections(server):
    server.collection("minute", retention_s=60)
    server.collection("quarter", retention_s=900)
    server.collection("hours", retention_s=24 * 3600)


def test_expiry_is_kept_to_the_second(admin):
    """Whoever is answered 200 asked before the expiry, whoever is answered 410 was answered after it: on every route."""
    stays = admin.upload(images.photograph(500, 300, 2), collection="hours", wait="processed")
    one = admin.upload(images.photograph(500, 300, 1), collection="quarter", wait="processed")
    end, seen = moment(one["expires_at"]), {}
    assert end - moment(one["received_at"]) == datetime.timedelta(seconds=900)

    def look():
        for route in ROUTES:
            for method in ("GET", "HEAD"):
                before = now(admin)
                code = admin(method, f"/v1/images/{one['id']}{route}").status_code
                after = now(admin)
                assert (code == 200 and before < end) or (code == 410 and after >= end), (code, before, end, after)
                seen.setdefault((method, route), set()).add(code)
        return all(410 in codes for codes in seen.values())

    until(look, 40)
    assert all(codes == {200, 410} for codes in seen.values()), seen
    for route in ROUTES:
        assert admin.get(f"/v1/images/{stays['id']}{route}").status_code == 200
    assert admin.get("/v1/images", params={"collection": "quarter"}).json()["images"] == []
    assert [i["id"] for i in admin.get("/v1/images", params={"collection": "hours"}).json()["images"]] == [stays["id"]]
    assert admin.rows("SELECT count(*) FROM v1_images WHERE id = ?", one["id"]) == [[0]]
    assert admin.rows("SELECT count(*) FROM v1_renditions WHERE image_id = ?", one["id"]) == [[0]]
    assert admin.delete(f"/v1/images/{one['id']}").status_code == 410


def test_gone_image_is_hidden_from_who_may_not_read_its_collection(server, admin):
    one = admin.upload(images.small(1), collection="minute")
    until(lambda: admin.get(one["links"]["self"]).status_code == 410, 20)
    assert server.client("reader", "minute").get(one["links"]["self"]).status_code == 410
    assert server.client("reader", "hours").get(one["links"]["self"]).status_code == 404


def test_key_is_destroyed_in_time_and_rows_follow(admin):
    destroyed, purged = admin.metric("darkroom_epochs_destroyed_total"), admin.metric("darkroom_images_purged_total")
    one = admin.upload(images.small(2), collection="minute")
    until(lambda: admin.metric("darkroom_epochs_destroyed_total") > destroyed, 20)
    late = (now(admin) - moment(one["expires_at"])).total_seconds()
    assert late < 60 + 60 * FACTOR, "at most a minute of trusted time, or half a real second and our looking"
    until(lambda: admin.metric("darkroom_images_purged_total") > purged, 20)
    assert admin.metric("darkroom_purge_lag_seconds") < 120 * FACTOR


def test_open_reply_is_cut(own_server):
    """A reader that is slow enough to see the end does not get the whole."""
    server = own_server(time_scale=60)
    server.collection("minute", retention_s=int(120 * FACTOR))
    data = images.bmp_with_block(b"\x01\x02\x03", 2048, 2048) + bytes(24_000_000)
    one = server.admin.upload(data, collection="minute")
    with server.admin.raw(60) as wire:
        wire.sendall(f"GET {one['links']['original']} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.key}\r\n\r\n".encode())
        got = len(wire.recv(65536))
        until(lambda: server.admin.get(one["links"]["self"]).status_code == 410, 20)
        try:
            while part := wire.recv(1 << 20):
                got += len(part)
        except OSError:
            pass
    assert got < len(data)
    until(lambda: server.admin.metric("darkroom_reads_cut_total") == 1, 10)


def test_upload_that_lasts_longer_than_its_retention(own_server):
    """Retention counts from receiving: a slow body may end beyond its own expiry, and is then gone at once or refused."""
    server = own_server(time_scale=600)
    server.collection("minute", retention_s=60)
    data = images.bmp_with_block(b"\x01\x02\x03")

    def slowly():
        import time
        for at in range(0, len(data), 20000):
            yield data[at:at + 20000]
            time.sleep(0.2)

    reply = server.admin.post("/v1/images", params={"collection": "minute"}, data=slowly())
    if reply.status_code == 201:
        until(lambda: server.admin.get(reply.json()["links"]["self"]).status_code == 410, 20)
    else:
        assert reply.status_code == 410 and reply.json()["detail"]


# --- receipts ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def receipts(server, collections, tmp_path_factory):
    """All receipts and the key, in files, with at least one of each kind."""
    client = server.admin
    erased = client.upload(images.small(3), collection="hours")
    assert client.delete(erased["links"]["self"]).status_code == 204
    client.upload(images.small(4), collection="minute")
    until(lambda: any('"epoch"' in r["body"].split('"epoch":')[0] for r in client.get("/v1/receipts").json()), 20)
    directory = tmp_path_factory.mktemp("receipts")
    (directory / "key.pem").write_text(client.get("/v1/receipts/key").text)
    listed = client.get("/v1/receipts").json()
    (directory / "all.json").write_text(json.dumps(listed))
    return directory, listed


def verify(directory, listed):
    path = directory / "some.json"
    path.write_text(json.dumps(listed))
    return run("receipt", "verify", path, directory / "key.pem").returncode


def test_receipts_verify(server, receipts):
    directory, listed = receipts
    assert verify(directory, listed) == 0
    bodies = [json.loads(r["body"]) for r in listed]
    assert [b["number"] for b in bodies] == list(range(1, len(bodies) + 1))
    assert {b["kind"] for b in bodies} == {"epoch", "erase"}
    for body in bodies:
        assert set(body) == {"number", "kind", "epoch", "images", "due_at", "destroyed_at", "copies", "policy", "previous"}
        assert body["kind"] == "erase" or moment(body["destroyed_at"]) >= moment(body["due_at"])
    command = server.command("receipt", "list")
    assert command.returncode == 0 and json.loads(command.out)[:len(listed)] == listed
    assert server.command("receipt", "key").out.strip() == (directory / "key.pem").read_text().strip()


def test_changed_receipts_are_found(receipts):
    directory, listed = receipts
    assert len(listed) >= 3 or pytest.fail("too few receipts to take one out")
    changed = json.loads(json.dumps(listed))
    changed[1]["body"] = changed[1]["body"].replace('"images":', '"images":1')
    swapped = [listed[1], listed[0], *listed[2:]]
    signature = json.loads(json.dumps(listed))
    signature[0]["signature"] = listed[1]["signature"]
    for bad in (changed, swapped, signature, [listed[0], *listed[2:]]):
        assert verify(directory, bad) == 65
    (directory / "key.pem.bad").write_text("no key")
    assert run("receipt", "verify", directory / "all.json", directory / "key.pem.bad").returncode == 65
    assert run("receipt", "verify", directory / "none.json", directory / "key.pem").returncode == 66


def test_receipts_name_nobody(server, receipts):
    text = json.dumps(receipts[1])
    for word in ("admin", "hours", "minute", server.key.split("_")[1]):
        assert word not in text.replace("expiry promised at upload", "")


# --- nothing is left ---------------------------------------------------------------------------------------------

BLOCK = bytes((i * 37 + 11) % 251 for i in range(48))
NAME = "holiday-Qwyjibo-and-me.jpg"


def traces():
    """What must not be found: words and bytes that only these images hold."""
    degrees = photos._angle(images.GPS_PLACE[0])
    return {"file name": NAME.encode(), "maker": images.MAKER.encode(), "lens": b"Zyxo 35mm", "place": b"47.3768",
            "place, as rationals": struct.pack("<6I", *degrees[0], *degrees[1], *degrees[2]), "pixels": BLOCK, "uploader": b"jane.q.uploader"}


def found_in(directory):
    found = set()
    for path in directory.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            found |= {(word, path.name) for word, trace in traces().items() if trace in content}
    return found


def test_nothing_is_left_on_disk(own_server):
    server = own_server("--segment-bytes", "1MiB", time_scale=60)
    client = server.admin
    server.collection("minute", retention_s=300)
    key = server.admin.post("/v1/keys", json={"principal": "jane.q.uploader", "role": "uploader"}).json()["key"]
    tiff = photos.exif(gps=images.GPS_PLACE, make=images.MAKER, model=images.MAKER + " 7", lens="Zyxo 35mm f/2")
    picture = photos.jpeg(photos.scene(800, 600, 1), tiff)
    client.headers = {"Authorization": f"Bearer {key}"}
    ids = [client.upload(data, collection="minute", name=NAME, headers=client.headers)["id"]
           for data in (picture, images.bmp_with_block(BLOCK), picture)]
    until(lambda: all(client.get(f"/v1/images/{i}").json()["state"] == "ready" for i in ids))
    meta = client.get(f"/v1/images/{ids[0]}").json()
    assert images.MAKER in meta["meta"]["camera"] and meta["private"]["file_name"] == NAME
    sealed = {word for word, _ in found_in(server.data)} & {"file name", "place", "place, as rationals", "pixels"}
    assert not sealed, "what is personal is sealed while it lives, too"
    assert client.delete(f"/v1/images/{ids[2]}").status_code == 204
    until(lambda: client.metric("darkroom_images_purged_total") + client.metric("darkroom_images_erased_total") >= 3, 40)
    until(lambda: not {f for f in found_in(server.data) if f[0] != "uploader"}, 20, every=0.3)
    assert all(client.get(f"/v1/images/{i}").status_code == 410 for i in ids)
    server.stop()
    assert {f for f in found_in(server.data) if f[1] != "control.db"} == set()
    assert run("verify", "--data", server.data).returncode == 0
    for name in ("file name", "maker", "pixels"):
        assert traces()[name] not in server.log().encode()


def test_space_is_given_back(own_server):
    server = own_server("--segment-bytes", "1MiB", "--segment-age", "30s", "--workers", "0", time_scale=60)
    server.collection("minute", retention_s=300)
    for seed in range(6):
        server.admin.upload(photos.jpeg(photos.scene(1200, 900, seed), quality=95), collection="minute")

    def used():
        return sum(p.stat().st_blocks * 512 for p in (server.data / "originals").iterdir())

    full = used()
    assert full > 2_000_000
    until(lambda: server.admin.metric("darkroom_images_purged_total") >= 6, 40)
    until(lambda: used() < full / 2, 40, every=0.2)
    assert server.admin.metric("darkroom_segments_dropped_total") >= 1 and server.admin.metric("darkroom_bytes_freed_total") > 0


def test_purge_happens_before_the_port_opens(own_server):
    server = own_server(time_scale=600)
    server.collection("minute", retention_s=120)
    one = server.admin.upload(images.small(1), collection="minute")
    server.stop()
    until(lambda: run("clock", "status", "--data", server.data, "--time-scale", "600").returncode == 0)
    import time
    time.sleep(0.4)
    server.start()
    assert server.admin.get(one["links"]["self"]).status_code == 410
    assert server.admin.metric("darkroom_epochs_destroyed_total") >= 1
