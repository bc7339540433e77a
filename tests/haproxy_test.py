"""The PROXY protocol (smtpd_upstream_proxy_protocol): whose client it is, for
everything; beside Debian's Postfix."""
import re
import socket
import socketserver
import ssl
import struct
import threading

from instance import (Failed, Instance, Raw, check, equal, main,
                      make_certificate, matches, untrusting, wait_for)
from postfix_peer import Postfix

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ONE = b"PROXY TCP4 192.0.2.9 198.51.100.3 4567 25\r\n"


def line(text):
    return text.encode() + b"\r\n"


def binary(command, family, block):
    return SIGNATURE + bytes([command, family]) + struct.pack(
        "!H", len(block)) + block


V4 = (socket.inet_aton("192.0.2.9") + socket.inet_aton("198.51.100.3") +
      struct.pack("!HH", 4567, 25))
V6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::9") +
      socket.inet_pton(socket.AF_INET6, "2001:db8::3") +
      struct.pack("!HH", 4567, 25))
HEADERS = [
    ONE, ONE.replace(b"\r", b""),
    line("PROXY TCP6 2001:db8::9 2001:db8::3 4567 25"),
    line("PROXY TCP6 ::ffff:192.0.2.9 ::ffff:198.51.100.3 4567 25"),
    line("PROXY UNKNOWN"), ONE.replace(b"TCP4", b"UNKNOWN"),
    ONE.replace(b"TCP4", b"UDP4"), ONE.replace(b"TCP4", b"TCP6"),
    line("PROXY TCP4 2001:db8::9 2001:db8::3 4567 25"),
    line("PROXY TCP6 2001:db8::9 198.51.100.3 4567 25"),
    ONE.replace(b"4567", b"0"), ONE.replace(b"4567", b"70000"),
    ONE.replace(b"4567", b"045"), ONE.replace(b" 25", b""),
    ONE.replace(b"2.9", b"2.09"), ONE.replace(b"4 1", b"4  1"),
    ONE.replace(b"25", b"25 x"), ONE.lower(),
    binary(0x21, 0x11, V4), binary(0x21, 0x21, V6),
    binary(0x21, 0x11, V4 + b"\4\0\3abc"),
    binary(0x20, 0, b""), binary(0x20, 0x11, V4), binary(0x20, 0x11, b"abc"),
    binary(0x21, 0, b""), binary(0x21, 0x31, b"\0" * 216),
    binary(0x21, 0x12, V4), binary(0x21, 0x11, V4[:8]),
    binary(0x31, 0x11, V4), binary(0x22, 0x11, V4),
]


class Policy(socketserver.ThreadingTCPServer):
    """A policy server that keeps what it is told of clients."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Questions)
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()


class Questions(socketserver.StreamRequestHandler):
    def handle(self):
        asked = {}
        for text in self.rfile:
            name, _, value = text.decode().strip().partition("=")
            if name:
                asked[name] = value
                continue
            self.server.asked.append(asked)
            asked = {}
            self.wfile.write(b"action=dunno\n\n")


def settings(policy):
    return dict(
        smtpd_upstream_proxy_protocol="haproxy", inet_protocols="all",
        smtpd_upstream_proxy_timeout="20s", smtpd_client_port_logging="yes",
        smtpd_client_restrictions="check_policy_service inet:127.0.0.1:%d" %
        policy.server_address[1], smtpd_delay_reject="no",
        smtpd_peername_lookup="no", notify_classes="",
        myhostname="mx.example.org", local_recipient_maps="",
        mydestination="example.org", mail_name="Postfix")


TOLD = ("client_address", "client_port", "server_address", "server_port")


def observed(mta, policy, header):
    policy.asked.clear()
    before = len(mta.log())
    with Raw(mta.smtp_port) as client:
        own = str(client.socket.getsockname()[1])
        client.send(header)
        try:
            said = [client.reply(), client.ask("QUIT")]
        except (Failed, ConnectionError):
            said = []
    wait_for(lambda: "disconnect from" in mta.log()[before:], "the end")
    told = [[asked[name] for name in TOLD] for asked in policy.asked]
    log = [re.sub(r"^.*smtpd\[\d+\]: ", "", text)
           for text in mta.log()[before:].splitlines() if "/smtpd[" in text]
    # What was refused they show whole.
    log = [re.sub(r"^(warning: haproxy read: [^:]*).*", r"\1", text)
           for text in log]
    return [re.sub(r"\b(%s|%d)\b" % (own, mta.smtp_port), "OWN", repr(part))
            for part in (said, told, log)]


def test_beside_postfix():
    with Policy() as policy, Postfix(**settings(policy)) as peer, \
            Instance(**settings(policy)) as mta:
        peer.start()
        mta.start()
        mta.wait_log("disconnect from")  # who looked whether it listens
        wrong = []
        for header in HEADERS:
            theirs = observed(peer, policy, header)
            ours = observed(mta, policy, header)
            if theirs != ours:
                wrong.append("%r:\n  theirs %r\n  ours   %r" % (
                    header, theirs, ours))
        if wrong:
            raise Failed("\n".join(wrong))


def test_no_header():
    """Nothing, half of one, another protocol: no greeting."""
    with Policy() as policy, Instance(**settings(policy)) as mta:
        mta.set(smtpd_upstream_proxy_timeout="1s")
        mta.start()
        for sent in (b"", b"PROXY TCP4 192", SIGNATURE,
                     binary(0x21, 0x11, V4)[:-1]):
            with Raw(mta.smtp_port) as client:
                client.send(sent)
                check(client.at_end())
        mta.wait_log("warning: haproxy read: timeout error", count=4)
        for sent in (b"EHLO x\r\n", b"x" * 600, b"PROXY " + b"x" * 600 + b"\n",
                     SIGNATURE + b"\x21\x11\xff\xff"):
            with Raw(mta.smtp_port) as client:
                client.send(sent)
                try:
                    check(client.at_end())
                except ConnectionError:
                    pass  # what it has not read
        mta.wait_log("haproxy read: missing protocol header terminator: "
                     "PROXY x")
        mta.wait_log("haproxy read: protocol header is too long")
        equal(policy.asked, [])


def greeted(mta, header):
    client = Raw(mta.smtp_port)
    client.send(header)
    return client, client.reply()


def test_octet_by_octet():
    """The rest may come later, or with the first command."""
    with Policy() as policy, Instance(**settings(policy)) as mta:
        mta.start()
        for header in (ONE, binary(0x21, 0x21, V6 + b"\4\4\0" + b"x" * 1024)):
            with Raw(mta.smtp_port) as client:
                client.socket.setsockopt(socket.IPPROTO_TCP,
                                         socket.TCP_NODELAY, 1)
                for octet in header:
                    client.send(bytes([octet]))
                matches("^220 ", client.reply())
        client, _ = greeted(mta, ONE)
        with client:
            matches("^250", client.ask("EHLO x"))


def test_who_it_is():
    """Networks, XCLIENT, limits and Received go by the header's client."""
    with Instance(smtpd_upstream_proxy_protocol="haproxy",
                  mynetworks="192.0.2.9", smtpd_peername_lookup="no",
                  smtpd_client_connection_count_limit="1",
                  smtpd_client_event_limit_exceptions="",
                  smtpd_authorized_xclient_hosts="192.0.2.9") as mta:
        mta.virtual_mailboxes()
        mta.start()
        client, _ = greeted(mta, ONE)
        with client:
            check("XCLIENT" in client.ask("EHLO x"))
            client.ask("MAIL FROM:<s@remote.example>")
            matches("^250", client.ask("RCPT TO:<x@foreign.example>"))
            second, said = greeted(mta, ONE)
            second.close()
            matches("^421 .*too many connections", said)
            other, _ = greeted(mta, ONE.replace(b"2.9", b"2.10"))
            with other:
                check("XCLIENT" not in other.ask("EHLO x"))
                other.ask("MAIL FROM:<s@remote.example>")
                matches("^454 .*Relay access denied",
                        other.ask("RCPT TO:<x@foreign.example>"))
                other.ask("RCPT TO:<alice@example.org>")
                other.ask("DATA")
                matches("^250 ", other.ask("Subject: x\r\n\r\ny\r\n."))
        text = mta.wait_mail("alice")[0].decode()
        matches(r"Received: from x \(unknown \[192\.0\.2\.10\]\)", text)
        mta.wait_log(r"NOQUEUE: reject: RCPT from unknown\[192\.0\.2\.10\]: "
                     "454 4.7.1")


def test_networks_of_ipv6_are_one_client():
    """smtpd_client_ipv6_prefix_length: whoever has a /64 has it all."""
    header = b"PROXY TCP6 2001:db8:1:%d::%d 2001:db8::25 1001 25\r\n"
    with Instance(smtpd_upstream_proxy_protocol="haproxy",
                  smtpd_peername_lookup="no", inet_protocols="all",
                  smtpd_client_connection_count_limit="1",
                  smtpd_client_event_limit_exceptions="") as mta:
        mta.start()
        client, said = greeted(mta, header % (2, 1))
        with client:
            matches("^220 ", said)
            for host, wanted in ((header % (2, 2), "^421 .*too many"),
                                 (header % (3, 1), "^220 ")):
                other, said = greeted(mta, host)
                other.close()
                matches(wanted, said)


def test_with_tls():
    """The handshake may come with the header, octets in one packet."""
    with Instance(smtpd_upstream_proxy_protocol="haproxy",
                  smtpd_tls_wrappermode="yes",
                  smtpd_tls_security_level="encrypt") as mta:
        cert, key = make_certificate(mta.folder)
        mta.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key)
        mta.start()
        for header in (ONE, binary(0x21, 0x11, V4)):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = untrusting().wrap_bio(incoming, outgoing)
            with socket.create_connection(("127.0.0.1", mta.smtp_port)) as s:
                first = header
                while True:
                    try:
                        said = tls.read()
                        break
                    except ssl.SSLWantReadError:
                        s.sendall(first + outgoing.read())
                        first = b""
                        incoming.write(s.recv(65536))
            matches(b"^220 ", said)
        mta.wait_log(r"connect from \S+\[192\.0\.2\.9\]", count=2)


main(globals())
