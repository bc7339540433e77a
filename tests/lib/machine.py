"""A machine of its own for a test that installs packages: this system's files
with a layer on top that goes when the test ends, and namespaces for network
and processes. Nothing of it reaches the system below.

    with Machine() as machine:
        machine.run("dpkg", "-i", package)
        machine.run("posthorn", "start")
"""
import os
import shutil
import subprocess
import tempfile

from instance import Skip, is_root, run, wait_for

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# No service manager, so nobody starts what was installed.
FRESH = ("run", "tmp", "var/tmp")


class Machine:
    def __init__(self):
        if not is_root():
            raise Skip("needs root")
        self.room = tempfile.mkdtemp(prefix="posthorn-machine-")
        self.root = self.room + "/root"
        self.inside = None
        run("mount", "-t", "tmpfs", "-o", "mode=755", "none", self.room)
        for name in ("upper", "work", "root"):
            os.mkdir(self.room + "/" + name)
        done = run("mount", "-t", "overlay", "overlay", "-o",
                   "lowerdir=/,upperdir=%s/upper,workdir=%s/work"
                   % (self.room, self.room), self.root, check=False)
        if done.returncode != 0:
            self.__exit__()
            raise Skip("no overlay file system: " + done.stderr.strip())

    def __enter__(self):
        for name in FRESH:
            run("mount", "-t", "tmpfs", "-o", "mode=1777", "none",
                self.root + "/" + name)
        run("mount", "--rbind", "/dev", self.root + "/dev")
        self.holder = subprocess.Popen(
            ["unshare", "-n", "-p", "-f", "--kill-child", "sleep",
             "infinity"])
        children = "/proc/%d/task/%d/children" % (
            (self.holder.pid,) * 2)
        self.inside = wait_for(lambda: open(children).read().split(),
                               "the namespaces")[0]
        self.run("mount", "-t", "proc", "proc", "/proc")
        self.run("ip", "link", "set", "lo", "up")
        # Nobody looks for a page of the manual here.
        self.run("rm", "-f", "/var/lib/man-db/auto-update")
        self.remove_others()
        return self

    def __exit__(self, *why):
        if self.inside:
            self.holder.kill()  # and so everything in there
            self.holder.wait()
        run("umount", "-R", "-l", self.room, check=False)
        shutil.rmtree(self.room, ignore_errors=True)

    def run(self, *argv, **more):
        return run("nsenter", "-t", self.inside, "-n", "-p", "chroot",
                   self.root, "env", "-i", "PATH=" + PATH, "HOME=/root",
                   "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", *argv, **more)

    def path(self, name):
        return self.root + name

    def read(self, name):
        with open(self.path(name), errors="surrogateescape") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def remove_others(self):
        """A mail server that this system has."""
        said = self.run("dpkg-query", "-W", "-f",
                        "${db:Status-Status} ${Package} ${Provides}\n").stdout
        for line in said.splitlines():
            words = line.replace(",", "").split()
            if words[0] == "installed" and \
                    "mail-transport-agent" in words[2:]:
                self.run("dpkg", "--force-depends", "-P", words[1])
