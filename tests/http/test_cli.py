"""The command line: what it prints for people and for programs, and its exit codes."""
import json
import re

import pytest

import images
from server import run, until


@pytest.fixture(scope="module")
def cli(server, tmp_path_factory):
    """Runs a client command against the server with the first key."""
    directory = tmp_path_factory.mktemp("cli")
    (directory / "key").write_text(server.key + "\n")

    def call(*arguments, key=None, **variables):
        where = {"DARKROOM_URL": server.url, "DARKROOM_CA": str(server.ca), "DARKROOM_KEY_FILE": str(directory / "key")}
        if key:
            where["DARKROOM_KEY"] = key
        return run(*arguments, **(where | variables))

    call.directory = directory
    return call


def good(done):
    assert done.returncode == 0, done.out + done.err
    return done.out


# --- put, get, ls, rm, sql ---------------------------------------------------------------------------------------


def test_put_get_rm(cli, server, collection, tmp_path):
    source, target = tmp_path / "a photo.jpg", tmp_path / "back.jpg"
    source.write_bytes(images.photograph(700, 500, 1))
    one = json.loads(good(cli("put", source, "--collection", collection, "--wait", "--json")))
    assert one["state"] == "ready" and one["collection"] == collection
    assert server.admin.get(one["links"]["self"]).json()["private"]["file_name"] == "a photo.jpg"
    assert good(cli("get", one["id"], "--output", target)).strip() == str(target)
    assert target.read_bytes() == source.read_bytes()
    good(cli("get", one["id"], "--rendition", "thumb", "-o", target))
    assert target.read_bytes()[:2] == b"\xff\xd8" and len(target.read_bytes()) < len(source.read_bytes())
    assert json.loads(good(cli("get", one["id"], "--info")))["id"] == one["id"]
    assert "erased" in good(cli("rm", one["id"]))
    assert cli("get", one["id"], "--output", tmp_path / "none").returncode == 66
    assert not list(tmp_path.glob("none*")), "a download that failed leaves nothing"
    assert cli("rm", one["id"]).returncode == 66


def test_put_for_people(cli, collection, tmp_path):
    source = tmp_path / "one.png"
    source.write_bytes(images.small(1))
    out = good(cli("put", source, "--collection", collection))
    assert "one.png" in out and re.search(r"20\d\d-\d\d-\d\dT", out)


def test_put_a_folder(cli, server, collection, tmp_path):
    for number in range(20):
        (tmp_path / f"{number}.png").write_bytes(images.small(number))
    (tmp_path / ".hidden").write_text("not an image")
    (tmp_path / "below").mkdir()
    lines = good(cli("put", tmp_path, "--collection", collection, "--parallel", "8", "--json")).splitlines()
    assert len({json.loads(line)["id"] for line in lines}) == 20
    assert len(server.admin.get("/v1/images", params={"collection": collection}).json()["images"]) == 20
    (tmp_path / "bad.png").write_text("this is no image")
    assert cli("put", tmp_path, "--collection", collection, "--parallel", "4").returncode == 1


@pytest.mark.parametrize("arguments,code", [
    (["put"], 64), (["put", "/nonexistent.jpg"], 66), (["put", "{text}"], 65), (["put", "{png}", "--collection", "nowhere"], 66),
    (["put", "{png}", "--parallel", "0"], 64), (["put", "{png}", "--bogus"], 64), (["get"], 64), (["get", "a", "b"], 64),
    (["get", "a" * 40], 66), (["ls", "extra"], 64), (["ls", "--collection", "nowhere"], 65), (["ls", "--limit", "0"], 65), (["rm"], 64), (["sql"], 64),
    (["sql", "DROP TABLE image"], 77), (["sql", "SELECT nothing"], 65), (["get", "--rendition"], 64),
])
def test_exit_codes(cli, tmp_path, arguments, code):
    (tmp_path / "text").write_text("no image")
    (tmp_path / "png").write_bytes(images.small(1))
    names = {"{text}": tmp_path / "text", "{png}": tmp_path / "png"}
    done = cli(*(names.get(a, a) for a in arguments))
    assert done.returncode == code, done.out + done.err
    assert done.err.strip() and not done.out.strip()


def test_exit_codes_of_who_and_where(cli, server, tmp_path):
    (tmp_path / "png").write_bytes(images.small(1))
    assert cli("ls", key="dr_aaaaaaaaaaaa_" + "a" * 43).returncode == 77
    assert cli("ls", key=server.client("uploader").key).returncode == 77
    assert cli("ls", DARKROOM_URL="https://127.0.0.1:1").returncode == 69
    assert cli("ls", DARKROOM_URL="http://127.0.0.1:1").returncode == 64
    assert run("ls", "--url", server.url).returncode == 64
    other = tmp_path / "ca.pem"
    other.write_text("no certificate")
    assert cli("ls", DARKROOM_CA=str(other)).returncode == 69, "a server that is not ours is not spoken to"


def test_ls(cli, collection, tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(images.small(number))
    good(cli("put", tmp_path, "--collection", collection, "--wait"))
    lines = good(cli("ls", "--collection", collection)).splitlines()
    assert lines[0].split()[:3] == ["id", "collection", "state"] and len(lines) == 4
    assert all(line.split()[1] == collection and line.split()[2] == "ready" for line in lines[1:])
    page = json.loads(good(cli("ls", "--collection", collection, "--json")))
    assert len(page["images"]) == 3
    pages = [json.loads(line) for line in good(cli("ls", "--collection", collection, "--limit", "2", "--all", "--json")).splitlines()]
    assert sum(len(p["images"]) for p in pages) == 3 and len(pages) == 2
    assert len(good(cli("ls", "--collection", collection, "--format", "jpeg")).splitlines()) == 1


def test_sql(cli, collection, tmp_path):
    (tmp_path / "one.png").write_bytes(images.small(1))
    good(cli("put", tmp_path / "one.png", "--collection", collection))
    sql = f"SELECT collection, width FROM v1_images WHERE collection = '{collection}'"
    out = good(cli("sql", sql)).splitlines()
    assert out[0].split() == ["collection", "width"] and out[1].split() == [collection, "24"] and out[2] == "(1 row)"
    assert json.loads(good(cli("sql", sql, "--json")))["rows"] == [[collection, 24]]
    assert good(cli("sql", "--csv", sql)).splitlines()[0] == '"collection","width"'


# --- administration, on a running server and on a stopped directory ------------------------------------------------


@pytest.mark.parametrize("is_running", [True, False])
def test_administration(own_server, is_running):
    server = own_server()
    if not is_running:
        server.stop()
    good(server.command("collection", "create", "by-command", "--retention", "2h", "--formats", "png,jpeg"))
    made = json.loads(good(server.command("collection", "list", "--json")))["collections"]
    row = next(c for c in made if c["name"] == "by-command")
    assert row["retention_s"] == 7200 and set(row["formats"]) == {"png", "jpeg"}
    good(server.command("collection", "change", "by-command", "--retention", "3h"))
    assert "by-command  keeps images 3h" in good(server.command("collection", "list"))
    key = good(server.command("key", "create", "--principal", "ann", "--role", "reader", "--collections", "by-command,default")).strip()
    assert re.fullmatch(r"dr_[a-z2-7]{12}_[\w-]{43}", key)
    assert "ann" in good(server.command("key", "list")) and key not in good(server.command("key", "list", "--json"))
    for bad, code in [(["collection", "create", "Bad Name"], 65), (["collection", "create", "by-command"], 65), (["collection"], 64),
                      (["collection", "remove", "nowhere"], 65), (["key", "create", "--role", "king"], 65), (["key", "revoke", "nothing"], 65),
                      (["key", "create"], 64), (["key", "create", "--role", "reader", "--valid", "soon"], 64),
                      (["collection", "create", "x", "--retention", "1"], 64)]:
        done = server.command(*bad)
        assert done.returncode == code and done.err, (bad, done.returncode, done.err)
    good(server.command("key", "revoke", key.split("_")[1]))
    good(server.command("collection", "remove", "by-command"))
    assert json.loads(good(server.command("clock", "status")))["held"] is False
    assert json.loads(good(server.command("receipt", "list"))) == []
    assert server.command("reload").returncode == (0 if is_running else 65)
    if not is_running:
        server.start()
    assert server.admin.get("/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code == 401
    assert server.admin.post("/v1/images", params={"collection": "by-command"}, data=images.small(1)).status_code == 404


def test_commands_without_a_directory(tmp_path):
    for command in (["key", "list"], ["verify"], ["rebuild"], ["collection", "list"]):
        done = run(*command, "--data", tmp_path / "none")
        assert done.returncode in (69, 70) and "there is no data directory" in done.err and not (tmp_path / "none").exists()


# --- the rest ----------------------------------------------------------------------------------------------------


def test_version():
    assert re.fullmatch(r"darkroom \d+\.\d+\.\d+ \(commit \w+(-changed)?\)\n", good(run("version")))
    assert good(run("--version")) == good(run("version"))
    verbose = good(run("version", "--verbose"))
    for component in ("civetweb", "mbedtls", "sqlite", "librdkafka", "cjson", "stb", "openssl", "libjpeg-turbo", "libwebp", "curl"):
        assert re.search(rf"^{component}\s+\S+", verbose, re.M | re.I), component


def test_routes():
    lines = good(run("routes")).splitlines()
    assert lines[0].startswith("METHOD") and any(line.startswith("POST    /v1/images ") for line in lines)
    assert json.loads(good(run("routes", "--openapi")))["openapi"].startswith("3.1")


def test_doctor(server, tmp_path):
    done = server.command("doctor")
    assert re.search(r"^\d+ good, \d+ advice, \d+ bad$", done.out, re.M)
    assert done.returncode == (0 if ", 0 bad" in done.out else 1)
    assert "good    the data directory is private" in done.out and "good    the root key is private" in done.out
    (server.data / "root.key").chmod(0o644)
    done = server.command("doctor")
    (server.data / "root.key").chmod(0o600)
    assert done.returncode == 1 and "BAD     the root key can be read by others: chmod 600 it" in done.out


COMMANDS = re.findall(r"^  (\w+) +", good(run("help")), re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_what_it_takes(command):
    text = good(run(command, "--help"))
    assert text.startswith(f"usage: darkroom {command}") and good(run("help", command)) == text
    assert max(map(len, text.splitlines())) <= 120


def test_help_lists_the_commands_and_no_other_is_known():
    assert {"serve", "put", "get", "ls", "rm", "sql", "version"} <= set(COMMANDS) and good(run("--help")) == good(run("help"))
    assert run("help", "dance").returncode == 64


@pytest.mark.parametrize("command, options", [
    ("put", ["--collection NAME", "--parallel N", "--wait"]), ("get", ["--rendition NAME", "--output FILE", "--info"]), ("rm", []),
    ("ls", ["--collection NAME", "--state STATE", "--camera TEXT", "--from TIME", "--limit N", "--all"]), ("sql", ["--csv"])])
def test_help_has_a_sentence_for_each_option(command, options):
    text = good(run("help", command))
    for option in [*options, "--url URL", "--ca FILE", "--key-file FILE", "--json", "--help"]:
        assert re.search(rf"^  {option} +\S+ \S+", text, re.M), option


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "word"], ["routes", "word"], ["verify", "--listen"], ["version", "--loud"]])
def test_usage(arguments):
    done = run(*arguments)
    assert done.returncode == 64 and done.err and not done.out


# --- configuration -----------------------------------------------------------------------------------------------


def explained(*arguments, **variables):
    rows = json.loads(good(run("config", "--explain", "--json", *arguments, **variables)))
    rows = rows if isinstance(rows, list) else rows["settings"]
    return {row["key"]: row for row in rows}


def test_every_setting_is_explained():
    rows = explained()
    assert len(rows) > 30 and all({"key", "value", "default", "unit"} <= set(row) for row in rows.values())
    text = good(run("config", "--explain"))
    assert all(re.search(rf"^\s*{key}\b", text, re.M) for key in rows)


def test_which_setting_wins(tmp_path):
    file = tmp_path / "darkroom.json"
    file.write_text('{\n  // how many\n  "workers": 3, /* pixels */ "job_retry": "5s", "sql_rows_max": 7\n}\n')
    rows = explained("--config", file, "--workers", "5", DARKROOM_WORKERS="4", DARKROOM_JOB_RETRY="6s")
    assert [str(rows[k]["value"]) for k in ("workers", "sql_rows_max")] == ["5", "7"]
    assert str(rows["job_retry"]["value"]) in ("6000", "6s")
    assert str(explained("--config", file)["workers"]["value"]) == "3"


@pytest.mark.parametrize("text,line,word", [
    ('{\n\n  "wrkers": 3\n}', 3, "wrkers"), ('{\n  "workers": 3000\n}', 2, "workers"), ('{\n  // note\n  "workers": "many"\n}', 3, "workers"),
    ('{\n  "retention": "8d"\n}', 2, "retention"), ('{ "workers": 3', 1, ""), ('[]', 1, ""), ('{\n "workers": 1,\n "workers": 2\n}', 3, "repeated"),
    ('{\n  "log_level": "loud"\n}', 2, "log_level"),
])
def test_bad_file_names_the_line(tmp_path, text, line, word):
    file = tmp_path / "bad.json"
    file.write_text(text)
    for command in (["config"], ["serve", "--data", tmp_path / "data"]):
        done = run(*command, "--config", file)
        assert done.returncode == 64 and word in done.err and str(file) in done.err, done.err
        assert re.search(rf"line {line}\b", done.err), done.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("arguments,variables,word", [
    (["--workers", "x"], {}, "--workers"), (["--workers"], {}, "--workers"), (["--retention=1s"], {}, "--retention"),
    ([], {"DARKROOM_WORKERS": "-1"}, "DARKROOM_WORKERS"), ([], {"DARKROOM_NONSENSE": "1"}, "DARKROOM_NONSENSE"),
    (["--retention", "2h", "--retention-max", "1h"], {}, "retention"), (["--config", "/nonexistent"], {}, "/nonexistent"),
])
def test_bad_settings(arguments, variables, word):
    done = run("config", *arguments, **variables)
    assert done.returncode == 64 and word in done.err and not done.out
