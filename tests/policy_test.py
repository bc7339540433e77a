"""check_policy_service: what a policy server is asked, beside Debian's Postfix,
and what becomes of its answers."""
import os
import shutil
import smtplib
import socketserver
import threading

from instance import Instance, equal, free_port, is_root, main, wait_for
from postfix_peer import Postfix


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.connections += 1
        attributes = {}
        for line in self.rfile:
            line = line.decode().rstrip("\n")
            if line:
                name, _, value = line.partition("=")
                attributes[name] = value
                continue
            self.server.requests.append(attributes)
            action = self.server.answer(attributes)
            attributes = {}
            if action is None:
                return
            self.wfile.write(("action=%s\n\n" % action).encode())


class Policy(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """answer(attributes) gives the action; None: close without a word."""
    daemon_threads = True
    allow_reuse_address = True

    def begin(self, answer):
        self.answer, self.requests, self.connections = answer, [], 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()


class Inet(Policy, socketserver.TCPServer):
    def __init__(self, answer=lambda attributes: "DUNNO"):
        super().__init__(("127.0.0.1", free_port()), Session)
        self.endpoint = "inet:127.0.0.1:%d" % self.server_address[1]
        self.begin(answer)


class Unix(Policy, socketserver.UnixStreamServer):
    def __init__(self, path, answer=lambda attributes: "DUNNO"):
        super().__init__(path, Session)
        os.chmod(path, 0o666)
        self.begin(answer)


def new(recipient="", **more):
    mta = Instance(smtpd_recipient_restrictions=recipient,
                   smtpd_peername_lookup="no",
                   smtpd_policy_service_retry_delay="1s", **more)
    mta.virtual_mailboxes()
    return mta


def rcpt(port, recipient="alice@example.org", data=None):
    """The last reply to RCPT or DATA, as text."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.net")
        client.mail("s@example.net", ["SIZE=100"])
        code, text = client.rcpt(recipient)
        if data and code == 250:
            code, text = client.data(data)
        return "%d %s" % (code, text.decode())


# What is not the same in two runs, or for two programs.
DIFFERENT = ("client_port", "server_port", "instance", "queue_id")
NEWER = ("tls_sni", "mail_version", "compatibility_level")  # than Debian's


def comparable(requests):
    return [{name: value for name, value in sorted(request.items())
             if name not in DIFFERENT + NEWER} for request in requests]


def test_beside_postfix():
    lists = ("client", "sender", "recipient", "data", "end_of_data")
    text = "Subject: x\r\n\r\nbody\r\n"
    asked = []
    for kind in (Postfix, Instance):
        with Inet() as server:
            settings = {"smtpd_%s_restrictions" % name:
                        "check_policy_service " + server.endpoint
                        for name in lists}
            settings.update(smtpd_delay_reject="no",
                            smtpd_peername_lookup="no",
                            smtpd_policy_service_policy_context="some text",
                            relay_domains="example.edu", relay_transport="discard:")
            with kind(**settings) as mta:
                mta.start()
                if kind is Instance:  # the wait for the port
                    mta.wait_log("disconnect from")
                server.requests.clear()
                equal(rcpt(mta.smtp_port, "r@example.edu", text)[:3], "250")
                wait_for(lambda: len(server.requests) >= len(lists),
                         "all requests")
            requests = [r for r in server.requests if r["client_port"] ==
                        server.requests[-1]["client_port"]]
            asked.append(requests)
    theirs, ours = asked
    # The order of names, too.
    equal([name for name in ours[0] if name not in NEWER], list(theirs[0]))
    equal(comparable(ours), comparable(theirs))
    equal(len({r["instance"] for r in ours[1:]}), 1)
    equal(ours[-1]["queue_id"] != "", theirs[-1]["queue_id"] != "")


ANSWERS = {
    "alice@example.org": ("DUNNO", "250 2.1.5 Ok"),
    "bob@example.org": (
        "REJECT not this one", "554 5.7.1 <bob@example.org>: Recipient "
        "address rejected: not this one"),
    "grey@example.org": (
        "DEFER_IF_PERMIT Greylisted, come back", "450 4.7.1 "
        "<grey@example.org>: Recipient address rejected: Greylisted, come "
        "back"),
    "code@example.org": (
        "450 4.2.0 Later", "450 4.2.0 <code@example.org>: Recipient address "
        "rejected: Later"),
    "odd@example.org": (
        "frobnicate", "451 4.3.5 Server configuration error"),
}


def test_answers_and_one_connection():
    answer = lambda attributes: ANSWERS[attributes["recipient"]][0]
    with Inet(answer) as server, \
            new("check_policy_service " + server.endpoint,
                virtual_mailbox_domains="example.org") as mta:
        mta.set(virtual_mailbox_maps="static:x/")
        mta.start()
        for recipient, (_, wanted) in ANSWERS.items():
            equal(rcpt(mta.smtp_port, recipient), wanted)
        equal(server.connections, 1)


def test_prepend_and_class():
    """In a restriction class; a path below the queue directory."""
    with new("greylist", smtpd_restriction_classes="greylist",
             greylist="check_policy_service unix:private/policy") as mta:
        mta.start()
        path = mta.queue + "/private/policy"
        with Unix(path, lambda attributes: "PREPEND X-Policy: seen"):
            if is_root():
                shutil.chown(path, "posthorn-net")
            equal(rcpt(mta.smtp_port, data="Subject: x\r\n\r\nx\r\n")[:3],
                  "250")
            mail = mta.wait_mail("alice")[0].decode()
            assert "\nX-Policy: seen\n" in mail, mail


def test_without_an_answer():
    """One more try, then the default action."""
    with Inet(lambda attributes: None) as server, \
            new("check_policy_service " + server.endpoint) as mta:
        mta.start()
        equal(rcpt(mta.smtp_port),
              "451 4.3.5 <alice@example.org>: Recipient address rejected: "
              "Server configuration problem")
        equal(len(server.requests), 2)
        mta.wait_log("problem talking to server " + server.endpoint)
        mta.set(smtpd_recipient_restrictions="check_policy_service { %s, "
                "default_action = DUNNO, try_limit = 1, retry_delay = 0s }" %
                server.endpoint)
        mta.write_configuration()
        mta.reload()
        wait_for(lambda: rcpt(mta.smtp_port) == "250 2.1.5 Ok",
                 "the new default action")


def test_nonsense_is_refused():
    with new("check_policy_service { inet:127.0.0.1:9, colour = red }") as mta:
        mta.start()
        equal(rcpt(mta.smtp_port), "451 4.3.5 Server configuration error")
        mta.wait_log("check_policy_service needs inet:host:port or unix:path")


main(globals())
