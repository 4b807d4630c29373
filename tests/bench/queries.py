"""queries - a catalog of a million images, and how long the API takes to find things in it.

The rows are no uploads.  A server takes a few real images and stops; rows like theirs are then put into its catalog.db,
and it starts again.  How rows are made, so that the result is a catalog as the applier leaves it (schema.sql):

* Every column that this file does not name keeps the value of a real image's row, so a new column does no harm.  The
  places and the blob are the real image's too; only these few can be opened, so nothing here reads bytes.
* Names, times, states, formats, cameras and measures differ as in a busy week; ids are random behind their epoch.
* Images that are ready have no rendition rows, and images that wait no jobs: the queries look at neither.
* The counts beside the rows (blob.uses, segment.rows, tally, daily) are counted again from the rows.
* Indexes are dropped before and made anew after, by their own words out of the catalog: they are as dense as they get.
"""
import contextlib
import json
import os
import random
import sqlite3
import struct
import time

from ingest import settle
from measure import BMP_HEAD, Samples, Table, bmp, cpu_seconds, serve

COLLECTIONS = ("default", "gate-north", "gate-south", "studio")
REAL = 50
SPAN_MS, RETENTION_MS, EPOCH_MS, DAY_MS = 5 * 86_400_000, 7 * 86_400_000, 30_000, 86_400_000
FORMATS = ("jpeg",) * 7 + ("png", "webp", "bmp")
CAMERAS = (None, "Canon EOS R6", "Nikon Z 8", "SONY ILCE-7M4", "Apple iPhone 15", "Google Pixel 8", "FUJIFILM X-T5", "Leica Q3")
RESULTS = ("result_segment", "result_offset", "result_length")
DAYS = 24 * 3600


# --- a million rows ----------------------------------------------------------------------------------------------


def images_like(template, columns, count, newest_ms, first_number):
    """Rows in the order of their arrival."""
    dice = random.Random(1)
    uploaders = [dice.randbytes(16) for _ in range(50)]
    for number in range(count):
        row = dict(template[number % len(template)])
        received = newest_ms - SPAN_MS + number * SPAN_MS // count
        expires = received + RETENTION_MS
        epoch = -(-expires // EPOCH_MS)
        state = dice.choices(("ready", "failed", "received"), (95, 2, 3))[0]
        camera, iso = dice.choice(CAMERAS), dice.choice((100, 200, 400, 800, 1600))
        row |= {"number": first_number + number, "id": row["id"][:7] + struct.pack(">I", epoch & 0xffffffff) + dice.randbytes(14),
                "state": state, "format": dice.choice(FORMATS), "bytes": dice.randrange(50_000, 6_000_000), "width": dice.randrange(640, 6000),
                "height": dice.randrange(480, 4000), "received_at": received, "expires_at": expires, "epoch": epoch,
                "uploader": dice.choice(uploaders),
                "idempotency": dice.randbytes(16) if number % 2 else None}
        if state != "received":
            row |= {"ready_at": received + dice.randrange(200, 3000), "reason": None if state == "ready" else "the picture is cut short"}
            row |= dict(zip(RESULTS, (1, 4096 * number, 4096)))
        if state == "ready":
            row |= {"camera": camera, "iso": iso if camera else None, "exposure_s": 1 / dice.choice((60, 125, 250)), "aperture": 2.8,
                    "focal_mm": dice.choice((24.0, 35.0, 85.0)), "has_gps": number % 5 == 0, "colour": f"#{dice.randrange(1 << 24):06x}",
                    "brightness": dice.random(), "sharpness": dice.random(), "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj"}
        yield [row.get(column) for column in columns]


COUNT_AGAIN = """
UPDATE blob SET uses = (SELECT count(*) FROM image WHERE image.blob = blob.number)
                     + (SELECT count(*) FROM rendition WHERE rendition.blob = blob.number);
DELETE FROM segment;
INSERT INTO segment (store, number, rows)
    SELECT store, number, count(*)
      FROM (SELECT 1 AS store, segment AS number FROM image UNION ALL SELECT store, segment FROM blob
            UNION ALL SELECT 2, result_segment FROM image WHERE result_segment IS NOT NULL)
     GROUP BY store, number;
INSERT OR IGNORE INTO tally (collection) SELECT DISTINCT collection FROM image;
UPDATE tally SET (images, bytes, ready, failed) =
    (SELECT count(*), coalesce(sum(bytes), 0), count(*) FILTER (WHERE state = 'ready'), count(*) FILTER (WHERE state = 'failed')
       FROM image WHERE image.collection = tally.collection);
DELETE FROM daily;
INSERT INTO daily (day, collection, format, images, bytes, ready, failed)
    SELECT i.received_at - i.received_at % 86400000, c.name, i.format, count(*), sum(i.bytes),
           count(*) FILTER (WHERE i.state = 'ready'), count(*) FILTER (WHERE i.state = 'failed')
      FROM image AS i JOIN collection AS c ON c.number = i.collection GROUP BY 1, 2, 3;
"""


def multiply(path, count):
    """Puts `count` rows like its own into the catalog of a server that does not run; gives the seconds it took."""
    began = time.monotonic()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.row_factory = sqlite3.Row
        db.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-1048576; PRAGMA foreign_keys=OFF; PRAGMA temp_store=MEMORY;")
        template = [dict(row) for row in db.execute("SELECT * FROM image")]
        columns = list(template[0])
        newest, last = max(row["received_at"] for row in template), max(row["number"] for row in template)
        indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'image' AND sql IS NOT NULL").fetchall()
        db.execute("BEGIN IMMEDIATE")
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        marks = ", ".join("?" * len(columns))
        db.executemany(f"INSERT INTO image ({', '.join(columns)}) VALUES ({marks})", images_like(template, columns, count, newest, last + 1))
        for _, sql in indexes:
            db.execute(sql)
        for statement in COUNT_AGAIN.split(";\n"):
            db.execute(statement)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return time.monotonic() - began


def filled(bench, count):
    """A server over `count` rows and a few real images, the body of which was sent under the keys key-0, key-1, …"""
    server = serve(bench.work, "queries", "--workers", "0")
    for name in COLLECTIONS[1:]:
        server.collection(name)
    body = bmp(20_000)
    for number in range(REAL):
        server.admin.upload(body[:BMP_HEAD] + struct.pack(">Q", number) + body[BMP_HEAD + 8:], collection=COLLECTIONS[number % 4],
                            headers={"Idempotency-Key": f"key-{number}"})
    server.stop()
    took = multiply(server.data / "catalog.db", count)
    server.start()
    seen = server.admin.get("/v1/stats").json()["images"]
    if seen != count + REAL:
        raise RuntimeError(f"the catalog should hold {count + REAL} images and holds {seen}")
    first = bench.work / "first.bmp"
    first.write_bytes(body[:BMP_HEAD] + struct.pack(">Q", 0) + body[BMP_HEAD + 8:])
    return server, took, first


# --- asking ------------------------------------------------------------------------------------------------------


def slowly(server, once):
    """What the load generator is too quick for: asked at most ten times, 20 s at the longest, by this program."""
    took, cpu, end = [], cpu_seconds(server.pid), time.monotonic() + 20
    while len(took) < 10 and time.monotonic() < end:
        began = time.monotonic()
        reply = once()
        took.append(1000 * (time.monotonic() - began))
        if not reply.ok:
            return None
    took.sort()
    return took[len(took) // 2], took[-1], 1000 * (cpu_seconds(server.pid) - cpu) / len(took), len(took)


def quickly(bench, server, arguments, header):
    samples = Samples()
    bench.add(samples, server, *arguments, header=header)
    row = samples.rows[0]
    return row[1] / 1000, row[2] / 1000, 1000 * samples.cpu_s / samples.total, samples.total


def ask(bench, server, table, what, once, *arguments, header=None):
    """One row: `once` asks as this program can, `arguments` and `header` say the same to the load generator."""
    began = time.monotonic()
    reply = once()
    is_slow = time.monotonic() - began > bench.seconds / 20
    if reply.ok:
        seen = slowly(server, once) if is_slow else quickly(bench, server, arguments, header)
    if not reply.ok or not seen:
        table.add(what, "–", "–", "–", "refused: past the limit of a query")
        return
    table.add(what, *(f"{value:.2f}" for value in seen[:3]), seen[3])


def ask_get(bench, server, table, what, targets):
    path, dice = bench.work / "asked", random.Random(1)
    path.write_text("\n".join(targets))
    ask(bench, server, table, what, lambda: server.admin.get(dice.choice(targets)), "get", 1, path)


def deep_pages(server, target, pages=40):
    """The addresses of pages far behind the first one."""
    joint, cursor, out = "&" if "?" in target else "?", None, []
    for _ in range(pages):
        reply = server.admin.get(target + (f"{joint}cursor={cursor}" if cursor else "")).json()
        cursor = reply.get("next_cursor")
        if not cursor:
            break
        out.append(f"{target}{joint}cursor={cursor}")
    return out[len(out) // 2:]


def day_of(server, ago):
    now = time.time() - ago * DAYS
    return (f"from={time.strftime('%Y-%m-%dT00:00:00Z', time.gmtime(now))}&to={time.strftime('%Y-%m-%dT01:00:00Z', time.gmtime(now))}")


def lists(server):
    """What is asked by GET: a sentence and its addresses."""
    page = "/v1/images?limit=100"
    yield "newest 100", [page]
    yield "100 of a collection", [f"{page}&collection={name}" for name in COLLECTIONS]
    yield "100 of a collection, of one hour", [f"{page}&collection={name}&{day_of(server, ago)}" for name in COLLECTIONS for ago in (1, 2, 3)]
    yield "100 that failed (2 %)", [f"{page}&state=failed"]
    yield "100 of a format (10 %)", [f"{page}&format=webp"]
    yield "100 by a part of the camera's name", [f"{page}&camera=Leica"]
    yield "100 of a collection, by format, state and camera", [f"{page}&collection=studio&format=png&state=ready&camera=X-T5"]
    yield "100 by a camera that there is not", [f"{page}&camera=none-such"]
    yield "pages 20 to 40 of 500 each", deep_pages(server, "/v1/images?limit=500")
    yield "pages 20 to 40 of 100 each, of a collection", deep_pages(server, f"{page}&collection=studio")
    yield "counts (/v1/stats)", ["/v1/stats"]


SQL = {
    "SQL: count of all": "SELECT count(*) FROM v1_images",
    "SQL: count by state": "SELECT state, count(*) FROM v1_images GROUP BY state",
    "SQL: count and mean size by collection and format": "SELECT collection, format, count(*), avg(bytes) FROM v1_images GROUP BY 1, 2",
    "SQL: images by hour, one day": "SELECT substr(received_at, 1, 13), count(*) FROM v1_images WHERE received_at >= ?1 AND received_at < ?2 GROUP BY 1",
    "SQL: ten most used cameras": "SELECT camera, count(*) FROM v1_images WHERE camera IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "SQL: days (v1_daily)": "SELECT day, sum(images), sum(bytes) FROM v1_daily GROUP BY day ORDER BY day",
}


def sql_body(text):
    if "?1" not in text:
        return {"sql": text, "parameters": []}
    day = time.time() - 2 * DAYS
    return {"sql": text, "parameters": [time.strftime("%Y-%m-%dT00:00:00.000Z", time.gmtime(day + n * DAYS)) for n in (0, 1)]}


def ask_sql(bench, server, table, what, text):
    asked, path = sql_body(text), bench.work / "asked.json"
    path.write_text(json.dumps(asked))
    ask(bench, server, table, what, lambda: server.admin.post("/v1/sql", json=asked), "put", 1, "/v1/sql", path, "-",
        header="Content-Type: application/json\r\n")


def queries(bench):
    """Part queries."""
    count = bench.options.rows
    server, took, first = filled(bench, count)
    size = os.path.getsize(server.data / "catalog.db") / 1e6
    table = Table("query, one client", "p50 ms", "p99 ms", "CPU ms each", "asked")
    for what, targets in lists(server):
        if targets:
            ask_get(bench, server, table, what, targets)
    again = {"data": first.read_bytes(), "params": {"collection": COLLECTIONS[0]}, "headers": {"Idempotency-Key": "key-0"}}
    ask(bench, server, table, "an upload again under its Idempotency-Key", lambda: server.admin.post("/v1/images", **again),
        "put", 1, f"/v1/images?collection={COLLECTIONS[0]}", first, "-", header="Idempotency-Key: key-0\r\n")
    identity = server.admin.post("/v1/images", **again).json()["id"]
    ask_get(bench, server, table, "one record, opened and checked", [f"/v1/images/{identity}"])
    for what, text in SQL.items():
        ask_sql(bench, server, table, what, text)
    server.stop()
    settle(server.directory)
    return table.lines + ["", f"{count:,} rows, {size:,.0f} MB; made in {took:.0f} s by the script in `tests/bench/queries.py` (a stopped "
                          "server's catalog is filled with rows like those of its real images; the indexes are made anew)."], {}
