"""posthorn check: each finding that concerns what main.cf and master.cf name
is one line that says where it is written, why, and what to do."""
import os
import socket

from instance import Instance, check, equal, main, make_certificate, matches, \
    run


def findings(mta, status):
    """What `posthorn check` says."""
    mta.write_configuration()
    mta.command("posthorn", "set-permissions")
    done = mta.command("posthorn", "check", check=False)
    equal((done.returncode, done.stdout), (status, ""))
    return [line for line in done.stderr.splitlines()
            if "owned by" not in line]


def one(mta, status, pattern):
    """There is one such line, and it has the file and the line."""
    lines = findings(mta, status)
    found = [line for line in lines if pattern in line]
    check(len(found) == 1, "%r in %r" % (pattern, lines))
    matches(r"/conf/(main|master)\.cf, line \d+: ", found[0])


def test_tables():
    with Instance() as mta:
        path = mta.write("conf/access", "a OK\n")
        mta.set(smtpd_client_restrictions="check_client_access hash:" + path)
        one(mta, 1, "was not made yet: run `postmap hash:" + path)
        table = mta.map("access", [("a", "OK")])
        equal([line for line in findings(mta, 0) if "table" in line], [])
        os.utime(path, (2000000000, 2000000000))
        one(mta, 0, "is older than its source: run `postmap " + table)
        mta.set(smtpd_client_restrictions="permit",
                virtual_alias_maps="pcre:" + mta.folder + "/none",
                alias_maps="hash:" + mta.folder + "/aliases")
        one(mta, 1, "table pcre:%s/none is not there" % mta.folder)
        one(mta, 1, "table hash:%s/aliases is not there" % mta.folder)


def certificate(mta, name, days):
    folder = mta.folder + "/" + name
    os.mkdir(folder)
    cert, key = make_certificate(folder)
    run("openssl", "req", "-x509", "-key", key, "-out", cert, "-days",
        str(days), "-subj", "/CN=mail.example.org")
    return cert, key


def test_certificates():
    with Instance() as mta:
        cert, key = certificate(mta, "good", 400)
        _, other = certificate(mta, "other", 400)
        mta.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key)
        equal([line for line in findings(mta, 0) if "certif" in line], [])
        mta.set(smtpd_tls_key_file=other)
        one(mta, 1, "does not match the key " + other)
        mta.set(smtpd_tls_key_file=mta.folder + "/none.pem")
        one(mta, 1, "/none.pem: No such file")
        soon, soon_key = certificate(mta, "soon", 20)
        mta.set(smtpd_tls_cert_file=soon, smtpd_tls_key_file=soon_key)
        one(mta, 0, soon + " expires on ")
        run("openssl", "x509", "-in", soon, "-signkey", soon_key, "-days",
            "-1", "-out", soon + ".old")
        mta.set(smtpd_tls_cert_file=soon + ".old")
        one(mta, 1, soon + ".old expired on ")
        mta.set(smtpd_tls_cert_file=soon_key)
        one(mta, 1, "holds no certificate")


def test_ports_and_sockets():
    with Instance() as mta:
        with socket.create_server(("127.0.0.1", mta.smtp_port)):
            one(mta, 1, "port %d of 127.0.0.1 is in use" % mta.smtp_port)
        path = mta.folder + "/lmtp"
        mta.set(virtual_transport="lmtp:unix:" + path)
        one(mta, 0, "nobody answers at unix:" + path)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen()
            equal([line for line in findings(mta, 0) if "unix:" in line], [])
        mta.set(virtual_transport="lmtp:unix:private/none")
        one(mta, 0, "nobody answers at unix:%s/private/none" % mta.queue)
        mta.set(virtual_transport="virtual")
        mta.start()
        equal([line for line in findings(mta, 0) if "in use" in line], [])


if __name__ == "__main__":
    main(globals())
