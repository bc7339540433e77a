"""Queue and mail on the file systems that administrators have: each in a file,
on a loop device."""
import fcntl
import os
import re
import shutil
import struct
import tempfile
import threading

from disks import Disk, KINDS
from instance import Failed, Instance, Skip, equal, is_root, main

GET_FLAGS, NO_COPIES = 0x80086601, 0x00800000  # FS_IOC_GETFLAGS, FS_NOCOW_FL
SESSIONS, EACH = 8, 4


class On:
    """Instances of this process live on a new file system of that kind."""

    def __init__(self, kind):
        if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
            raise Skip("needs root and tests/with-accounts")
        if not os.path.exists("/dev/loop-control"):
            raise Skip("needs loop devices")
        if not shutil.which(KINDS[kind][0]):
            raise Skip("needs " + KINDS[kind][0])
        self.kind = kind
        self.folder = tempfile.mkdtemp(prefix="posthorn-test-")
        self.disk = Disk(self.folder + "/disk")

    def __enter__(self):
        try:
            self.disk.open(self.kind)
        except Failed as why:
            shutil.rmtree(self.folder)
            raise Skip("no %s here: %s" % (self.kind, why))
        os.chmod(self.folder, 0o755)
        tempfile.tempdir = self.disk.top

    def __exit__(self, *ignored):
        tempfile.tempdir = None
        self.disk.close()
        shutil.rmtree(self.folder)


def send_some(mta, session, taken):
    """Small ones, and one that has a file in large/."""
    for number in range(EACH):
        name = "m%d-%d" % (session, number)
        lines = 2000 if number == EACH - 1 else 20
        mta.send("sender@example.net", ["alice@example.org"],
                 "Subject: t\r\nX-Name: %s\r\n\r\n%s" % (
                     name, "some line of a text that is long\r\n" * lines))
        taken.append(name)


def names(mta):
    return sorted(name.decode() for text in mta.maildir("alice")
                  for name in re.findall(rb"X-Name: (\S+)", text))


def deliver(mta):
    """From many at once; killed when all is acknowledged, and started again."""
    mta.virtual_mailboxes()
    mta.start()
    taken = []
    senders = [threading.Thread(target=send_some, args=(mta, n, taken))
               for n in range(SESSIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    mta.kill()
    mta.start()
    mta.wait_mail("alice", SESSIONS * EACH)
    mta.wait_empty()
    equal(len(taken), SESSIONS * EACH)
    equal(sorted(set(names(mta))), sorted(taken))


def flags_of(path):
    folder = os.open(path, os.O_RDONLY)
    try:
        octets = fcntl.ioctl(folder, GET_FLAGS, bytes(8))
    finally:
        os.close(folder)
    return struct.unpack_from("I", octets)[0]


def test_ext4():
    with On("ext4"), Instance() as mta:
        deliver(mta)


def test_xfs():
    with On("xfs"), Instance() as mta:
        deliver(mta)


def test_btrfs():
    with On("btrfs"), Instance() as mta:
        deliver(mta)
        equal(flags_of(mta.queue + "/journal") & NO_COPIES, NO_COPIES)
        segments = [name for name in os.listdir(mta.queue + "/journal")
                    if re.fullmatch(r"\d-\d+", name)]
        equal({flags_of(mta.queue + "/journal/" + name) & NO_COPIES
               for name in segments}, {NO_COPIES})
        equal(flags_of(mta.queue + "/deferred") & NO_COPIES, 0)


def test_btrfs_that_keeps_all_twice():
    with On("btrfs-twice"), Instance() as mta:
        deliver(mta)
        equal(flags_of(mta.queue + "/journal") & NO_COPIES, 0)


if __name__ == "__main__":
    main(globals())
