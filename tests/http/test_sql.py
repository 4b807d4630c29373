"""SQL for analysts: what it answers, and everything that it does not let through."""
import csv
import io

import pytest

import images


@pytest.fixture(scope="module")
def analyst(server):
    server.collection("sql")
    for number in range(5):
        server.admin.upload(images.small(number, size=(20 + number, 10)), collection="sql", wait="processed")
    return server.client("analyst")


def ask(client, sql, **more):
    return client.post("/v1/sql", json={"sql": sql} | more)


# --- answers -----------------------------------------------------------------------------------------------------


def test_select(analyst):
    reply = analyst.sql("SELECT width, height, format, has_gps FROM v1_images WHERE collection = 'sql' ORDER BY width")
    assert [c["name"] for c in reply["columns"]] == ["width", "height", "format", "has_gps"]
    assert [c["type"] for c in reply["columns"]][:3] == ["integer", "integer", "text"]
    assert reply["rows"] == [[20 + n, 10, "png", 0] for n in range(5)] and reply["row_count"] == 5


def test_types_are_known_without_rows(analyst):
    reply = analyst.sql("SELECT id, bytes, received_at, brightness FROM v1_images WHERE 0")
    assert [c["type"] for c in reply["columns"]] == ["text", "integer", "text", "real"] and reply["rows"] == []


def test_parameters(analyst):
    assert analyst.rows("SELECT count(*) FROM v1_images WHERE collection = ? AND width > ?", "sql", 22) == [[2]]
    assert analyst.rows("SELECT ?, ?, ?, ?, ?", "it's", 1, 2.5, None, True) == [["it's", 1, 2.5, None, 1]]
    assert ask(analyst, "SELECT ?", parameters=[[1]]).status_code == 400
    assert ask(analyst, "SELECT ?", parameters="x").status_code == 400
    assert ask(analyst, "SELECT 1", parameters=[1]).status_code == 400


def test_names_that_analysts_use(analyst):
    assert analyst.rows("SELECT upper(format), count(*), avg(width) FROM v1_images WHERE collection = 'sql' GROUP BY 1") == [["PNG", 5, 22.0]]
    assert analyst.rows("WITH w AS (SELECT width FROM v1_images WHERE collection = 'sql') SELECT max(width) FROM w") == [[24]]
    assert analyst.rows("SELECT count(*) FROM v1_images i JOIN v1_renditions r ON r.image_id = i.id WHERE i.collection = 'sql'") == [[10]]
    assert analyst.rows("SELECT name FROM v1_collections WHERE name = 'sql'") == [["sql"]]
    assert len(analyst.rows("SELECT row_number() OVER (ORDER BY width), width FROM v1_images WHERE collection = 'sql'")) == 5
    assert analyst.rows("SELECT 1; -- a note") == [[1]]
    assert analyst.rows("SELECT count(*) FROM v1_daily")[0][0] >= 0
    assert analyst.rows("SELECT count(*) FROM v1_results WHERE collection = 'sql' AND state = 'ready'") == [[5]]


@pytest.mark.parametrize("how", ["format", "accept"])
def test_csv(analyst, how):
    sql = "SELECT width, 'a \"quoted\", text' AS \"odd name\", NULL AS n, '=1+1' AS f FROM v1_images WHERE collection = 'sql' ORDER BY 1"
    more = {"json": {"sql": sql, "format": "csv"}} if how == "format" else {"json": {"sql": sql}, "headers": {"Accept": "text/csv"}}
    reply = analyst.post("/v1/sql", **more)
    assert reply.headers["Content-Type"].startswith("text/csv") and reply.text.count("\r\n") == 6
    rows = list(csv.reader(io.StringIO(reply.text, newline="")))
    assert rows[0] == ["width", "odd name", "n", "f"]
    assert rows[1] == ["20", 'a "quoted", text', "", "'=1+1"], "what a spreadsheet would run is made text"


def test_schema(analyst):
    views = {v["name"]: [c["name"] for c in v["columns"]] for v in analyst.get("/v1/sql/schema").json()["views"]}
    assert set(views) == {"v1_images", "v1_results", "v1_renditions", "v1_collections", "v1_daily"}
    assert {"id", "collection", "camera", "expires_at", "blurhash"} <= set(views["v1_images"])
    for name, columns in views.items():
        got = analyst.sql(f"SELECT * FROM {name} LIMIT 0")["columns"]
        assert [c["name"] for c in got] == columns


def test_a_blob_is_text_that_json_can_hold(analyst):
    assert analyst.rows("SELECT x'00ff80'") == [["00ff80"]]


# --- what is refused ---------------------------------------------------------------------------------------------

HOSTILE = [
    "PRAGMA query_only=0", "PRAGMA table_info(image)", "ATTACH 'file:x?mode=rwc' AS x", "ATTACH ':memory:' AS m", "DETACH temp",
    "VACUUM", "VACUUM INTO '/tmp/darkroom-copy.db'", "BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT a", "COMMIT", "ROLLBACK",
    "EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN SELECT * FROM v1_images", "SELECT 1; DROP TABLE image", "SELECT 1; SELECT 2",
    "DROP TABLE image", "DELETE FROM image", "DELETE FROM v1_images", "UPDATE image SET width = 1", "INSERT INTO image DEFAULT VALUES",
    "CREATE TABLE t(a)", "CREATE TEMP TABLE t(a)", "CREATE TEMP VIEW v AS SELECT 1", "CREATE TEMP TRIGGER t DELETE ON image BEGIN SELECT 1; END",
    "REINDEX", "ANALYZE", "ALTER TABLE image ADD COLUMN x", "CREATE VIRTUAL TABLE t USING fts5(a)",
    "SELECT * FROM image", "SELECT * FROM main.image", "SELECT * FROM collection", "SELECT * FROM job", "SELECT * FROM blob",
    "SELECT count(*) FROM image", "SELECT * FROM main.v1_images", "SELECT number FROM v1_images", "SELECT rowid FROM image",
    "SELECT * FROM sqlite_schema", "SELECT * FROM sqlite_master", "SELECT * FROM sqlite_temp_schema", "SELECT * FROM main.sqlite_schema",
    "SELECT * FROM pragma_table_info('image')", "SELECT * FROM pragma_database_list", "SELECT * FROM dbstat", "SELECT * FROM sqlite_dbpage",
    "SELECT * FROM json_each('[1]')", "SELECT load_extension('x')", "SELECT readfile('/etc/passwd')", "SELECT writefile('/tmp/x', 'y')",
    "SELECT sqlite_version()", "SELECT fts3_tokenizer('simple')", "SELECT zeroblob(10)", "SELECT randomblob(10)", "SELECT edit('x')",
    "WITH v1_images AS (SELECT * FROM image) SELECT * FROM v1_images",
    "WITH v1_x AS (SELECT * FROM image) SELECT * FROM v1_x",
    "WITH v1_images AS (SELECT * FROM main.image) SELECT * FROM v1_images",
    "SELECT * FROM (WITH v1_images AS (SELECT id, sealed FROM image) SELECT * FROM v1_images)",
    "WITH v1_images(a) AS (VALUES(1) UNION ALL SELECT number FROM image) SELECT a FROM v1_images",
    "SELECT (SELECT max(number) FROM image)", "SELECT * FROM v1_images WHERE id IN (SELECT id FROM image)",
    "SELECT * FROM v1_images UNION SELECT * FROM image", "SELECT EXISTS (SELECT 1 FROM image)",
    "VALUES ((SELECT count(*) FROM job))", "SELECT * FROM control.api_key", "SELECT * FROM api_key",
    "", ";", "-- only a note", "SELECT", "SELECT * FROM v1_nothing", "SELECT nothing FROM v1_images", "HELLO",
]


@pytest.mark.parametrize("sql", HOSTILE)
def test_refused(server, analyst, sql):
    before = {p.name for p in server.data.iterdir()}
    reply = ask(analyst, sql)
    assert reply.status_code in (400, 403), reply.text
    assert reply.json()["detail"] and "p_" not in reply.json()["detail"]
    assert {p.name for p in server.data.iterdir()} - before <= {"catalog.db-wal", "catalog.db-shm", "control.db-wal", "control.db-shm"}
    assert analyst.rows("SELECT count(*) FROM v1_images WHERE collection = 'sql'") == [[5]]


@pytest.mark.parametrize("sql", [
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r WHERE n < 0",
])
def test_endless_query_is_cut(server, analyst, sql):
    import time
    began = time.monotonic()
    reply = ask(analyst, sql)
    assert reply.status_code == 422 and "cut" in reply.json()["detail"], reply.text
    assert time.monotonic() - began < 15
    assert server.admin.metric("darkroom_sql_refused_total") >= 1


@pytest.mark.parametrize("sql", [
    "SELECT hex(zeroblob(200000000))", "SELECT length(printf('%0900000000d', 1))", "SELECT replace(printf('%01000000d', 1), '0', 'long text')",
    "SELECT group_concat(a.n || printf('%01000d', 1)) FROM (WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 2000) SELECT n FROM r) a",
])
def test_huge_values_are_refused(analyst, sql):
    reply = ask(analyst, sql)
    assert reply.status_code in (400, 403, 422), reply.text[:300]


def test_memory_of_a_query_is_bounded(server, analyst):
    sql = "WITH RECURSIVE r(n, t) AS (SELECT 1, printf('%0100000d', 1) UNION SELECT n + 1, printf('%0100000d', n) FROM r LIMIT 5000) SELECT count(*) FROM r"
    reply = ask(analyst, sql)
    assert reply.status_code == 422, reply.text[:300]
    assert analyst.rows("SELECT 1") == [[1]]


def test_rows_are_limited(own_server):
    server = own_server("--sql-rows-max", "100")
    numbers = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT {}) SELECT n FROM r"
    assert server.admin.sql(numbers.format(100))["row_count"] == 100
    reply = ask(server.admin, numbers.format(101))
    assert reply.status_code == 422 and "100" in reply.json()["detail"]


def test_answer_is_limited(analyst):
    sql = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 100) SELECT printf('%0200000d', n) FROM r"
    assert ask(analyst, sql).status_code == 422


def test_deep_and_long_statements(analyst):
    assert ask(analyst, "SELECT " + "NOT " * 500 + "1").status_code == 400
    assert ask(analyst, "SELECT " + ",".join(["1"] * 500)).status_code == 400
    assert ask(analyst, "SELECT '" + "x" * 100001 + "'").status_code == 400
    assert ask(analyst, " UNION ALL ".join(["SELECT 1"] * 50)).status_code == 400


def test_at_most_four_at_once(analyst):
    """The fifth is told to come again, and everyone is answered."""
    import concurrent.futures
    slow = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        codes = sorted(r.status_code for r in pool.map(lambda _: ask(analyst, slow), range(12)))
    assert codes.count(422) >= 4 and set(codes) <= {422, 503}
