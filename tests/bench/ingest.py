"""ingest - durable uploads beside nginx and the reference, the reference by itself, and reads."""
import os
import shutil
import time

from measure import SIZES, Reference, Samples, Table, fast, resident_mib, serve, times

FEW, MANY = (1, 8, 32), 64
MINUTE_WINDOWS = 6
# As Darkroom answers, into segments that are reserved as its own are.
LIKE_OURS = ("applied", "reserved")
READERS, READ_IMAGES, STORED = (8, 64), 100, 500
KINDS = [("full", "reserved"), ("normal", "reserved"), ("applied", "growing"), ("applied", "reserved"), ("applied", "recycled"),
         ("lazy", "reserved"), ("lazy", "recycled"), ("none", "recycled")]


def settle(*directories):
    """Deletes, and lets the disk finish: what it still owes would be charged to who comes next."""
    for directory in directories:
        shutil.rmtree(directory)
    os.sync()
    time.sleep(2)


def numbers(cell):
    return {"rate": cell.rate, "p50_ms": cell.p50_ms, "p99_ms": cell.p99_ms, "cpu_ms": cell.cpu_ms}


# --- ingest ------------------------------------------------------------------------------------------------------


def a_minute(bench, server, reference, size):
    """64 clients for a minute without a pause, the catalog growing; nginx before and after it."""
    ours, ceiling, mark = Samples(), Samples(), Samples()
    bench.put(ceiling, bench.sink, MANY, size, windows=bench.windows)
    bench.put(ours, server, MANY, size, windows=MINUTE_WINDOWS, seconds=max(1, bench.options.minute // MINUTE_WINDOWS))
    bench.put(ceiling, bench.sink, MANY, size, windows=bench.windows)
    for _ in range(bench.windows):
        reference.add(mark, *LIKE_OURS, MANY, size)
    return {"Darkroom": ours.cell(), "nginx": ceiling.cell(), "reference": mark.cell()}, ours.rows[-1][0] / ours.rows[0][0]


def in_windows(bench, server, reference, clients, size):
    return bench.in_turn({
        "nginx": lambda samples: bench.put(samples, bench.sink, clients, size),
        "Darkroom": lambda samples: bench.put(samples, server, clients, size),
        "reference": lambda samples: reference.add(samples, *LIKE_OURS, clients, size)})


def row_of(name, clients, cells):
    ours, ceiling, mark = cells["Darkroom"], cells["nginx"], cells["reference"]
    return (name, clients, fast(ours.rate), times(ours), f"{ours.cpu_ms:.2f}", f"{100 * ours.spread:.0f} %", fast(ceiling.rate),
            times(ceiling), f"{ceiling.cpu_ms:.2f}", f"{ours.rate / ceiling.rate:.2f}", fast(mark.rate), times(mark),
            f"{ours.rate / mark.rate:.2f}")


def ingest(bench):
    """Part ingest: every size and number of clients, in windows that alternate; at 64 clients a whole minute."""
    reference = Reference(bench)
    table = Table("upload", "clients", "Darkroom, 1/s", "p50 / p99 ms", "CPU ms each", "spread", "nginx, 1/s", "p50 / p99 ms",
                  "CPU ms each", "ratio", "reference, 1/s", "p50 / p99 ms", "ratio")
    facts = {"cells": {}, "memory": {}, "sync_ms": {}, "last_to_first": {}}
    for name, size in SIZES.items():
        server = serve(bench.work, f"ingest-{size}", "--workers", "0")
        facts["memory"]["idle"] = resident_mib(server.pid)
        reference.cell("none", "reserved", 1, size)
        facts["sync_ms"][name] = reference.facts["sync_p50_ms"]
        for clients in (*FEW, MANY):
            if clients == MANY:
                cells, facts["last_to_first"][name] = a_minute(bench, server, reference, size)
            else:
                cells = in_windows(bench, server, reference, clients, size)
            table.add(*row_of(name, clients, cells))
            facts["cells"][f"{name}, {clients}"] = {who: numbers(cell) for who, cell in cells.items()}
        facts["memory"][name] = resident_mib(server.pid)
        server.stop()
        settle(server.directory)
    reference.end()
    memory = ", ".join(f"{fast(mib)} after {name}" for name, mib in facts["memory"].items() if name != "idle")
    syncs = ", ".join(f"{ms:.2f} ms at {name}" for name, ms in facts["sync_ms"].items())
    growth = ", ".join(f"{100 * ratio:.0f} % at {name}" for name, ratio in facts["last_to_first"].items())
    return table.lines + ["", f"Resident memory, highest since the start, MiB: {facts['memory']['idle']:.0f} idle, {memory}.",
                          f"The disk's sync, one client, after a write of that size (median): {syncs}.",
                          f"The last sixth of the minute against its first: {growth}."], facts


# --- the reference -----------------------------------------------------------------------------------------------


def reference(bench):
    """Part reference: what each way to keep a catalog and segments costs, with nothing around it."""
    program = Reference(bench)
    table = Table("catalog, segments", *(f"{name}: 1 / {MANY} clients, 1/s" for name in SIZES),
                  f"20 KB, {MANY} clients: p50 / p99 ms", "objects a batch", "write / sync / catalog ms of a batch", "CPU ms each")
    for kind in KINDS:
        rates, small = [], None
        for size in SIZES.values():
            one, many = program.cell(*kind, 1, size), program.cell(*kind, MANY, size)
            rates.append(f"{fast(one.rate)} / {fast(many.rate)}")
            small = small or (many, program.facts)
        many, facts = small
        table.add(", ".join(kind), *rates, times(many), f"{facts['batch']:.1f}",
                  f"{facts['write_ms']:.2f} / {facts['sync_ms']:.2f} / {facts['catalog_ms']:.2f}", f"{many.cpu_ms:.3f}")
    program.end()
    settle()
    return table.lines, {}


# --- reads -------------------------------------------------------------------------------------------------------


def read(bench):
    """Part read: originals, decrypted and checked; nginx serves files of the same size out of the page cache."""
    table = Table("read", "clients", "Darkroom, 1/s", "p50 / p99 ms", "CPU ms each", "spread", "nginx, 1/s", "p50 / p99 ms", "ratio")
    for name, size in SIZES.items():
        server, body = serve(bench.work, f"read-{size}", "--workers", "0"), bench.body(size)
        bench.call(server, "fill", 8, STORED, 0, server.target, body, 54)
        listed = server.admin.get("/v1/images", params={"limit": READ_IMAGES}).json()["images"]
        ours, theirs = bench.work / "ours", bench.work / "theirs"
        ours.write_text("\n".join(f"/v1/images/{i['id']}/original" for i in listed))
        for number in range(READ_IMAGES):
            shutil.copy(body, bench.sink.at / f"files/{size}-{number}.bmp")
        theirs.write_text("\n".join(f"/files/{size}-{n}.bmp" for n in range(READ_IMAGES)))
        for clients in READERS:
            cells = bench.in_turn({"nginx": lambda samples: bench.add(samples, bench.sink, "get", clients, theirs),
                                   "Darkroom": lambda samples: bench.add(samples, server, "get", clients, ours)}, min(bench.windows, 2))
            mine, ceiling = cells["Darkroom"], cells["nginx"]
            table.add(name, clients, fast(mine.rate), times(mine), f"{mine.cpu_ms:.2f}", f"{100 * mine.spread:.0f} %",
                      fast(ceiling.rate), times(ceiling), f"{mine.rate / ceiling.rate:.2f}")
        server.stop()
        settle(server.directory)
    return table.lines, {}
