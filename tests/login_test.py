#!/usr/bin/env python3
"""login and auth: IMAP and POP3 before authentication, SASL, TLS."""
import base64
import hashlib
import hmac
import imaplib
import json
import os
import poplib
import re
import select
import signal
import smtplib
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

from full import PASSWORD, FullInstance
from instance import (PATIENCE, Failed, Instance, Raw, check, equal, main,
                      renewed_is_noticed, run, untrusting, wait_for)


def b64(octets):
    return base64.b64encode(octets).decode()


class Scram:
    """A client of SCRAM-SHA-256, RFC 5802, 7677."""

    def __init__(self, user, password, binding=None):
        self.password = password.encode()
        self.gs2 = b"p=tls-exporter,," if binding else b"n,,"
        self.binding = binding or b""
        self.nonce = b64(os.urandom(12))
        self.bare = ("n=%s,r=%s" % (user.replace("=", "=3D").replace(
            ",", "=2C"), self.nonce)).encode()

    def first(self):
        return self.gs2 + self.bare

    def final(self, challenge):
        fields = dict(item.split("=", 1) for item in
                      challenge.decode().split(","))
        check(fields["r"].startswith(self.nonce), challenge)
        self.salt = base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, self.salt,
                                     int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without = b"c=" + base64.b64encode(self.gs2 + self.binding) + \
            b",r=" + fields["r"].encode()
        message = b",".join((self.bare, challenge, without))
        signature = hmac.digest(hashlib.sha256(key).digest(), message,
                                "sha256")
        self.server = hmac.digest(hmac.digest(salted, b"Server Key",
                                              "sha256"), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return without + b",p=" + base64.b64encode(proof)

    def verify(self, final):
        equal(final, b"v=" + base64.b64encode(self.server))

    def step(self, challenge):
        """For imaplib and smtplib: each challenge in turn."""
        if not challenge:
            return self.first()
        if challenge.startswith(b"r="):
            return self.final(challenge)
        self.verify(challenge)
        return b""


def scram_imap(client, user, password):
    scram = Scram(user, password)
    client.authenticate("SCRAM-SHA-256", scram.step)
    return scram


def refused(call, *args):
    """The error that the call ends with."""
    try:
        call(*args)
    except (imaplib.IMAP4.error, poplib.error_proto,
            smtplib.SMTPException) as error:
        return str(error)
    raise Failed("%r was accepted" % (args,))


ALICE = "alice@example.org"


def test_imap():
    with FullInstance() as mta:
        mta.start()
        # implicit TLS
        client = mta.login_imap()
        equal(client.select()[0], "OK")
        client.logout()
        mta.wait_log(r"imap-login: Login: user=<alice@example.org>, "
                     r"method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, TLS")
        # STARTTLS; a name in another case is the same
        client = mta.imap(mta.ports["imap"])
        check("STARTTLS" in client.capabilities, client.capabilities)
        client.starttls(ssl_context=untrusting())
        check("STARTTLS" not in client.capabilities, client.capabilities)
        check("AUTH=PLAIN" in client.capabilities, client.capabilities)
        client.login("Alice@Example.org", PASSWORD)
        equal(client.select()[0], "OK")
        client.logout()
        # loopback needs no TLS; the socket itself goes on
        client = mta.imap(mta.ports["imap"])
        client.login(ALICE, PASSWORD)
        equal(client.select()[0], "OK")
        equal(client.append("INBOX", None, None,
                            b"Subject: x\r\n\r\n" + b"y" * 300000)[0], "OK")
        equal(client.select(), ("OK", [b"1"]))
        client.logout()
        # PLAIN with and without an initial response, LOGIN, SCRAM
        for mechanism, answers in (
                ("PLAIN", [b"\0alice@example.org\0" + PASSWORD.encode()]),
                ("LOGIN", [ALICE.encode(), PASSWORD.encode()])):
            client = mta.imap(mta.ports["imaps"], tls=True)
            todo = list(answers)
            client.authenticate(mechanism, lambda challenge: todo.pop(0))
            equal(client.select()[0], "OK")
            data = client.fetch("1", "(BODY.PEEK[])")[1][0][1]
            equal(len(data), 300014)
            client.logout()
        client = mta.imap(mta.ports["imaps"], tls=True)
        check("AUTH=SCRAM-SHA-256" in client.capabilities,
              client.capabilities)
        scram_imap(client, ALICE, PASSWORD)
        equal(client.select()[0], "OK")
        client.logout()
        # wrong
        client = mta.imap(mta.ports["imaps"], tls=True)
        check("[AUTHENTICATIONFAILED]" in
              refused(client.login, ALICE, "wrong"), "code")
        check("[AUTHENTICATIONFAILED]" in
              refused(scram_imap, client, ALICE, "wrong"), "code")
        client.shutdown()
        mta.wait_log(r"imap-login: Disconnected.* \(auth failed, 2 attempts "
                     r"in \d+ secs\): user=<alice@example.org>, "
                     r"method=SCRAM-SHA-256, rip=127.0.0.1")


def test_imap_words():
    """Literals, initial responses, pipelining, and what is no command."""
    with FullInstance() as mta:
        mta.start()
        port = mta.ports["imap"]
        with Raw(port) as raw:
            check(raw.file.readline().startswith(b"* OK [CAPABILITY "))
            raw.send("a LOGIN {17}\r\n")
            check(raw.file.readline().startswith(b"+"))
            raw.send("alice@example.org {15+}\r\n%s\r\n"
                     "b SELECT INBOX\r\nc LOGOUT\r\n" % PASSWORD)
            lines = raw.file.read().decode()
            for wanted in ("a OK ", "b OK ", "c OK "):
                check(("\r\n" + lines).find("\r\n" + wanted) >= 0, lines)
        with Raw(port) as raw:
            raw.file.readline()
            secret = b64(b"\0alice@example.org\0" + PASSWORD.encode())
            raw.send("a AUTHENTICATE PLAIN %s\r\nb NOOP\r\n" % secret)
            check(raw.file.readline().startswith(b"a OK "))
            check(raw.file.readline().startswith(b"b OK "))
        with Raw(port) as raw:
            raw.file.readline()
            for line, wanted in (
                    ("x\r\n", b"x BAD "), ("\r\n", b"* BAD "),
                    ("a SELECT INBOX\r\n", b"a BAD "),
                    ("a LOGIN x\r\n", b"a BAD "),
                    ("a LOGIN\r\n", b"a BAD "),
                    ("a AUTHENTICATE PLAIN !!\r\n", b"a BAD "),
                    ("a AUTHENTICATE CRAM-MD5\r\n", b"a NO "),
                    ("a LOGIN {99999}\r\n", b"a BAD "),
                    ("a NOOP\r\n", b"a OK "),
                    ("a STARTTLS x\r\n", b"a BAD ")):
                raw.send(line)
                got = raw.file.readline()
                check(got.startswith(wanted), "%r: %r" % (line, got))
            raw.send("a AUTHENTICATE PLAIN\r\n")
            equal(raw.file.readline(), b"+ \r\n")
            raw.send("*\r\n")
            check(raw.file.readline().startswith(b"a BAD "))
            # a name that nobody can have: its password is not asked for
            raw.send("a AUTHENTICATE LOGIN\r\n")
            check(raw.file.readline().startswith(b"+ "))
            raw.send("%s\r\n" % b64(b" "))
            check(raw.file.readline().startswith(b"a NO "))
        # what comes in the clear behind STARTTLS
        with Raw(port) as raw:
            raw.file.readline()
            raw.send("a STARTTLS\r\nb NOOP\r\n")
            check(raw.file.readline().startswith(b"a BAD "))
            check(raw.at_end())
        # too long
        with Raw(port) as raw:
            raw.file.readline()
            raw.send("a " + "x" * 20000 + "\r\n")
            check(raw.file.readline().startswith(b"* BYE"))


def test_pop3():
    with FullInstance() as mta:
        mta.start()
        client = mta.pop3(mta.ports["pop3s"], tls=True)
        check("SASL" in client.capa(), client.capa())
        client.user(ALICE)
        client.pass_(PASSWORD)
        equal(client.stat(), (0, 0))
        client.quit()
        client = mta.pop3(mta.ports["pop3"])
        client.stls(context=untrusting())
        check("STLS" not in client.capa(), client.capa())
        client.user(ALICE)
        check("[AUTH]" in refused(client.pass_, "wrong"), "code")
        client.user(ALICE)
        client.pass_(PASSWORD)
        client.quit()
        with Raw(mta.ports["pop3"]) as raw:
            raw.file.readline()
            raw.send("USER alice@example.org\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" %
                     PASSWORD)
            lines = raw.file.read().splitlines()
            check(b"+OK 0 0" in lines, lines)
        with Raw(mta.ports["pop3"]) as raw:
            raw.file.readline()
            scram = Scram(ALICE, PASSWORD)
            raw.send("AUTH SCRAM-SHA-256 %s\r\n" % b64(scram.first()))
            for _ in range(2):
                challenge = raw.file.readline()
                check(challenge.startswith(b"+ "), challenge)
                raw.send(b64(scram.step(base64.b64decode(challenge[2:]))) +
                         "\r\n")
            check(raw.file.readline().startswith(b"+OK"))
        with Raw(mta.ports["pop3"]) as raw:
            raw.file.readline()
            raw.send("STLS\r\nNOOP\r\n")
            check(raw.file.readline().startswith(b"-ERR"))
            check(raw.at_end())
        mta.wait_log(r"pop3-login: Login: user=<alice@example.org>, "
                     r"method=SCRAM-SHA-256, rip=127.0.0.1, lip=127.0.0.1, "
                     r"secured")


def test_smtp_scram():
    with FullInstance() as mta:
        mta.start()
        client = smtplib.SMTP("127.0.0.1", mta.ports["submission"])
        client.starttls(context=untrusting())
        client.ehlo()
        scram = Scram(ALICE, PASSWORD)
        code, challenge = client.docmd(
            "AUTH SCRAM-SHA-256 " + b64(scram.first()))
        equal(code, 334)
        code, final = client.docmd(
            b64(scram.final(base64.b64decode(challenge))))
        equal(code, 334)
        scram.verify(base64.b64decode(final))
        equal(client.docmd("")[0], 235)
        # -PLUS is offered: who could bind and was not told so is warned
        client = smtplib.SMTP("127.0.0.1", mta.ports["submission"])
        client.starttls(context=untrusting())
        client.ehlo()
        check("SCRAM-SHA-256-PLUS" in client.esmtp_features["auth"])
        scram = Scram(ALICE, PASSWORD)
        scram.gs2 = b"y,,"
        equal(client.docmd("AUTH SCRAM-SHA-256 " + b64(scram.first()))[0],
              535)
        client.close()
        # somebody else than the name that is proven
        client = smtplib.SMTP("127.0.0.1", mta.ports["submission"])
        client.starttls(context=untrusting())
        client.ehlo()
        equal(client.docmd("AUTH PLAIN " + b64(
            b"bob@example.org\0alice@example.org\0" + PASSWORD.encode()))[0],
            535)
        client.close()


def test_unknown_user():
    """Who is unknown costs the same time, and gets the same salt again."""
    with FullInstance() as mta:
        mta.start()

        def cost(user):
            """The first failure is answered at once: one for each instance."""
            mta.stop()
            Instance.start(mta)
            mta.wait_port(mta.ports["imap"])
            client = mta.imap(mta.ports["imap"])
            begin = time.monotonic()
            refused(client.login, user, "wrong")
            client.shutdown()
            return time.monotonic() - begin
        # Where the machine stood still, another pair tells.
        for _ in range(10):
            known, unknown = cost(ALICE), cost("nobody@example.org")
            if known < 8 * unknown and unknown < 8 * known:
                break
        else:
            raise Failed("%.3f s known, %.3f s unknown" % (known, unknown))
        salts = set()
        for user in ("nobody@example.org", "nobody@example.org", ALICE):
            client = mta.imap(mta.ports["imap"])
            scram = Scram(user, "wrong")
            refused(client.authenticate, "SCRAM-SHA-256", scram.step)
            client.shutdown()
            salts.add(scram.salt)
        equal(len(salts), 2)


def test_users():
    """posthorn user, and auth that notices at once."""
    with FullInstance() as mta:
        mta.start()
        users = mta.conf + "/users"
        equal(mta.command("posthorn", "user", "list").stdout,
              "alice@example.org\nbob@example.org\n")
        equal([json.loads(line)["user"] for line in mta.command(
            "posthorn", "user", "list", "--json").stdout.splitlines()],
              ["alice@example.org", "bob@example.org"])
        equal(os.stat(users).st_mode & 0o007, 0)
        check(PASSWORD not in open(users).read())
        done = mta.command("posthorn", "user", "add", ALICE, input="x\n",
                           check=False)
        equal(done.returncode, 1)
        client = mta.imap(mta.ports["imap"])
        client.login(ALICE, PASSWORD)
        client.logout()
        mta.command("posthorn", "user", "passwd", ALICE, input="new one\n")
        wait_for(lambda: takes(mta, "new one"), "the new password")
        check(not takes(mta, PASSWORD), "the old password")
        mta.command("posthorn", "user", "delete", ALICE)
        wait_for(lambda: not takes(mta, "new one"), "the end of the user")
        equal(mta.command("posthorn", "user", "list").stdout,
              "bob@example.org\n")
        for name in ("", "a b", "a:b", "#a"):
            done = mta.command("posthorn", "user", "add", name, input="x\n",
                               check=False)
            equal(done.returncode, 1)


def kill_workers(mta):
    """Those children of auth that compute hashes."""
    for pid in workers_of(mta):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not workers_of(mta), "the end of auth's workers")


def workers_of(mta):
    pids = mta.pids("auth")
    found = []
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as handle:
                if int(handle.read().rsplit(")", 1)[1].split()[1]) in pids:
                    found.append(pid)
        except OSError:
            pass
    return found


def takes(mta, password):
    client = mta.imap(mta.ports["imap"])
    try:
        client.login(ALICE, password)
        client.logout()
        return True
    except imaplib.IMAP4.error:
        client.shutdown()
        return False


def test_a_right_password_is_remembered():
    with FullInstance(auth_cache_ttl="1h") as mta:
        mta.start()
        check(takes(mta, PASSWORD))
        kill_workers(mta)
        check(takes(mta, PASSWORD))
        equal(workers_of(mta), [])
        # A wrong one is computed, and no right one for it.
        wait_for(lambda: not takes(mta, PASSWORD + "x") and workers_of(mta),
                 "a worker")
        mta.command("posthorn", "user", "passwd", ALICE, input="new one\n")
        wait_for(lambda: not takes(mta, PASSWORD), "the new password")
        check(takes(mta, "new one"))
        check(not takes(mta, PASSWORD))
        mta.command("posthorn", "user", "delete", ALICE)
        wait_for(lambda: not takes(mta, "new one"), "the end of the user")


def test_a_right_password_may_be_forgotten():
    with FullInstance(auth_cache_size="0") as mta:
        mta.start()
        check(takes(mta, PASSWORD))
        kill_workers(mta)
        wait_for(lambda: takes(mta, PASSWORD), "a login")
        check(workers_of(mta), "nothing was computed")


def test_no_passwords_in_clear():
    with FullInstance(login_disable_plaintext_auth="yes") as mta:
        # loopback counts as secured: another address of this machine
        address = run("hostname", "-I", check=False).stdout.split()
        address = [a for a in address if ":" not in a]
        if not address:
            return
        address = address[0]
        mta.set(inet_interfaces="all")
        mta.master = mta.master.replace("127.0.0.1:%d" % mta.ports["imap"],
                                        "%s:%d" % (address,
                                                   mta.ports["imap"]))
        mta.wait_port = lambda port: None
        mta.start()
        client = imaplib.IMAP4(address, mta.ports["imap"])
        check("LOGINDISABLED" in client.capabilities, client.capabilities)
        check("AUTH=PLAIN" not in client.capabilities, client.capabilities)
        check("[PRIVACYREQUIRED]" in
              refused(client.login, ALICE, PASSWORD), "code")
        scram_imap(client, ALICE, PASSWORD)
        equal(client.select()[0], "OK")
        client.logout()


def test_attempts():
    with FullInstance() as mta:
        mta.start()
        client = mta.imap(mta.ports["imap"])
        for _ in range(3):
            refused(client.login, ALICE, "wrong")
        check(b"BYE" in client.readline())
        client.shutdown()
        mta.wait_log(r"imap-login: Disconnected.* \(auth failed, 3 attempts "
                     r"in \d+ secs\): user=<alice@example.org>, "
                     r"method=PLAIN, rip=127.0.0.1, lip=127.0.0.1, secured")
        # others are not delayed by it: these wait for 4, 8 and twice 15 s
        waiting = [Raw(mta.ports["imap"]) for _ in range(4)]
        for raw in waiting:
            raw.file.readline()
            raw.send("a LOGIN alice@example.org wrong\r\n")
        client = mta.imap(mta.ports["imap"])
        client.login("bob@example.org", PASSWORD)
        answered = select.select([raw.socket for raw in waiting], [], [], 0)[0]
        check(len(answered) < len(waiting), "others wait")
        client.logout()
        for raw in waiting:
            raw.close()
        mta.kill()  # a stop would wait for their end


def test_long_relay():
    """Both directions at once through the TLS relay, and an idle end."""
    with FullInstance() as mta:
        mta.start()
        client = mta.login_imap()
        body = b"Subject: big\r\n\r\n" + b"0123456789abcde\r\n" * 200000
        equal(client.append("INBOX", None, None, body)[0], "OK")
        client.select()
        raw = client.socket()
        # many requests without reading: both sides' buffers fill
        raw.sendall(b"".join(b"z%d FETCH 1 BODY.PEEK[]\r\n" % i
                             for i in range(5)))
        got = 0
        while got < 5 * len(body):
            piece = raw.recv(65536)
            check(piece, "the connection ended after %d octets" % got)
            got += len(piece)
        raw.close()
        wait_for(lambda: "imap-login: Login" in mta.log(), "the log")


def uids_of(client):
    client.noop()
    status, data = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    equal(status, "OK")
    return {re.search(rb"UID (\d+)", line[0]).group(1): line[1].strip()
            for line in data if isinstance(line, tuple)}


def test_a_reload_ends_nothing_and_keeps_nobody_out():
    """Who is connected stays; who comes gets a new process, and both have the
    same mail."""
    with FullInstance() as mta:
        mta.start()
        old = mta.login_imap()
        old.select()
        pop = poplib.POP3("127.0.0.1", mta.ports["pop3"], timeout=PATIENCE)
        pop.stls(untrusting())
        pop.user(ALICE)
        pop.pass_(PASSWORD)
        before = set(mta.pids("imapd"))
        for number in range(2):
            mta.reload()
            new = mta.login_imap()
            new.select()
            check(not set(mta.pids("imapd")) <= before, "no new imapd")
            for turn, client in enumerate((old, new, old)):
                equal(client.append("INBOX", None, None, (
                    "Subject: %d.%d\r\n\r\n.\r\n" % (number, turn)
                ).encode())[0], "OK")
            wait_for(lambda: len(uids_of(old)) == 3 * (number + 1) and
                     uids_of(old) == uids_of(new), "the same mail in both")
            other = mta.login_imap("bob")
            other.logout()
            new.logout()
        equal(pop.stat()[0], 0)
        pop.quit()
        old.logout()


def descriptors(mta, *names):
    return {pid: len(os.listdir("/proc/%d/fd" % pid))
            for name in names for pid in mta.pids(name)}


def test_nobody_keeps_a_descriptor():
    """Of connections that went to the mailbox, or came back: login, auth and
    the parent have those of before, when all is over."""
    with FullInstance() as mta:
        mta.start()

        def all_kinds():
            mta.login_imap().logout()
            with mta.imap(mta.ports["imap"]) as client:
                refused(client.login, ALICE, "wrong")
                client.login(ALICE, PASSWORD)
            with mta.imap(mta.ports["imap"]) as client:
                scram_imap(client, ALICE, PASSWORD)
            with mta.imap(mta.ports["imaps"], tls=True) as client:
                refused(client.login, ALICE, "wrong")
            pop = poplib.POP3("127.0.0.1", mta.ports["pop3"],
                              timeout=PATIENCE)
            pop.user(ALICE)
            pop.pass_(PASSWORD)
            pop.quit()
            # who leaves while auth still makes it wait
            with Raw(mta.ports["imap"]) as raw:
                raw.reply()
                raw.send(b"a LOGIN alice@example.org wrong\r\n")
        all_kinds()
        before = {}

        def is_calm():
            last = dict(before)
            before.clear()
            before.update(descriptors(mta, "login", "auth", "imapd", "pop3d"))
            return last == before
        wait_for(is_calm, "calm")
        for _ in range(2):
            all_kinds()
        wait_for(lambda: descriptors(mta, "login", "auth", "imapd",
                                     "pop3d") == before,
                 "the descriptors of before")


def test_what_follows_at_once_is_read_once():
    """By login, if it keeps the connection, else by the user's process."""
    with FullInstance() as mta:
        mta.start()
        login = b"LOGIN alice@example.org {%d+}\r\n%s\r\n" % (
            len(PASSWORD), PASSWORD.encode())
        with Raw(mta.ports["imap"]) as raw:
            raw.reply()
            raw.send(b"a LOGIN alice@example.org wrong\r\nb NOOP\r\n"
                     b"c " + login + b"d NOOP\r\ne LOGOUT\r\n")
            said = raw.file.read().decode().split("\r\n")
        equal([line.split()[0:2] for line in said if line], [
            ["a", "NO"], ["b", "OK"], ["c", "OK"], ["d", "OK"],
            ["*", "BYE"], ["e", "OK"]])
        # A challenge: what follows it is the answer to it.
        plain = b64(b"\0alice@example.org\0" + PASSWORD.encode()).encode()
        with Raw(mta.ports["imap"]) as raw:
            raw.reply()
            raw.send(b"a AUTHENTICATE PLAIN\r\n" + plain +
                     b"\r\nb NOOP\r\nc LOGOUT\r\n")
            said = raw.file.read().decode().split("\r\n")
        equal([line.split()[0:2] for line in said if line], [
            ["+"], ["a", "OK"], ["b", "OK"], ["*", "BYE"], ["c", "OK"]])


def wait_until_read(sock):
    """login has taken what we sent."""
    ours = "%s:%04X" % ("0100007F", sock.getsockname()[1])

    def is_empty():
        with open("/proc/net/tcp") as table:
            rows = [row.split() for row in table]
        return any(row[2] == ours and row[4].endswith(":00000000")
                   for row in rows)
    wait_for(is_empty, "the server's reading")


def test_no_parent():
    """The connection stays in login, and can try again."""
    with FullInstance() as mta:
        mta.start()
        mta.login_imap().logout()
        client = mta.imap(mta.ports["imap"])
        master, parents = mta.master_pid(), mta.pids("imapd")
        os.kill(master, signal.SIGSTOP)
        try:
            for pid in parents:
                os.kill(pid, signal.SIGKILL)
            check("[UNAVAILABLE]" in refused(client.login, ALICE, PASSWORD),
                  "code")
        finally:
            os.kill(master, signal.SIGCONT)

        def is_in():
            try:
                return client.login(ALICE, PASSWORD)[0] == "OK"
            except imaplib.IMAP4.error as error:
                check("[UNAVAILABLE]" in str(error), error)
                return False
        wait_for(is_in, "a new parent")
        equal(client.select()[0], "OK")
        client.logout()
        mta.wait_log(r"auth\[\d+\]: warning: user alice@example.org: imapd "
                     "does not answer")


def test_auth_dies():
    """Where it was is not known: it ends, with an answer."""
    with FullInstance() as mta:
        mta.start()
        mta.login_imap().logout()
        with Raw(mta.ports["imap"]) as raw:
            raw.reply()
            pids = mta.pids("auth")
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            raw.send(b"a LOGIN alice@example.org wrong\r\n")
            wait_until_read(raw.socket)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            equal(raw.file.readline(), b"a NO [UNAVAILABLE] Temporary "
                  b"authentication failure.\r\n")
            raw.send(b"b LOGOUT\r\n")
            check(raw.file.readline().startswith(b"* BYE "), "goodbye")
            raw.file.read()
        mta.login_imap().logout()


def test_a_new_certificate_is_noticed():
    with FullInstance() as mta:
        mta.start()

        def seen():
            with mta.imap(mta.ports["imaps"], tls=True) as client:
                return client.socket().getpeercert(True)
        renewed_is_noticed(mta, mta.conf + "/cert.pem",
                           mta.conf + "/key.pem", seen)
        mta.login_imap().logout()


if __name__ == "__main__":
    main(globals())
