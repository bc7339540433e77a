"""posthorn and Debian's Postfix as each other's remote host, found through
MX records of a real DNS server, over IPv4 and IPv6, with STARTTLS."""
import os

from instance import (Instance, main, make_certificate, matches, run,
                      wait_for)
from network import Network
from postfix_peer import Postfix, lay_over_usr

OURS, THEIRS = "mx.example.org", "mx.example.net"


def zones(net, versions):
    for domain, host in (("example.org", OURS), ("example.net", THEIRS)):
        records = ["@ MX 10 %s." % host]
        if 4 in versions:
            records.append("mx A " + net.address(host))
        if 6 in versions:
            records.append("mx AAAA " + net.address(host, 6))
        net.zone(domain, *records)
    net.start_dns()


def ours(net, **parameters):
    mta = Instance(myhostname=OURS, inet_interfaces="all",
                   inet_protocols="all", resolver_servers="192.0.2.53:53",
                   mynetworks="127.0.0.0/8", smtp_tls_security_level="may",
                   smtp_tls_loglevel="1", **parameters)
    mta.smtp_port = 25  # of the namespace
    mta.smtp_row = "smtp inet n - n - - smtpd\n"
    mta.inside = net.inside(OURS)
    mta.virtual_mailboxes()
    return mta


def theirs(net, **parameters):
    peer = Postfix(myhostname=THEIRS, mydestination="example.net",
                   inet_interfaces="all", inet_protocols="all",
                   local_recipient_maps="", smtp_tls_security_level="may",
                   home_mailbox="Maildir/", smtp_host_lookup="dns",
                   mailbox_command="", **parameters)
    peer.services = "smtp inet n - n - - smtpd"
    peer.inside = net.inside(THEIRS)
    return peer


def exchange(versions, tls):
    lay_over_usr("postfix")  # while the network is still there
    with Network(OURS, THEIRS) as net:
        zones(net, versions)
        with ours(net) as mta, theirs(net) as peer:
            if tls:
                cert, key = make_certificate(mta.conf, OURS)
                mta.set(smtpd_tls_security_level="may",
                        smtpd_tls_cert_file=cert, smtpd_tls_key_file=key)
                os.makedirs(peer.conf)
                cert, key = make_certificate(peer.conf, THEIRS)
                peer.parameters.update(smtpd_tls_security_level="may",
                                       smtpd_tls_cert_file=cert,
                                       smtpd_tls_key_file=key)
            mta.start()
            peer.start()
            to_them(mta, peer, tls)
            to_us(mta, peer, tls)
            unknown_users(mta, peer)


def to_them(mta, peer, tls):
    mta.command("sendmail", "-f", "alice@example.org", "bob@example.net",
                input="Subject: to them\n\n.\nHello.\n", check=True)
    mta.wait_log(r"to=<bob@example.net>, relay=mx\.example\.net\[[0-9a-f.:]+"
                 r"\]:25, .*dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: "
                 r"queued as ")
    wait_for(lambda: "status=sent" in peer.log(), "Postfix to deliver")
    if tls:
        mta.wait_log("TLS connection established to mx.example.net")


def to_us(mta, peer, tls):
    run(*peer.inside, "/usr/sbin/sendmail", "-C", peer.conf, "-f",
        "bob@example.net", "alice@example.org",
        input="Subject: to us\n\nHello.\n")
    message = mta.wait_mail("alice")[0].decode()
    matches("(?m)^Subject: to us$", message)
    matches(r"(?m)^Received: from mx\.example\.net \((mx\.example\.net|unknown) "
            r"\[[0-9a-fIPv:.]+\]\)", message)
    if tls:
        matches(r"with ESMTPS id", message)


def unknown_users(mta, peer):
    """A bounce each way."""
    mta.command("sendmail", "-f", "alice@example.org",
                "bob@example.net", "nobody@nowhere.example.net",
                input="Subject: half\n\nHello.\n")
    bounce = mta.wait_mail("alice", 2)
    text = b"\n".join(bounce).decode()
    matches(r"(?m)^Final-Recipient: rfc822; nobody@nowhere\.example\.net$",
            text)
    run(*peer.inside, "/usr/sbin/sendmail", "-C", peer.conf, "-f",
        "bob@example.net", "stranger@example.org",
        input="Subject: wrong\n\nHello.\n")
    wait_for(lambda: "User unknown" in peer.log() and
             "status=bounced" in peer.log(), "Postfix to bounce")


def test_ipv4_plain():
    exchange((4,), False)


def test_ipv6_and_starttls():
    exchange((6,), True)


def test_both_families():
    exchange((4, 6), True)


if __name__ == "__main__":
    main(globals())
