"""A data directory's life: restarts, kills, a second instance, verify, rebuild."""
import concurrent.futures
import json
import os
import re
import signal
import subprocess

import pytest

import images
from server import BINARY, environment, run, until


def everything(client):
    """What a client can see, in a form that compares."""
    listed = client.get("/v1/images", params={"limit": 500}).json()["images"]
    records = {one["id"]: client.get(one["links"]["self"]).json() for one in listed}
    bytes_of = {id: client.get(f"/v1/images/{id}/original").content for id in records}
    thumbs = {id: client.get(f"/v1/images/{id}/renditions/thumb").content for id in records if records[id]["state"] == "ready"}
    rows = client.rows("SELECT * FROM v1_images ORDER BY id"), client.rows("SELECT * FROM v1_renditions ORDER BY image_id, name")
    collections = client.get("/v1/collections").json()
    return listed, records, bytes_of, thumbs, rows, collections


def fill(server):
    server.collection("other", retention_s=3600, formats=["png", "jpeg"])
    for number in range(6):
        server.admin.upload(images.small(number), collection="other", wait="processed", name=f"{number}.png")
    server.admin.upload(images.photograph(700, 500, 1), wait="processed", name="photo.jpg", headers={"Idempotency-Key": "life"})
    server.admin.upload(images.photograph(700, 500, 1), wait="processed")
    gone = server.admin.upload(images.small(100), wait="processed")
    assert server.admin.delete(gone["links"]["self"]).status_code == 204
    return gone["id"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_restart_keeps_everything(own_server, number):
    server = own_server()
    gone = fill(server)
    before = everything(server.admin)
    server.restart(number)
    assert "DARKROOM_KEY" not in server.greeting, "a second start shows no key"
    assert everything(server.admin) == before
    assert server.admin.get(f"/v1/images/{gone}").status_code == 410
    again = server.admin.upload(images.photograph(700, 500, 1), headers={"Idempotency-Key": "life"})
    assert again["id"] in before[1]


def test_killed_right_after_the_answer(own_server):
    """Acknowledged is durable: what was answered 201 is there after kill -9, again and again."""
    server = own_server("--workers", "0")
    kept = {}
    for turn in range(4):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for data, one in pool.map(lambda n: (images.small(n), server.admin.upload(images.small(n))), range(turn * 8, turn * 8 + 8)):
                kept[one["id"]] = data
        server.restart(signal.SIGKILL)
        for id, data in kept.items():
            assert server.admin.get(f"/v1/images/{id}/original").content == data
    server.stop()
    assert run("verify", "--data", server.data).returncode == 0


def test_killed_during_uploads(own_server):
    """What was not answered may be there or not; what was answered is; and the directory is sound."""
    server = own_server()
    answered = {}

    def send(number):
        try:
            reply = server.admin.post("/v1/images", data=images.small(number), timeout=20)
            if reply.status_code == 201:
                answered[reply.json()["id"]] = number
        except Exception:
            pass

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for number in range(300):
            pool.submit(send, number)
        until(lambda: len(answered) > 40, 20)
        server.stop(signal.SIGKILL)
    server.start()
    for id, number in answered.items():
        assert server.admin.get(f"/v1/images/{id}/original").content == images.small(number)
    server.stop()
    assert run("verify", "--data", server.data).returncode == 0


def test_jobs_are_done_after_a_kill(own_server):
    server = own_server("--workers", "0")
    ids = [server.admin.upload(images.small(n))["id"] for n in range(3)]
    server.flags = []
    server.restart(signal.SIGKILL)
    until(lambda: all(server.admin.get(f"/v1/images/{id}").json()["state"] == "ready" for id in ids), 20)


def test_second_instance(server):
    done = run("serve", "--data", server.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 70 and "another process" in done.err and str(server.data) in done.err
    assert server.admin.get("/readyz").status_code == 200
    for command in ("verify", "rebuild"):
        done = run(command, "--data", server.data)
        assert done.returncode == 70 and "another process" in done.err


def test_port_that_is_taken(server, tmp_path):
    done = run("serve", "--data", tmp_path / "data", "--listen", server.url.removeprefix("https://"))
    assert done.returncode == 70 and "taken" in done.err


def test_directory_of_somebody_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = run("serve", "--data", tmp_path, "--listen", "127.0.0.1:0")
    assert done.returncode == 64 and "not empty" in done.err
    assert {p.name for p in tmp_path.iterdir()} <= {"notes.txt", "darkroom.lock"}


def test_modes_of_what_is_made(server):
    for path in (server.data, server.data / "root.key", server.data / "admin.sock", server.data / "tls/ca.key", server.data / "control.db",
                 server.data / "catalog.db"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_time_scale_is_fixed_and_only_for_loopback(own_server, tmp_path):
    server = own_server(time_scale=60)
    server.stop()
    done = run("serve", "--data", server.data, "--listen", "127.0.0.1:0")
    assert done.returncode != 0 and "time" in done.err
    done = run("serve", "--data", tmp_path / "other", "--listen", "0.0.0.0:0", "--time-scale", "60")
    assert done.returncode == 64 and "loopback" in done.err


# --- verify and rebuild ------------------------------------------------------------------------------------------


def test_verify_of_a_sound_directory(own_server):
    server = own_server()
    fill(server)
    server.stop()
    done = run("verify", "--data", server.data)
    assert done.returncode == 0, done.out + done.err
    assert " 0 damaged, 0 dangling" in done.out


def test_verify_finds_damage(own_server):
    server = own_server()
    server.admin.upload(images.photograph(900, 600, 1), wait="processed")
    server.stop()
    segment = max((server.data / "originals").iterdir())
    with open(segment, "r+b") as file:
        file.seek(20000)
        byte = file.read(1)
        file.seek(20000)
        file.write(bytes([byte[0] ^ 1]))
    done = run("verify", "--data", server.data)
    assert done.returncode == 1 and " 0 damaged" not in done.out, done.out + done.err


PROGRESS = r"{}: \d+\.\d of \d+\.\d [kMGT]B(, [\d,]+ images)?"


def on_a_terminal(*arguments):
    """One command whose standard error is a terminal; gives its exit code and what it wrote to each."""
    ours, theirs = os.openpty()
    with subprocess.Popen([str(BINARY), *map(str, arguments)], stdout=subprocess.PIPE, stderr=theirs, env=environment()) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65536):
                seen += part
        except OSError:
            pass  # so a terminal says that nobody writes to it any more
        os.close(ours)
        out = process.stdout.read().decode()
    return process.returncode, out, seen.decode()


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_progress_is_shown_to_who_sees_it(own_server, command):
    server = own_server()
    fill(server)
    server.stop()
    plain = run(command, "--data", server.data)
    asked = run(command, "--data", server.data, "--progress")
    assert plain.returncode == asked.returncode == 0 and plain.out and asked.out == plain.out
    assert plain.err == ""
    lines = asked.err.splitlines()
    assert lines and all(re.fullmatch(PROGRESS.format(command), line) for line in lines), asked.err
    code, out, seen = on_a_terminal(command, "--data", server.data)
    assert code == 0 and out == plain.out
    first, *steps = seen.removesuffix("\r\n").split("\r")
    assert first == "" and all(re.fullmatch(PROGRESS.format(command) + " ", step) for step in steps), seen
    done, total = re.search(r"([\d.]+) of ([\d.]+) ", steps[-1]).groups()
    assert len(steps) >= 2 and done == total and steps[-1].endswith(" 8 images ")


def test_verify_counts_a_shared_blob_once(own_server):
    server = own_server("--workers", "0")
    for _ in range(3):
        server.admin.upload(images.small(1))
    server.admin.upload(images.small(2))
    server.stop()
    assert " 4 images, 2 blobs, " in run("verify", "--data", server.data).out


@pytest.mark.parametrize("loss", ["catalog.db", "nothing"])
def test_rebuild_gives_the_same_answers(own_server, loss):
    server = own_server()
    gone = fill(server)
    before = everything(server.admin)
    server.stop()
    for path in server.data.glob("catalog.db*") if loss == "catalog.db" else ():
        path.unlink()
    done = run("rebuild", "--data", server.data)
    assert done.returncode == 0, done.out + done.err
    assert f"{len(before[0])} images" in done.out
    server.start()
    assert everything(server.admin) == before
    assert server.admin.get(f"/v1/images/{gone}").status_code == 410
    again = server.admin.upload(images.photograph(700, 500, 1), headers={"Idempotency-Key": "life"})
    assert again["id"] in before[1]


def test_drain(own_server):
    """A request that runs when the stop comes is answered."""
    server = own_server()
    data = images.bmp_with_block(b"\x05\x06\x07")
    with server.admin.raw() as wire:
        wire.sendall(f"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.key}\r\n"
                     f"Content-Length: {len(data)}\r\n\r\n".encode() + data[:1000])
        until(lambda: server.admin.metric("darkroom_connections") >= 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "main.signal.received" in server.log())
        wire.sendall(data[1000:])
        got = b""
        while part := wire.recv(65536):
            got += part
        assert got.startswith(b"HTTP/1.1 201 "), got[:300]
    id = json.loads(got.partition(b"\r\n\r\n")[2])["id"]
    assert server.process.wait(30) == 0
    server.process = None
    server.check_log()
    server.start()
    assert server.admin.get(f"/v1/images/{id}/original").content == data
