"""docs/ says what the sources say: metrics, error codes, fuzz targets, exit codes, fields."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def text(path):
    return (ROOT / path).read_text()


def rows(document, head):
    """Cells of the rows of the table that begins with `head`."""
    table = re.search(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text(document), re.M).group(1)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]


def test_metrics_exist():
    known = set(re.findall(r'"(darkroom_\w+)"', text("include/metrics.h")))
    named = {re.search(r"`(\w+)`", row[0]).group(1) for row in rows("docs/operations.md", "Metric")}
    in_readme = re.search(r"\^darkroom_\(([\w|]+)\)", text("README.md")).group(1)
    assert named and named <= known
    assert {f"darkroom_{name}" for name in in_readme.split("|")} <= known


def test_exit_codes_are_all_there():
    table = re.search(r"enum \{\s*(EXIT_DONE.*?)\}", text("include/client.h"), re.S).group(1)
    assert [row[0] for row in rows("docs/operations.md", "Code")] == re.findall(r"= (\d+)", table)


def test_error_codes_are_the_servers():
    pairs = set(re.findall(r'X\(\w+, (\d+), "(\w+)"\)', text("src/http/reply.c")))
    pairs |= set(re.findall(r'reply_problem\(&?\w+, (\d+), "(\w+)"', text("src/http/dispatch.c")))
    pairs = {pair for pair in pairs if pair[0] != "200"}
    documented = {(row[0], code) for row in rows("docs/api.md", "Status")
                  for code in re.findall(r"`(\w+)`", row[1])}
    assert pairs <= documented


def test_fuzz_targets_are_those_that_exist():
    there = {path.stem for path in (ROOT / "tests/fuzz").glob("fuzz_*.c")}
    assert set(re.findall(r"`(fuzz_\w+)`", text("docs/security.md"))) == there


def test_sources_named_exist():
    for document in ["docs/security.md", "docs/operations.md", "docs/decisions.md", "docs/api.md"]:
        for path in re.findall(r"`((?:src|tests|include)/[\w/]+\.[ch])`", text(document)):
            assert (ROOT / path).exists(), f"{document} names {path}"


def test_sealed_fields_are_only_the_position():
    """What security.md says of fields.def."""
    found = re.findall(r"^FIELD\((\w+), +\w+, +(\w+)", text("src/process/fields.def"), re.M)
    fields = {name: kind for kind, name in found}
    assert {name for name, kind in fields.items() if kind == "SEALED"} == {"gps_latitude", "gps_longitude"}
    assert set(fields.values()) == {"PLAIN", "SEALED"}


def test_decisions_are_numbered():
    numbers = [int(n) for n in re.findall(r"^## (\d+)\. ", text("docs/decisions.md"), re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
