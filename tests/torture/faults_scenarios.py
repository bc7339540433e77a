"""What is done while calls fail: each scenario is a row of SCENARIOS. It says
what the client was told: "acknowledged", "temporary", "permanent", or "none"
when no answer came (then the message may arrive once, or not)."""
import fcntl
import os
import pwd
import re
import signal
import socket
import socketserver
import ssl
import subprocess
import threading
import time

from instance import (Failed, Instance, is_root, made_at, make_certificate,
                      run, untrusting, wait_for, SBIN)

ANSWER_S = 30.0  # what takes longer hangs
SOON_S = 5.0     # what a fault may keep from happening


class Hang(Exception):
    """No answer within ANSWER_S."""


class Refused(Exception):
    """A reply that is not the wanted one: its text."""


class Gone(Exception):
    """The connection ended."""


class Client:
    """An SMTP dialogue that tells refusal, end and silence apart."""

    def __init__(self, port):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), 5)
        except OSError as error:
            raise Gone(str(error))
        self.socket.settimeout(ANSWER_S)
        self.pending = b""

    def line(self):
        while b"\n" not in self.pending:
            try:
                octets = self.socket.recv(65536)
            except (TimeoutError, socket.timeout):
                raise Hang("no reply")
            except OSError as error:
                raise Gone(str(error))
            if not octets:
                raise Gone("end of input")
            self.pending += octets
        line, self.pending = self.pending.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def reply(self, wanted):
        line = self.line()
        while line[3:4] == "-":
            line = self.line()
        if line[:1] != wanted:
            raise Refused(line)
        return line

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except (TimeoutError, socket.timeout):
            raise Hang("cannot send")
        except OSError as error:
            self.last_words(error)

    def last_words(self, error):
        """What the server said before it hung up."""
        try:
            raise Refused(self.line())
        except (Gone, Hang):
            raise Gone(str(error))

    def ask(self, text, wanted="2"):
        self.send(text.encode() + b"\r\n")
        return self.reply(wanted)

    def start_tls(self):
        self.ask("STARTTLS")
        try:
            self.socket = untrusting().wrap_socket(self.socket)
        except (TimeoutError, socket.timeout):
            raise Hang("no handshake")
        except (OSError, ssl.SSLError) as error:
            raise Gone(str(error))

    def close(self):
        self.socket.close()


def text(name, octets=600):
    lines = "line of text, to fill it up, 50 octets or so......\r\n"
    return ("From: sender@example.org\r\nTo: someone@example.org\r\n"
            "Message-ID: <%s@ledger.example.net>\r\n"
            "X-Ledger: %s\r\nSubject: %s\r\n\r\n%s" % (
                name, name, name, lines * (octets // len(lines)))).encode()


class Sink(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps the ids of what it accepted."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), SinkSession)
        self.ids, self.lock = [], threading.Lock()
        self.open, self.kicked = threading.Event(), threading.Event()
        self.open.set()
        self.kicked.set()
        self.waiting = 0  # for whom it is not open
        self.seen = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def is_first(self, line):
        with self.lock:
            before = len(self.seen)
            self.seen.add(line)
            return len(self.seen) > before

    def has_seen(self, name):
        with self.lock:
            return any(name.upper().encode() in line for line in self.seen)

    def take(self):
        with self.lock:
            ids, self.ids = self.ids, []
        return ids


class SinkSession(socketserver.StreamRequestHandler):
    def say(self, words):
        self.wfile.write(words.encode() + b"\r\n")

    def handle(self):
        try:
            self.session()
        except OSError:
            pass

    def session(self):
        self.say("220 sink.example.com ESMTP")
        while True:
            line = self.rfile.readline().upper()
            if not line:
                return
            if not self.server.open.is_set() and (
                    line.startswith(b"RCPT TO:<WAIT.") or
                    (line.startswith(b"RCPT TO:<HANG.") and
                     self.server.kicked.is_set())):
                self.server.waiting += 1
                self.say("451 4.3.0 closed")
            elif line.startswith(b"RCPT TO:<HANG.") and not \
                    self.server.kicked.is_set():
                self.server.waiting += 1
                self.server.kicked.wait(ANSWER_S)
                return  # the connection drops
            elif line.startswith(b"RCPT TO:<HOLD."):
                self.server.waiting += 1
                self.server.kicked.wait(ANSWER_S)
                self.say("250 2.0.0 Ok")
            elif line.startswith(b"EHLO"):
                self.say("250-sink.example.com\r\n250 PIPELINING")
            elif line.startswith(b"RCPT TO:<LATER.") and \
                    self.server.is_first(line):
                self.say("451 4.3.0 later")
            elif line.startswith(b"QUIT"):
                return self.say("221 Bye")
            elif line.startswith(b"DATA"):
                self.say("354 go on")
                octets = b"\r\n"
                while not octets.endswith(b"\r\n.\r\n"):
                    line = self.rfile.readline()
                    if not line:
                        return
                    octets += line
                with self.server.lock:
                    self.server.ids += ids_of(octets)
                self.say("250 2.0.0 Ok")
            else:
                self.say("250 2.0.0 Ok")


def ids_of(octets):
    """(id, queue IDs) of each message: its own and, of a bounce or of what
    was forwarded, those that it has had."""
    found = []
    for part in re.split(rb"(?m)^From (?=\S+  ?\w\w\w \w\w\w )", octets):
        queue_ids = {word.decode() for word in re.findall(
            rb"(?m)^[ \t]+(?:.* )?id (\w+)\b", part)}
        found += [(name.decode(), queue_ids) for name in
                  re.findall(rb"(?m)^X-Ledger: (\S+)", part)[:1]]
    return found


class MailSuite:
    """One instance for all scenarios that send mail."""

    def __init__(self):
        self.mta = mta = Instance()
        self.sink = Sink()
        self.mbox_at = {}  # path: read so far
        self.commands = mta.path("commands")
        os.mkdir(self.commands)
        os.chmod(self.commands, 0o1777)
        if is_root():
            owner = pwd.getpwnam("vmail")
            os.chown(mta.mail, owner.pw_uid, owner.pw_gid)
            sys_uid, sys_gid = owner.pw_uid, owner.pw_gid
        else:
            sys_uid, sys_gid = os.getuid(), os.getgid()
        cert, key = make_certificate(mta.conf)
        port = self.sink.server_address[1]
        mta.set(
            mydestination="localhost",
            virtual_mailbox_domains="example.org",
            virtual_mailbox_base=mta.mail,
            virtual_mailbox_maps="inline:{alice@example.org=alice/, "
            "sender@example.org=sender/, box@example.org=box}",
            virtual_uid_maps="static:%d" % sys_uid,
            virtual_gid_maps="static:%d" % sys_gid,
            virtual_minimum_uid="100",
            relay_domains="relay.example.com, command.example.com, "
            "fail.example.com, narrow.example.com",
            transport_maps="inline:{{relay.example.com=smtp:[127.0.0.1]:%d}, "
            "{narrow.example.com=narrow:[127.0.0.1]:%d}, "
            "{command.example.com=store:}, "
            "{fail.example.com=error:5.1.1 there is nobody}}" % (port, port),
            narrow_destination_concurrency_limit="1",
            smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
            smtpd_tls_key_file=key,
            service_throttle_time="1s", transport_retry_time="1s",
            minimal_backoff_time="1s", maximal_backoff_time="2s",
            queue_run_delay="1s", smtpd_error_sleep_time="0",
            smtpd_client_connection_count_limit="0",
            smtpd_client_connection_rate_limit="0",
            smtpd_hard_error_limit="1000", maximal_queue_lifetime="100d",
            bounce_queue_lifetime="100d",
            authorized_submit_users="static:all",
            # what error: refuses is accepted, and bounces
            smtpd_reject_unlisted_recipient="no")
        user = pwd.getpwuid(sys_uid).pw_name if is_root() else None
        self.lmtp_port = mta.port("lmtp")
        mta.master += (
            "127.0.0.1:%d inet n - n - - lmtpd\n" % self.lmtp_port +
            "pickup unix n - n 1 1 pickup\n"
            "narrow unix - - n - - smtp\n"
            "store unix - n n - - pipe flags=R%s argv=%s %s\n" % (
                " user=" + user if user else "",
                self.write_command(), self.commands))
        self.mta_port = mta.smtp_port

    def write_command(self):
        return self.mta.write("store", "#!/bin/sh\n"
                              "cat >\"$1/tmp.$$\" && "
                              "mv \"$1/tmp.$$\" \"$1/done.$$\"\n", 0o755)

    def collectors(self):
        return [lambda: self.take_folder(self.mta.mail + "/alice/new"),
                lambda: self.take_folder(self.mta.mail + "/sender/new"),
                lambda: self.take_mbox(self.mta.mail + "/box"),
                self.sink.take,
                lambda: self.take_folder(self.commands, "done.")]

    def take_folder(self, folder, prefix=""):
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in names:
            if not name.startswith(prefix):
                continue
            path = folder + "/" + name
            with open(path, "rb") as handle:
                octets = handle.read()
            os.unlink(path)
            yield from ids_of(octets)

    def take_mbox(self, path):
        """Read on where we stopped, under the lock: what is being written
        may be taken back."""
        at = self.mbox_at.get(path, 0)
        try:
            with open(path, "r+b") as handle:
                fcntl.lockf(handle, fcntl.LOCK_EX)
                handle.seek(at)
                octets = handle.read()
        except OSError:
            return []
        end = octets.rfind(b"\n\n") + 1
        if end <= 0:
            return []
        self.mbox_at[path] = at + end
        return ids_of(octets[:end])

    # -- what scenarios do ---------------------------------------------------

    def answer(self, dialogue, *args, port=None, hello="EHLO"):
        """What a dialogue over SMTP, or LMTP, ends in."""
        client = None
        try:
            client = Client(port or self.mta_port)
            client.reply("2")
            client.ask(hello + " client.example.net")
            dialogue(client, *args)
            return "acknowledged", ""
        except Refused as reply:
            kind = "temporary" if str(reply)[:1] == "4" else "permanent"
            return kind, str(reply)
        except Gone as why:
            return "none", str(why)
        finally:
            if client:
                client.close()

    def later(self, client, name):
        """Deferred at first, then accepted."""
        self.data(client, name, "later.%s@relay.example.com" % name)

    def is_active(self, name):
        return any(m["queue_name"] == "active" and
                   name in m["recipients"][0]["address"]
                   for m in self.mta.queue_list())

    def shelf(self, lab, name):
        """What was deferred is active again, behind one that takes its time:
        meanwhile qmgr knows no more than where it goes."""
        outcome = self.answer(self.data, name,
                              "later.%s@narrow.example.com" % name)
        if outcome[0] != "acknowledged":
            return outcome
        other = lab.new_id(lab.labels[name])
        lab.excused.add(other)  # in flight when qmgr dies, perhaps
        try:
            wait_for(lambda: self.sink.has_seen(name), "its attempt", SOON_S)
            self.sink.waiting = 0
            self.sink.kicked.clear()
            lab.conclude(other, self.answer(
                self.data, other, "hold.%s@narrow.example.com" % other)[0])
            wait_for(lambda: self.sink.waiting, "the other's", SOON_S)
            wait_for(lambda: self.is_active(name), "its second", SOON_S)
        except (Failed, subprocess.SubprocessError):
            pass  # the fault was in the way
        finally:
            self.sink.kicked.set()
        return outcome

    def requeue(self, lab, name):
        """What waits is held, released and put back to the start."""
        outcome = self.answer(self.later, name)
        for option in ("-h", "-H", "-r"):
            self.run(lab, "postsuper", option, "ALL")
        return outcome

    def close_sink(self, lab, name):
        self.sink.open.clear()
        self.sink.waiting = 0

    def delete(self, lab, name):
        """What waits is deleted: then it never arrives."""
        try:
            outcome = self.answer(self.data, name,
                                  "wait.%s@relay.example.com" % name)
            if outcome[0] != "acknowledged":
                return outcome
            wait_for(lambda: lab.follow() or name in lab.queue_ids,
                     "the queue ID of " + name)
            lab.perhaps_deleted.add(name)  # its answer may get lost
            done = self.run(lab, "postsuper", "-d", lab.queue_ids[name])
            if b"Deleted: 1 message" in done.stderr:
                lab.delete(name)
            return outcome
        finally:
            self.sink.open.set()

    def fill(self, lab, name):
        """A queue with messages in files and in slots: deferred, and under
        way to a server that hangs."""
        self.close_sink(lab, name)
        self.sink.kicked.clear()
        deferred = []
        for at in range(5):
            other = lab.new_id(lab.labels[name])
            kind = "wait" if at < 3 else "hang"
            if kind == "hang":  # in flight when qmgr is killed
                lab.excused.add(other)
            octets = 150000 if at in (2, 4) else 600
            outcome, words = self.answer(
                self.data, other, "%s.%s@relay.example.com" % (kind, other),
                octets)
            lab.conclude(other, outcome)
            if outcome != "acknowledged":
                raise Refused(words)
            if kind == "wait":
                deferred.append("to=<wait.%s@" % other)
        wait_for(lambda: self.sink.waiting >= 5, "the server to be asked")
        # else it could be accepted on the old connection once it is open
        wait_for(lambda: all(map(self.mta.log().__contains__, deferred)),
                 "the deferrals")

    def has_used_again(self, lab, name):
        """A large message more: is its file one that was another's?"""
        folder, begin = self.mta.queue + "/large/", time.time()
        last = max(os.listdir(folder), default="")
        other = lab.new_id(lab.labels[name])
        outcome, words = self.answer(self.data, other, "alice@example.org",
                                     100000)
        lab.conclude(other, outcome)
        if outcome != "acknowledged":
            raise Refused(words)
        newest = max(os.listdir(folder), default="")  # names are serials
        return newest > last and 0 < made_at(folder + newest) < begin - 0.05

    def leave_files(self, lab, name):
        """In large/, for the messages that come."""
        wait_for(lambda: self.has_used_again(lab, name),
                 "a file to be used again")

    def start(self, lab, name):
        """qmgr begins anew with what is there."""
        old = lab.processes_of("qmgr")
        for pid in old:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.sink.kicked.set()  # what was under way is refused
        for pid in old:
            lab.await_death(pid)
        try:
            wait_for(lambda: lab.processes_of("qmgr"), "a new qmgr", 5)
        except Failed:
            pass
        self.sink.open.set()
        return self.answer(self.data, name, "alice@example.org")

    def reload(self, lab, name):
        self.run(lab, "posthorn", "reload")
        return self.answer(self.data, name, "alice@example.org")

    def run(self, lab, command, *args):
        try:
            done = subprocess.run(
                [SBIN + "/" + command, *args], env=lab.plain_env,
                timeout=ANSWER_S, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise Hang(command)
        if done.returncode < 0:
            raise Crash("%s: signal %d" % (command, -done.returncode))
        return done

    def envelope(self, client, recipient):
        client.ask("MAIL FROM:<sender@example.org>")
        client.ask("RCPT TO:<%s>" % recipient)

    def data(self, client, name, recipient, octets=600):
        self.envelope(client, recipient)
        client.ask("DATA", "3")
        client.send(text(name, octets) + b".\r\n")
        client.reply("2")

    def bdat(self, client, name, recipient, octets):
        self.envelope(client, recipient)
        whole = text(name, octets)
        half = len(whole) // 2
        client.send(b"BDAT %d\r\n" % half + whole[:half])
        client.reply("2")
        client.send(b"BDAT %d LAST\r\n" % (len(whole) - half) + whole[half:])
        client.reply("2")

    def tls(self, client, name, recipient):
        client.start_tls()
        client.ask("EHLO client.example.net")
        self.data(client, name, recipient)

    def sendmail(self, lab, name):
        try:
            done = subprocess.run(
                [SBIN + "/sendmail", "-f", "sender@example.org",
                 "alice@example.org"], env=self.mta.env, timeout=ANSWER_S,
                input=text(name).replace(b"\r\n", b"\n"),
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise Hang("sendmail")
        words = "%d %r" % (done.returncode, done.stderr[-200:])
        if done.returncode < 0:
            raise Crash("sendmail: signal %d" % -done.returncode)
        if done.returncode == 0:
            return "acknowledged", ""
        # 71 EX_OSERR and 75 EX_TEMPFAIL: try again
        temporary = done.returncode in (71, 74, 75)
        return "temporary" if temporary else "permanent", words


class LocalSuite(MailSuite):
    """The same, for users of the machine."""

    def __init__(self):
        super().__init__()
        mta = self.mta
        self.folder = "M%d" % os.getpid()  # others use the same homes
        self.file = mta.mail + "/file"
        mta.set(default_privs="vmail", home_mailbox=self.folder + "/",
                local_recipient_maps="", recipient_delimiter="+")
        self.aliases = mta.write(
            "conf/aliases", "command: \"|%s %s\"\nfile: %s\nlist: "
            "alice@example.org\n" % (self.mta.path("store"), self.commands,
                                   self.file))
        mta.set(alias_maps="hash:" + self.aliases)
        user = pwd.getpwnam("alice")
        path = "%s/.forward+f%d" % (user.pw_dir, os.getpid())
        with open(path, "w") as handle:
            handle.write("bob@localhost\n")
        os.chown(path, user.pw_uid, user.pw_gid)

    def begin(self, lab):
        run(SBIN + "/postalias", "-c", self.mta.conf, "hash:" + self.aliases,
            env=lab.plain_env)

    def collectors(self):
        homes = [pwd.getpwnam(name).pw_dir + "/" + self.folder + "/new"
                 for name in ("alice", "bob")]
        return [lambda: self.take_folder(homes[0]),
                lambda: self.take_folder(homes[1]),
                lambda: self.take_mbox(self.file)] + super().collectors()

    def forward(self, client, name):
        self.data(client, name, "alice+f%d@localhost" % os.getpid())


class Crash(Exception):
    """A command died by a signal."""


def by(method, *args):
    """A scenario that is an SMTP dialogue."""
    return lambda suite, lab, name: suite.answer(
        getattr(suite, method), name, *args)


def lmtp(method, *args):
    """One that is an LMTP dialogue: the answer comes from the delivery itself,
    so that whoever dies with it leaves a doubt."""
    def act(suite, lab, name):
        return suite.answer(getattr(suite, method), name, *args,
                            port=suite.lmtp_port, hello="LHLO")
    act.is_final = True
    return act


def prepared(prepare, run):
    """One that begins with something that no fault hits."""
    def act(suite, lab, name):
        return run(suite, lab, name)
    act.prepare = prepare
    return act


# clang-format off
ACCEPT = ("smtpd", "cleanup", "qmgr", "rewrite", "master")
# name, what it does, the programs whose calls fail
SCENARIOS = (
    ("plain", by("data", "alice@example.org"), ACCEPT + ("virtual",)),
    ("large", by("data", "alice@example.org", 150000),
     ("smtpd", "cleanup", "qmgr", "virtual")),
    ("large-again", prepared(MailSuite.leave_files, by(
        "data", "alice@example.org", 80000)),
     ("smtpd", "cleanup", "qmgr", "virtual")),
    ("bdat", by("bdat", "alice@example.org", 150000), ("smtpd", "cleanup")),
    ("tls", by("tls", "alice@example.org"), ("smtpd",)),
    ("sendmail", lambda suite, lab, name: suite.sendmail(lab, name),
     ("sendmail", "pickup", "cleanup", "qmgr", "master")),
    ("mbox", by("data", "box@example.org"), ("virtual", "qmgr")),
    ("lmtp", lmtp("data", "alice@example.org"), ("lmtpd", "virtual")),
    ("lmtp-large", lmtp("bdat", "box@example.org", 150000),
     ("lmtpd", "virtual")),
    ("remote", by("data", "a@relay.example.com"),
     ("smtp", "dialer", "resolver", "qmgr", "rewrite")),
    ("command", by("data", "a@command.example.com"), ("pipe", "qmgr")),
    ("bounce", by("data", "a@fail.example.com"),
     ("error", "bounce", "qmgr", "cleanup", "virtual")),
    ("later", by("later"), ("qmgr", "smtp")),
    ("shelf", lambda suite, lab, name: suite.shelf(lab, name),
     ("qmgr", "smtp")),
    ("requeue", lambda suite, lab, name: suite.requeue(lab, name), ("qmgr",)),
    ("delete", prepared(MailSuite.close_sink, MailSuite.delete),
     ("qmgr", "smtp")),
    ("start", prepared(MailSuite.fill, MailSuite.start),
     ("qmgr", "cleanup", "smtp")),
    ("reload", lambda suite, lab, name: suite.reload(lab, name),
     ("master", "smtpd", "cleanup", "qmgr", "virtual", "rewrite")),
)
LOCAL_SCENARIOS = (
    ("local", by("data", "alice@localhost"), ("local", "qmgr")),
    ("file", by("data", "file@localhost"), ("local",)),
    ("filter", by("data", "command@localhost"), ("local",)),
    ("alias", by("data", "list@localhost"),
     ("local", "cleanup", "qmgr", "virtual")),
    ("forward", by("forward"), ("local", "cleanup", "qmgr")),
)
