"""smtp_tls_per_site: a table of TLS needs by destination and server, beside
Debian's Postfix."""
import os
import re
import tempfile

from capture import Capture
from instance import (Failed, Instance, Raw, free_port, main,
                      make_certificate, wait_for)
from name_server import system_name_server
from postfix_peer import Postfix

ROWS = {
    "none.example": "NONE", "may.example": "MAY", "must.example": "MUST",
    "crypt.example": "MUST_NOPEERMATCH", "mx.hostmust.example": "MUST",
    "mx.hostnone.example": "NONE", "bad.example": "FOO",
    "lower.example": "must", ".parent.example": "NONE",
    "parent.example": "NONE",
}
# Of the destination and its server.
PAIRS = {"p%d%d" % (i, k): (first, second)
         for i, first in enumerate(("NONE", "MAY", "MUST",
                                    "MUST_NOPEERMATCH"))
         for k, second in enumerate(("NONE", "MAY", "MUST",
                                     "MUST_NOPEERMATCH")) if i != k}
DOMAINS = ["none", "may", "must", "crypt", "hostmust", "hostnone", "bad",
           "lower", "x.parent", "other"] + sorted(PAIRS)
for name, results in PAIRS.items():
    ROWS[name + ".example"], ROWS["mx.%s.example" % name] = results


def settings(table, port, more):
    return dict(
        smtp_tls_per_site="texthash:" + table, smtp_tcp_port=str(port),
        mydestination="", relay_domains="", notify_classes="",
        inet_protocols="ipv4", smtp_tls_loglevel="1", relayhost="",
        smtpd_peername_lookup="no", compatibility_level="3.6",
        smtpd_relay_restrictions="permit_mynetworks, reject",
        default_transport="smtp", **more)


def outcome(mta, name):
    """With TLS or without, and what was said in the end."""
    before = len(mta.log())
    with Raw(mta.smtp_port) as client:
        client.message("s@remote.example", "x@%s.example" % name)
    pattern = r"to=<x@%s\.example>, .*(dsn=\S+, status=.*)" % re.escape(name)
    wait_for(lambda: re.search(pattern, mta.log()[before:]),
             "the end of mail to " + name)
    log = mta.log()[before:]
    # 3.7 has one word for both.
    return ("TLS connection established" in log,
            re.search(pattern, log)[1].replace("certificate not trusted",
                                               "certificate not verified"),
            [text.split(": ", 1)[1] for text in re.findall(
                r"smtp\[\d+\]: (warning: .*)", log)])


def compare(tls, **more):
    folder = tempfile.mkdtemp(prefix="posthorn-per-site-")
    os.chmod(folder, 0o755)
    certificate = make_certificate(folder, "elsewhere.example") if tls \
        else None
    table, port = folder + "/table", free_port()
    with open(table, "w") as handle:
        handle.write("".join("%s %s\n" % row for row in ROWS.items()))
    with system_name_server() as names, \
            Capture(port, certificate=certificate), \
            Postfix(**settings(table, port, more)) as peer, \
            Instance(resolver_servers=names.address,
                     dialer_local_destinations="any",
                     **settings(table, port, more)) as mta:
        for name in DOMAINS:
            names.add("%s.example MX 10 mx.%s.example" % (name, name))
            names.add("mx.%s.example A 127.0.0.1" % name)
        peer.start()
        mta.start()
        wrong = []
        for name in DOMAINS:
            theirs, ours = outcome(peer, name), outcome(mta, name)
            if theirs != ours:
                wrong.append("%s: theirs %r, ours %r" % (name, theirs, ours))
        if wrong:
            raise Failed("\n".join(wrong))


def test_without_a_level():
    compare(True)


def test_with_may():
    compare(True, smtp_tls_security_level="may")


def test_servers_without_tls():
    compare(False, smtp_tls_security_level="may")


def test_with_encrypt():
    compare(False, smtp_tls_security_level="encrypt")


def test_with_none():
    compare(True, smtp_tls_security_level="none")


def test_enforced():
    compare(True, smtp_enforce_tls="yes")


def test_policies_count_instead():
    compare(True, smtp_tls_policy_maps="inline:{none.example=encrypt}")


main(globals())
