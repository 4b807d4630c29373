"""Every file of examples/ run as its users run it, against a real server and real photographs."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/http"), str(ROOT / "tests/data")]

import photos  # noqa: E402
from server import Server  # noqa: E402

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("server"))
    made.collection("shop")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pictures")
    for seed in range(3):
        (directory / f"{seed}.jpg").write_bytes(photos.camera_jpeg(640, 480, seed, gps=(48.5, 9.1)))
    (directory / "no.jpg").write_bytes(b"this is no picture")
    return directory


def run(server, name, *arguments, expect=0, key=None):
    environment = os.environ | {"DARKROOM_URL": server.url, "DARKROOM_CA": str(server.ca),
                                "DARKROOM_KEY": key or server.key}
    program = ["/bin/sh" if name.endswith(".sh") else "/usr/bin/python3", str(EXAMPLES / name)]
    done = subprocess.run([*program, *map(str, arguments)], env=environment, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + (done.stderr if expect else "")


def test_upload_sh_twice_is_one_image(server, pictures):
    first = run(server, "upload.sh", pictures / "0.jpg", "shop")
    image_id, expires_at = first.split()
    assert run(server, "upload.sh", pictures / "0.jpg", "shop") == first
    record = server.admin.get(f"/v1/images/{image_id}").json()
    assert record["expires_at"] == expires_at and record["collection"] == "shop"


def test_form_sh(server, pictures):
    both = json.loads(run(server, "form.sh", "shop", pictures / "1.jpg", pictures / "no.jpg"))
    assert [entry["status"] for entry in both["files"]] == [201, 415]
    record = server.admin.get("/v1/images/" + both["files"][0]["image"]["id"]).json()
    assert record["private"]["file_name"] == "1.jpg" and record["collection"] == "shop"


def test_upload_py_waits_for_renditions(server, pictures):
    lines = run(server, "upload.py", pictures / "0.jpg", pictures / "1.jpg").splitlines()
    assert [line.split()[1] for line in lines] == ["ready", "ready"]
    refused = run(server, "upload.py", pictures / "no.jpg", expect=1)
    assert "none of the formats" in refused


def test_browse_py_sees_every_page(server, pictures, tmp_path):
    server.collection("browse")
    options = {"collection": "browse", "wait": "processed"}
    ids = {server.admin.upload((pictures / f"{n}.jpg").read_bytes(), **options)["id"] for n in range(3)}
    lines = run(server, "browse.py", "browse", tmp_path / "thumbs").splitlines()
    assert len(lines) == 3 and {path.stem for path in (tmp_path / "thumbs").iterdir()} == ids
    assert all(path.read_bytes()[:2] == b"\xff\xd8" for path in (tmp_path / "thumbs").iterdir())


def test_analyse_py_with_an_analysts_key(server, pictures):
    server.admin.upload((pictures / "2.jpg").read_bytes(), wait="processed")
    analyst = server.client("analyst").key
    head, *rows = run(server, "analyse.py", "600", key=analyst).splitlines()
    assert head.split("\t") == ["camera", "images", "brightness", "first_to_go"]
    assert rows and rows[0].startswith("Example Works One\t")
    assert len(run(server, "analyse.py", "100000", key=analyst).splitlines()) == 1


def test_erase_py(server, pictures):
    image_id = server.admin.upload((pictures / "2.jpg").read_bytes())["id"]
    line = run(server, "erase.py", image_id)
    assert line.startswith(f"{image_id} 410 receipt ") and ": erase at " in line
    assert "destroyed" in run(server, "erase.py", image_id, expect=1)


def test_each_file_has_a_test_and_a_row():
    here = pathlib.Path(__file__).read_text()
    table = (EXAMPLES / "README.md").read_text()
    names = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in (".sh", ".py"))
    assert names and all(f'"{name}"' in here and f"({name})" in table for name in names)


def test_only_requests_is_needed():
    """Beside the standard library the examples import requests, which is here."""
    assert requests.__version__
    for path in EXAMPLES.glob("*.py"):
        imported = {line.split()[1] for line in path.read_text().splitlines() if line.startswith("import ")}
        assert imported - {"requests"} <= set(sys.stdlib_module_names), path.name
