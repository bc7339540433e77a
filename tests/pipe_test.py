"""pipe(8): attributes of the row, macros, exit statuses."""
import os
import pwd

from instance import (Instance, Skip, equal, is_root, main, matches,
                      wait_for)

USER = "bob" if is_root() else pwd.getpwuid(os.getuid()).pw_name \
    if os.getuid() in [p.pw_uid for p in pwd.getpwall()] else None

PROGRAM = """#!/bin/sh
# the folder, then what the row says
cd "$1" || exit 75
shift
id -u >uid
printf '%s\\n' "$@" >words
cat >message
env >environment
test -f say && cat say
exit $(cat status 2>/dev/null || echo 0)
"""

ROW = ("store unix - n n - - pipe flags=%s user=%s null_sender=%s\n"
       "  argv=%s %s -f ${sender} -q $queue_id -- ${user} ${extension}"
       " ${domain} ${recipient} $$x ${nexthop}\n")


def text(subject="one"):
    return ("From: a@example.net\r\nSubject: %s\r\n"
            "Message-ID: <%s@example.net>\r\n\r\nHello.\r\nFrom here\r\n"
            ".dot\r\n" % (subject, subject))


class Pipe(Instance):
    def __init__(self, flags="DROhuq", **parameters):
        if USER is None:
            raise Skip("the user that runs this has no name")
        super().__init__(recipient_delimiter="+",
                         mydestination="localhost",
                         relay_domains="example.org",
                         transport_maps="inline:{example.org=store:}",
                         store_destination_recipient_limit="1", **parameters)
        program = self.write("program", PROGRAM, 0o755)
        self.out = self.path("out")
        os.mkdir(self.out)
        os.chmod(self.out, 0o777)
        self.master = ROW % (flags, USER, "nobody@null", program, self.out)

    def read(self, name):
        with open(self.out + "/" + name) as handle:
            return handle.read()


def test_words_and_head():
    with Pipe() as mta:
        mta.start()
        mta.send('"a b"@example.net', ["Joe+Ext@Example.org"], text())
        mta.wait_log(r"to=<Joe\+Ext@Example.org>, relay=store, .*dsn=2.0.0, "
                     r"status=sent \(delivered via store service\)")
        words = mta.read("words").splitlines()
        equal(words[0:2], ["-f", '"a b"@example.net'])
        equal(words[2], "-q")
        equal(words[4:], ["--", "joe", "ext", "example.org",
                          "joe+ext@example.org", "$x", "example.org"])
        message = mta.read("message")
        matches(r'^Return-Path: <"a b"@example.net>\nX-Original-To: '
                r"Joe\+Ext@Example.org\nDelivered-To: "
                r"Joe\+Ext@Example.org\nReceived: ", message)
        matches(r"\nHello.\nFrom here\n.dot\n$", message)
        matches(r"(?m)^PATH=/usr/bin:/bin$", mta.read("environment"))
        equal(int(mta.read("uid")), pwd.getpwnam(USER).pw_uid)
        mta.wait_empty()


def test_changes_of_the_content():
    with Pipe("BF.>") as mta:
        mta.start()
        mta.send("", ["joe@example.org"], text())
        mta.wait_log(r"status=sent")
        message = mta.read("message")
        matches(r"^From nobody@null \w\w\w \w\w\w ", message)
        matches(r"\nHello.\n>From here\n..dot\n\n$", message)
        equal(mta.read("words").splitlines()[1], "nobody@null")


def test_exit_statuses():
    cases = [("0", "2.0.0 fine", r"dsn=2.0.0, status=sent \(delivered via "
              r"store service \(.*fine\)\)"),
             ("75", "full", r"dsn=4.3.0, status=deferred \(temporary failure. "
              r"Command output: full\)"),
             ("67", "", r"dsn=5.1.1, status=bounced \(user unknown\)"),
             ("3", "", r"dsn=5.3.0, status=bounced \(Command died with status "
              r"3: ")]
    for status, say, line in cases:
        with Pipe() as mta:
            for name, octets in (("status", status), ("say", say)):
                with open(mta.out + "/" + name, "w") as handle:
                    handle.write(octets)
            mta.start()
            mta.send("a@localhost", ["joe@example.org"], text())
            mta.wait_log(line)


def test_time_limit():
    with Pipe(store_time_limit="1s") as mta:
        mta.master = ("store unix - n n - - pipe user=%s\n"
                      "  argv=/bin/sleep 1000\n" % USER)
        mta.start()
        mta.send("a@localhost", ["joe@example.org"], text())
        mta.wait_log(r"Command time limit exceeded")
        wait_for(lambda: not mta.pids("sleep"), "the end of the program")


def test_rows_that_are_refused():
    for row, line in (
            ("flags=DZ user=%s argv=/bin/cat" % USER, "unknown flag: Z"),
            ("user=root argv=/bin/cat", "no command runs as root"),
            ("user=%s argv=/bin/cat ${what}" % USER, "unknown macro: what"),
            ("user=%s" % USER, "argv= is missing")):
        with Pipe() as mta:
            mta.master = "store unix - n n - - pipe %s\n" % row
            mta.start()
            mta.send("a@localhost", ["joe@example.org"], text())
            mta.wait_log(r"pipe\[\d+\]: fatal: .*" + line)
            mta.wait_log(r"to=<joe@example.org>.*status=deferred")


if __name__ == "__main__":
    main(globals())
