"""Images whose end, and whose key's end, falls into a downtime: from the first instant of the port they are gone."""
import collections
import hashlib
import random
import signal
import socket
import threading
import time

import traffic
from keyring_file import EPOCH_MS
from serving import WEEK_S, Image, Serving, bmp, judge_receipts, now_s, upload


class Downtime:
    """Stops, by SIGTERM and SIGKILL in turn; starts again later, hammered from before it listens."""

    SCALE, HAMMERS, UPLOADS = 60, 3, 24
    RETENTIONS = {"one": 60, "two": 120, "three": 180, "five": 300, "week": WEEK_S}
    WEIGHTS = (30, 30, 20, 15, 5)
    SLACK_MS = 5000                         # our clock and the wall clock, which the server starts by, may drift apart

    def __init__(self, faults, directory, seed, rounds):
        self.faults, self.rounds, self.dice = faults, rounds, random.Random(f"{seed}.downtime")
        self.serving = Serving(faults, directory, self.SCALE, "--segment-bytes", "1MiB", "--segment-age", "60s", "--workers", "1")
        self.images, self.counts, self.done = [], collections.Counter(), 0
        self.is_ready = threading.Event()

    def fill(self):
        client = self.serving.client()
        for _ in range(self.UPLOADS):
            collection = self.dice.choices(list(self.RETENTIONS), self.WEIGHTS)[0]
            image = Image(len(self.images), collection, bmp(self.dice.randbytes(192 * self.dice.randint(1, 200))))
            if upload(self.serving, client, image):
                self.images.append(image)
        live = [i for i in self.images[-self.UPLOADS:] if i.expires_ms > self.serving.time.latest() + self.SLACK_MS]
        for image in live[:1]:
            image.is_erased = client.ask("DELETE", image.path)[0] == 204
        client.close()

    def judge(self, image, status, body, sent, slack=SLACK_MS):
        clock = self.serving.time
        must_be_gone = image.is_erased or clock.earliest(sent) - slack >= image.expires_ms
        if status == 200 and must_be_gone:
            self.faults.add("purged but readable", f"image {image.number} is served after a downtime over its end")
        elif status == 410 and clock.latest() + slack < image.expires_ms and not image.is_erased:
            self.faults.add("gone too early", f"image {image.number} answers 410 after a downtime before its end")
        elif status == 200 and body is not None and hashlib.sha256(body).digest() != image.digest:
            self.faults.add("neighbour hurt", f"image {image.number} is unlike what was sent after a downtime")
        elif status not in (200, 410):
            self.faults.add("wrong answer", f"image {image.number} answers {status} after a downtime")
        self.counts["answers judged"] += 1

    def zero_at_accept(self, due):
        """The first connection was accepted: what is due must be zero by now."""
        keyring = self.serving.keyring()
        for epoch in due:
            if not keyring.is_zero(epoch):
                self.faults.add("key not zero in time", f"the port is open, and the slots of epoch {epoch} hold {keyring.say(epoch)}")
        keyring.close()
        self.counts["keys due in a downtime"] += len(due)

    def hammer(self, number, targets, due):
        dice, client, is_first = random.Random(f"{number}.{self.done}"), self.serving.client(), number == 0
        end = time.monotonic() + 30
        while time.monotonic() < end and not (self.is_ready.is_set() and not is_first):
            try:
                if is_first:
                    socket.create_connection(("127.0.0.1", self.serving.port), 5).close()
                    self.zero_at_accept(due)
                    is_first = False
                image, sent = dice.choice(targets), now_s()
                path = image.path + dice.choice(("/original", "/original", "/renditions/thumb", ""))
                status, _, body = client.ask("GET", path)
                if status == 404 and "/renditions/" in path:
                    continue               # not processed when it stopped
                self.judge(image, status, body if path.endswith("/original") else None, sent)
                self.counts["asked while it started"] += 1
            except (traffic.Down, OSError):
                time.sleep(0.0005)
        client.close()

    def one(self):
        number = signal.SIGKILL if self.done % 2 else signal.SIGTERM
        self.fill()
        time.sleep(self.dice.uniform(0, 0.8))
        self.serving.stop(number)
        time.sleep(self.dice.uniform(0.3, 2.5))
        now_ms = self.serving.time.earliest() - self.SLACK_MS
        recent = self.images[-3 * self.UPLOADS:]
        expired = [i for i in recent if i.expires_ms <= now_ms]
        due = {i.epoch for i in recent if i.epoch * EPOCH_MS <= now_ms}
        self.counts["ended before a start"] += len(expired)
        self.is_ready.clear()
        threads = [threading.Thread(target=self.hammer, args=(n, (expired or recent) if n else recent, due)) for n in range(self.HAMMERS)]
        for thread in threads:
            thread.start()
        try:
            self.serving.start()
        finally:
            time.sleep(0.1)
            self.is_ready.set()
            for thread in threads:
                thread.join()
        self.look(recent)
        self.done += 1

    def look(self, images):
        client = self.serving.client()
        for image in images:
            sent = now_s()
            status, _, body = client.ask("GET", image.path + "/original")
            self.judge(image, status, body, sent, slack=0)
        client.close()

    def run(self, until=None):
        self.serving.start()
        for name, seconds in self.RETENTIONS.items():
            self.serving.ask("POST", "/v1/collections", {"name": name, "retention_s": seconds}, 201)
        while self.done < self.rounds and not (until and time.monotonic() > until):
            self.one()
        short = [i for i in self.images if i.collection != "week"]
        while self.serving.time.earliest() < max(i.epoch for i in short) * EPOCH_MS:
            time.sleep(0.05)
        self.wait_empty(sum(i.collection == "week" and not i.is_erased for i in self.images))
        ended = [i for i in self.images if i.collection != "week" or i.is_erased]
        self.counts["receipts"] = judge_receipts(self.faults, self.serving, ended)
        self.look(self.images)
        self.serving.stop()
        self.serving.command("verify")
        self.serving.command("rebuild")
        self.serving.start()
        self.look(self.images)
        self.serving.stop()
        self.serving.judge_log()

    def wait_empty(self, rest, seconds=20):
        """Until only those are rows that stay."""
        end = time.monotonic() + seconds
        while (count := self.serving.metric("darkroom_images")) != rest and time.monotonic() < end:
            time.sleep(0.05)
        if count != rest:
            self.faults.add("wrong answer", f"{count:.0f} rows are left of {rest} that stay")

    def close(self):
        if self.serving.process:
            self.serving.process.kill()
            self.serving.process.wait()

    def told(self):
        c = self.counts
        yield (f"{self.done:,} downtimes over deadlines, by SIGTERM and SIGKILL in turn: {c['ended before a start']:,} images and "
               f"{c['keys due in a downtime']:,} keys came to their end, all slots zero when the port opened; {c['asked while it started']:,} "
               f"answers from its first instant on, {c['answers judged']:,} judged in all, {c['receipts']:,} receipts")
