"""The keyring's two mirrors, read from outside: an independent reader of what src/keyring/format.h draws."""
import collections
import mmap
import os
import struct

MIRRORS = ("keyring.a", "keyring.b")
SLOTS, SLOT, BLOCK, EPOCH_MS = 24576, 512, 4096, 30000
EMPTY, LIVE, DESTROYED = 0, 1, 2

# `key` is what a live slot holds, and zeros in any other; None for bytes that no encoder writes.
Slot = collections.namedtuple("Slot", "state epoch key")


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


TABLE = tuple(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def parse(raw, number):
    """One slot's 512 bytes; Slot(None, …) when they are not sound."""
    magic, version, state, zero, epoch, place = struct.unpack_from("<4sBBHII", raw)
    key, rest, (crc,) = raw[24:84], raw[84:508], struct.unpack_from("<I", raw, 508)
    is_sound = (magic, version, zero, place) == (b"DRSL", 1, 0, number) and state <= DESTROYED and not any(rest)
    if not is_sound or crc != crc32c(raw[:508]) or (state != LIVE and any(key)) or (state == EMPTY and epoch):
        return Slot(None, epoch, None)
    return Slot(state, epoch, key)


class Keyring:
    """Both mirrors in `directory`.  Reads go past the page cache where the file system can do that."""

    def __init__(self, directory):
        self.files, self.buffer = [], mmap.mmap(-1, BLOCK)
        for name in MIRRORS:
            try:
                self.files.append(os.open(directory / name, os.O_RDONLY | os.O_DIRECT))
            except OSError:
                self.files.append(os.open(directory / name, os.O_RDONLY))
        for fd in self.files:
            os.preadv(fd, [self.buffer], 0)
            magic, version, slots, epoch_ms = struct.unpack_from("<8sIII", self.buffer)
            if (magic, version, slots, epoch_ms) != (b"DRKEYS1\n", 1, SLOTS, EPOCH_MS):
                raise RuntimeError(f"{directory}: no keyring of this version")

    def close(self):
        for fd in self.files:
            os.close(fd)
        self.files = []

    def raw(self, epoch):
        """The 512 bytes of the epoch's slot in each mirror."""
        at = BLOCK + epoch % SLOTS * SLOT
        for fd in self.files:
            os.preadv(fd, [self.buffer], at // BLOCK * BLOCK)
            yield self.buffer[at % BLOCK:at % BLOCK + SLOT]

    def slots(self, epoch):
        return [parse(raw, epoch % SLOTS) for raw in self.raw(epoch)]

    def say(self, epoch):
        """What a fault may say of them: no key."""
        return " and ".join(f"epoch {s.epoch} in state {s.state}" for s in self.slots(epoch))

    def is_live(self, epoch):
        """Both mirrors hold a key of this epoch, the same."""
        a, b = self.slots(epoch)
        return a == b and (a.state, a.epoch) == (LIVE, epoch) and any(a.key)

    def is_zero(self, epoch):
        """Both mirrors say that this epoch's key is destroyed (or hold one that came after it), and hold none of its bytes."""
        return all(s.state == DESTROYED and s.epoch == epoch and not any(s.key) or
                   s.state in (LIVE, DESTROYED) and s.epoch > epoch for s in self.slots(epoch))
