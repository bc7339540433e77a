#!/usr/bin/python3
"""The parents of imapd and pop3d: what auth tells them, connections of clients,
a process per user. tests/peer-call speaks for auth."""
import glob
import os
import signal
import socket
import subprocess

from imap import LETTER, Client, Mail
from instance import (LIBEXEC, PATIENCE, Skip, equal, is_root, main, matches,
                      wait_for)

HERE = os.path.dirname(os.path.abspath(__file__))
PEER_CALL = os.environ.get("POSTHORN_BUILD", HERE + "/../build") + "/tests/peer-call"


class Parent(Mail):
    """A parent of imapd or pop3d as master starts it."""

    def __init__(self, program="imapd", asker="auth"):
        super().__init__()
        self.program, self.asker = program, asker

    def __enter__(self):
        if not os.path.exists(PEER_CALL):
            raise Skip("no " + PEER_CALL)
        super().__enter__()
        os.chmod(self.folder, 0o755)
        self.caller = subprocess.Popen(
            [PEER_CALL, LIBEXEC + "/" + self.program, self.folder + "/conf",
             self.asker], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.processes.append(self.caller)
        self.count = 0
        self.uid = 61901 if is_root() else os.getuid()
        self.gid = 61901 if is_root() else os.getgid()
        if is_root():
            os.mkdir(self.path)
            os.chown(self.path, self.uid, self.gid)
        return self

    def ask(self, line):
        self.caller.stdin.write(line.encode() + b"\n")
        self.caller.stdin.flush()
        return self.caller.stdout.readline().decode().strip()

    def hand(self, tag="t", given="", user="alice", path=None):
        """(errno, our end of the connection)"""
        self.count += 1
        place = "%s/s%d" % (self.folder, self.count)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place)
            listener.listen()
            status = self.ask("grant %s maildir:%s %d %d %s %s %s" % (
                user, path or self.path, self.uid, self.gid, tag, place,
                given))
            ours, _ = listener.accept()
        ours.settimeout(PATIENCE)
        return int(status), ours

    def child_pids(self):
        found = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as f:
                    text = f.read()
            except OSError:
                continue
            name = text[text.index("(") + 1:text.rindex(")")]
            rest = text[text.rindex(")") + 2:].split()
            found.append((int(text.split()[0]), name, int(rest[1]), rest[0]))
        parents = {pid for pid, name, ppid, _ in found
                   if ppid == self.caller.pid}
        return [pid for pid, name, ppid, state in found
                if ppid in parents and state != "Z"]


class Given(Client):
    """A connection whose LOGIN is answered by the process it was given to."""

    greeting = None

    def readline(self):
        line = super().readline()
        if self.greeting is not None:
            return line
        self.greeting = line
        return b"* PREAUTH " + line


def test_a_connection_gets_to_its_mailbox():
    with Parent() as p:
        status, sock = p.hand("a7")
        equal(status, 0)
        c = Given(sock)
        matches(r"^a7 OK \[CAPABILITY IMAP4rev1", c.greeting.decode())
        equal(c.append("INBOX", "", None, LETTER)[0], "OK")
        c.logout()
        equal(len(p.files()), 1)
        if is_root():
            equal(os.stat(p.path + "/cur").st_uid, p.uid)


def test_what_cannot_be_is_refused():
    with Parent() as p:
        equal(p.ask("socketless alice maildir:%s %d %d" % (
            p.path, p.uid, p.gid)), "13")
        status, sock = p.hand(path="~nobody")
        equal(status, 13)
        equal(sock.recv(1), b"")  # nobody has it any more
        equal(p.child_pids(), [])
        equal(p.hand()[0], 0)


def test_only_auth_says_whose_a_mailbox_is():
    with Parent(asker="login") as p:
        place = p.folder + "/s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(place)
            listener.listen()
            equal(p.ask("grant alice maildir:%s %d %d a %s" % (
                p.path, p.uid, p.gid, place)), "no answer")
            ours, _ = listener.accept()
        ours.settimeout(PATIENCE)
        equal(ours.recv(1), b"")
        equal(p.child_pids(), [])


def test_connections_of_a_user_share_a_process():
    with Parent() as p:
        a = Given(p.hand()[1])
        b = Given(p.hand()[1])
        equal(len(p.child_pids()), 1)
        pid = p.child_pids()[0]
        with open("/proc/%d/status" % pid) as f:
            status = f.read()
        matches(r"Seccomp:\s+2", status)
        matches(r"NoNewPrivs:\s+1", status)
        if is_root():
            matches(r"Uid:\s+61901\s+61901\s+61901\s+61901", status)
            matches(r"CapEff:\s+0+\n", status)
        with open("/proc/sys/kernel/random/boot_id") as f:
            boot = f.read()
        index_boot = p.path + "/posthorn-index-boot"
        equal(open(index_boot).read(), boot)
        a.select()
        b.select()
        a.append("INBOX", "", None, LETTER)
        b.noop()
        equal(b.said("EXISTS")[-1], b"1")
        a.logout()
        b.logout()
        # The last one leaves the index clean.
        wait_for(lambda: os.path.getsize(index_boot) == 0, "a clean index")
        c = Given(p.hand()[1])
        equal(p.child_pids(), [pid])
        c.logout()


def test_mail_that_has_moved_has_a_process_of_its_own():
    with Parent() as p:
        a = Given(p.hand()[1])
        equal(a.append("INBOX", "", None, LETTER)[0], "OK")
        other = p.path + "-other"
        if is_root():
            os.mkdir(other)
            os.chown(other, p.uid, p.gid)
        b = Given(p.hand(path=other)[1])
        equal(b.select("INBOX"), ("OK", [b"0"]))
        b.logout()


def test_many_short_connections_and_a_process_that_ends():
    """Whoever comes next finds the process, or another one."""
    with Parent() as p:
        for n in range(20):
            status, sock = p.hand("a%d" % n)
            equal(status, 0)
            c = Given(sock)
            matches(r"^a%d OK " % n, c.greeting.decode())
            c.logout()
            if n == 10:
                pids = p.child_pids()
                for pid in pids:
                    os.kill(pid, signal.SIGTERM)
                # All its threads are gone, and the parent knows.
                wait_for(lambda: not any(os.path.exists("/proc/%d" % pid)
                                         for pid in pids),
                         "the end of the process")


def test_what_came_is_taken_up_when_the_last_one_leaves():
    with Parent() as p:
        for folder in ("", "/cur", "/new", "/tmp"):
            os.makedirs(p.path + folder, exist_ok=True)
            os.chown(p.path + folder, p.uid, p.gid)
        for n in range(3):
            p.drop("new/%d.x" % n, LETTER.replace(b"\r\n", b"\n"))
        Given(p.hand()[1]).logout()
        wait_for(lambda: subprocess.run(
            [LIBEXEC + "/posthorn-mailbox", "verify", p.path], timeout=PATIENCE,
            stdout=subprocess.PIPE).stdout.decode() ==
            p.path + ": 1 mailboxes, 0 inconsistencies\n",
            "the words of what came")


def test_what_login_read_is_not_lost():
    with Parent() as p:
        status, sock = p.hand("a", "b_NOOP")
        f = sock.makefile("rb")
        matches("^a OK", f.readline().decode())
        matches("BAD", f.readline().decode())
        sock.sendall(b"c LOGOUT\r\n")
        matches(r"^\* BYE", f.readline().decode())


def test_a_crash_hits_one_user():
    with Parent() as p:
        a = Given(p.hand()[1])
        b = Given(p.hand(user="bob", path=None if is_root() else
                         p.folder + "/bob")[1])
        first, second = sorted(p.child_pids())
        os.kill(first, signal.SIGSEGV)
        equal(a.file.readline(), b"")
        equal(b.noop()[0], "OK")
        wait_for(lambda: p.child_pids() == [second], "the end of it")
        c = Given(p.hand()[1])
        equal(c.select()[0], "OK")
        c.logout()
        b.logout()


def test_a_stop_says_goodbye():
    with Parent() as p:
        a = Given(p.hand()[1])
        b = Given(p.hand()[1])
        a.select()
        a.line(b"i IDLE")
        a.until(rb"^\+")
        with open("/proc/%d/stat" % p.child_pids()[0]) as f:
            parent = int(f.read().rsplit(")", 1)[1].split()[1])
        os.kill(parent, signal.SIGTERM)
        a.until(rb"^\* BYE")
        b.until(rb"^\* BYE")
        equal(b.file.readline(), b"")
        wait_for(lambda: os.path.getsize(p.path + "/posthorn-index-boot") == 0,
                 "a clean index")


def test_pop3_too():
    with Parent("pop3d") as p:
        status, sock = p.hand()
        equal(status, 0)
        f = sock.makefile("rb")
        matches(r"^\+OK", f.readline().decode())
        sock.sendall(b"STAT\r\nQUIT\r\n")
        matches(r"^\+OK 0 0", f.readline().decode())
        matches(r"^\+OK", f.readline().decode())
        equal(f.readline(), b"")


if __name__ == "__main__":
    main(globals())
