"""What torture/power plays on the real daemons while torture/record.c watches:
mail is accepted, delivered, deferred, held, deleted and bounced, and a user
works over IMAP. Leaves in a folder, for torture/replay:

    log      every file operation, flush and reply, in order
    base     where in the log it begins, and the directories of that moment
    ledger   what was promised, and which reply in the log promised it
    text/ID  what was sent

A moment is "PROGRAM TEXT", the first thing that a program sent with TEXT in
it, or "start PID", "exit PID". Lines of the ledger, fields parted by tabs:

    mail ID RECIPIENT KIND PLACE MOMENT   accepted; KIND maildir, mbox, bounce
                                          or queue says where it may end
    hold QUEUE-ID MOMENT                  on hold from now on
    drop ID MOMENT                        somebody asks to delete it
    gone ID MOMENT                        it must not come back
    store PATH                            a user's mail; the lines below
                                          are about it
    box NAME UIDVALIDITY MOMENT           told to a client
    there NAME UID ID MILLISECONDS MOMENT is there, with that UID, so long
                                          after
    leave NAME UID MOMENT                 somebody asks to expunge it
    left NAME UID MILLISECONDS MOMENT     is gone so long after
    nobox NAME MOMENT                     asked to delete or rename it
"""
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import instance
from instance import Instance, wait_for

LOG_ROOM = 2 << 30  # sparse


def text_of(name, octets):
    """A message of about so many octets that tells its name in each line."""
    lines = ["X-Power: %s" % name, "From: s@example.net",
             "To: r@example.org", "Date: Sun, 29 Nov 2026 14:40:03 +0100",
             "Message-ID: <%s@example.net>" % name, "Subject: %s" % name, ""]
    size = sum(len(line) + 1 for line in lines)
    number = 0
    while size < octets:
        lines.append("%s line %d %s" % (name, number, "x" * 50))
        size += len(lines[-1]) + 1
        number += 1
    lines.append("end of " + name)
    return "\n".join(lines) + "\n"


class Ledger:
    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        self.lock = threading.Lock()
        os.makedirs(folder + "/text", exist_ok=True)

    def text(self, name, octets):
        text = text_of(name, octets)
        with open(self.folder + "/text/" + name, "w") as handle:
            handle.write(text)
        return text

    def add(self, *fields):
        with self.lock:
            self.lines.append("\t".join(str(field) for field in fields))

    def write(self):
        with open(self.folder + "/ledger", "w") as handle:
            handle.write("\n".join(self.lines) + "\n")


class Imap:
    """A client of an imapd -s, whose tags are unique in the whole run."""
    count = 0

    def __init__(self, ledger, conf, path, env):
        Imap.count += 1
        self.name = "c%d" % Imap.count
        self.number = 0
        self.ledger = ledger
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [instance.LIBEXEC + "/imapd", "-s", "-c", conf], stdin=theirs,
            stdout=theirs, env=dict(env, POSTHORN_USER="user",
                                    POSTHORN_MAIL=path, POSTHORN_CLIENTS="0"))
        theirs.close()
        self.socket = ours
        ours.settimeout(60)
        self.file = ours.makefile("rb")
        self.file.readline()

    def tag(self):
        self.number += 1
        return "%sx%d" % (self.name, self.number)

    def answer(self, tag):
        """All lines up to the tagged one."""
        lines = []
        while not lines or not lines[-1].startswith(tag + " "):
            line = self.file.readline()
            if not line:
                raise instance.Failed("imapd is gone after %r" % lines)
            lines.append(line.decode().rstrip("\r\n"))
        if not lines[-1].startswith(tag + " OK"):
            raise instance.Failed("%r" % lines)
        return lines

    def ask(self, command):
        """(lines, the moment of the command, the moment of the OK)"""
        tag = self.tag()
        self.socket.sendall(("%s %s\r\n" % (tag, command)).encode())
        return (self.answer(tag), "python3 %s %s" % (tag, command),
                "imapd %s OK" % tag)

    def box(self, name, lines, moment):
        for line in lines:
            told = re.search(r"\[UIDVALIDITY (\d+)\]", line)
            if told:
                self.ledger.add("box", name, told.group(1), moment)

    def select(self, name):
        lines, _, ok = self.ask("SELECT " + name)
        self.box(name, lines, ok)

    def append(self, name, message, octets=600):
        text = self.ledger.text(message, octets).replace("\n", "\r\n")
        tag = self.tag()
        self.socket.sendall(("%s APPEND %s {%d}\r\n" % (
            tag, name, len(text))).encode())
        self.file.readline()
        self.socket.sendall(text.encode() + b"\r\n")
        lines = self.answer(tag)
        told = re.search(r"APPENDUID (\d+) (\d+)", lines[-1])
        ok = "imapd %s OK" % tag
        self.ledger.add("box", name, told.group(1), ok)
        self.ledger.add("there", name, told.group(2), message, 0, ok)
        return int(told.group(2))

    def take(self, verb, uid, message, source, target):
        """COPY or MOVE of one message; its new UID."""
        lines, asked, ok = self.ask("UID %s %d %s" % (verb, uid, target))
        told = re.search(r"COPYUID (\d+) (\d+) (\d+)", "\n".join(lines))
        if verb == "MOVE":
            self.ledger.add("leave", source, uid, asked)
            self.ledger.add("left", source, uid, 0, ok)
        self.ledger.add("box", target, told.group(1), ok)
        self.ledger.add("there", target, told.group(3), message, 0, ok)
        return int(told.group(3))

    def expunge(self, name, uid):
        self.ask("UID STORE %d +FLAGS (\\Deleted)" % uid)
        _, asked, ok = self.ask("UID EXPUNGE %d" % uid)
        self.ledger.add("leave", name, uid, asked)
        # a second when idle; a busy machine may be late
        self.ledger.add("left", name, uid, 3000, ok)

    def uids(self):
        """(uid, X-Power id) of all messages."""
        lines, _, _ = self.ask(
            "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-POWER)])")
        text = "\n".join(lines)
        return [(int(uid), name) for uid, name in re.findall(
            r"UID (\d+)[^*]*?X-Power: (\S+)", text)]

    def close(self):
        self.ask("LOGOUT")
        self.process.wait(60)


def new_log(path):
    """An empty log; processes that are to be recorded start after this."""
    with open(path, "wb") as handle:
        handle.write((4096).to_bytes(8, "little"))  # where it ends
        handle.truncate(LOG_ROOM)
    os.chmod(path, 0o666)


class Scenario:
    def __init__(self, folder, recorder):
        self.folder = folder
        self.recorder = recorder
        self.ledger = Ledger(folder)
        self.log = folder + "/log"

    def watch(self, mta):
        """Everything that is started with mta.env is recorded."""
        mta.env.update(LD_PRELOAD=self.recorder, POWER_LOG=self.log,
                       POWER_ROOT=mta.folder)
        mta.set(import_environment="MAIL_CONFIG TZ LANG LD_PRELOAD "
                "POWER_LOG POWER_ROOT")

    def base(self, mta):
        with open(self.folder + "/base", "w") as handle:
            with open(self.log, "rb") as log:
                begin = int.from_bytes(log.read(8), "little")
            handle.write("%d %s\n" % (begin, mta.folder))
            for top in (mta.queue, mta.mail):
                for path, folders, files in os.walk(top):
                    # nothing of value, and not the queue's
                    for name in ("pid", "public", "private", "empty"):
                        if name in folders:
                            folders.remove(name)
                    handle.write("%d %s\n" % (os.stat(path).st_ino, path))
                    if files:
                        raise instance.Failed("not empty: " + path)

    # -- mail ----------------------------------------------------------

    def smtp(self, mta, name, recipient, kind, place, octets=900,
             sender="s@example.net", bdat=False):
        text = self.ledger.text(name, octets).replace("\n", "\r\n")
        with instance.Raw(mta.smtp_port) as client:
            client.reply()
            client.ask("EHLO client.example.net")
            client.ask("MAIL FROM:<%s>" % sender)
            client.ask("RCPT TO:<%s>" % recipient)
            if bdat:
                half = len(text) // 2
                client.send("BDAT %d\r\n%s" % (half, text[:half]))
                client.reply()
                client.send("BDAT %d LAST\r\n%s" % (
                    len(text) - half, text[half:]))
            else:
                client.ask("DATA")
                client.send(text + ".\r\n")
            reply = client.reply()
            told = re.search(r"queued as (\S+)", reply)
            if not told:
                raise instance.Failed(reply)
            client.ask("QUIT")
        self.ledger.add("mail", name, recipient, kind, place,
                        "smtpd queued as " + told.group(1))
        return told.group(1)

    def sendmail(self, mta, name, recipient, kind, place, octets=700):
        text = self.ledger.text(name, octets)
        process = subprocess.Popen(
            [instance.SBIN + "/sendmail", "-i", "-f", "s@example.net",
             recipient], stdin=subprocess.PIPE, env=mta.env)
        process.communicate(text.encode(), timeout=60)
        if process.returncode != 0:
            raise instance.Failed("sendmail: %d" % process.returncode)
        self.ledger.add("mail", name, recipient, kind, place,
                        "exit %d" % process.pid)

    def postsuper(self, mta, *args):
        process = subprocess.Popen([instance.SBIN + "/postsuper", *args],
                                   env=mta.env, stderr=subprocess.DEVNULL)
        if process.wait(60) != 0:
            raise instance.Failed("postsuper")
        return process.pid

    def together(self, *calls):
        """At once, so that flushes are shared."""
        failed = []

        def one(call):
            try:
                call()
            except Exception as why:
                failed.append(why)
        threads = [threading.Thread(target=one, args=(call,))
                   for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


def configure(mta):
    mta.virtual_mailboxes(users=("alice",))
    mta.set(virtual_mailbox_maps="inline:{"
            "{alice@example.org=example.org/alice/}, "
            "{sender@example.org=example.org/sender/}, "
            "{dave@example.org=example.org/dave/}, "
            "{box@example.org=example.org/box}}",
            relay_domains="later.example.com, never.example.com",
            transport_maps="inline:{{later.example.com=retry:4.4.1 later},"
            " {never.example.com=error:5.1.1 never}}",
            minimal_backoff_time="1000s", maximal_backoff_time="1000s",
            smtpd_error_sleep_time="0", message_size_limit="50000000",
            smtpd_client_connection_count_limit="0")


ALICE = ("alice@example.org", "maildir", "mail/example.org/alice")
BOX = ("box@example.org", "mbox", "mail/example.org/box")


def accept(play, mta, rounds):
    """Plain, BDAT, sendmail; small, in a large slot, in a file."""
    sizes = (900, 20000, 90000, 1500)
    for round in range(rounds):
        name = "a%d" % round
        play.together(*[
            lambda i=i: play.smtp(mta, "%s-%d" % (name, i),
                                  *(ALICE if i % 3 else BOX),
                                  octets=sizes[(i + round) % 4],
                                  bdat=i % 4 == 3)
            for i in range(6)] + [
            lambda: play.sendmail(mta, name + "-s", *ALICE)])
    play.smtp(mta, "dave-1", "dave@example.org", "maildir",
              "mail/example.org/dave")


def defer_and_hold(play, mta):
    later = []
    for i in range(4):
        later.append(play.smtp(
            mta, "d%d" % i, "r@later.example.com", "queue", "-",
            octets=100000 if i == 2 else 1200))
    wait_for(lambda: len(mta.queue_list()) >= 4 and all(
        m["queue_name"] == "deferred" for m in mta.queue_list()
        if m["queue_id"] in later), "four deferred messages")
    mta.command("postqueue", "-f")
    pid = play.postsuper(mta, "-h", later[0])
    play.ledger.add("hold", later[0], "exit %d" % pid)
    pid = play.postsuper(mta, "-h", later[2])
    play.ledger.add("hold", later[2], "exit %d" % pid)
    pid = play.postsuper(mta, "-d", later[1])
    play.ledger.add("drop", "d1", "start %d" % pid)
    play.ledger.add("gone", "d1", "exit %d" % pid)


def bounce(play, mta):
    for i in range(3):
        play.smtp(mta, "b%d" % i, "r@never.example.com", "bounce",
                  "mail/example.org/sender", sender="sender@example.org",
                  octets=90000 if i == 1 else 700)


def while_down(play, mta, rounds):
    """sendmail leaves it in maildrop/; the next start takes it."""
    for round in range(rounds):
        play.sendmail(mta, "down%d" % round, *ALICE)


def imap(play, mta):
    """A fresh user, and one who gets mail from outside meanwhile."""
    path = mta.mail + "/carol"
    play.ledger.add("store", "mail/carol")
    one = Imap(play.ledger, mta.conf, path, mta.env)
    one.select("INBOX")
    uids = [one.append("INBOX", "i%d" % i, 90000 if i == 3 else 500)
            for i in range(5)]
    one.ask("CREATE Work")
    one.ask("SUBSCRIBE Work")
    one.append("Work", "w0")
    moved = one.take("MOVE", uids[0], "i0", "INBOX", "Work")
    one.take("COPY", uids[1], "i1", "INBOX", "Work")
    one.expunge("INBOX", uids[2])
    two = Imap(play.ledger, mta.conf, path, mta.env)
    two.select("Work")
    two.append("INBOX", "i5")
    one.append("INBOX", "i6")
    two.take("MOVE", moved, "i0", "Work", "INBOX")
    time.sleep(1.5)  # what a second makes durable
    one.append("INBOX", "i7")
    two.ask("UID STORE 1:* +FLAGS (\\Seen)")
    two.close()
    one.ask("UNSELECT")
    _, asked, _ = one.ask("RENAME Work Done")
    play.ledger.add("nobox", "Work", asked)
    one.append("Done", "e0")
    time.sleep(1.5)
    one.append("Done", "e1")
    one.close()
    again = Imap(play.ledger, mta.conf, path, mta.env)
    again.select("INBOX")
    again.append("INBOX", "i8")
    again.close()


def imap_of_delivered(play, mta):
    """Messages that local delivery put into new/ are told and moved."""
    play.ledger.add("store", "mail/example.org/dave")
    mta.wait_log("to=<dave@example.org>.*status=sent")
    client = Imap(play.ledger, mta.conf, mta.mail + "/example.org/dave",
                  mta.env)
    client.select("INBOX")
    lines, _, ok = client.ask(
        "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-POWER)])")
    uid = int(re.search(r"UID (\d+)", "\n".join(lines)).group(1))
    play.ledger.add("there", "INBOX", uid, "dave-1", 3000, ok)
    client.ask("CREATE Kept")
    client.take("MOVE", uid, "dave-1", "INBOX", "Kept")
    time.sleep(1.5)
    client.append("INBOX", "dave-2")
    client.close()


def play(folder, recorder, rounds=2):
    """Run it all; the folder has the log then."""
    scenario = Scenario(folder, recorder)
    with Instance() as mta:
        configure(mta)
        scenario.watch(mta)
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        for path in ("/example.org/dave",):
            os.makedirs(mta.mail + path, exist_ok=True)
            for sub in ("", "/tmp", "/new", "/cur"):
                os.makedirs(mta.mail + path + sub, exist_ok=True)
        if instance.is_root():
            for path in ("/example.org", "/example.org/dave",
                         "/example.org/dave/tmp", "/example.org/dave/new",
                         "/example.org/dave/cur"):
                shutil.chown(mta.mail + path, "vmail", "vmail")
        for path in (mta.queue, ):
            for name in os.listdir(path + "/maildrop") \
                    if os.path.isdir(path + "/maildrop") else ():
                os.unlink(path + "/maildrop/" + name)
        scenario.base(mta)
        while_down(scenario, mta, 2)
        mta.start()
        accept(scenario, mta, rounds)
        defer_and_hold(scenario, mta)
        bounce(scenario, mta)
        mta.wait_log("to=<sender@example.org>.*status=sent", count=3)
        imap(scenario, mta)
        imap_of_delivered(scenario, mta)
        wait_for(lambda: len(mta.queue_list()) == 3, "a quiet queue")
        end = open(scenario.log, "rb").read(8)
    # What follows is the instance's folder being removed.
    with open(scenario.log, "r+b") as handle:
        handle.write(end)
    scenario.ledger.write()
    return scenario


def main():
    import sys
    folder, recorder, rounds = sys.argv[1:]
    play(folder, recorder, int(rounds))


if __name__ == "__main__":
    main()
