"""aims - what was asked for, what was seen, and whether that is enough.  Looks only at the facts that parts left."""
from measure import SIZES

RATIO_AIMS = {"20 KB": 0.40, "100 KB": 0.55, "500 KB": 0.55, "2 MB": 0.55}
MEMORY_MIB, GB, SHAKES, KEYS_MS, COST = 256, 1.0, 800, 1000, 0.10
NOT_RUN = "not measured"


def answer(met):
    return {True: "yes", False: "**no**", None: NOT_RUN}[met]


def ratios(facts):
    for name, aim in RATIO_AIMS.items():
        cells = facts["cells"][f"{name}, 64"]
        seen = cells["Darkroom"]["rate"] / cells["nginx"]["rate"]
        yield f"uploads of {name}, 64 clients, a minute: at least {aim:.2f} of nginx", f"{seen:.2f}", seen >= aim


def first_answers(facts):
    for name in SIZES:
        cells = facts["cells"][f"{name}, 1"]
        limit = 2 * (cells["nginx"]["p50_ms"] + facts["sync_ms"][name])
        seen = cells["Darkroom"]["p50_ms"]
        yield (f"uploads of {name}, 1 client: p50 at most twice nginx's and the disk's sync, {limit:.2f} ms", f"{seen:.2f} ms", seen <= limit)


def memory(facts):
    seen = max(mib for name, mib in facts["memory"].items())
    yield f"resident memory with 64 clients: under {MEMORY_MIB} MiB", f"{seen:.0f} MiB", seen < MEMORY_MIB


def of_peers(facts):
    for name in SIZES:
        best = {}
        for cell, who in facts["cells"].items():
            if cell.startswith(f"{name}, "):
                peer = max((who[peer]["rate"], peer) for peer in facts["syncs"]) if facts["syncs"] else None
                best[cell] = who["Darkroom"]["rate"] / peer[0] if peer else None
        seen = min((ratio for ratio in best.values() if ratio is not None), default=None)
        told = ", ".join(f"{ratio:.1f} ×" for ratio in best.values() if ratio is not None) or NOT_RUN
        yield f"uploads of {name}, 1, 8 and 64 clients: ahead of every peer that syncs", told, None if seen is None else seen > 1


def of_tls(facts):
    bulk = min(facts["decrypt_gb"], facts["encrypt_gb"])
    yield f"TLS: at least {GB:.0f} GB/s on a core", f"{facts['decrypt_gb']:.2f} in, {facts['encrypt_gb']:.2f} out", bulk >= GB
    yield f"TLS: at least {SHAKES} full P-256 handshakes a second on a core", f"{facts['handshakes']:,.0f}", facts["handshakes"] >= SHAKES
    yield ("the same through the whole server, each with a connection and a request", f"{facts['served_handshakes']:,.0f}",
           facts["served_handshakes"] >= SHAKES)


def of_purge(facts):
    yield (f"purge of {facts['count']:,}: keys destroyed within a second of their time", f"{facts['late_ms']:,.0f} ms", facts["late_ms"] < KEYS_MS)
    if "during" not in facts:
        yield "uploads lose under 10 % while the rows go", NOT_RUN, None
    else:
        cost = 1 - facts["during"] / facts["before"]
        yield "uploads lose under 10 % while the rows go", f"{100 * cost:.0f} %", cost < COST


AIMS = [("ingest", ratios), ("ingest", first_answers), ("ingest", memory), ("peers", of_peers), ("tls", of_tls), ("purge", of_purge)]


def table(results):
    """results: part -> {"facts", "when"}; the newest run of each part.  Gives lines of Markdown."""
    lines = ["| aim | seen | met |", "|---|--:|---|"]
    for part, rows in AIMS:
        if part not in results:
            lines.append(f"| what `./dev bench {part}` measures | – | {NOT_RUN} |")
            continue
        for aim, seen, met in rows(results[part]["facts"]):
            lines.append(f"| {aim} | {seen} | {answer(met)} |")
    aimed = {part for part, _ in AIMS}
    whens = {part: result["when"] for part, result in results.items() if part in aimed}
    if len(set(whens.values())) > 1:
        lines += ["", "From more than one run: " + "; ".join(f"{part}: {when}" for part, when in sorted(whens.items())) + "."]
    return lines
