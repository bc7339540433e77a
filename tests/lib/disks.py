"""File systems to measure on: each new, in a sparse file on a loop device."""
import os
import tempfile

from instance import Failed, run, wait_for

# Room in what is made of them for a million files.
EXT4 = ("mkfs.ext4", "-q", "-F", "-N", "1300000", "-E",
        "lazy_itable_init=0,lazy_journal_init=0")
KINDS = {
    # how it is made: as its mkfs does when it is told nothing else
    "ext4": EXT4,
    "ext4-nojournal": EXT4 + ("-O", "^has_journal"),
    "xfs": ("mkfs.xfs", "-q"),
    "btrfs": ("mkfs.btrfs", "-q"),
    "btrfs-twice": ("mkfs.btrfs", "-q", "-d", "dup"),  # as of two devices
}
SIZE = 12 << 30


def add_options(parser):
    parser.add_argument("--filesystem", choices=tuple(KINDS),
                        help="suites live on a new one, on a loop device")
    parser.add_argument("--images", metavar="FOLDER",
                        help="where those are: /dev/shm shows CPU without a"
                        " disk")


class Disk:
    """A file system at `top`, its image in the folder `below`. The image has
    no name once it is mounted, and mount and loop device go with the last
    process of this mount namespace: nothing is left, however a run ends."""

    def __init__(self, top, below=None):
        self.top, self.below = top, below

    def open(self, kind):
        os.makedirs(self.top, exist_ok=True)
        image, path = tempfile.mkstemp(prefix="posthorn-disk-", dir=self.below)
        try:
            os.truncate(image, SIZE)
            run(*KINDS[kind], path)
            run("mount", "-o", "loop", path, self.top)
        finally:
            os.close(image)
            os.unlink(path)
        os.chmod(self.top, 0o755)

    def close(self):
        def is_gone():
            return run("umount", self.top, check=False).returncode == 0
        if not os.path.ismount(self.top):
            return
        try:
            wait_for(is_gone, "the end of the file system", 10)
        except Failed:  # a process is still there
            run("umount", "-l", self.top)


class Room:
    """Where suites live: `kind` None, among the other temporary files; else
    each on a new file system of that kind at `top`."""

    def __init__(self, kind, top, below):
        self.kind, self.disk = kind, Disk(top, below)

    def open(self):
        if self.kind:
            self.disk.open(self.kind)
            tempfile.tempdir = self.disk.top

    def close(self):
        tempfile.tempdir = None
        if self.kind:
            self.disk.close()
