"""smtpd_sasl_type = dovecot: smtpd's clients are known by Dovecot's auth, by
Debian's own and by a server of the test that says what it is told to."""
import base64
import os
import socketserver
import subprocess
import threading

from instance import (Instance, check, equal, main, make_certificate, matches,
                      untrusting, wait_for)
from postfix_peer import lay_over_usr

PASSWORD = "secret"

CONF = """
protocols =
base_dir = %(folder)s/dovecot/run
state_dir = %(folder)s/dovecot/state
log_path = %(folder)s/dovecot/log
ssl = no
auth_mechanisms = plain login cram-md5
auth_failure_delay = 0
first_valid_uid = 1
passdb {
  driver = static
  args = password={PLAIN}secret
}
service auth {
  unix_listener %(queue)s/private/auth {
    mode = 0666
  }
}
"""


def b64(text):
    return base64.b64encode(text.encode()).decode()


def new(**more):
    mta = Instance(**dict({
        "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": "private/auth", "mynetworks": "",
        "smtpd_peername_lookup": "no", "smtpd_recipient_restrictions":
            "permit_sasl_authenticated, reject"}, **more))
    mta.virtual_mailboxes()
    return mta


class Dovecot:
    """Debian's, with nothing but its auth."""

    def __init__(self, mta):
        lay_over_usr("dovecot-core", "libstemmer0d", "libexttextcat-2.0-0",
                     "liblua5.3-0", found="/usr/sbin/dovecot")
        self.path = mta.queue + "/private/auth"
        os.mkdir(mta.folder + "/dovecot")
        self.conf = mta.write("dovecot/conf", CONF % {
            "folder": mta.folder, "queue": mta.queue})

    def __enter__(self):
        self.process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", self.conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.path), "Dovecot's socket")
        return self

    def __exit__(self, *ignored):
        self.process.terminate()
        self.process.wait()


def auth(mta, *lines, tls=False, port=None):
    """The last reply to AUTH and what follows it."""
    with mta.smtp(port) as client:
        client.ehlo("client.example.net")
        if tls:
            client.starttls(context=untrusting())
            client.ehlo("client.example.net")
        for line in lines:
            code, text = client.docmd(line)
        return "%d %s" % (code, text.decode())


def offered(mta, port=None):
    with mta.smtp(port) as client:
        client.ehlo("client.example.net")
        return sorted(client.esmtp_features.get("auth", "").split())


def test_beside_dovecot():
    with new().start() as mta, Dovecot(mta):
        equal(offered(mta), ["CRAM-MD5", "LOGIN", "PLAIN"])
        plain = b64("\0joe@example.org\0" + PASSWORD)
        equal(auth(mta, "AUTH PLAIN " + plain),
              "235 2.7.0 Authentication successful")
        matches("^235", auth(mta, "AUTH PLAIN", plain))
        matches("^235", auth(mta, "AUTH LOGIN", b64("joe"), b64(PASSWORD)))
        matches("^535 5.7.8", auth(mta, "AUTH PLAIN " + b64("\0joe\0wrong")))
        mta.wait_log(r"SASL PLAIN authentication failed: .*"
                     "sasl_username=joe\n")
        matches("^535 5.7.8 .*Invalid authentication mechanism: 'GSSAPI'",
                auth(mta, "AUTH GSSAPI"))
        matches("^501 5.7.0", auth(mta, "AUTH PLAIN", "*"))


def test_mail_of_who_is_known():
    with new().start() as mta, Dovecot(mta):
        with mta.smtp() as client:
            client.ehlo("client.example.net")
            client.login("joe@example.org", PASSWORD)
            client.sendmail("joe@example.org", ["alice@example.org"],
                            "Subject: x\r\n\r\nHello.\r\n")
        mta.wait_log("sasl_method=CRAM-MD5, sasl_username=joe@example.org")


def test_only_one_row():
    """-o smtpd_sasl_type=dovecot for the submission service alone."""
    with new(smtpd_sasl_type="cyrus", smtpd_sasl_path="smtpd") as mta:
        port = mta.port("submission")
        mta.master += ("127.0.0.1:%d inet n - n - - smtpd\n"
                       "  -o smtpd_sasl_type=dovecot\n"
                       "  -o smtpd_sasl_path=private/auth\n" % port)
        mta.start()
        line = "AUTH PLAIN " + b64("\0joe\0" + PASSWORD)
        with Dovecot(mta):
            matches("^235", auth(mta, line, port=port))
            matches("^535", auth(mta, line))
            check("CRAM-MD5" in offered(mta, port), "Dovecot's mechanisms")
            check("CRAM-MD5" not in offered(mta), "our own")


# ---- a server of the test ----

class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.server.greeting.encode())
        self.server.lines.append([])
        lines = self.server.lines[-1]
        for line in self.rfile:
            lines.append(line.decode().rstrip("\n"))
            reply = self.server.answer(lines[-1])
            if reply is None:
                return
            self.wfile.write(reply.encode())


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    greeting = ("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\n"
                "MECH\tX-TEST\nSPID\t1\nCUID\t2\nCOOKIE\tabc\nDONE\n")

    def __init__(self, mta, answer=lambda line: "", greeting=None):
        path = mta.queue + "/private/auth"
        super().__init__(path, Session)
        os.chmod(path, 0o666)
        self.answer, self.lines = answer, []
        self.greeting = self.greeting if greeting is None else greeting
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()
        os.unlink(self.server_address)

    def handle_error(self, *ignored):
        pass  # smtpd's client has gone


def to_auth(reply):
    return lambda line: reply if line.startswith("AUTH\t") else ""


PLAIN = "AUTH PLAIN " + b64("\0joe\0x")


def test_what_is_asked():
    with new(smtpd_tls_security_level="may") as mta:
        cert, key = make_certificate(mta.folder)
        mta.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key,
                smtpd_sasl_service="mail")
        mta.start()
        with Server(mta, to_auth("OK\t1\tuser=joe\n")) as server:
            for tls in False, True:
                matches("^235", auth(mta, PLAIN, tls=tls))
                asked = [lines for lines in server.lines if lines][-1]
                equal(asked[0], "VERSION\t1\t1")
                matches(r"^CPID\t\d+$", asked[1])
                equal(asked[2], "AUTH\t1\tPLAIN\tservice=mail\tnologin\t"
                      "lip=127.0.0.1\trip=127.0.0.1\t%sresp=%s" % (
                          "secured\t" if tls else "", b64("\0joe\0x")))


def test_answers():
    for answer, reply in (
            ("OK\t1\tuser=joe\n", "^235"),
            ("OK\t1\n", "^454 4.7.0"),
            ("FAIL\t1\tuser=joe\n", "^535 5.7.8"),
            ("FAIL\t1\tuser=joe\treason=closed today\n",
             "^535 5.7.8 .*closed today"),
            ("FAIL\t1\tuser=joe\ttemp\n", "^454 4.7.0"),
            ("FAIL\t1\tuser=joe\tcode=temp_fail\n", "^454 4.7.0"),
            ("OK\t2\tuser=other\n", "^454 4.7.0"),
            ("CONT\t1\t%%%\n", "^454 4.7.0"),
            ("x" * 20000 + "\n", "^454 4.7.0"),
            ("WARN\tof something\nOK\t1\tuser=joe\n", "^235"),
            (None, "^454 4.7.0")):
        with new() as mta:
            mta.start()
            with Server(mta, to_auth(answer)):
                matches(reply, auth(mta, PLAIN))


def test_challenges():
    def answer(line):
        if line.startswith("AUTH\t"):
            return "CONT\t1\t%s\n" % b64("one")
        if line == "CONT\t1\t" + b64("first"):
            return "CONT\t1\t\n"
        if line == "CONT\t1\t":
            return "OK\t1\tuser=joe\tresp=%s\n" % b64("last")
        return ""

    with new() as mta:
        mta.start()
        with Server(mta, answer) as server:
            with mta.smtp() as client:
                client.ehlo("client.example.net")
                equal(client.docmd("AUTH X-TEST"), (334, b64("one").encode()))
                equal(client.docmd(b64("first")), (334, b""))
                equal(client.docmd(""), (334, b64("last").encode()))
                equal(client.docmd("")[0], 235)
                client.quit()
            matches("^501 5.7.0", auth(mta, "AUTH X-TEST", "*"))
            wait_for(lambda: server.lines[-1][-1:] == ["CANCEL\t1"],
                     "the end of the exchange")


def test_no_such_server():
    with new() as mta:
        mta.start()
        equal(offered(mta), [])
        mta.wait_log("SASL: connect to Dovecot's auth at private/auth: "
                     "No such file or directory")
        for greeting in "VERSION\t2\t0\nDONE\n", "DONE\n", "220 hello\r\n" * 300:
            with Server(mta, greeting=greeting):
                # What was offered is believed for a second.
                wait_for(lambda: offered(mta) == [], "nothing")
                matches("^(535|454)", auth(mta, PLAIN))


def test_an_unknown_type():
    with new(smtpd_sasl_type="courier") as mta:
        mta.start()
        equal(offered(mta), [])
        mta.wait_log("smtpd_sasl_type = courier is not known; use cyrus or "
                     "dovecot")


if __name__ == "__main__":
    main(globals())
