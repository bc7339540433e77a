"""Power cuts on real file systems: tests/torture/run power --real.

A suite (posthorn, or with --peer Debian's Postfix) works with its queue and
its mailboxes on a disk whose writes are recorded (power_disk.py). Images are
made as a power cut could have left them, mounted, and the suite starts on
them as it always does. When all that can be delivered is, everything that was
acknowledged before the cut has to be there:

    lost      an acknowledged message is neither delivered nor in the queue
    damaged   a message can be seen in a Maildir that is not what was sent
    imap      a mailbox is not what the client was told (posthorn only)
    start     the suite does not start, or does not come to rest

Delivered twice is no fault here, and counted. A mark in the log follows each
acknowledgement, so no promise is taken to be older than it is.
"""
import json
import os
import re
import shutil
import tempfile
import threading
import uuid

import instance
import postfix_peer
import power_clients
from instance import Instance, run, wait_for
from power_disk import MARK, FLUSH, Cuts, Disk, dice_of, missing

USERS = {"alice@example.org": "example.org/alice/",
         "box@example.org": "example.org/box"}
BOOT_ID = "/proc/sys/kernel/random/boot_id"
NAME = re.compile(rb"^X-Power: (\S+)", re.M)


class Marks(power_clients.Ledger):
    """A ledger whose lines go into the record of the disk."""

    def __init__(self, folder, disk):
        super().__init__(folder)
        self.disk = disk

    def add(self, *fields):
        with self.lock:
            self.disk.mark("\t".join(str(field) for field in fields))


def settings(top):
    import pwd
    vmail = pwd.getpwnam("vmail")
    return {
        "queue_directory": top + "/queue",
        "data_directory": top + "/data",
        "mydestination": "localhost",
        "virtual_mailbox_domains": "example.org",
        "virtual_mailbox_base": top + "/mail",
        "virtual_mailbox_maps": "inline:{%s}" % ", ".join(
            "{%s=%s}" % user for user in USERS.items()),
        "virtual_uid_maps": "static:%d" % vmail.pw_uid,
        "virtual_gid_maps": "static:%d" % vmail.pw_gid,
        "virtual_minimum_uid": "100",
        "relay_domains": "later.example.com",
        "transport_maps":
            "inline:{later.example.com=smtp:[127.0.0.1]:1}",
        "minimal_backoff_time": "1000s",
        "maximal_backoff_time": "1000s",
        "message_size_limit": "1000000",
        # a dotlock would be in the way until it is stale
        "virtual_mailbox_lock": "fcntl",
        "smtpd_client_connection_count_limit": "0",
    }


class Posthorn:
    """The suite under test, as built."""
    name = "posthorn"
    has_imap = True
    whole_mode = 0o400  # of a file in maildrop/

    def __init__(self, folder, disk):
        self.top = disk.top
        os.makedirs(folder + "/posthorn")
        self.mta = Instance(folder=folder + "/posthorn")
        self.mta.queue, self.mta.data = self.top + "/queue", self.top + "/data"
        self.mta.mail = self.top + "/mail"
        self.mta.set(**settings(self.top))
        self.sendmail = [instance.SBIN + "/sendmail"]
        self.postqueue = [instance.SBIN + "/postqueue"]
        self.postcat = [instance.SBIN + "/postcat"]
        self.env = self.mta.env
        self.port = self.mta.smtp_port

    def make(self):
        for path in (self.mta.queue, self.mta.data, self.mta.mail):
            os.makedirs(path, exist_ok=True)
        shutil.chown(self.mta.mail, "vmail", "vmail")

    def start(self):
        if os.path.exists(self.mta.log_path):
            os.unlink(self.mta.log_path)
        self.mta.start()

    def kill(self):
        self.mta.kill()

    def log(self):
        return self.mta.log()


class Peer:
    """Debian's Postfix, as it comes."""
    name = "Postfix"
    has_imap = False
    whole_mode = 0o100

    def __init__(self, folder, disk):
        self.top = disk.top
        self.mta = postfix_peer.Postfix(**settings(self.top))
        self.sendmail = ["/usr/sbin/sendmail", "-C", self.mta.conf]
        self.postqueue = ["/usr/sbin/postqueue", "-c", self.mta.conf]
        self.postcat = ["/usr/sbin/postcat", "-c", self.mta.conf]
        self.env = dict(os.environ)
        self.port = self.mta.smtp_port

    def make(self):
        for name in ("queue", "data", "mail"):
            os.makedirs(self.top + "/" + name, exist_ok=True)
        shutil.chown(self.top + "/mail", "vmail", "vmail")
        shutil.chown(self.top + "/data", "postfix", "postfix")

    def start(self):
        if os.path.exists(self.mta.log_path):
            os.unlink(self.mta.log_path)
        self.mta.start()
        Instance.wait_port(self, self.port)

    def pids(self):
        """Those that have something open, or stand, on the disk."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                where = os.readlink("/proc/%s/cwd" % pid)
            except OSError:
                continue
            if (where + "/").startswith(self.top + "/"):
                found.append(int(pid))
        return found

    def kill(self):
        for pid in self.pids():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        wait_for(lambda: not self.pids(), "the death of all processes")

    def log(self):
        return self.mta.log()


# ---- what is played ---------------------------------------------------------

class Imap(power_clients.Imap):
    """Says before it asks what may be gone from then on."""

    def take(self, verb, uid, message, source, target):
        if verb == "MOVE":
            self.ledger.add("leave", source, uid, "-")
        return super().take(verb, uid, message, source, target)

    def expunge(self, name, uid):
        self.ledger.add("leave", name, uid, "-")
        super().expunge(name, uid)


def send(suite, ledger, name, recipient, octets):
    text = ledger.text(name, octets).replace("\n", "\r\n")
    with instance.Raw(suite.port) as client:
        client.reply()
        for line in ("EHLO client.example.net", "MAIL FROM:<s@example.net>",
                     "RCPT TO:<%s>" % recipient, "DATA"):
            reply = client.ask(line)
            if reply[0] not in "23":
                raise instance.Failed("%s: %s" % (line, reply))
        client.send(text + ".\r\n")
        reply = client.reply()
        told = re.search(r"queued as (\w+)", reply)
        if not told:
            raise instance.Failed("%s: %s" % (name, reply))
        ledger.add("mail", name, USERS.get(recipient, "queue"),
                   told.group(1))
        client.ask("QUIT")


def hand_in(suite, ledger, name):
    run(*suite.sendmail, "-i", "-f", "s@example.net", "alice@example.org",
        input=ledger.text(name, 3000), env=suite.env)
    ledger.add("mail", name, USERS["alice@example.org"], "-")


def sender(suite, ledger, who, count, failed):
    recipients = list(USERS) + ["alice@example.org", "r@later.example.com"]
    try:
        for i in range(count):
            send(suite, ledger, "m%d-%d" % (who, i),
                 recipients[(i + who) % len(recipients)],
                 (800, 6000, 30000, 100000)[i % 4])
            if i % 8 == 7:
                hand_in(suite, ledger, "s%d-%d" % (who, i))
    except Exception as why:
        failed.append(why)


def read_mail(suite, ledger, count, failed):
    try:
        client = Imap(ledger, suite.mta.conf, suite.mta.mail + "/carol",
                      suite.env)
        client.select("INBOX")
        client.ask("CREATE Work")
        for i in range(count):
            uids = [client.append("INBOX", "i%d-%d" % (i, k),
                                  (500, 9000)[k % 2]) for k in range(4)]
            client.take("MOVE", uids[0], "i%d-0" % i, "INBOX", "Work")
            client.take("COPY", uids[1], "i%d-1" % i, "INBOX", "Work")
            client.expunge("INBOX", uids[2])
        client.close()
    except Exception as why:
        failed.append(why)


def play(suite, ledger, count):
    failed = []
    threads = [threading.Thread(target=sender, args=(
        suite, ledger, who, count, failed)) for who in range(4)]
    if suite.has_imap:
        threads.append(threading.Thread(target=read_mail, args=(
            suite, ledger, count // 3, failed)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


# ---- what is there afterwards -----------------------------------------------

def queue_of(suite):
    return [json.loads(line) for line in run(
        *suite.postqueue, "-j", env=suite.env).stdout.splitlines()]


def is_handed_in(suite, entry):
    """A whole file of maildrop/; what was not finished may stay there."""
    return not entry.name.startswith("tmp-") and \
        entry.stat().st_mode & suite.whole_mode


def is_quiet(suite):
    return all(m["queue_name"] in ("deferred", "hold")
               for m in queue_of(suite)) and not any(
        is_handed_in(suite, entry) for entry in os.scandir(
            suite.top + "/queue/maildrop"))


def wait_quiet(suite):
    wait_for(lambda: is_quiet(suite), "a quiet queue", 120)


def normal(octets):
    return octets.replace(b"\r\n", b"\n")


class There:
    """All messages: name -> copies by place; and what is damaged."""

    def __init__(self, suite, folder):
        self.suite, self.folder = suite, folder
        self.copies, self.damaged = {}, []
        for path, _, names in os.walk(suite.top + "/mail"):
            place = os.path.relpath(path, suite.top + "/mail")
            for name in names:
                if os.path.basename(path) in ("new", "cur"):
                    self.maildir(place, path + "/" + name)
        self.mbox(USERS["box@example.org"])

    def text(self, name):
        with open(self.folder + "/text/" + name, "rb") as handle:
            return handle.read()

    def add(self, place, name):
        self.copies[place, name] = self.copies.get((place, name), 0) + 1

    def maildir(self, place, path):
        with open(path, "rb") as handle:
            octets = normal(handle.read())
        name = NAME.search(octets)
        if name and self.text(name.group(1).decode()) in octets:
            self.add(os.path.dirname(place) + "/", name.group(1).decode())
        else:
            self.damaged.append(path)

    def mbox(self, place):
        try:
            with open(self.suite.top + "/mail/" + place, "rb") as handle:
                octets = normal(handle.read())
        except FileNotFoundError:
            return
        for name in NAME.findall(octets):
            if self.text(name.decode()) in octets:
                self.add(place, name.decode())

    def is_queued(self, queue, queue_id, name):
        """Whole, as postcat shows it."""
        if queue_id not in queue:
            return False
        shown = run(*self.suite.postcat, "-q", queue_id, env=self.suite.env,
                    check=False).stdout
        return self.text(name).decode().rstrip() in shown


class Mail:
    """What became of the messages that were acknowledged."""

    def __init__(self, suite, folder, marks):
        there = There(suite, folder)
        queue = {m["queue_id"] for m in queue_of(suite)}
        self.damaged = there.damaged
        self.lost, self.twice, self.promises = [], 0, 0
        for fields in marks:
            if fields[0] != "mail":
                continue
            _, name, place, queue_id = fields
            self.promises += 1
            copies = there.copies.get((place, name), 0)
            self.twice += copies > 1
            if not copies and not there.is_queued(queue, queue_id, name):
                self.lost.append("%s, to %s" % (name, place))


def check_mail(suite, folder, marks, found):
    """A listing right after the start may not know all of the journal yet,
    and be taken for that of a quiet queue: what is missing may still come."""
    def none_is_lost():
        wait_quiet(suite)
        return not Mail(suite, folder, marks).lost
    try:
        wait_for(none_is_lost, "the last of the mail", 20)
    except instance.Failed:
        pass
    mail = Mail(suite, folder, marks)
    found["promises"] += mail.promises
    found["twice"] += mail.twice
    found["lost"] += mail.lost
    found["damaged"] += mail.damaged


def check_imap(suite, marks, now_us, found):
    leaving = {(f[1], f[2]) for f, _ in marks if f[0] == "leave"}
    boxes = {f[1]: f[2] for f, _ in marks if f[0] == "box"}
    if not boxes:
        return
    client = power_clients.Imap(Nothing(), suite.mta.conf,
                                 suite.mta.mail + "/carol", suite.env)
    for name, validity in boxes.items():
        lines, _, _ = client.ask("SELECT " + name)
        if "[UIDVALIDITY %s]" % validity not in "\n".join(lines):
            found["imap"].append("UIDVALIDITY of %s" % name)
        has = {str(uid): text for uid, text in client.uids()}
        for fields, when_us in marks:
            if fields[0] == "there" and fields[1] == name:
                found["promises"] += 1
                if has.get(fields[2]) != fields[3] and \
                        (name, fields[2]) not in leaving:
                    found["imap"].append("%s: UID %s is %s, not %s" % (
                        name, fields[2], has.get(fields[2]), fields[3]))
            if fields[0] == "left" and fields[1] == name and \
                    fields[2] in has and \
                    now_us > when_us + int(fields[3]) * 1000:
                found["imap"].append("%s: UID %s came back" % (
                    name, fields[2]))
    client.close()


class Nothing:
    """A ledger of nothing."""

    def add(self, *fields):
        pass


def new_boot(folder):
    """What a system that was started again says of itself."""
    path = folder + "/boot_id"
    fresh = not os.path.exists(path)
    with open(path, "w") as handle:
        handle.write("%s\n" % uuid.uuid4())
    os.chmod(path, 0o644)
    if fresh:
        run("mount", "--bind", path, BOOT_ID)


def check_image(suite, disk, marks, now_us, found):
    new_boot(disk.folder)
    try:
        disk.mount(disk.image)
    except instance.Failed as why:
        found["mount"].append(str(why))
        return
    try:
        suite.start()
        check_mail(suite, disk.folder, [fields for fields, _ in marks],
                   found)
        if suite.has_imap:
            check_imap(suite, marks, now_us, found)
    except (instance.Failed, OSError) as why:
        found["start"].append(str(why))
    finally:
        suite.kill()
        disk.unmount()


WRONG = ("lost", "damaged", "imap", "start", "mount")


def nothing_found():
    found = {word: [] for word in WRONG}
    found.update(promises=0, twice=0, states=0, bad=0)
    return found


def check_itself(suite, disk, cuts):
    """An image that is older than what was promised has to be found out."""
    found = nothing_found()
    cuts.build([], 0, None)
    check_image(suite, disk, *cuts.marks(len(cuts.records)), found)
    if not found["lost"]:
        raise instance.Failed("the check does not see what is lost")


def check_cuts(suite, disk, number, seed):
    dice = dice_of(seed)
    cuts = Cuts(disk)
    found = nothing_found()
    for cut in cuts.choose(number, dice):
        later = cuts.advance(cut)
        marks, now_us = cuts.marks(cut)
        if not found["states"]:
            check_itself(suite, disk, cuts)
        for rate in (0, 1, dice.choice((0.1, 0.3, 0.5, 0.7, 0.9))):
            if not later and rate:
                continue  # nothing to choose from
            before = {word: len(found[word]) for word in WRONG}
            cuts.build(later, rate, dice)
            check_image(suite, disk, marks, now_us, found)
            found["states"] += 1
            new = ["%s: %s" % (word, what) for word in WRONG
                   for what in found[word][before[word]:]]
            found["bad"] += bool(new)
            if new:
                print("    cut at record %d of %d, %d%% of %d later writes: "
                      "%s" % (cut, len(cuts.records), rate * 100, len(later),
                              "; ".join(new[:4])), flush=True)
    found["flushes"], found["marks"] = cuts.count(FLUSH), cuts.count(MARK)
    return found


def run_kind(kind, make, number, count, seed, keep=None):
    """True: nothing was wrong."""
    folder = tempfile.mkdtemp(prefix="posthorn-real-", dir=keep)
    os.chmod(folder, 0o755)
    disk = Disk(folder, kind)
    suite = make(folder, disk)
    try:
        new_boot(folder)
        disk.make()
        disk.mount(disk.base)
        suite.make()
        disk.unmount()
        disk.record()
        suite.start()
        play(suite, Marks(folder, disk), count)
        wait_quiet(suite)
        suite.kill()
        disk.end_record()
        found = check_cuts(suite, disk, number, seed)
    finally:
        suite.kill()
        disk.end_record()
        disk.unmount()
        run("umount", BOOT_ID, check=False)
        if not os.path.ismount(disk.top) and not os.environ.get(
                "POSTHORN_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)
    print("%s on %s: %d flushes, %d acknowledgements and other marks; %d "
          "images, in each %d promises on average; with something wrong: %d "
          "(%s); delivered twice: %d" % (
              suite.name, kind, found["flushes"], found["marks"],
              found["states"], found["promises"] / max(1, found["states"]),
              found["bad"], ", ".join("%s %d" % (word, len(found[word]))
                                      for word in WRONG), found["twice"]),
          flush=True)
    return not found["bad"]


def main(kinds, peer=False, number=8, count=24, seed=1):
    """(passed, failed, skipped)"""
    passed = failed = skipped = 0
    for kind in kinds:
        why = missing(kind)
        if why:
            print("skip: %s: %s" % (kind, why))
            skipped += 1
            continue
        good = run_kind(kind, Peer if peer else Posthorn, number, count, seed,
                        os.environ.get("POSTHORN_REAL_ROOM"))
        passed += good
        failed += not good
    return passed, failed, skipped
