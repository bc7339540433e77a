"""What torture/power plays on the real daemons while torture/record.c watches:
mail is accepted, delivered, deferred, held, deleted and bounced, and users
work over IMAP and POP3. Leaves in a folder, for torture/replay:

    log      every file operation, flush and reply, in order
    base     where in the log it begins, and the directories of that moment
    ledger   what was promised, and which reply in the log promised it
    text/ID  what was sent

A moment is "PROGRAM TEXT", the first thing that a program sent, or wrote to a
file, with TEXT in it, or "start PID", "exit PID". Lines of the ledger, fields
parted by tabs:

    mail ID RECIPIENT KIND PLACE MOMENT   accepted; KIND maildir, mbox, bounce
                                          or queue says where it may end
    hold QUEUE-ID MOMENT                  on hold from now on
    release QUEUE-ID MOMENT               somebody asks to release it
    free QUEUE-ID MOMENT                  not on hold from now on
    expired QUEUE-ID MOMENT               is to be bounced
    told QUEUE-ID MOMENT                  no other message gets this ID
    done QUEUE-ID RECIPIENT MILLISECONDS MOMENT
                                          not delivered again so long after
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
    made NAME MOMENT                      the mailbox is there
    unmade NAME MOMENT                    it is not
    note NAME ENTRY VALUE MOMENT          its metadata
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import instance
from instance import Instance, wait_for
from power_clients import Imap, Ledger, Pop3

LOG_ROOM = 2 << 30  # sparse


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
             sender="s@example.net", bdat=False, more=()):
        text = self.ledger.text(name, octets).replace("\n", "\r\n")
        with instance.Raw(mta.smtp_port) as client:
            client.reply()
            client.ask("EHLO client.example.net")
            client.ask("MAIL FROM:<%s>" % sender)
            for each in (recipient, *more):
                client.ask("RCPT TO:<%s>" % each)
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
        """The moments at which it began and ended."""
        process = subprocess.Popen([instance.SBIN + "/postsuper", *args],
                                   env=mta.env, stderr=subprocess.DEVNULL)
        if process.wait(60) != 0:
            raise instance.Failed("postsuper")
        return "start %d" % process.pid, "exit %d" % process.pid

    def sent(self, mta, queue_id, recipient):
        """Wait until it is delivered: that will not be repeated."""
        mta.wait_log("%s: removed" % queue_id)
        # a second; a busy machine may be late
        self.ledger.add("done", queue_id, recipient, 3000,
                        "postlogd %s: removed" % queue_id)

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


TRANSPORTS = "inline:{{later.example.com=retry:4.4.1 later}, " \
    "{part.example.com=%s}, {slow.example.com=%s}, " \
    "{never.example.com=error:5.1.1 never}}"


def configure(mta):
    mta.virtual_mailboxes(users=("alice",))
    # what error: refuses is accepted, and bounces
    mta.set(smtpd_reject_unlisted_recipient="no")
    mta.set(virtual_mailbox_maps="inline:{"
            "{alice@example.org=example.org/alice/}, "
            "{sender@example.org=example.org/sender/}, "
            "{dave@example.org=example.org/dave/}, "
            "{box@example.org=example.org/box}, "
            "{l0@example.org=example.org/alice/}, "
            "{l1@example.org=example.org/box}, "
            "{l2@example.org=fresh/hugo/}, "
            "{l3@example.org=example.org/alice/}, "
            "{solo@example.org=example.org/solo}}",
            relay_domains="later.example.com, part.example.com, "
            "slow.example.com, never.example.com",
            transport_maps=TRANSPORTS % (("retry:4.4.1 not yet",) * 2),
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
    # files that are flushed together
    play.together(*[
        lambda i=i: play.smtp(mta, "f%d" % i, *ALICE, octets=90000)
        for i in range(6)])
    play.smtp(mta, "dave-1", "dave@example.org", "maildir",
              "mail/example.org/dave")


def used_again(play, mta):
    """Files of large/ whose messages are over take others, longer and shorter
    ones, until three have."""
    folder, names, found = mta.queue + "/large", {}, 0
    for i in range(40):
        time.sleep(0.4)  # until the marks are flushed: few messages do
        sent = play.smtp(mta, "u%d" % i, *ALICE,
                         octets=(90000, 70000, 120000)[i % 3])
        for name in os.listdir(folder):
            try:
                inode = os.stat(folder + "/" + name).st_ino
            except FileNotFoundError:
                continue
            found += names.get(inode, name) != name
            names[inode] = name
        play.sent(mta, sent, ALICE[0])
        if found >= 3:
            return
    raise instance.Failed("no file in large/ is used again")


# Each is told by its reply: nobody else writes to it.
LMTP = [("l0@example.org", "maildir", "mail/example.org/alice"),
        ("l1@example.org", "mbox", "mail/example.org/box"),
        ("l2@example.org", "maildir", "mail/fresh/hugo"),
        ("l3@example.org", "maildir", "mail/example.org/alice")]


def lmtp(play, mta):
    """A reply for each recipient: that one has it, and no queue behind."""
    with instance.Raw(mta.ports["lmtp"]) as client:
        client.reply()
        client.ask("LHLO client.example.net")
        for name, octets, to in (("lmtp-0", 900, LMTP[:3]),
                                 ("lmtp-1", 90000, LMTP[3:])):
            text = play.ledger.text(name, octets).replace("\n", "\r\n")
            client.ask("MAIL FROM:<s@example.net>")
            for recipient, _, _ in to:
                client.ask("RCPT TO:<%s>" % recipient)
            client.ask("DATA")
            client.send(text + ".\r\n")
            for recipient, kind, place in to:
                reply = client.reply()
                begin = "250 2.0.0 <%s>" % recipient
                if not reply.startswith(begin):
                    raise instance.Failed(reply)
                play.ledger.add("mail", name, recipient, kind, place,
                                "lmtpd " + begin)
        client.ask("QUIT")


def before_qmgr(play, mta):
    """A queue ID is told, and no message comes of it; then the first messages
    of all, of which qmgr does not hear at first."""
    qmgr = wait_for(lambda: mta.pids("qmgr"), "qmgr")[0]
    os.kill(qmgr, signal.SIGSTOP)
    with instance.Raw(mta.smtp_port) as client:
        client.reply()
        client.ask("EHLO client.example.net")
        client.ask("MAIL FROM:<s@example.net>")
        client.ask("RCPT TO:<alice@example.org>")
        told = mta.wait_log(r"smtpd\[\d+\]: (\w+): client=").group(1)
        play.ledger.add("told", told, "postlogd %s: client=" % told)
        client.ask("RSET")
        client.ask("QUIT")
    first = [play.smtp(mta, "first", *BOX),
             play.smtp(mta, "first-20", *BOX, octets=20000)]
    os.kill(qmgr, signal.SIGCONT)
    for queue_id in first:
        play.sent(mta, queue_id, BOX[0])
    time.sleep(3.5)  # no other flush does it


def alone(play, mta):
    """One after the other: no flush is shared."""
    sent = play.smtp(mta, "solo", "solo@example.org", "mbox",
                     "mail/example.org/solo", octets=6000)
    play.sent(mta, sent, "solo@example.org")
    for i in range(2):
        sent = play.smtp(mta, "box%d" % i, *BOX, octets=6000)
        play.sent(mta, sent, BOX[0])
        sent = play.smtp(mta, "one%d" % i, *ALICE, octets=6000)
        play.sent(mta, sent, ALICE[0])


def defer_and_hold(play, mta):
    later = []
    for i in range(4):
        later.append(play.smtp(
            mta, "d%d" % i, "r@later.example.com", "queue", "-",
            octets=100000 if i == 2 else 1200))
    later.append(play.smtp(mta, "d4", "r@later.example.com", "queue", "-",
                           more=("r@slow.example.com",
                                 "r@part.example.com")))
    later.append(play.smtp(mta, "d5", "r@later.example.com", "bounce",
                           "mail/example.org/sender",
                           sender="sender@example.org"))
    wait_for(lambda: sum(
        m["queue_name"] == "deferred" for m in mta.queue_list()
        if m["queue_id"] in later) == 6, "six deferred messages")
    for one in (0, 2):
        _, end = play.postsuper(mta, "-h", later[one])
        play.ledger.add("hold", later[one], end)
    begin, end = play.postsuper(mta, "-H", later[2])
    play.ledger.add("release", later[2], begin)
    play.ledger.add("free", later[2], end)
    begin, end = play.postsuper(mta, "-d", later[1])
    play.ledger.add("drop", "d1", begin)
    play.ledger.add("gone", "d1", end)
    # one recipient can be reached now, and one takes its time
    slow = socket.create_server(("127.0.0.1", 0))
    mta.set(transport_maps=TRANSPORTS % (
        "discard:now", "smtp:[127.0.0.1]:%d" % slow.getsockname()[1]))
    mta.reload()
    sent = "%s: to=<r@part.example.com>.*status=sent.*" % later[4]

    def deliver():
        mta.command("postqueue", "-f")
        return re.search(sent, mta.log())
    sent = wait_for(deliver, "a part of it to be sent").group(0)
    play.ledger.add("done", later[4], "r@part.example.com", 3000,
                    "postlogd " + sent)
    time.sleep(3.5)  # no other flush does it
    play.smtp(mta, "d6", "r@later.example.com", "queue", "-")
    _, end = play.postsuper(mta, "-e", later[5])
    play.ledger.add("expired", later[5], end)
    mta.command("postqueue", "-f")
    return slow


def bounce(play, mta):
    for i in range(3):
        play.smtp(mta, "b%d" % i, "r@never.example.com", "bounce",
                  "mail/example.org/sender", sender="sender@example.org",
                  octets=90000 if i == 1 else 700)


def while_down(play, mta):
    """sendmail leaves it in maildrop/; the next start takes it. postsuper
    puts one there, too."""
    again = play.smtp(mta, "again", "r@later.example.com", "queue", "-",
                      octets=30000)
    mta.wait_log("%s: .*status=deferred" % again)
    mta.stop()
    play.postsuper(mta, "-r", again)
    play.sendmail(mta, "down0", *ALICE)
    play.sendmail(mta, "down1", *ALICE, octets=20000)
    before = set(os.listdir(mta.queue + "/maildrop"))
    play.sendmail(mta, "down2", *ALICE)
    name = (set(os.listdir(mta.queue + "/maildrop")) - before).pop()
    begin, end = play.postsuper(mta, "-d", name, "maildrop")
    play.ledger.add("drop", "down2", begin)
    play.ledger.add("gone", "down2", end)
    mta.start()


def imap(play, mta):
    """A fresh user, and one who gets mail from outside meanwhile."""
    path = mta.mail + "/carol"
    play.ledger.add("store", "mail/carol")
    one = Imap(play.ledger, mta.conf, path, mta.env)
    one.select("INBOX")
    uids = [one.append("INBOX", "i%d" % i, 90000 if i == 3 else 500)
            for i in range(5)]
    one.create("Work")
    one.ask("SUBSCRIBE Work")
    _, _, ok = one.ask(
        'SETMETADATA Work (/private/comment "kept")')
    play.ledger.add("note", "Work", "/private/comment", "kept", ok)
    one.create("Empty")
    _, asked, ok = one.ask("DELETE Empty")
    play.ledger.add("nobox", "Empty", asked)
    play.ledger.add("unmade", "Empty", ok)
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
    for i in range(6):
        again.append("INBOX", "i%d" % (8 + i))
        again.ask("STORE 1:* %sFLAGS (word%d \\Seen)" % ("+-"[i % 2], i))
    again.take("COPY", uids[1], "i1", "INBOX", "Done")
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
    client.create("Kept")
    client.take("MOVE", uid, "dave-1", "INBOX", "Kept")
    time.sleep(1.5)
    client.append("INBOX", "dave-2")
    client.close()


def pop3(play, mta):
    """What is marked goes at QUIT only."""
    play.ledger.add("store", "mail/gina")
    path = mta.mail + "/gina"
    client = Imap(play.ledger, mta.conf, path, mta.env)
    client.select("INBOX")
    for i in range(4):
        client.append("INBOX", "gina-%d" % i)
    client.close()
    client = Pop3(play.ledger, mta.conf, path, mta.env)
    for number in client.uids():
        client.ask("DELE %d" % number)
    client.drop()
    client = Pop3(play.ledger, mta.conf, path, mta.env)
    numbers = client.uids()
    if sorted(numbers.values()) != [1, 2, 3, 4]:
        raise instance.Failed("%r" % numbers)
    going = (1, 3)
    for number in going:
        client.ask("DELE %d" % number)
    client.quit([numbers[number] for number in going])


MET = ["Met%d" % n for n in range(7)]


def imap_met(play, mta):
    """Mailboxes that another program made are told of all at once."""
    play.ledger.add("store", "mail/erin")
    client = Imap(play.ledger, mta.conf, mta.mail + "/erin", mta.env)
    lines, _, ok = client.ask(
        'LIST "" * RETURN (STATUS (MESSAGES UIDVALIDITY))')
    told = re.findall(r"STATUS (\S+) \(MESSAGES 0 UIDVALIDITY (\d+)\)",
                      "\n".join(lines))
    if sorted(name for name, _ in told) != ["INBOX"] + MET:
        raise instance.Failed("%r" % lines)
    for name, validity in told:
        play.ledger.add("box", name, validity, ok)
    client.append("Met3", "erin-0")
    _, asked, _ = client.ask("RENAME Met1 Moved")
    play.ledger.add("nobox", "Met1", asked)
    client.append("Moved", "erin-1")
    client.close()


def imap_counted(play, mta):
    """The same when only counts are told: their uidlists come later, but
    before anything of theirs that must stay is told."""
    play.ledger.add("store", "mail/frank")
    client = Imap(play.ledger, mta.conf, mta.mail + "/frank", mta.env)
    lines, _, _ = client.ask('LIST "" * RETURN (STATUS (MESSAGES UIDNEXT))')
    told = re.findall(r"STATUS (\S+) \(MESSAGES 0 UIDNEXT 1\)",
                      "\n".join(lines))
    if sorted(told) != ["INBOX"] + MET:
        raise instance.Failed("%r" % lines)
    client.select("Met0")
    client.append("Met3", "frank-0")
    lines, _, ok = client.ask("STATUS Met5 (UIDVALIDITY)")
    play.ledger.add("box", "Met5", re.search(
        r"UIDVALIDITY (\d+)", "\n".join(lines)).group(1), ok)
    _, asked, _ = client.ask("RENAME Met1 Moved")
    play.ledger.add("nobox", "Met1", asked)
    client.append("Moved", "frank-1")
    time.sleep(1.5)  # all have theirs
    for name in MET[2:]:
        client.select(name)
    client.close()


def imap_arriving(play, mta):
    """So many are appended that they are durable by way of a list, before
    their files have names; and some go again at once."""
    play.ledger.add("store", "mail/hugo")
    path = mta.mail + "/hugo"
    client = Imap(play.ledger, mta.conf, path, mta.env)
    client.create("Box")
    client.append_all("INBOX", ["hugo-%d" % n for n in range(8)])
    while not os.path.exists(path + "/posthorn-arriving"):
        time.sleep(0.01)
    uids = [client.append("INBOX", "hugo-%d" % (8 + n), 5000)
            for n in range(4)]
    client.append("Box", "box-0")
    uids += client.append_all("INBOX", ["hugo-12", "hugo-13"], 5000)
    client.append("Box", "box-1")
    client.select("INBOX")
    client.expunge("INBOX", uids[1], uids[4])
    client.take("MOVE", uids[2], "hugo-10", "INBOX", "Box")
    client.append("Box", "box-2")
    time.sleep(1.5)  # what a second makes durable
    client.append("Box", "box-3")
    client.append("INBOX", "hugo-14")  # selected: by way of its file
    client.ask("UNSELECT")
    client.append("INBOX", "hugo-15")
    client.append("Box", "box-4")
    _, asked, _ = client.ask("RENAME Box Moved")
    play.ledger.add("nobox", "Box", asked)
    client.append("Moved", "box-5")
    client.append_all("INBOX", ["hugo-%d" % n for n in range(16, 19)])
    client.close()


MANY = 127  # copies: more than are removed before the answer


def imap_many(play, mta):
    """So many are expunged that their files go behind the answer."""
    play.ledger.add("store", "mail/grace")
    client = Imap(play.ledger, mta.conf, mta.mail + "/grace", mta.env)
    client.select("INBOX")
    first = client.append("INBOX", "grace-0")
    while len(client.uids()) <= MANY:
        client.ask("COPY 1:* INBOX")
    time.sleep(1.5)
    client.expunge("INBOX", *[uid for uid, _ in client.uids()
                              if uid != first])
    client.append("INBOX", "grace-1")
    time.sleep(1.5)
    client.append("INBOX", "grace-2")
    client.close()


def play(folder, recorder, rounds=2):
    """Run it all; the folder has the log then."""
    scenario = Scenario(folder, recorder)
    with Instance() as mta:
        configure(mta)
        mta.master += "127.0.0.1:%d inet n - n - - lmtpd\n" % mta.port("lmtp")
        scenario.watch(mta)
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        for path in ["/example.org/dave", "/erin", "/frank"] + [
                "%s/.%s" % (user, name) for name in MET
                for user in ("/erin", "/frank")]:
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
        mta.start()
        before_qmgr(scenario, mta)
        accept(scenario, mta, rounds)
        used_again(scenario, mta)
        while_down(scenario, mta)
        alone(scenario, mta)
        slow = defer_and_hold(scenario, mta)
        bounce(scenario, mta)
        for count in range(1, 5):  # until their last flush
            report = mta.wait_log(r"delivery notification: (\w+)",
                                  count=count).group(1)
            mta.wait_log(report + ": removed")
        lmtp(scenario, mta)
        pop3(scenario, mta)
        imap(scenario, mta)
        imap_of_delivered(scenario, mta)
        imap_met(scenario, mta)
        imap_counted(scenario, mta)
        imap_many(scenario, mta)
        imap_arriving(scenario, mta)
        slow.close()
        wait_for(lambda: len(mta.queue_list()) == 6 and all(
            m["queue_name"] != "active" for m in mta.queue_list()),
            "a quiet queue")
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
