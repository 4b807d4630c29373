"""purge: every image is there one second before its end and gone one second after it, its key is zero within a minute,
after a downtime too; and nothing of it is left on the disk, nor opens from an older copy of it."""
import pathlib
import threading
import time
import traceback

from deadlines import Deadlines
from downtime import Downtime
from serving import BINARY, KINDS, Faults
from traces import Traces


class Purge:
    NAME = "purge"
    POINTS, QUICK = 1000, 150

    @staticmethod
    def why_not():
        return None if BINARY.exists() else f"{BINARY} is not built"

    def __init__(self, directory, seed, points):
        self.faults = Faults(seed)
        directory = pathlib.Path(directory)
        self.deadlines = Deadlines(self.faults, directory / "deadlines", seed, points)
        self.downtime = Downtime(self.faults, directory / "downtime", seed, max(4, points // 100))
        self.traces = Traces(self.faults, directory / "traces", seed)
        self.parts = self.deadlines, self.downtime, self.traces

    def attempt(self, part, until):
        try:
            part.run(until)
        except Exception:                  # what it was stopped by is among the faults, or is one
            self.faults.add("wrong answer", f"{type(part).__name__} ended early: {traceback.format_exc()}")
        finally:
            part.close()

    def rest(self, until):
        for part in self.parts[1:]:
            self.attempt(part, until)

    def run(self, seconds):
        """The deadlines mostly wait; the other two parts run beside them."""
        until = time.monotonic() + seconds if seconds else None
        beside = threading.Thread(target=self.rest, args=(until,))
        beside.start()
        self.attempt(self.deadlines, until)
        beside.join()
        return len(self.deadlines.images)

    def zeros(self):
        return {kind: self.faults.count[kind] for kind in KINDS}

    def told(self):
        return [sentence for part in self.parts for sentence in part.told()]
