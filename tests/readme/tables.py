"""The tables of README.md that come from the program and from third_party/components.

`python3 tests/readme/tables.py PROGRAM` writes them into README.md; test_readme.py compares them.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _cell(text):
    return str(text).replace("|", "\\|")


def _row(*cells):
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _output(program, *arguments):
    done = subprocess.run([program, *arguments], check=True, capture_output=True, text=True, env={})
    return done.stdout


def routes(program):
    """The API description has no rights in it, so this reads the columns that people read."""
    rows = []
    for line in _output(program, "routes").splitlines()[1:]:
        method, path, right, sentence = re.fullmatch(r"(\S+) +(\S+) +(\S.*?)  +(\S.*)", line).groups()
        rows.append(_row(method, f"`{path}`", right, sentence))
    return rows


def settings(program):
    return [_row(f"`{s['key']}`", "–" if s["default"] == "" else s["default"], s["unit"] or "–", s["sentence"])
            for s in json.loads(_output(program, "config", "--json"))]


def components(_program=None):
    rows = []
    for line in (ROOT / "third_party/components").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, package, suites, licence, why = (part.strip() for part in line.split("|"))
            least = ", ".join(suite.replace(">=", " ") for suite in suites.split())
            rows.append(_row(name, package, least, licence, why))
    return rows


def roles(_program=None):
    text = (ROOT / "src/access/access_roles.c").read_text()
    return [_row(*pair) for pair in re.findall(r'\{ "(\w+)", "([^"]+)",', text)]


# First cell of the table's head, and what makes its rows.
TABLES = {"Method": routes, "Setting": settings, "Component": components, "Role": roles}


def split_at(text, head):
    """What stands before, in and behind the rows of the table whose head begins with `head`."""
    found = re.search(rf"^\| {head} \|.*\n\|[-|:]+\|\n", text, re.M)
    assert found, f"README.md has no table that begins with {head}"
    rows = re.compile(r"(?:(?!\n).+\n)*").match(text, found.end())
    return text[:found.end()], rows.group(0), text[rows.end():]


def main():
    path = ROOT / "README.md"
    text = path.read_text()
    for head, make in TABLES.items():
        before, _, behind = split_at(text, head)
        text = before + "".join(row + "\n" for row in make(sys.argv[1])) + behind
    path.write_text(text)


if __name__ == "__main__":
    main()
