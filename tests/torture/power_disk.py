"""A file system on a loop device over torture/blocks.c, and the images that a
power cut may leave of it: all writes before a flush, and any part of those
after it, in pieces of 4 KiB.
"""
import os
import random
import struct
import subprocess
import time

import instance

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = struct.Struct("<IIQQQ")
WRITE, ZERO, FLUSH, MARK = 1, 2, 3, 4
PIECE = 4096
KINDS = {
    # how it is made, octets, more options of mount
    "ext4": (("mkfs.ext4", "-q", "-F"), 96 << 20, ""),
    "xfs": (("mkfs.xfs", "-q", "-f"), 320 << 20, ""),
    "btrfs": (("mkfs.btrfs", "-q", "-f"), 256 << 20, ""),
}


def missing(kind):
    """Why this cannot run here, or None."""
    if not instance.is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
        return "needs root and tests/with-accounts"
    if not os.path.exists("/dev/fuse") or \
            not os.path.exists("/dev/loop-control"):
        return "needs /dev/fuse and loop devices"
    if instance.run("pkg-config", "--exists", "fuse3",
                    check=False).returncode != 0:
        return "needs libfuse3"
    for program in (KINDS[kind][0][0], "cc", "losetup"):
        if instance.run("which", program, check=False).returncode != 0:
            return "needs " + program
    return None


class Disk:
    """The file system at `folder`/mnt; with a record of it, or not."""

    def __init__(self, folder, kind):
        self.folder, self.kind = folder, kind
        self.top = folder + "/mnt"
        self.log = folder + "/blocks.log"
        self.base = folder + "/base.img"
        self.image = folder + "/image"
        self.loop = self.server = self.mark_file = None  # while there
        os.makedirs(self.top, exist_ok=True)
        os.makedirs(folder + "/blocks", exist_ok=True)

    def make(self):
        make, octets, _ = KINDS[self.kind]
        with open(self.base, "wb") as image:
            image.truncate(octets)
        instance.run(*make, self.base)

    def mount(self, image):
        self.loop = instance.run("losetup", "-f", "--show",
                                 image).stdout.strip()
        try:
            instance.run("mount", "-t", self.kind, self.loop, self.top)
        except instance.Failed:
            self.detach()
            raise

    def detach(self):
        instance.run("losetup", "-d", self.loop)
        self.loop = None

    def unmount(self):
        def gone():
            return instance.run("umount", self.top,
                                check=False).returncode == 0
        if os.path.ismount(self.top):
            instance.wait_for(gone, "the end of the mount")
        if self.loop:
            self.detach()
        if self.kind == "btrfs":
            instance.run("btrfs", "device", "scan", "--forget", check=False)

    def record(self):
        """Mount a copy of the base, whose blocks are written down."""
        program = self.folder + "/blocks-server"
        flags = instance.run("pkg-config", "--cflags", "--libs",
                             "fuse3").stdout.split()
        instance.run("cc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", "-o",
                     program, HERE + "/blocks.c", *flags)
        copy(self.base, self.image)
        self.server = subprocess.Popen([program, self.image, self.log,
                                        self.folder + "/blocks"])
        path = self.folder + "/blocks/image"
        instance.wait_for(lambda: os.path.exists(path), "the disk")
        self.mount(path)
        self.mark_file = os.open(self.folder + "/blocks/mark", os.O_WRONLY)

    def mark(self, text):
        """All that is written before this is before it in the log."""
        os.write(self.mark_file, text.encode())

    def end_record(self):
        if not self.server:
            return
        if self.mark_file is not None:
            os.close(self.mark_file)
        self.unmount()
        instance.run("umount", self.folder + "/blocks", check=False)
        self.server.wait(30)
        self.server = self.mark_file = None


def copy(source, target):
    instance.run("cp", "--sparse=always", "--reflink=auto", source, target)


class Record:
    """One of the log: kind, where its octets are, what it is about."""
    __slots__ = ("kind", "at", "len", "offset", "octets", "when_us")

    def __init__(self, fields, at):
        self.kind, self.len, self.offset, self.octets, self.when_us = fields
        self.at = at


class Cuts:
    """The log, and the images made of it, from the first to the last."""

    def __init__(self, disk):
        self.disk = disk
        self.log = open(disk.log, "rb")
        self.records = []
        self.done = 0  # records in the durable image
        self.durable = disk.folder + "/durable.img"
        copy(disk.base, self.durable)
        size = os.path.getsize(disk.log)
        at = 0
        while at < size:
            self.log.seek(at)
            record = Record(HEAD.unpack(self.log.read(HEAD.size)),
                            at + HEAD.size)
            self.records.append(record)
            at = record.at + record.len

    def count(self, kind):
        return sum(record.kind == kind for record in self.records)

    def octets(self, record):
        self.log.seek(record.at)
        return self.log.read(record.len)

    def choose(self, number, dice):
        """Places to cut: right before a flush, right behind a mark, and
        anywhere; the first where nothing was flushed yet is left out."""
        first = next(i for i, r in enumerate(self.records)
                     if r.kind == FLUSH)
        sorts = [[i for i, r in enumerate(self.records)
                  if i > first and wanted(r)] for wanted in (
                      lambda r: r.kind == FLUSH,
                      lambda r: r.kind == MARK,
                      lambda r: r.kind in (WRITE, ZERO))]
        places = set()
        for k in range(number):
            if sorts[k % 3]:
                places.add(dice.choice(sorts[k % 3]) + (k % 3 != 0))
        return sorted(places)

    def advance(self, cut):
        """The durable image up to the last flush before the cut; the records
        between that and the cut."""
        last = max(i for i in range(cut) if self.records[i].kind == FLUSH)
        with open(self.durable, "r+b") as image:
            while self.done < last:
                self.apply(image, self.records[self.done], lambda: True)
                self.done += 1
        return [r for r in self.records[last:cut] if r.kind in (WRITE, ZERO)]

    def apply(self, image, record, is_kept):
        if record.kind == WRITE:
            octets = self.octets(record)
        elif record.kind == ZERO:
            octets = None
        else:
            return
        for at in range(0, record.octets, PIECE):
            if not is_kept():
                continue
            some = min(PIECE, record.octets - at)
            image.seek(record.offset + at)
            image.write(octets[at:at + some] if octets else bytes(some))

    def build(self, later, rate, dice):
        """disk.image: what is durable, and this share of what came later."""
        copy(self.durable, self.disk.image)
        with open(self.disk.image, "r+b") as image:
            for record in later:
                self.apply(image, record, lambda: dice.random() < rate)

    def marks(self, cut):
        """(fields, time) of all before the cut, and the time of the cut."""
        marks = [(self.octets(r).decode().split("\t"), r.when_us)
                 for r in self.records[:cut] if r.kind == MARK]
        return marks, self.records[cut - 1].when_us


def dice_of(seed):
    return random.Random(seed)


__all__ = ["Cuts", "Disk", "dice_of", "missing", "time"]
