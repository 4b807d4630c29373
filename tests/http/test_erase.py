"""Early erase, forged ids, and ids of collections out of reach."""
import pytest

import images

ROUTES = ("", "/original", "/renditions/thumb", "/renditions/preview")


def codes(client, id, methods=("GET", "HEAD")):
    return {client(method, f"/v1/images/{id}{route}").status_code for method in methods for route in ROUTES}


@pytest.fixture(scope="module")
def kept(server):
    server.collection("kept")
    return server.admin.upload(images.photograph(600, 400, 1), collection="kept", wait="processed")


def test_erased_image_is_gone_on_each_route(admin, collection, kept):
    one = admin.upload(images.photograph(600, 400, 1), collection=collection, wait="processed")
    path = one["links"]["self"]
    erased = admin.metric("darkroom_images_erased_total")
    assert codes(admin, one["id"]) == {200}
    reply = admin.delete(path)
    assert reply.status_code == 204 and reply.content == b""
    assert codes(admin, one["id"]) == {410}
    assert admin.delete(path).status_code == 410
    assert admin.metric("darkroom_images_erased_total") == erased + 1
    assert admin.get("/v1/images", params={"collection": collection}).json()["images"] == []
    assert admin.rows("SELECT count(*) FROM v1_images WHERE collection = ?", collection) == [[0]]
    assert admin.rows("SELECT count(*) FROM v1_renditions WHERE collection = ?", collection) == [[0]]
    problem = admin.get(path).json()
    assert problem["code"] == "gone" and problem["status"] == 410
    assert codes(admin, kept["id"]) == {200}


def test_erase_before_it_is_processed(own_server):
    server = own_server("--workers", "0")
    one = server.admin.upload(images.photograph(600, 400, 2))
    assert server.admin.delete(one["links"]["self"]).status_code == 204
    assert codes(server.admin, one["id"]) == {410}
    assert server.admin.get("/v1/stats").json()["images"] == 0


def test_erase_writes_a_receipt_without_the_id(admin, collection):
    one = admin.upload(images.small(3), collection=collection)
    assert admin.delete(one["links"]["self"]).status_code == 204
    last, number = [], 0
    while page := admin.get("/v1/receipts", params={"after": number}).json():
        last, number = page[-1], number + len(page)
    assert '"kind":"erase"' in last["body"] and one["id"] not in last["body"] and collection not in last["body"]


def test_key_of_an_erased_image_is_free_again(admin, collection):
    headers = {"Idempotency-Key": "erase-me"}
    one = admin.upload(images.small(4), headers=headers, collection=collection)
    assert admin.delete(one["links"]["self"]).status_code == 204
    again = admin.upload(images.small(5), headers=headers, collection=collection)
    assert again["id"] != one["id"]


def forgeries(id):
    other = "abcdefghijklmnopqrstuvwxyz234567"
    for at in (0, 5, len(id) // 2, len(id) - 2):
        yield id[:at] + other[(other.index(id[at].lower()) + 1) % 32] + id[at + 1:]
    yield id[:-1]
    yield id + "a"
    yield "a" * len(id)
    yield id.upper() if id != id.upper() else id.lower()


def test_forged_ids_are_not_found(admin, kept):
    for id in forgeries(kept["id"]):
        assert codes(admin, id) == {404}, id
        assert admin.delete(f"/v1/images/{id}").status_code == 404
    assert codes(admin, kept["id"]) == {200}


@pytest.mark.parametrize("id", ["..%2f..", "%00", "'or'1", "x", "%F0%9F%96%BC"])
def test_words_that_are_no_ids(admin, id):
    assert admin.get(f"/v1/images/{id}").status_code in (400, 404)


def test_other_collection_does_not_exist_for_this_key(server, admin, collection, kept):
    """Living, erased and forged look the same from outside."""
    reader = server.client("reader", collection)
    gone = admin.upload(images.small(6), collection="kept")
    assert admin.delete(gone["links"]["self"]).status_code == 204
    assert codes(reader, kept["id"]) == {404} == codes(reader, gone["id"])
    bodies = {(r := reader.get(f"/v1/images/{id}").json())["detail"] for id in (kept["id"], gone["id"], "a" * len(kept["id"]))}
    assert len(bodies) == 1
    assert reader.get("/v1/images", params={"collection": "kept"}).status_code == 400
    assert kept["id"] not in reader.get("/v1/images").text
