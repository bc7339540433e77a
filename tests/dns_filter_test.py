"""Records of the DNS that do not count (smtp_dns_reply_filter and its likes):
what the table is asked, and what becomes of mail, beside Debian's Postfix."""
import re
import socketserver
import threading

from capture import Capture
from instance import Failed, Instance, Raw, equal, free_port, main, wait_for
from name_server import system_name_server
from postfix_peer import Postfix

RULES = {"mx1.two.example. ": "IGNORE", " mx1.three.example.": "ignore",
         "four.example.": "IGNORE", "five.example. ": "FOO",
         "drop.rbl.example.": "IGNORE", "gone.example. ": "IGNORE"}
DOMAINS = ["one", "two", "three", "four", "five"]


class Table(socketserver.ThreadingTCPServer):
    """A tcp_table(5) server; `asked`: its keys."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Keys)
        self.asked = []
        self.name = "tcp:127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()


class Keys(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            key = line.decode().strip()[4:].replace("%20", " ")
            self.server.asked.append(key)
            found = [RULES[part] for part in RULES if part in key]
            self.wfile.write(("200 %s\n" % found[0] if found else
                              "500 no\n").encode())


def add_names(names):
    for name in DOMAINS + ["gone"]:
        for i in (1, 2):
            names.add("%s.example MX %d mx%d.%s.example" % (
                name, 10 * i, i, name))
            names.add("mx%d.%s.example A 127.0.0.1" % (i, name))
    for name in ("keep", "drop"):
        names.add("1.0.0.127.%s.rbl.example A 127.0.0.2" % name)
        names.add("1.0.0.127.%s.rbl.example TXT listed here" % name)


def settings(table, port):
    return dict(
        smtp_dns_reply_filter=table.name, smtpd_dns_reply_filter=table.name,
        smtp_tcp_port=str(port), mydestination="", relay_domains="",
        notify_classes="", smtp_address_preference="ipv4",
        inet_protocols="ipv4", smtpd_peername_lookup="no",
        smtpd_relay_restrictions="permit_mynetworks, reject",
        smtp_tls_security_level="none", default_transport="smtp",
        smtpd_delay_reject="no", relayhost="")


def usual(text, port):
    return re.sub(r"delays?=[\d./]+, ", "", text.replace(str(port), "PORT"))


def delivered(mta, table, name, port):
    """What was asked and logged; not the code of a bad rule."""
    table.asked.clear()
    before = len(mta.log())
    with Raw(mta.smtp_port) as client:
        client.message("s@remote.example", "x@%s.example" % name)
    wait_for(lambda: "to=<x@%s.example>, relay" % name in mta.log()[before:],
             "the end of mail to " + name)
    log = re.findall(r"/smtp\[\d+\]: (?:\w+: (?=to=))?(.*)",
                     mta.log()[before:])
    return sorted(set(table.asked)), [
        usual(re.sub(r"dsn=4\.[47]\.[03]", "dsn=4", line), port)
        for line in log]


def test_delivery():
    port = free_port()
    with system_name_server() as names, Table() as table, Capture(port), \
            Postfix(**settings(table, port)) as peer, \
            Instance(resolver_servers=names.address,
                     dialer_local_destinations="any",
                     smtp_log_tls_feature_status="no",
                     **settings(table, port)) as mta:
        add_names(names)
        peer.start()
        mta.start()
        wrong = []
        for name in DOMAINS:
            theirs = delivered(peer, table, name, port)
            ours = delivered(mta, table, name, port)
            if theirs != ours:
                wrong.append("%s:\n  theirs %r\n  ours   %r" % (
                    name, theirs, ours))
        if wrong:
            raise Failed("\n".join(wrong))


def said(mta, sender):
    with Raw(mta.smtp_port) as client:
        answers = [client.reply(), client.ask("EHLO x").split("\n")[0],
                   client.ask("MAIL FROM:<s@%s>" % sender),
                   client.ask("RCPT TO:<x@one.example>")]
    return [answer for answer in answers if answer[0] in "45"][:1]


def test_restrictions():
    port = free_port()
    with system_name_server() as names, Table() as table:
        add_names(names)
        for client, sender in (
                ("reject_rbl_client keep.rbl.example", "one.example"),
                ("reject_rbl_client drop.rbl.example", "one.example"),
                ("permit", "one.example"), ("permit", "gone.example")):
            more = dict(smtpd_client_restrictions=client,
                        smtpd_sender_restrictions="reject_unknown_sender_"
                        "domain", **settings(table, port))
            with Postfix(**more) as peer, Instance(
                    resolver_servers=names.address, **more) as mta:
                peer.start()
                mta.start()
                equal(said(mta, sender), said(peer, sender))
                equal("warning: gone.example: MX or address lookup error: DNS "
                      "reply filter drops all results" in mta.log(),
                      sender == "gone.example")


main(globals())
