"""Nothing that was acknowledged is lost: random daemons and the whole tree
are killed with SIGKILL again and again while several senders send to several
destinations. Each message has an id that enters the ledger only after its 250
was read; afterwards every id of the ledger has to be somewhere.
"""
import os
import random
import re
import signal
import smtplib
import socketserver
import subprocess
import threading
import time
from collections import Counter

from instance import (Instance, check, equal, free_port, main,
                      wait_for, PATIENCE)

KILLS = int(os.environ.get("POSTHORN_KILLS", "200"))
SENDERS = 4
DESTINATIONS = ("alice@example.org", "box@example.org", "r@relay.example.com")


class FailingSink(socketserver.ThreadingTCPServer):
    """An SMTP server that accepts, defers or hangs up by chance, and keeps
    the ids of what it accepted."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), SinkSession)
        self.ids = []
        self.lock = threading.Lock()
        self.failing = True
        threading.Thread(target=self.serve_forever, daemon=True).start()


class SinkSession(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def chance(self, percent):
        return self.server.failing and random.randrange(100) < percent

    def handle(self):
        try:
            self.session()
        except OSError:
            pass

    def session(self):
        self.say("220 sink.example.com ESMTP")
        while True:
            line = self.rfile.readline().upper()
            if not line or self.chance(1):
                return
            verb = line[:4].strip()
            if verb == b"EHLO":
                self.say("250-sink.example.com\r\n250 PIPELINING")
            elif verb == b"QUIT":
                return self.say("221 Bye")
            elif verb == b"RCPT" and self.chance(5):
                self.say("451 4.3.0 Not now")
            elif verb == b"DATA":
                self.say("354 go on")
                if not self.data():
                    return
            else:
                self.say("250 2.0.0 Ok")

    def data(self):
        text = b""
        while not text.endswith(b"\r\n.\r\n"):
            line = self.rfile.readline()
            if not line or self.chance(0):
                return False
            text += line
        if self.chance(5):
            self.say("452 4.3.1 Full")
            return True
        with self.server.lock:
            self.server.ids += re.findall(rb"X-Ledger: (\S+)", text)
        self.say("250 2.0.0 Ok")
        return True


class Sender(threading.Thread):
    """Sends until told to stop; what was acknowledged is in its ledger."""

    def __init__(self, mta, number, stop):
        super().__init__(daemon=True)
        self.mta, self.number, self.stop = mta, number, stop
        self.ledger = []
        self.tried = 0

    def text(self, name, size):
        return ("From: s@example.net\r\nTo: x@example.org\r\nX-Ledger: %s\r\n"
                "Subject: t\r\n\r\n%s" % (name, "line of text\r\n" * size))

    def run(self):
        while not self.stop.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.mta.smtp_port,
                                  timeout=PATIENCE) as client:
                    self.session(client)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    def session(self, client):
        for _ in range(20):
            if self.stop.is_set():
                return
            name = "%d.%d" % (self.number, self.tried)
            destination = DESTINATIONS[self.tried % len(DESTINATIONS)]
            # now and then one that is too large for the journal
            size = 6000 if self.tried % 41 == 40 else self.tried % 50
            self.tried += 1
            client.sendmail("s@example.net", [destination],
                            self.text(name, size))
            self.ledger.append((name, destination))


def send_locally(mta, stop, ledger):
    """sendmail(1), while the suite is up and while it is down."""
    number = 0
    while not stop.is_set():
        name = "local.%d" % number
        number += 1
        done = subprocess.run(
            [mta_sbin("sendmail"), "-f", "s@example.net",
             "alice@example.org"], env=mta.env, timeout=120,
            input=("X-Ledger: %s\n\nlocal\n" % name).encode(),
            stderr=subprocess.DEVNULL)
        if done.returncode == 0:
            ledger.append((name, "alice@example.org"))
        time.sleep(0.05)


def mta_sbin(name):
    import instance
    return instance.SBIN + "/" + name


def kill_one(mta):
    pids = [pid for pid in mta.pids() if pid != mta.master_pid()]
    if pids:
        try:
            os.kill(random.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            pass


def restart(mta):
    mta.kill()
    mta.command("posthorn", "start", timeout=120)


def storm(mta):
    for kill in range(KILLS):
        if kill % 25 == 24:
            restart(mta)
        elif kill % 10 == 9:
            for _ in range(4):
                kill_one(mta)
        else:
            kill_one(mta)
        time.sleep(random.uniform(0.02, 0.2))


def ids_of_maildir(mta):
    return [name for message in mta.maildir("alice")
            for name in re.findall(rb"X-Ledger: (\S+)", message)]


def ids_of_mbox(mta):
    path = mta.mail + "/example.org/box"
    if not os.path.exists(path):
        return []
    with open(path, "rb") as handle:
        return re.findall(rb"(?m)^X-Ledger: (\S+)", handle.read())


def configure(mta, sink_port):
    mta.virtual_mailboxes(users=("alice",))
    mta.set(virtual_mailbox_maps="inline:{"
            "{alice@example.org=example.org/alice/}, "
            "{box@example.org=example.org/box}}",
            relay_domains="relay.example.com",
            transport_maps="inline:{{relay.example.com="
            "smtp:[127.0.0.1]:%d}}" % sink_port,
            service_throttle_time="1s", transport_retry_time="1s",
            minimal_backoff_time="1s", maximal_backoff_time="2s",
            queue_run_delay="1s", smtpd_error_sleep_time="0",
            smtpd_client_connection_count_limit="0",
            smtpd_hard_error_limit="1000")


def compare(ledger, found):
    """Names of the ledger that are nowhere, and deliveries too many."""
    counts = Counter(name.decode() for name in found)
    lost = [name for name, _ in ledger if not counts[name]]
    doubled = sum(counts[name] - 1 for name, _ in ledger
                  if counts[name] > 1)
    return lost, doubled


def test_kill_storm():
    sink = FailingSink(free_port())
    with Instance() as mta:
        configure(mta, sink.server_address[1])
        mta.start()
        stop = threading.Event()
        senders = [Sender(mta, number, stop) for number in range(SENDERS)]
        local_ledger = []
        local = threading.Thread(target=send_locally, daemon=True,
                                 args=(mta, stop, local_ledger))
        for thread in senders + [local]:
            thread.start()
        storm(mta)
        stop.set()
        for thread in senders + [local]:
            thread.join(PATIENCE * 4)
        sink.failing = False
        restart(mta)
        ledger = local_ledger + [row for s in senders for row in s.ledger]
        settle(mta, sink, ledger)
        found = ids_of_maildir(mta) + ids_of_mbox(mta) + sink.ids
        lost, doubled = compare(ledger, found)
        print("%d kills, %d acknowledged, %d lost, %d doubled (%.2f %%)" % (
            KILLS, len(ledger), len(lost), doubled,
            100.0 * doubled / max(1, len(ledger))))
        check(len(ledger) > 100, "hardly anything was sent")
        equal(lost, [])
        check(doubled <= 0.1 * len(ledger), "%d doubled" % doubled)
        check(mta.queue_list() == [], "something stays in the queue")


def settle(mta, sink, ledger):
    """Until all is delivered, or nothing moves any more."""
    def done():
        found = ids_of_maildir(mta) + ids_of_mbox(mta) + sink.ids
        if not compare(ledger, found)[0] and mta.queue_list() == []:
            return True
        mta.command("postqueue", "-f", check=False)
        return False
    try:
        wait_for(done, "all mail to be delivered", PATIENCE * 4)
    except AssertionError as late:
        print(late)
        print(mta.command("postqueue", "-p", check=False).stdout[-4000:])


if __name__ == "__main__":
    main(globals())
