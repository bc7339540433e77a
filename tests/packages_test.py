"""Debian packages, built from a distribution of this tree and installed on a
machine of their own (lib/machine.py): a fresh one, and one that had Postfix."""
import glob
import os
import re
import shutil
import tempfile

from instance import (PATIENCE, Skip, check, equal, is_root, main, matches, run,
                      wait_for)
from machine import Machine
from postfix_peer import package_file

BUILD = os.path.abspath(os.environ.get("POSTHORN_BUILD", "build"))
MODULES = ["ldap", "mysql", "pgsql", "sqlite"]
TEXT = "Subject: %s\n\nHello.\n"
# Of any type; nobody answers there.
TABLE = ("dbpath = /nonexistent\nquery = SELECT 1\nhosts = localhost\n"
         "dbname = x\nserver_host = localhost\nsearch_base = dc=example\n")


class Packages:
    """The files in a folder that goes at the end. Built once."""

    def __init__(self):
        if not is_root():
            raise Skip("needs root")
        self.folder = tempfile.mkdtemp(prefix="posthorn-packages-")

    def __enter__(self):
        run("make", "-s", "-C", BUILD, "distdir", "distdir=" + self.folder
            + "/posthorn", timeout=4 * PATIENCE)
        run("sh", "-c", "cd %s/posthorn && exec dpkg-buildpackage -b -us -uc"
            % self.folder, timeout=8 * PATIENCE, env=dict(
                os.environ, PATH="/usr/lib/ccache:" + os.environ["PATH"],
                # What other tests have built with -O2 is not built again so.
                DEB_BUILD_OPTIONS="nocheck noautodbgsym noopt parallel=%d"
                % os.cpu_count()))
        self.files = {os.path.basename(path).split("_")[0]: path
                      for path in glob.glob(self.folder + "/*.deb")}
        return self

    def __exit__(self, *why):
        shutil.rmtree(self.folder)

    def newer(self, name):
        """The same as a later version."""
        tree = self.folder + "/newer"
        run("dpkg-deb", "-R", self.files[name], tree)
        with open(tree + "/DEBIAN/control") as file:
            text = file.read()
        with open(tree + "/DEBIAN/control", "w") as file:
            file.write(re.sub(r"(?m)^Version: (.*)$", r"Version: \1+next",
                              text))
        run("dpkg-deb", "-b", tree, self.folder + "/newer.deb")
        return self.folder + "/newer.deb"


def install(machine, *paths, **more):
    """Which are outside of the machine."""
    names = []
    for path in paths:
        shutil.copy(path, machine.path("/tmp"))
        names.append("/tmp/" + os.path.basename(path))
    return machine.run("dpkg", "-i", "--force-unsafe-io", *names, **more)


def queued(machine):
    """Subjects of what waits."""
    ids = re.findall(r"(?m)^([0-9A-F]{6,}|[0-9A-Za-z]{12,})[*!]?\s",
                     machine.run("mailq").stdout)
    return sorted(re.search("(?m)^Subject: (.*)$", machine.run(
        "postcat", "-qh", name).stdout).group(1) for name in ids)


def delivered(machine, user):
    """Subjects of what is in the user's Maildir."""
    paths = glob.glob(machine.path("/home/%s/Maildir/new/*" % user))
    return sorted(re.search("(?m)^Subject: (.*)$", open(path).read()).group(1)
                  for path in paths)


def send(machine, recipient, subject):
    machine.run("sendmail", "-f", "root@example.org", recipient,
                input=TEXT % subject)


def has_no_client_libraries(packages):
    wanted = run("dpkg-deb", "-f", packages.files["posthorn"],
                 "Depends").stdout
    for name in ("ldap", "mariadb", "libpq", "sqlite"):
        check(name not in wanted, wanted)


def a_fresh_machine(packages):
    has_no_client_libraries(packages)
    with Machine() as machine:
        machine.run("useradd", "-m", "alice")
        for name in ("/etc/postfix", "/etc/aliases", "/etc/aliases.db"):
            machine.run("rm", "-rf", name)
        install(machine, packages.files["posthorn"])
        machine.run("postconf", "-e", "myhostname=mail.example.org",
                    "defer_transports=smtp", "maillog_file=/var/log/mail.log")
        machine.run("posthorn", "check")
        machine.run("posthorn", "start")
        send(machine, "alice", "one")
        send(machine, "far@example.com", "waits")
        wait_for(lambda: delivered(machine, "alice") == ["one"], "the mail")
        wait_for(lambda: queued(machine) == ["waits"], "what waits")
        a_later_version(machine, packages)
        modules_apart(machine, packages)
        a_removal(machine, packages)


def a_later_version(machine, packages):
    machine.run("posthorn", "stop")
    main_cf = machine.read("/etc/postfix/main.cf")
    install(machine, packages.newer("posthorn"))
    equal(machine.read("/etc/postfix/main.cf"), main_cf)
    machine.run("posthorn", "start")
    equal(queued(machine), ["waits"])
    send(machine, "alice", "two")
    wait_for(lambda: delivered(machine, "alice") == ["one", "two"],
             "the second")


def modules_apart(machine, packages):
    """Each type is there with its package, and not before."""
    missing = "the module for this type is not installed"
    install(machine, packages.files["posthorn"])
    for name in MODULES:
        machine.write("/etc/postfix/table.cf", TABLE)
        for is_there in (False, True):
            if is_there:
                install(machine, packages.files["posthorn-" + name])
            said = machine.run("postmap", "-q", "x", name
                               + ":/etc/postfix/table.cf", check=False).stderr
            equal(missing not in said, is_there)


def a_removal(machine, packages):
    """Mail and settings stay, and are there for the next."""
    main_cf = machine.read("/etc/postfix/main.cf")
    machine.run("posthorn", "stop")
    machine.run("dpkg", "-P", "posthorn",
                *["posthorn-" + name for name in MODULES])
    check(not os.path.exists(machine.path("/usr/sbin/posthorn")), "is there")
    equal(machine.read("/etc/postfix/main.cf"), main_cf)
    install(machine, packages.files["posthorn"])
    equal(queued(machine), ["waits"])


def in_place_of_postfix(packages):
    """Its settings stay as they are, and the mail that it had is ours."""
    with Machine() as machine:
        install(machine, package_file("postfix"), check=False)
        machine.run("dpkg", "--force-depends", "--configure", "postfix")
        machine.run("postconf", "-e", "myhostname=mail.example.org",
                    "defer_transports=smtp", "maillog_file=/var/log/mail.log",
                    "home_mailbox=Maildir/")
        machine.run("useradd", "-m", "alice")
        machine.run("postfix", "start")
        send(machine, "far@example.com", "first")
        send(machine, "far@example.com", "second")
        wait_for(lambda: machine.read("/var/log/mail.log").count(
            "status=deferred") == 2, "two that wait")
        machine.run("postfix", "stop")
        main_cf = machine.read("/etc/postfix/main.cf")
        machine.run("dpkg", "-r", "--force-depends", "postfix")
        install(machine, packages.files["posthorn"])
        check(not os.path.exists(machine.path("/usr/lib/postfix/sbin/master")),
              "Postfix is there")
        equal(machine.read("/etc/postfix/main.cf"), main_cf)
        equal(queued(machine), ["first", "second"])
        machine.run("posthorn", "start")
        send(machine, "alice", "ours")
        wait_for(lambda: delivered(machine, "alice") == ["ours"], "the mail")
        equal(queued(machine), ["first", "second"])


def test_packages():
    with Packages() as packages:
        a_fresh_machine(packages)
        in_place_of_postfix(packages)


main(globals())
