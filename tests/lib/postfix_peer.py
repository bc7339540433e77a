"""Debian's Postfix as a peer: its package is downloaded and unpacked into a
cache folder of the build, and laid over /usr in this mount namespace (see
tests/with-accounts). Nothing is installed and no service started.
"""
import glob
import os
import shutil
import subprocess
import tempfile

from instance import Failed, Skip, free_port, is_root, run, wait_for

CACHE = os.environ.get("POSTHORN_CACHE", os.path.join(os.path.dirname(
    os.path.abspath(__file__)), "..", "..", "build-tests", "peers"))


def package_file(package):
    """The package's file; downloaded the first time."""
    folder = os.path.abspath(CACHE)
    kept = folder + "/" + package + ".deb"
    if os.path.exists(kept):
        return kept
    os.makedirs(folder, exist_ok=True)
    work = tempfile.mkdtemp(dir=folder)
    try:
        subprocess.run(["apt-get", "download", package], cwd=work,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = glob.glob(work + "/*.deb")
        if not found:
            raise Skip("the package %s cannot be had" % package)
        os.rename(found[0], kept)
    finally:
        shutil.rmtree(work)
    return kept


def unpacked(package):
    """The folder with the package's files."""
    target = os.path.abspath(CACHE) + "/" + package
    if os.path.isdir(target):
        return target
    file = package_file(package)
    work = tempfile.mkdtemp(dir=os.path.dirname(file))
    try:
        run("dpkg-deb", "-x", file, work + "/files")
        try:
            os.rename(work + "/files", target)
        except OSError:  # another test was faster
            pass
    finally:
        shutil.rmtree(work)
    return target


def lay_over_usr(*packages, found="/usr/lib/postfix/sbin/master"):
    """The packages' /usr on top of this namespace's; `found` is there then."""
    if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
        raise Skip("needs root and tests/with-accounts")
    layers = ":".join(unpacked(name) + "/usr" for name in packages)
    if os.path.exists(found):
        return
    done = run("mount", "-t", "overlay", "overlay", "-o",
               "lowerdir=%s:/usr" % layers, "/usr", check=False)
    if done.returncode != 0:
        raise Skip("no overlay file system: " + done.stderr.strip())


def cover(folder):
    """A writable folder of our own over this one, in this namespace."""
    if not os.path.isdir(folder):
        raise Skip("no " + folder)
    if folder != "/etc":
        run("mount", "-t", "tmpfs", "-o", "mode=755", "none", folder)
        return
    room = tempfile.mkdtemp(prefix="posthorn-etc-")
    run("mount", "-t", "tmpfs", "none", room)
    os.mkdir(room + "/upper")
    os.mkdir(room + "/work")
    run("mount", "-t", "overlay", "overlay", "-o",
        "lowerdir=/etc,upperdir=%s/upper,workdir=%s/work" % (room, room),
        "/etc")
    run("umount", "-l", room)
    os.rmdir(room)
    for name in ("passwd", "group"):
        shutil.copy(os.environ["POSTHORN_ACCOUNTS"] + "/" + name, "/etc")


# What its package makes below its queue directory.
SPOOL = [("maildrop", "postdrop", 0o730), ("public", "postdrop", 0o710)] + [
    (name, "root", 0o700) for name in (
        "active bounce corrupt defer deferred flush hold incoming private "
        "saved trace").split()]


def make_spool(queue):
    for name, group, mode in SPOOL:
        path = queue + "/" + name
        os.makedirs(path, exist_ok=True)
        shutil.chown(path, "postfix", group)
        os.chmod(path, mode)


class Postfix:
    """A running Postfix with its own folder, port and log."""

    def __init__(self, **parameters):
        lay_over_usr("postfix")
        self.folder = tempfile.mkdtemp(prefix="posthorn-postfix-")
        os.chmod(self.folder, 0o755)
        self.conf = self.folder + "/conf"
        self.smtp_port = free_port()
        self.inside = ()  # what commands are run with: a namespace
        self.log_path = self.folder + "/log"
        self.parameters = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder + "/queue",
            "data_directory": self.folder + "/data",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "command_directory": "/usr/sbin",
            "shlib_directory": "/usr/lib/postfix",
            "meta_directory": unpacked("postfix") + "/etc/postfix",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "maillog_file": self.log_path,
            "maillog_file_prefixes": self.folder,
            "myhostname": "peer.example.net",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "alias_maps": "",
            "alias_database": "",
        }
        self.parameters.update(parameters)
        self.services = "127.0.0.1:%d inet n - n - - smtpd" % self.smtp_port

    def write_configuration(self):
        for path in (self.conf, self.folder + "/queue"):
            os.makedirs(path, exist_ok=True)
        os.makedirs(self.folder + "/data", exist_ok=True)
        shutil.chown(self.folder + "/data", "postfix", "postfix")
        with open(self.conf + "/main.cf", "w") as handle:
            for item in self.parameters.items():
                handle.write("%s = %s\n" % item)
        with open(self.conf + "/master.cf", "w") as handle:
            handle.write(self.services + """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
""")

    def start(self):
        """master alone: the checks of `postfix start` take longer than most of
        what is asked of it then."""
        self.write_configuration()
        make_spool(self.folder + "/queue")
        os.makedirs(self.folder + "/queue/pid", exist_ok=True)
        run(*self.inside, "/usr/lib/postfix/sbin/master", "-w", "-c",
            self.conf)
        wait_for(lambda: "daemon started" in self.log(), "Postfix to start")
        return self

    def log(self):
        try:
            with open(self.log_path, errors="replace") as handle:
                return handle.read()
        except OSError:
            return ""

    def close(self):
        run(*self.inside, "/usr/sbin/postfix", "-c", self.conf, "stop",
            check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            print("---- Postfix's log:")
            print("\n".join(self.log().splitlines()[-40:]))
        self.close()


__all__ = ["Failed", "Postfix", "cover", "lay_over_usr", "make_spool",
           "unpacked"]
