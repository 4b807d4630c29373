"""Who may do what: each role on each route against a table written here by hand, keys, collections."""
import re

import pytest

import images
from server import run, until

ROLES = ("uploader", "reader", "analyst", "engineer", "auditor", "admin")
EVERYONE, READERS = set(ROLES), {"reader", "engineer", "admin"}
LOOKERS = EVERYONE - {"uploader"}

# Which roles may; None: no key is asked for.
TABLE = {
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/metrics"): {"engineer", "auditor", "admin"},
    ("GET", "/v1/me"): EVERYONE,
    ("POST", "/v1/images"): {"uploader", "admin"},
    ("GET", "/v1/images"): READERS,
    ("GET", "/v1/images/{id}"): READERS,
    ("DELETE", "/v1/images/{id}"): {"admin"},
    ("GET", "/v1/images/{id}/original"): READERS,
    ("GET", "/v1/images/{id}/renditions/{name}"): READERS,
    ("GET", "/v1/stats"): LOOKERS,
    ("POST", "/v1/sql"): {"analyst", "admin"},
    ("GET", "/v1/sql/schema"): {"analyst", "admin"},
    ("GET", "/v1/collections"): LOOKERS,
    ("POST", "/v1/collections"): {"admin"},
    ("GET", "/v1/collections/{name}"): LOOKERS,
    ("PATCH", "/v1/collections/{name}"): {"admin"},
    ("DELETE", "/v1/collections/{name}"): {"admin"},
    ("GET", "/v1/keys"): {"admin"},
    ("POST", "/v1/keys"): {"admin"},
    ("DELETE", "/v1/keys/{name}"): {"admin"},
    ("GET", "/v1/receipts"): {"auditor", "admin"},
    ("GET", "/v1/receipts/key"): {"auditor", "admin"},
}


@pytest.fixture(scope="module")
def clients(server):
    return {role: server.client(role) for role in ROLES}


def test_the_table_is_whole(server, admin):
    """Every route of the program is in the table above, and nothing else is."""
    described = {(method.upper(), path) for path, methods in admin.get("/openapi.json").json()["paths"].items() for method in methods}
    printed = set(re.findall(r"^(GET|POST|PUT|PATCH|DELETE)\s+(\S+)", run("routes").out, re.M))
    assert described == printed == set(TABLE)


def test_public_routes_say_so(admin):
    paths = admin.get("/openapi.json").json()["paths"]
    for (method, path), roles in TABLE.items():
        operation = paths[path][method.lower()]
        assert (operation.get("security") == []) == (roles is None), path


@pytest.mark.parametrize("method,path", TABLE, ids=lambda v: v)
def test_role_on_route(server, clients, method, path):
    """What a role may not do is 403; what it may is anything but 401 and 403; without a key it is 401."""
    concrete = path.replace("{id}", "a" * 40).replace("{name}", "nothing-here")
    anonymous = clients["admin"](method, concrete, headers={"Authorization": None}).status_code
    if TABLE[method, path] is None:
        assert anonymous == 200
        return
    assert anonymous == 401
    for role, client in clients.items():
        code = client(method, concrete, data=b"" if method in ("POST", "PATCH") else None).status_code
        if role in TABLE[method, path]:
            assert code not in (401, 403), (role, code)
        else:
            assert code == 403, (role, code)


def test_me(server, clients, collection):
    for role, client in clients.items():
        me = client.get("/v1/me").json()
        assert me["principal"] == role and me["all_collections"] is True and "SELF" in me["permissions"]
    narrow = server.client("reader", collection).get("/v1/me").json()
    assert narrow["all_collections"] is False and "IMAGE_WRITE" not in narrow["permissions"]


# --- keys --------------------------------------------------------------------------------------------------------


def test_revoked_key(server, admin):
    client = server.client("reader", principal="leaver")
    assert client.get("/v1/me").status_code == 200
    prefix = client.key.split("_")[1]
    assert admin.delete(f"/v1/keys/{prefix}").status_code == 204
    assert client.get("/v1/me").status_code == 401
    row = next(k for k in admin.get("/v1/keys").json()["keys"] if k["prefix"] == prefix)
    assert row["revoked_at"] and row["principal"] == "leaver"
    assert admin.delete("/v1/keys/aaaaaaaaaaaa").status_code == 404


def test_list_of_keys_shows_no_secret(server, admin):
    text = admin.get("/v1/keys").text
    assert server.key not in text and server.key.split("_", 2)[2] not in text


def test_key_is_on_no_disk(server):
    secret = server.key.split("_", 2)[2].encode()
    for path in server.data.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    assert secret.decode() not in server.log()


def test_key_made_and_revoked_by_command(server):
    done = server.command("key", "create", "--principal", "by.command", "--role", "reader", "--json")
    assert done.returncode == 0, done.err
    import json
    key = json.loads(done.out)["key"]
    assert server.admin.get("/v1/me", headers={"Authorization": f"Bearer {key}"}).json()["principal"] == "by.command"
    assert server.command("key", "revoke", key.split("_")[1]).returncode == 0
    assert server.admin.get("/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_key_that_ends(own_server):
    server = own_server(time_scale=60)
    body = {"principal": "guest", "role": "reader", "valid_ms": 120000}
    key = server.admin.post("/v1/keys", json=body).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    assert server.admin.get("/v1/me", headers=headers).status_code == 200
    until(lambda: server.admin.get("/v1/me", headers=headers).status_code == 401, 10)


@pytest.mark.parametrize("body", [
    {}, {"principal": "a"}, {"role": "reader"}, {"principal": "a", "role": "root"}, {"principal": "", "role": "reader"},
    {"principal": "a\nb", "role": "reader"}, {"principal": "x" * 64, "role": "reader"}, {"principal": "a", "role": "reader", "valid_ms": -1},
    {"principal": "a", "role": "reader", "collections": "default"}, {"principal": "a", "role": "reader", "collections": ["nowhere"]},
])
def test_bad_key_requests(admin, body):
    reply = admin.post("/v1/keys", json=body)
    assert reply.status_code == 400 and reply.json()["detail"], reply.text


def test_key_reaches_only_its_collections(server, admin, collection):
    server.collection(collection + "-b")
    client = server.client("uploader", collection)
    client.upload(images.small(1), collection=collection)
    for other in (collection + "-b", "default"):
        assert client.post("/v1/images", params={"collection": other}, data=images.small(1)).status_code == 404
    reader = server.client("reader", collection)
    assert [c["name"] for c in reader.get("/v1/collections").json()["collections"]] == [collection]
    assert reader.get(f"/v1/collections/{collection}-b").status_code == 404
    admin.upload(images.small(2), collection=collection + "-b")
    assert [i["collection"] for i in reader.get("/v1/images").json()["images"]] == [collection]
    assert reader.get("/v1/stats").json()["images"] == 1


# --- collections -------------------------------------------------------------------------------------------------


def test_life_of_a_collection(server, admin):
    made = server.collection("life", retention_s=3600, formats=["png", "jpeg"])
    assert made["retention_s"] == 3600 and set(made["formats"]) == {"png", "jpeg"} and made["removed"] is False
    assert admin.get("/v1/collections/life").json() == made
    assert admin.post("/v1/collections", json={"name": "life"}).status_code == 409
    one = admin.upload(images.small(1), collection="life")
    changed = admin("PATCH", "/v1/collections/life", json={"retention_s": 7200})
    assert changed.status_code == 200 and changed.json()["retention_s"] == 7200 and set(changed.json()["formats"]) == {"png", "jpeg"}
    assert admin.get(one["links"]["self"]).json()["expires_at"] == one["expires_at"], "a promise that was made stays"
    assert admin.rows("SELECT retention_s FROM v1_collections WHERE name = 'life'") == [[7200]]
    assert admin.delete("/v1/collections/life").status_code == 204
    assert admin.post("/v1/images", params={"collection": "life"}, data=images.small(2)).status_code == 404
    assert admin.get(one["links"]["original"]).content == images.small(1)


@pytest.mark.parametrize("body", [
    {}, {"name": ""}, {"name": "Capital"}, {"name": "-dash"}, {"name": "a" * 64}, {"name": "a/b"}, {"name": 5},
    {"name": "short", "retention_s": 59}, {"name": "long", "retention_s": 7 * 86400 + 1}, {"name": "no", "retention_s": "1h"},
    {"name": "f", "formats": ["tiff"]}, {"name": "f", "formats": "png"}, {"name": "n", "retention_s": -1}, {"name": "n", "retention_s": 1e30},
])
def test_bad_collections(admin, body):
    reply = admin.post("/v1/collections", json=body)
    assert reply.status_code == 400 and reply.json()["detail"], reply.text


def test_retention_maximum(own_server):
    server = own_server("--retention-max", "1h", "--retention", "30m")
    assert server.admin.post("/v1/collections", json={"name": "more", "retention_s": 3601}).status_code == 400
    assert server.collection("default-one")["retention_s"] == 1800
    assert server.collection("less", retention_s=60)["retention_s"] == 60
