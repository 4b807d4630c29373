"""A full disk: uploads are refused with 507, purging goes on, and uploads work again."""
import os
import random
import signal
import subprocess
import time

import pytest

import images
import photos
from server import Server, until

def noise(seed):
    """Some 3 MB that nothing makes smaller."""
    return images.bmp_with_block(random.Random(seed).randbytes(1 << 20), 1024, 1024)


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a disk of its own needs root")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_disk_full(small_disk):
    server = Server(small_disk, "--segment-bytes", "4MiB", "--disk-reserve", "32MiB", "--workers", "0", time_scale=60)
    try:
        fill_and_wait(server)
    finally:
        server.stop()


def fill_and_wait(server):
    server.collection("minutes", retention_s=600)
    kept, reply = [], None
    for seed in range(60):
        data = noise(seed)
        reply = server.admin.post("/v1/images", params={"collection": "minutes"}, data=data)
        if reply.status_code != 201:
            break
        kept.append((reply.json()["id"], data))
    assert reply.status_code == 507 and len(kept) > 3
    assert reply.json()["code"] == "no_space" and reply.headers["Content-Type"] == "application/problem+json"
    last, data = kept[-1]
    assert server.admin.get(f"/v1/images/{last}/original").content == data, "reading goes on"
    assert server.admin.delete(f"/v1/images/{last}").status_code == 204, "and so does erasing"
    until(lambda: server.admin.metric("darkroom_images_purged_total") >= len(kept) - 1, 40)
    assert all(server.admin.get(f"/v1/images/{id}").status_code == 410 for id, _ in kept)
    until(lambda: server.admin.post("/v1/images", data=photos.jpeg(photos.scene(200, 100, 1))).status_code == 201, 30, every=0.3)


def fill(disk):
    """Takes all that is left, as another program would."""
    with open(disk / "ballast", "wb") as ballast:
        try:
            while True:
                ballast.write(bytes(65536))
                ballast.flush()
        except OSError:
            pass


def test_disk_that_others_fill(small_disk):
    """Nothing is acknowledged that does not fit; keys are destroyed in place, for which no space is needed."""
    server = Server(small_disk, "--segment-bytes", "4MiB", "--disk-reserve", "1MiB", "--workers", "0", time_scale=60)
    try:
        server.collection("minute", retention_s=120)
        one = server.admin.upload(images.small(1), collection="minute")
        stays = server.admin.upload(images.small(1))
        fill(small_disk)
        time.sleep(1.1)  # admission looks at the disk once a second
        reply = server.admin.post("/v1/images", data=noise(1))
        assert reply.status_code == 507
        destroyed = server.admin.metric("darkroom_epochs_destroyed_total")
        until(lambda: server.admin.get(one["links"]["self"]).status_code == 410, 20)
        until(lambda: server.admin.metric("darkroom_epochs_destroyed_total") > destroyed, 20)
        assert server.admin.get(stays["links"]["original"]).content == images.small(1)
        (small_disk / "ballast").unlink()
        until(lambda: server.admin.post("/v1/images", data=images.small(3)).status_code == 201, 20, every=0.2)
        until(lambda: server.admin.metric("darkroom_images_purged_total") == 1, 20)
        until(lambda: any('"images":1,' in r["body"] for r in server.admin.get("/v1/receipts").json()), 20)
        server.restart()
        assert server.admin.get(stays["links"]["original"]).content == images.small(1)
    finally:
        (small_disk / "ballast").unlink(missing_ok=True)
        server.stop()


def test_start_on_a_full_disk(small_disk):
    """The reserve is given up, so that what came due while nothing ran is destroyed and the rest can be read."""
    server = Server(small_disk, "--segment-bytes", "4MiB", "--disk-reserve", "1MiB", "--workers", "0", time_scale=60)
    try:
        server.collection("minute", retention_s=60)
        goes = server.admin.upload(images.small(1), collection="minute")
        stays = server.admin.upload(images.small(2))
        server.stop(signal.SIGKILL)
        fill(small_disk)
        assert os.statvfs(small_disk).f_bavail == 0
        time.sleep(2)  # more than the minute that the image had, sixty times as fast
        server.start()
        assert server.admin.get(goes["links"]["self"]).status_code == 410
        assert server.admin.get(stays["links"]["original"]).content == images.small(2)
        (small_disk / "ballast").unlink()
        until(lambda: server.admin.post("/v1/images", data=images.small(3)).status_code == 201, 20, every=0.2)
        server.restart()
        assert (server.data / "reserve").stat().st_size > 0, "and it is kept again for the next time"
    finally:
        (small_disk / "ballast").unlink(missing_ok=True)
        server.stop()
