"""Images with random ends, each asked for on every route right before and right after its own."""
import collections
import hashlib
import heapq
import json
import random
import threading
import time

import traffic
from keyring_file import EPOCH_MS
from serving import MINUTE_MS, PAGE, SECOND_MS, WEEK_S, Image, Serving, bmp, judge_receipts, now_s, upload

LOOK, AFTER, ZERO, ERASE = "one second before", "one second after", "a minute after", "erase"
SQL = "SELECT (SELECT count(*) FROM v1_images WHERE id = ?), (SELECT count(*) FROM v1_renditions WHERE image_id = ?)"


class Deadlines:
    """Images with random ends; each is asked for on every route right before and right after its own."""

    SCALE, PROBERS, UPLOADERS = 20, 6, 2
    SHORTEST_S, COLLECTIONS, A_SECOND = 60, 12, 40        # seconds of trusted time; uploads a second of ours

    def __init__(self, faults, directory, seed, points):
        self.faults, self.points, self.dice = faults, points, random.Random(f"{seed}.deadlines")
        self.serving = Serving(faults, directory, self.SCALE, "--segment-bytes", "4MiB", "--segment-age", "60s")
        self.counts, self.lock = collections.Counter(), threading.Condition()
        self.images, self.neighbours, self.events, self.zero_at, self.live_seen, self.epochs = [], [], [], {}, set(), set()
        self.pending, self.is_over = 0, False
        span_s = points / self.A_SECOND
        longest = min(1800, max(180, int(span_s * self.SCALE)))
        self.retentions = {f"kept-{n}": self.dice.randint(self.SHORTEST_S, longest) for n in range(self.COLLECTIONS)}
        self.moments = sorted(self.dice.uniform(0, span_s) for _ in range(points))

    # what is sent

    def plan(self):
        """(moment, image) in order; a seventh repeat the bytes of an earlier one of their collection, and end later."""
        plans, latest = [], collections.defaultdict(list)
        for number, moment in enumerate(self.moments):
            dice = random.Random(self.dice.random())
            collection = dice.choice(list(self.retentions))
            twins = latest[collection]
            if twins and dice.random() < 0.15:
                body = dice.choice(twins[-10:]).body
            else:
                body = bmp(dice.randbytes(192 * int(2 ** dice.uniform(0, 9.5))))
            image = Image(number, collection, body)
            image.is_erased = dice.random() < 0.04
            twins.append(image)
            plans.append((moment, image))
            if number % 20 == 0:
                other = body if dice.random() < 0.5 else bmp(dice.randbytes(9600))
                plans.append((moment, Image(f"neighbour {number}", "week", other)))
        return plans

    def send(self, plans, began, until):
        client = self.serving.client()
        for moment, image in plans:
            if until and began + moment > until:
                break
            time.sleep(max(0, began + moment - time.monotonic()))
            try:
                if not upload(self.serving, client, image):
                    continue
            except traffic.Down as down:
                self.faults.add("wrong answer", f"upload {image.number}: the server hung up: {down}")
                continue
            image.body = None if image.collection != "week" else image.body
            if image.collection == "week":
                self.neighbours.append(image)
                continue
            with self.lock:
                self.images.append(image)
                self.epochs.add(image.epoch)
            at = self.serving.time.certainly
            self.later(at(image.expires_ms + SECOND_MS), AFTER, image)
            self.later(max(at(image.expires_ms + MINUTE_MS), at(image.expires_ms) + 0.5), ZERO, image)
            if image.is_erased:
                ends = at(image.expires_ms) - now_s()
                self.later(now_s() + random.Random(image.number).uniform(0, ends * 0.9), ERASE, image)
            else:
                self.later(at(image.expires_ms - SECOND_MS), LOOK, image)
        client.close()

    def later(self, at, what, image):
        with self.lock:
            heapq.heappush(self.events, (at, self.counts["events"], what, image))
            self.counts["events"] += 1
            self.pending += 1
            self.lock.notify()

    # what is asked

    def probe(self):
        client = self.serving.client()
        keyring = self.serving.keyring()
        while True:
            with self.lock:
                while not self.is_over and (not self.events or self.events[0][0] > now_s()):
                    self.lock.wait(min(0.05, max(0.0005, self.events[0][0] - now_s())) if self.events else 0.05)
                if self.is_over:
                    break
                _, _, what, image = heapq.heappop(self.events)
            try:
                {LOOK: self.look, AFTER: self.after, ZERO: self.judge_slot, ERASE: self.erase}[what](client, keyring, image)
            except traffic.Down as down:
                self.faults.add("wrong answer", f"image {image.number}, {what}: the server hung up: {down}")
            except Exception as error:     # a thread that dies would leave points untried
                self.faults.add("wrong answer", f"image {image.number}, {what}: the suite failed: {error!r}")
            with self.lock:
                self.pending -= 1
        client.close()
        keyring.close()

    def ask(self, client, image, what, method, path, body=None, headers=()):
        """One request, judged by the time at which it was sent and answered; gives status and body."""
        sent = now_s()
        status, _, text = client.ask(method, path, body, dict(headers))
        must_be_there = self.serving.time.latest() < image.expires_ms and not image.is_erased
        must_be_gone = self.serving.time.earliest(sent) >= image.expires_ms or what == AFTER
        self.counts["answers judged"] += 1
        if status in (200, 206) and must_be_gone:
            self.faults.add("purged but readable", f"image {image.number}: {method} {path} answers {status} after its end")
        elif status == 410 and must_be_there:
            self.faults.add("gone too early", f"image {image.number}: {method} {path} answers 410 before its end")
        elif status not in (200, 206, 410):
            self.faults.add("wrong answer", f"image {image.number}: {method} {path} answers {status} {what}: {text[:200]!r}")
        return status, text, must_be_there

    def routes(self, image, is_ready=True):
        yield "GET", image.path, ()
        yield "HEAD", image.path, ()
        yield "GET", image.path + "/original", ()
        yield "HEAD", image.path + "/original", ()
        yield "GET", image.path + "/original", (("Range", "bytes=20-99"),)
        if is_ready:
            yield "GET", image.path + "/renditions/thumb", ()
            yield "HEAD", image.path + "/renditions/preview", ()

    def look(self, client, keyring, image):
        """One second before: whole on every route, and its key alive."""
        if not keyring.is_live(image.epoch) and self.serving.time.latest() < image.expires_ms:
            self.faults.add("gone too early", f"image {image.number}: the slot of epoch {image.epoch} holds no key before its end")
        is_ready, is_in_time = False, True
        for method, path, headers in self.routes(image):
            if "/renditions/" in path and not is_ready:
                continue
            status, text, must_be_there = self.ask(client, image, LOOK, method, path, None, headers)
            is_in_time = is_in_time and must_be_there
            if status == 200 and method == "GET" and path == image.path:
                is_ready = json.loads(text)["state"] == "ready"
            if status == 200 and method == "GET" and path.endswith("/original") and hashlib.sha256(text).digest() != image.digest:
                self.faults.add("neighbour hurt", f"image {image.number}: {len(text)} bytes unlike those that were sent")
        self.counts["not yet processed at their end"] += not is_ready
        is_in_time = is_in_time and self.seen(client, image, True)
        image.is_there = True
        self.counts["whole one second before"] += is_in_time
        self.counts["asked too late for that"] += not is_in_time

    def seen(self, client, image, is_due_to_be):
        """In the list and in SQL, or in neither; gives whether there was still time to ask."""
        sent = now_s()
        _, _, text = client.ask("GET", f"/v1/images?collection={image.collection}&from={image.received}&to={image.just_after}")
        listed = image.id in text.decode()
        status, _, rows = client.ask("POST", "/v1/sql", json.dumps({"sql": SQL, "parameters": [image.id, image.id]}))
        if status == 503:                  # four queries at once, no more
            return False
        count, renditions = json.loads(rows)["rows"][0]
        if is_due_to_be and self.serving.time.latest() < image.expires_ms and not (listed and count == 1):
            self.faults.add("gone too early", f"image {image.number}: listed {listed}, {count} rows in SQL before its end")
        if (listed or count or renditions) and (not is_due_to_be or self.serving.time.earliest(sent) >= image.expires_ms):
            self.faults.add("purged but readable", f"image {image.number}: listed {listed}, {count} rows in SQL after its end")
        return self.serving.time.latest() < image.expires_ms

    def after(self, client, keyring, image):
        """One second after: 410 on every route; neighbours that end later are whole."""
        for method, path, headers in self.routes(image):
            self.ask(client, image, AFTER, method, path, None, headers)
        self.ask(client, image, AFTER, "DELETE", image.path)
        self.seen(client, image, False)
        self.counts["gone one second after"] += 1
        with self.lock:
            near = [i for i in self.images[-600:] if 0 <= i.epoch - image.epoch <= 1 and not i.is_erased and
                    self.serving.time.latest() < i.expires_ms - 4 * SECOND_MS]
        twins = [i for i in near if i.digest == image.digest]
        for other in (twins or near)[:1]:
            status, text, must_be_there = self.ask(client, other, LOOK, "GET", other.path + "/original")
            if must_be_there and hashlib.sha256(text).digest() != other.digest:
                self.faults.add("neighbour hurt", f"image {other.number} is unlike what was sent after image {image.number} went")
            self.counts["neighbours of the same or next epoch read"] += must_be_there
            self.counts["twins with the same bytes read"] += must_be_there and other in twins

    def erase(self, client, keyring, image):
        status, _, _ = client.ask("DELETE", image.path)
        if status == 410 and self.serving.time.latest() >= image.expires_ms:
            image.is_erased = False        # its end came first
            return
        self.counts["erased early"] += 1
        if status not in (204, 410):       # 410: the answer to the first try was lost
            self.faults.add("wrong answer", f"DELETE of image {image.number} answers {status}")
        elif client.ask("GET", image.path + "/original")[0] != 410:
            self.faults.add("purged but readable", f"image {image.number} is readable after its erase")

    # keys

    def judge_slot(self, client, keyring, image):
        if not keyring.is_zero(image.epoch):
            self.faults.add("key not zero in time", f"image {image.number}: a minute after its end the slots of epoch {image.epoch} "
                                                    f"hold {keyring.say(image.epoch)}")
        self.counts["slots zero a minute after"] += 1

    def watch(self):
        """Looks at all slots in question again and again: none goes early; when each went."""
        keyring = self.serving.keyring()
        while not self.is_over:
            with self.lock:
                epochs = self.epochs - set(self.zero_at)
            for epoch in epochs:
                if keyring.is_zero(epoch):
                    self.zero_at[epoch] = self.serving.time.latest()
                    if self.zero_at[epoch] < epoch * EPOCH_MS:
                        early_ms = epoch * EPOCH_MS - self.zero_at[epoch]
                        self.faults.add("gone too early", f"epoch {epoch} was destroyed {early_ms:.0f} ms early")
                elif keyring.is_live(epoch):
                    self.live_seen.add(epoch)
            time.sleep(0.01)
        keyring.close()

    # all of it

    def run(self, until=None):
        """Nothing is sent after `until`, of time.monotonic()."""
        self.serving.start()
        self.serving.ask("POST", "/v1/collections", {"name": "week", "retention_s": WEEK_S}, 201)
        for name, seconds in self.retentions.items():
            self.serving.ask("POST", "/v1/collections", {"name": name, "retention_s": seconds}, 201)
        plans, began = self.plan(), time.monotonic() + 0.1
        threads = [threading.Thread(target=self.probe) for _ in range(self.PROBERS)] + [threading.Thread(target=self.watch)]
        senders = [threading.Thread(target=self.send, args=(plans[n::self.UPLOADERS], began, until)) for n in range(self.UPLOADERS)]
        try:
            for thread in threads + senders:
                thread.start()
            for thread in senders:
                thread.join()
            while self.pending > 0:
                time.sleep(0.02)
        finally:
            with self.lock:
                self.is_over = True
                self.lock.notify_all()
            for thread in threads:
                thread.join()
        self.end()

    def end(self):
        """Rows, receipts and neighbours once all is over, before and after a rebuild."""
        serving, gone = self.serving, len(self.images)
        erased = int(serving.metric("darkroom_images_erased_total"))
        purged = serving.wait_metric("darkroom_images_purged_total", gone - erased)
        if purged != gone - erased or erased != self.counts["erased early"]:
            self.faults.add("wrong answer", f"{gone} images ended, {purged:.0f} were purged and {erased} erased")
        seen, late = self.counts["whole one second before"], self.counts["asked too late for that"]
        if seen * 4 < seen + late:
            self.faults.add("wrong answer", f"this machine is too slow: {late} of {seen + late} images could not be asked for in time")
        self.judge_lateness()
        self.counts["receipts verified"] = judge_receipts(self.faults, serving, self.images)
        self.judge_neighbours("after all others ended")
        serving.stop()
        serving.command("verify")
        serving.command("rebuild")
        serving.command("verify")
        serving.start()
        self.judge_neighbours("after a rebuild")
        client = serving.client()
        for image in self.images:
            if client.ask("GET", image.path + "/original")[0] != 410:
                self.faults.add("purged but readable", f"image {image.number} is not gone after a rebuild")
        client.close()
        serving.stop()
        serving.judge_log()

    def judge_lateness(self):
        """The end of the first image of each epoch counts."""
        first = {}
        for image in self.images:
            first[image.epoch] = min(first.get(image.epoch, image.expires_ms), image.expires_ms)
        for epoch in first:
            if epoch not in self.zero_at:
                self.faults.add("key not zero in time", f"the slots of epoch {epoch} were never zero")
            if epoch not in self.live_seen:
                self.faults.add("wrong answer", f"the slots of epoch {epoch} were never seen alive: the reader of slots is wrong")
        self.late_ms = sorted(self.zero_at[e] - end for e, end in first.items() if e in self.zero_at)
        self.after_due_ms = sorted(at - e * EPOCH_MS for e, at in self.zero_at.items())

    def judge_neighbours(self, when):
        client = self.serving.client()
        _, _, text = client.ask("GET", f"/v1/images?collection=week&limit={PAGE}")
        listed = {i["id"] for i in json.loads(text)["images"]}
        if listed != {i.id for i in self.neighbours}:
            self.faults.add("neighbour hurt", f"of {len(self.neighbours)} neighbours {len(listed)} are listed {when}")
        for image in self.neighbours:
            status, _, body = client.ask("GET", image.path + "/original")
            if status != 200 or body != image.body:
                self.faults.add("neighbour hurt", f"{image.number} answers {status} with {len(body)} bytes {when}")
        client.close()

    def close(self):
        if self.serving.process:
            self.serving.process.kill()
            self.serving.process.wait()

    def told(self):
        c = self.counts
        yield (f"{len(self.images):,} images in {len(self.zero_at):,} epochs at {self.SCALE} times the speed: "
               f"{c['whole one second before']:,} seen whole on every route within their last second "
               f"({c['asked too late for that']:,} asked too late), {c['gone one second after']:,} seen gone one second after, "
               f"{c['erased early']:,} erased before; {c['answers judged']:,} answers judged")
        if self.late_ms:
            yield (f"keys zero in both mirrors {self.late_ms[len(self.late_ms) // 2] / 1000:.1f} s (median) and at most "
                   f"{self.late_ms[-1] / 1000:.1f} s of trusted time after an image's end; after an epoch's own end at most "
                   f"{self.after_due_ms[-1] / 1000:.1f} s, which is {self.after_due_ms[-1] / self.SCALE:.0f} ms on the wall")
        yield (f"{c['neighbours of the same or next epoch read']:,} neighbours of the same or the next epoch read, "
               f"{c['twins with the same bytes read']:,} of them with the same bytes; {len(self.neighbours):,} that stay, whole after all "
               f"and after a rebuild; {c['receipts verified']:,} receipts verified and counted")
