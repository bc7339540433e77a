"""tls_append_default_CA: the system's authorities count too, for servers that
smtp verifies and for clients of smtpd; beside Debian's Postfix."""
import os
import re
import smtplib
import tempfile

from capture import Capture
from instance import (Instance, equal, free_port, main, make_certificate, run,
                      untrusting, wait_for)
from name_server import system_name_server
from postfix_peer import Postfix, cover


def authority():
    """One of the system's, in this mount namespace; (chain, key) of a host
    that it vouches for."""
    cover("/etc")
    folder = tempfile.mkdtemp(prefix="posthorn-ca-")
    os.chmod(folder, 0o755)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes")
    ca, ca_key = folder + "/ca.pem", folder + "/ca.key"
    cert, key = folder + "/host.pem", folder + "/host.key"
    run("openssl", "req", "-x509", *curve, "-keyout", ca_key, "-out", ca,
        "-days", "30", "-subj", "/CN=An authority")
    run("openssl", "req", *curve, "-keyout", key, "-out", folder + "/request",
        "-subj", "/CN=mx.far.example")
    with open(folder + "/names", "w") as handle:
        handle.write("subjectAltName=DNS:mx.far.example")
    run("openssl", "x509", "-req", "-in", folder + "/request", "-CA", ca,
        "-CAkey", ca_key, "-CAcreateserial", "-days", "30", "-out", cert,
        "-extfile", folder + "/names")
    name = run("openssl", "x509", "-in", ca, "-noout", "-hash").stdout.strip()
    run("cp", ca, "/etc/ssl/certs/%s.0" % name)
    os.chmod("/etc/ssl/certs/%s.0" % name, 0o644)
    return cert, key


def outcome(mta, chain):
    """What smtpd thinks of a client, and smtp of a server."""
    before = len(mta.log())
    context = untrusting()
    context.load_cert_chain(*chain)
    with smtplib.SMTP("127.0.0.1", mta.smtp_port, timeout=60) as client:
        client.starttls(context=context)
        client.sendmail("s@remote.example", "x@far.example", "Subject: x\n\n")
    pattern = r"to=<x@far\.example>, .*(dsn=\S+, status=\w+)"
    wait_for(lambda: re.search(pattern, mta.log()[before:]), "the end of it")
    log = mta.log()[before:]
    return (re.search(r"(\w+) TLS connection established from", log)[1],
            re.search(r"(\w+) TLS connection established to", log)[1],
            re.search(pattern, log)[1])


def test_beside_postfix():
    chain = authority()
    port = free_port()
    with system_name_server() as names, Capture(port, certificate=chain):
        names.add("far.example MX 10 mx.far.example")
        names.add("mx.far.example A 127.0.0.1")
        got = {}
        cert, key = make_certificate(os.path.dirname(chain[0]))
        for append, other in (("yes", cert), ("no", cert), ("yes", "")):
            settings = dict(
                tls_append_default_CA=append, smtp_tls_CAfile=other,
                smtpd_tls_CAfile=other, smtp_tcp_port=str(port),
                smtp_tls_security_level="verify", smtp_tls_loglevel="1",
                smtpd_tls_security_level="may", smtpd_tls_ask_ccert="yes",
                smtpd_tls_loglevel="1", smtpd_tls_cert_file=cert,
                smtpd_tls_key_file=key, mydestination="", relayhost="",
                relay_domains="", notify_classes="", inet_protocols="ipv4",
                smtpd_relay_restrictions="permit_mynetworks, reject",
                default_transport="smtp", smtpd_peername_lookup="no")
            with Postfix(**settings) as peer, \
                    Instance(resolver_servers=names.address,
                             dialer_local_destinations="any",
                             **settings) as mta:
                peer.start()
                mta.start()
                got[append, other] = outcome(mta, chain)
                equal(got[append, other], outcome(peer, chain))
        equal(got["yes", cert], ("Trusted", "Verified", "dsn=2.0.0, status=sent"))
        # Also where there is nothing to append to.
        for nobody in (("no", cert), ("yes", "")):
            equal(got[nobody], ("Untrusted", "Untrusted",
                                "dsn=4.7.5, status=deferred"))


main(globals())
