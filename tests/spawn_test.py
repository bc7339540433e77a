"""spawn(8): a program for each client."""
import os
import pwd
import socket

from instance import (PATIENCE, Instance, Skip, equal, is_root, main, matches,
                      wait_for)

USER = "bob" if is_root() else pwd.getpwuid(os.getuid()).pw_name \
    if os.getuid() in [p.pw_uid for p in pwd.getpwall()] else None

# A policy server as people write them: line by line, until the client goes.
POLICY = """#!/usr/bin/perl
$| = 1;
while (<STDIN>) {
    chomp;
    $seen{$1} = $2 if /^(\\w+)=(.*)/;
    next if length;
    print "action=$ARGV[0] $seen{recipient} $< @ARGV[1..$#ARGV]\\n\\n";
}
"""

ROW = "policy unix - n n - 0 spawn\n  user=%s argv=%s %s\n"
INET = "127.0.0.1:%d inet n n n - 0 spawn user=%s argv=%s\n"


class Spawn(Instance):
    def __init__(self, script, words="", user=None, **parameters):
        if USER is None:
            raise Skip("the user that runs this has no name")
        super().__init__(**parameters)
        self.program = self.write("program", script, 0o755)
        self.door = self.port("spawn")
        self.master = ROW % (user or USER, self.program, words)
        self.master += INET % (self.door, user or USER, self.program)

    def visit(self, port=None):
        return socket.create_connection(("127.0.0.1", port or self.door),
                                        PATIENCE)


def all_of(client):
    with client.makefile("rb") as handle:
        return handle.read().decode()


def test_policy_server():
    with Spawn(POLICY, "REJECT {two words}", relay_domains="example.org",
               smtpd_recipient_restrictions="check_policy_service "
               "unix:private/policy") as mta:
        mta.start()
        with mta.smtp() as client:
            client.ehlo("client.example.net")
            client.mail("a@example.net")
            for name in "one", "two":
                code, reply = client.rcpt(name + "@example.org")
                equal(code, 554)
                matches(r"%s@example.org %d two words$" % (
                    name, pwd.getpwnam(USER).pw_uid), reply.decode())


def test_client_is_all_it_has():
    script = ("#!/bin/sh\necho said; echo wrong >&2\nls /proc/self/fd\n"
              "env | grep -v ^PWD=\nread line\necho \"<$line>\"\n")
    with Spawn(script, export_environment="{SHAPE=round} TZ") as mta:
        mta.start()
        with mta.visit() as client:
            client.sendall(b"hello\n")
            lines = all_of(client).splitlines()
        equal(lines[:2], ["said", "wrong"])
        equal(lines[2:6], ["0", "1", "2", "3"])  # the last is ls's own
        assert "SHAPE=round" in lines and "<hello>" in lines, lines
        assert not any(line.startswith("POSTHORN") for line in lines), lines


def test_many_at_once():
    """Each has a program of its own; what it leaves behind goes with it."""
    script = ("#!/bin/sh\nsleep 1000 </dev/null >/dev/null 2>&1 &\n"
              "echo $!\nread line\necho $line\n")
    with Spawn(script) as mta:
        mta.start()
        clients = [mta.visit() for _ in range(10)]
        files = [client.makefile("rwb") for client in clients]
        left = [int(handle.readline()) for handle in files]
        for number, handle in reversed(list(enumerate(files))):
            handle.write(b"%d\n" % number)
            handle.flush()
            equal(handle.readline(), b"%d\n" % number)
            equal(handle.read(), b"")
        for pid in left:
            wait_for(lambda pid=pid: not os.path.exists("/proc/%d" % pid),
                     "the end of what was left")
        for client in clients:
            client.close()


def test_ends_are_logged():
    script = ("#!/bin/sh\nread line\ncase $line in\n"
              "kill) kill -9 $$;;\nstay) exec sleep 1000;;\nesac\n"
              "exit $line\n")
    with Spawn(script) as mta:
        short = mta.port("short")
        mta.master += INET.replace("spawn user", "spawn "
                                   "-o command_time_limit=1s user") % (
            short, USER, mta.program)
        mta.start()
        for line, log in (
                ("7", r"spawn\[\d+\]: warning: command \S+program exit "
                 "status 7"),
                ("kill", r"warning: command \S+program killed by signal 9"),
                ("stay", r"warning: command \S+program: killed, it ran longer "
                 r"than \S+_time_limit"),
                ("0", None)):
            with mta.visit(short if line == "stay" else None) as client:
                client.sendall(line.encode() + b"\n")
                equal(all_of(client), "")
            if log:
                mta.wait_log(log)


def test_missing_program():
    with Spawn("") as mta:
        mta.master = INET % (mta.door, USER, "/nonexistent/program")
        mta.start()
        with mta.visit() as client:
            equal(all_of(client), "execute /nonexistent/program: "
                  "No such file or directory\n")
        mta.wait_log("warning: command /nonexistent/program exit status 75")


def test_reload_finishes_what_is_under_way():
    with Spawn("#!/bin/sh\necho ready\nread line\necho $line\n") as mta:
        mta.start()
        with mta.visit() as client, client.makefile("rwb") as handle:
            equal(handle.readline(), b"ready\n")
            mta.reload()
            handle.write(b"still here\n")
            handle.flush()
            equal(handle.read(), b"still here\n")


def test_bad_rows():
    for words, log in (
            ("argv=/bin/cat", "user= is missing"),
            ("user=%s" % USER, "argv= is missing"),
            ("user=%s argv=" % USER, "argv= is empty"),
            ("user=%s flags=R argv=/bin/cat" % USER,
             "unknown attribute: flags=R"),
            ("user=root argv=/bin/cat", "user=root: no command runs as root"),
            ("user=nobody-of-that-name argv=/bin/cat",
             "user=nobody-of-that-name: there is no such user"),
            ("user=%s:no-such-group argv=/bin/cat" % USER,
             "there is no such group")):
        with Spawn("") as mta:
            mta.master = "127.0.0.1:%d inet n n n - 0 spawn %s\n" % (
                mta.door, words)
            mta.start()
            with mta.visit():
                mta.wait_log(r"spawn\[\d+\]: fatal: .*%s" % log)


if __name__ == "__main__":
    main(globals())
