"""Clients of a server that may die at any moment: uploaders, readers, erasers, and the check after a restart."""
import datetime
import http.client
import json
import random
import ssl
import threading
import time

UPLOADERS, READERS, ERASERS = 4, 2, 1
TIMEOUT_S = 30
PAGE = 500


class Down(Exception):
    """The server is gone, or hung up."""


class Client:
    def __init__(self, port, context, key):
        self.port, self.context, self.key, self.connection = port, context, key, None

    def ask(self, method, path, body=None, headers=()):
        """status, headers, body; Down if no whole answer came."""
        try:
            if not self.connection:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=TIMEOUT_S)
            self.connection.request(method, path, body, {"Authorization": f"Bearer {self.key}"} | dict(headers))
            reply = self.connection.getresponse()
            return reply.status, reply.headers, reply.read()
        except (OSError, http.client.HTTPException, ssl.SSLError) as error:
            self.close()
            raise Down(repr(error)) from error

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def moment_ms(text):
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def upload(client, journal, image):
    """Sends it, for the first time or again; True if it was acknowledged."""
    body = journal.body(image)
    status, headers, text = client.ask("POST", f"/v1/images?collection={image.collection}", body,
                                       {"Idempotency-Key": f"{journal.seed}-{image.number}"})
    if status == 201:
        journal.counts["found whole"] += headers.get("Idempotent-Replayed") == "true"
        record = json.loads(text)
        journal.acknowledged(image, body, record, moment_ms(record["expires_at"]))
        return True
    if journal.is_disk_gone:
        return False
    journal.refused(image)
    if status not in (503, 507):
        journal.fault("wrong answer", f"upload {image.number} answers {status}: {text[:300]!r}")
    return False


def read(client, journal, image):
    seen = journal.before_reading(image)
    status, _, body = client.ask("GET", image.path())
    journal.judge(image, seen, status, body)


def erase(client, journal, image):
    status, _, text = client.ask("DELETE", f"/v1/images/{image.id}")
    if status == 204:
        image.erase = "done"
    elif status not in (410, 503) and not (journal.is_disk_gone and status == 500):
        journal.fault("wrong answer", f"DELETE of image {image.id} answers {status}: {text[:300]!r}")


class Traffic:
    """Threads that work until they are stopped or the server is gone."""

    def __init__(self, journal, new_client, seed):
        self.journal, self.stopping, self.acknowledged = journal, threading.Event(), threading.Event()
        jobs = [self.send] * UPLOADERS + [self.look] * READERS + [self.remove] * ERASERS
        self.threads = [threading.Thread(target=self.work, args=(job, new_client(), random.Random(f"{seed}.{n}")))
                        for n, job in enumerate(jobs)]
        for thread in self.threads:
            thread.start()

    def work(self, job, client, dice):
        try:
            while not self.stopping.is_set():
                try:
                    job(client, dice)
                except Down:
                    self.stopping.wait(0.2)      # it hung up, as it may; or it is dead, and the stop comes soon
        except BaseException as error:
            self.journal.fault("wrong answer", f"a client failed: {error!r}")
            raise
        finally:
            client.close()

    def send(self, client, dice):
        if upload(client, self.journal, self.journal.new(dice)):
            self.acknowledged.set()
        else:
            self.stopping.wait(0.02)

    def look(self, client, dice):
        with self.journal.lock:
            kept = [i for i in self.journal.images[-300:] if i.state == "kept"]
        if kept:
            read(client, self.journal, dice.choice(kept))
        self.stopping.wait(0.002)

    def remove(self, client, dice):
        image = self.journal.begin_erase(dice)
        if image:
            erase(client, self.journal, image)
        self.stopping.wait(dice.uniform(0, 0.05))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


# --- the check after a restart -----------------------------------------------------------------------------------


def take_time(client, journal, scale):
    before = time.monotonic()
    status, _, text = client.ask("GET", "/readyz")
    if status != 200:
        journal.fault("wrong answer", f"/readyz answers {status}: {text[:300]!r}")
    journal.set_clock(before, time.monotonic(), moment_ms(json.loads(text)["time"]), scale)


def settle(client, journal, images):
    """What was sent without an answer is sent again: it is whole, or absent and taken now."""
    for image in images:
        journal.counts["unanswered"] += 1
        while not upload(client, journal, image) and image in journal.images:
            time.sleep(0.05)


def check(client, journal, dice, unknown):
    """What no read has judged since it was acknowledged, and a sample of all that is older."""
    settle(client, journal, unknown)
    kept = journal.of_state("kept")
    fresh = [i for i in kept if i.is_unchecked]
    live = [i for i in kept if not i.is_gone]
    gone = [i for i in kept if i.is_gone]
    for image in fresh + dice.sample(live, min(40, len(live))) + dice.sample(gone, min(15, len(gone))):
        read(client, journal, image)


def listed(client):
    cursor, ids = "", set()
    while True:
        status, _, text = client.ask("GET", f"/v1/images?limit={PAGE}" + (f"&cursor={cursor}" if cursor else ""))
        if status != 200:
            return None, f"the list answers {status}: {text[:300]!r}"
        page = json.loads(text)
        ids |= {i["id"] for i in page["images"]}
        cursor = page.get("next_cursor")
        if not cursor:
            return ids, None


def check_all(client, journal):
    """Every image that is not gone, and the list: nothing in it that was not sent once."""
    settle(client, journal, journal.of_state("sent"))
    for image in journal.of_state("kept"):
        if not image.is_gone:
            read(client, journal, image)
    ids, why = listed(client)
    if why:
        journal.fault("wrong answer", why)
        return
    for stranger in ids - set(journal.ids):
        journal.fault("stored twice", f"image {stranger} is listed and belongs to no upload that was acknowledged")
    late = journal.latest_ms(time.monotonic())
    for image in journal.of_state("kept"):
        if image.erase == "no" and image.expires_ms > late and image.id not in ids:
            journal.fault("lost", f"image {image.id} is not listed")
