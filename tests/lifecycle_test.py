"""The verbs of posthorn (postfix) while mail is under way: start-fg, the kinds
of stop, reload, flush, status, logrotate."""
import gzip
import json
import os
import re
import socket
import subprocess

from instance import (PATIENCE, SBIN, Instance, check, equal, free_port, main,
                      matches, wait_for)
from capture import Capture

TEXT = "Subject: x\r\n\r\nbody\r\n"


def verb(mta, *words):
    done = mta.command("postfix", *words, check=False)
    return done.returncode, done.stderr


def test_status_and_start():
    with Instance() as mta:
        mta.write_configuration()
        status, said = verb(mta, "status")
        equal(status, 1)
        matches("the Postfix mail system is not running\n$", said)
        for word in ("stop", "reload", "flush", "abort", "drain",
                     "quick-stop"):
            status, said = verb(mta, word)
            equal((word, status), (word, 1))
            matches("the Postfix mail system is not running\n$", said)
        mta.start()
        status, said = verb(mta, "status")
        equal(status, 0)
        matches(r"the Postfix mail system is running: PID: %d\n$" %
                mta.master_pid(), said)
        known = json.loads(mta.command("posthorn", "status", "--json").stdout)
        equal((known["running"], known["pid"]), (True, mta.master_pid()))
        check("qmgr" in [row["command"] for row in known["services"]])
        status, said = verb(mta, "start")
        equal(status, 1)
        matches("the Postfix mail system is already running\n$", said)
        equal(verb(mta, "quick-stop")[0], 0)
        check(not mta.pids(), "something runs")


def control_socket(mta):
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.connect(mta.queue + "/public/control")
    peer.settimeout(PATIENCE)
    return peer


def open_files(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_who_says_nothing_keeps_no_place():
    """All places of public/control taken by somebody who is silent."""
    with Instance() as mta:
        mta.write_configuration()
        mta.start()
        silent = [control_socket(mta) for _ in range(40)]
        matches("is running: PID: %d" % mta.master_pid(),
                verb(mta, "status")[1])
        equal(verb(mta, "reload")[0], 0)
        for peer in silent:
            peer.close()
        equal(verb(mta, "stop")[0], 0)


def test_descriptors_in_empty_packets():
    """A packet without octets may bring a descriptor: master keeps none."""
    with Instance() as mta:
        mta.write_configuration()
        mta.start()
        master = mta.master_pid()
        ends = os.pipe()
        before = open_files(master)
        for _ in range(50):
            peer = control_socket(mta)
            socket.send_fds(peer, [b""], [ends[0]])
            equal(peer.recv(1), b"")  # it has been looked at
            peer.close()
        check(open_files(master) < before + 25, "master keeps descriptors")


def test_in_the_foreground():
    """With its log on standard output; SIGTERM ends it."""
    with Instance(maillog_file="/dev/stdout") as mta:
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        with open(mta.path("said"), "w") as out:
            process = subprocess.Popen([SBIN + "/postfix", "start-fg"],
                                       env=mta.env, stdout=out, stderr=out)

        def said():
            with open(mta.path("said")) as handle:
                return handle.read()
        try:
            mta.wait_port(mta.smtp_port)
            mta.virtual_mailboxes()
            wait_for(lambda: re.search(r"daemon started", said()), "its log")
            with mta.smtp() as client:
                client.ehlo("client.example.net")
            wait_for(lambda: "disconnect from" in said(), "smtpd's line")
            equal(process.poll(), None)
            process.terminate()
            equal(process.wait(PATIENCE), 0)
            matches("terminating on signal 15", said())
        finally:
            process.kill()
            process.wait()


def wait_deferred(mta):
    wait_for(lambda: [row["queue_name"] for row in mta.queue_list()] ==
             ["deferred"], "a deferred message")


def test_flush_and_reload():
    with Instance(default_transport="retry:4.4.1 later",
                  minimal_backoff_time="1000s") as mta:
        mta.start()
        mta.send("a@example.net", ["b@example.com"], TEXT)
        wait_deferred(mta)  # what is active still is not tried again
        equal(verb(mta, "flush")[0], 0)
        mta.wait_log("status=deferred", count=2)
        pid = mta.master_pid()
        mta.set(default_transport="discard:")
        mta.write_configuration()
        status, said = verb(mta, "reload")
        equal(status, 0)
        equal(said, "")  # cron would send it by mail
        mta.wait_log("postfix-script.*: refreshing the Postfix mail system")
        mta.wait_log(r"master\[%d\]: reload -- version" % pid)
        wait_deferred(mta)
        verb(mta, "flush")
        mta.wait_log("status=sent")
        equal(mta.master_pid(), pid)
        # What cannot be read is not taken, and mail goes on.
        with open(mta.conf + "/master.cf", "a") as handle:
            handle.write("broken inet n\n")
        equal(verb(mta, "reload")[0], 1)
        mta.send("a@example.net", ["b@example.com"], TEXT)
        mta.wait_log("status=sent", count=2)


class Holding:
    """A next hop that has the message and does not answer yet."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.server.getsockname()[1]

    def take(self):
        """The connection, when the content has come."""
        client = self.server.accept()[0]
        lines = client.makefile("rb")
        client.sendall(b"220 hop ESMTP\r\n")
        for line in lines:
            if line.upper().startswith(b"DATA"):
                client.sendall(b"354 go on\r\n")
                while lines.readline() != b".\r\n":
                    pass
                return client
            client.sendall(b"250 ok\r\n")
        return None


def under_way(mta, hop):
    mta.set(relayhost="[127.0.0.1]:%d" % hop.port, mydestination="")
    mta.start()
    mta.send("a@example.net", ["b@example.com"], TEXT)
    return hop.take()


def test_what_is_under_way_is_finished():
    for word in ("stop", "drain"):
        hop = Holding()
        with Instance() as mta:
            client = under_way(mta, hop)
            ending = subprocess.Popen([SBIN + "/postfix", word], env=mta.env,
                                      stderr=subprocess.PIPE)
            mta.wait_log("stopping the Postfix mail system")
            wait_for(lambda: not answers(mta.smtp_port), "no new clients")
            equal(ending.poll(), None)
            client.sendall(b"250 2.0.0 taken\r\n")
            equal(ending.wait(PATIENCE), 0)
            check(not mta.pids(), "something runs")
            mta.wait_log("status=sent .*taken")
            equal(mta.queue_list(), [])
            client.close()


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        return True
    except OSError:
        return False


def test_abort_waits_for_nobody():
    hop = Holding()
    with Instance() as mta:
        client = under_way(mta, hop)
        equal(verb(mta, "abort")[0], 0)
        check(not mta.pids(), "something runs")
        equal(len(mta.queue_list()), 1)
        client.close()
        # It is delivered by the next.
        with Capture(free_port()) as sink:
            mta.set(relayhost="[127.0.0.1]:%d" % sink.server_address[1])
            mta.start()
            mta.command("postqueue", "-f")
            wait_for(lambda: sink.messages, "the message")
            mta.wait_empty()


def test_the_log_is_rotated():
    with Instance(maillog_file_rotate_suffix="old%Y") as mta:
        mta.start()
        mta.command("postlog", "before")
        mta.wait_log("postlog.*: before")
        equal(verb(mta, "logrotate")[0], 0)
        mta.command("postlog", "after")
        mta.wait_log("postlog.*: after")
        folder = os.path.dirname(mta.log_path)
        (old,) = [name for name in os.listdir(folder) if ".old2" in name]
        matches(r"^mail\.log\.old2\d{3}\.gz$", old)
        with gzip.open(folder + "/" + old, "rt") as handle:
            matches("postlog.*: before", handle.read())
        check("before" not in mta.log())
        mta.set(maillog_file="/dev/stdout", maillog_file_compressor="")
        mta.write_configuration()
        status, said = verb(mta, "logrotate")
        equal(status, 1)
        matches("is not a file that can be rotated", said)


if __name__ == "__main__":
    main(globals())
