"""life - the end and the middle of an image's life: from upload to ready, and the purge of very many beside uploads."""
import datetime
import re
import statistics
import struct
import subprocess
import sys
import threading
import time

import photos
from ingest import settle
from measure import BMP_HEAD, Table, fast, serve, times

RETENTION_S, EPOCH_MS = 90, 30_000
BESIDE, BESIDE_BYTES = 32, 100_000
WAIT_S = 300


# --- upload to ready ---------------------------------------------------------------------------------------------


def stamped_photograph():
    """A photograph of 12 megapixels with a comment of 16 bytes; gives it and the place of the comment."""
    data = photos.camera_jpeg(4000, 3000, 12)
    return data[:2] + b"\xff\xfe" + struct.pack(">H", 18) + bytes(16) + data[2:], 6


def ready(bench):
    """Part ready: from the first byte of an upload to the answer that says that its renditions are there."""
    server = serve(bench.work, "ready")
    photograph = bench.work / "photograph.jpg"
    data, stamp = stamped_photograph()
    photograph.write_bytes(data)
    table = Table("upload to ready", "clients", "images a second", "p50 / p99 ms", "CPU ms each", "spread")
    for clients in (1, 4):
        cell = bench.measure(server, "put", clients, "/v1/images?wait=processed", photograph, stamp)
        table.add(f"12 megapixels, {len(data) / 1e6:.1f} MB", clients, fast(cell.rate), times(cell), f"{cell.cpu_ms:.0f}",
                  f"{100 * cell.spread:.0f} %")
    counts = server.admin.get("/v1/stats").json()
    server.stop()
    if counts["failed"] or counts["received"]:
        sys.exit(f"bench: not every photograph became ready: {counts}")
    settle(server.directory)
    return table.lines, {}


# --- purge -------------------------------------------------------------------------------------------------------


def moment_ms(text):
    """A time of the API in ms since 1970."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Watch(threading.Thread):
    """Looks at the counters all the time: (monotonic s, trusted ms after the look, keys destroyed, rows purged)."""

    NAMES = ("epochs_destroyed_total", "images_purged_total")

    def __init__(self, server):
        super().__init__(daemon=True)
        self.client, self.seen, self.is_over = server.client("admin", principal="watch"), [], False

    def look(self):
        text = self.client.get("/metrics").text
        now = self.client.get("/readyz").json()["time"]
        counts = [float(re.search(rf"^darkroom_{name} (\S+)$", text, re.M).group(1)) for name in self.NAMES]
        self.seen.append((time.monotonic(), moment_ms(now), *counts))

    def run(self):
        while not self.is_over:
            self.look()
            time.sleep(0.02)

    def end(self):
        self.is_over = True
        self.join()


def lateness_ms(seen):
    """How long after its due moment a look saw each epoch's key destroyed; one is due every 30 s of trusted time."""
    looks = [now for (_, _, before, _), (_, now, after, _) in zip(seen, seen[1:]) for _ in range(round(after - before))]
    return [now - (looks[0] // EPOCH_MS + number) * EPOCH_MS for number, now in enumerate(looks)]


def split(windows, seen):
    """Uploads a second before the first row went, and in windows in which rows went."""
    first = next(at for at, _, _, purged in seen if purged > 0)
    before, during = [], []
    for rate, _, _, begin in windows:
        inside = [purged for at, _, _, purged in seen if begin <= at < begin + 1]
        if begin + 1 < first:
            before.append(rate)
        elif len(inside) > 1 and inside[-1] > inside[0]:
            during.append(rate)
    return before, during


def uploads_beside(bench, server, watch, count):
    """Uploads of another collection, in windows of a second, until all rows are gone; gives the windows."""
    windows, end = [], time.monotonic() + WAIT_S
    while watch.seen[-1][3] < count:
        if time.monotonic() > end:
            sys.exit(f"bench: {WAIT_S} s later not all are purged: {watch.seen[-1]}")
        lines = bench.call(server, "put", BESIDE, 10, 1, server.target, bench.body(BESIDE_BYTES), BMP_HEAD)
        windows += [[float(word) for word in words] for words in lines if words[0] != "total"]
    return windows


def purge(bench):
    """Part purge: very many images that end within a few epochs, while others are uploaded."""
    count = bench.options.purged
    server = serve(bench.work, "purge", "--workers", "0")
    server.collection("short", retention_s=RETENTION_S)
    watch = Watch(server)
    watch.look()
    (filled,), = bench.call(server, "fill", 64, count, 0, "/v1/images?collection=short", bench.body(20_000), BMP_HEAD)
    watch.start()
    windows = uploads_beside(bench, server, watch, count)
    watch.end()
    server.stop()
    settle(server.directory)
    late, (before, during) = lateness_ms(watch.seen), split(windows, watch.seen)
    going = [(at, purged) for at, _, _, purged in watch.seen]
    first, last = next(at for at, n in going if n > 0), next(at for at, n in going if n >= count)
    facts = {"count": count, "epochs": len(late), "late_ms": max(late), "rows_s": last - first}
    lines = [f"{count:,} images of 20 KB, uploaded in {float(filled):.0f} s by 64 clients, with a retention of {RETENTION_S} s; beside their "
             f"end {BESIDE} clients upload 100 KB into another collection.", "",
             f"* Keys: {len(late)} epochs of 30 s; each was seen destroyed at most {max(late):,.0f} ms after it was due.",
             f"* Rows: gone {last - first:.1f} s after the first went ({count / (last - first):,.0f} a second over all epochs)."]
    if before and during:
        facts |= {"before": statistics.median(before), "during": statistics.median(during)}
        lines.append(f"* Uploads: {facts['before']:,.0f} a second before ({len(before)} windows of a second), {facts['during']:,.0f} in those in "
                     f"which rows went ({len(during)}): {100 * (1 - facts['during'] / facts['before']):.0f} % less.")
    print("\n" + "\n".join(lines), flush=True)
    return lines, facts
