"""A key that reaches some collections does not get at others by a route that knows no collections."""
import pytest


@pytest.fixture
def narrow_admin(server, collection):
    return server.client("admin", collection)


def test_narrow_analyst_gets_no_sql(server, collection):
    narrow = server.client("analyst", collection)
    assert narrow.get("/v1/stats").status_code == 200
    reply = narrow.post("/v1/sql", json={"sql": "SELECT id FROM v1_images"})
    assert reply.status_code == 403 and "all collections" in reply.json()["detail"]
    assert narrow.get("/v1/sql/schema").status_code == 403
    assert server.client("analyst").sql("SELECT id FROM v1_images")["columns"]


def test_narrow_admin_makes_no_wider_key(server, narrow_admin):
    before = len(server.admin.get("/v1/keys").json()["keys"])
    assert narrow_admin.post("/v1/keys", json={"principal": "wide", "role": "admin"}).status_code == 403
    assert narrow_admin.get("/v1/keys").status_code == 403
    assert narrow_admin.delete("/v1/keys/aaaaaaaaaaaa").status_code == 403
    assert len(server.admin.get("/v1/keys").json()["keys"]) == before


def test_narrow_admin_still_works_within_its_reach(narrow_admin, collection):
    assert narrow_admin.get(f"/v1/collections/{collection}").status_code == 200
    assert narrow_admin.get("/v1/collections/default").status_code == 404
