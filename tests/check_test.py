"""posthorn check: each finding that concerns what main.cf and master.cf name
is one line that says where it is written, why, and what to do."""
import os
import pwd
import re
import socket

from instance import Instance, check, equal, is_root, main, make_certificate, \
    free_port, matches, run


def findings(mta, status):
    """What `posthorn check` says."""
    mta.write_configuration()
    mta.command("posthorn", "set-permissions")
    done = mta.command("posthorn", "check", check=False)
    check((done.returncode, done.stdout) == (status, ""), "%d: %s" % (
        done.returncode, done.stderr))
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
        mta.set(virtual_alias_maps="", alias_maps="")
        for table in ("btree:$data_directory/x", "proxy:lmdb:/x", ""):
            mta.set(address_verify_map=table)
            equal([line for line in findings(mta, 0) if "verify" in line], [])
        for table in ("cdb:/x", "memcache:/x", "/x"):
            mta.set(address_verify_map=table)
            one(mta, 1, "address_verify_map: %s is no table that verify" %
                table)


def test_lists():
    """What a list names and what there is not; the daemon would say so only
    when a mail is there."""
    with Instance() as mta:
        mta.set(smtpd_restriction_classes="strangers",
                strangers="reject_unauth_destinations",
                smtpd_sender_restrictions="permit_mynetwork, reject",
                virtual_alias_maps="foo:/x", canonical_maps="/x",
                transport_maps="mysql:%s/none.cf" % mta.folder,
                mynetworks="127.0.0.0/8 [::1]/128 192.0.2.300 "
                "198.51.100.1/24 !192.0.2.1 [::ffff:127.0.0.0]/104")
        for pattern in ('sender_restrictions: unknown smtpd restriction: '
                        '"permit_mynetwork"',
                        'strangers: unknown smtpd restriction: '
                        '"reject_unauth_destinations"',
                        "foo:/x: there are no tables of type foo",
                        '"/x" is no table: write type:name',
                        "/none.cf: No such file or directory",
                        "192.0.2.300 is no network",
                        "198.51.100.1/24 has bits behind its prefix: write "
                        "198.51.100.0/24"):
            one(mta, 1, pattern)
        equal(len(findings(mta, 1)), 7)


def test_nothing_protects():
    with Instance() as mta:
        mta.set(smtpd_relay_restrictions="permit")
        one(mta, 1, "nothing refuses to relay for strangers")
        mta.set(smtpd_recipient_restrictions="reject_unauth_destination")
        equal(findings(mta, 0), [])


def test_origin():
    with Instance() as mta:
        mta.set(myorigin=mta.folder + "/mailname")
        one(mta, 1, "myorigin: %s/mailname cannot be read" % mta.folder)
        mta.write("mailname", "example.org\n")
        equal(findings(mta, 0), [])


def test_a_value_that_ends_daemons_stops_the_start():
    with Instance() as mta:
        mta.set(message_size_limit="10M")
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        done = mta.command("posthorn", "start", check=False)
        equal(done.returncode, 1)
        matches("message_size_limit = 10M", done.stderr)
        equal(mta.master_pid(), None)
        mta.set(message_size_limit="10000000", postscreen_dnsbl_ttl="x")
        mta.start()  # nobody reads the other one


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


def test_chains():
    with Instance() as mta:
        cert, key = certificate(mta, "good", 400)
        _, other = certificate(mta, "other", 400)

        def chain(*paths):
            text = ""
            for path in paths:
                with open(path) as handle:
                    text += handle.read()
            mta.set(smtpd_tls_chain_files=mta.write("chain.pem", text))
        chain(key, cert)
        equal([line for line in findings(mta, 0) if ".pem" in line], [])
        mta.set(smtpd_tls_chain_files="%s, %s" % (key, cert))
        equal([line for line in findings(mta, 0) if ".pem" in line], [])
        chain(other, cert)
        one(mta, 1, "chain.pem does not match the key ")
        chain(cert, key)
        one(mta, 1, "chain.pem: a certificate without a key")
        one(mta, 1, "chain.pem: no certificate follows the key")
        mta.set(smtpd_tls_chain_files=mta.write("empty.pem", "nothing"))
        one(mta, 1, "empty.pem holds neither a key nor a certificate")
        mta.set(smtpd_tls_chain_files=mta.folder + "/none.pem")
        one(mta, 1, "/none.pem: No such file")


def complaints(mta):
    """Exit status and lines; nothing is repaired before."""
    done = mta.command("posthorn", "check", check=False)
    return done.returncode, [
        re.sub(r"^postfix-script: (warning: )?", "", line)
        for line in done.stderr.splitlines()]


def changed(path, mode=None, owner=None):
    """The path is so for a while."""
    st = os.lstat(path)
    if owner is not None:
        os.chown(path, *owner)
    if mode is not None:
        os.chmod(path, mode)
    return lambda: (os.chown(path, st.st_uid, st.st_gid),
                    os.chmod(path, st.st_mode & 0o7777))


def test_owners_and_modes():
    """Each is one line. Folders of the queue make it fail: mail would, and a
    last line tells what helps."""
    helps = ["`posthorn set-permissions` makes and repairs these folders"]
    with Instance() as mta:
        mta.write_configuration()
        mta.command("posthorn", "set-permissions")
        usual = complaints(mta)
        equal(usual[0], 0)
        main_cf, deferred, journal, data = (
            mta.conf + "/main.cf", mta.queue + "/deferred",
            mta.queue + "/journal", mta.data)
        rows = [
            (deferred, {"mode": 0o777}, 1,
             "group or other writable: " + deferred),
            (deferred, {"mode": 0o500}, 1,
             deferred + ": mode 0500, not 0700"),
            (journal, {"mode": 0o770}, 1, journal + ": mode 0770, not 2770"),
            (data, {"mode": 0o755}, 1, data + ": mode 0755, not 0750"),
            (main_cf, {"mode": 0o664}, 0,
             "group or other writable: " + main_cf),
            (mta.conf + "/master.cf", {"mode": 0o646}, 0,
             "group or other writable: " + mta.conf + "/master.cf"),
        ]
        if is_root():
            nobody = pwd.getpwnam("nobody")
            user, group = nobody.pw_uid, nobody.pw_gid
            rows += [
                (deferred, {"owner": (user, -1)}, 1,
                 "not owned by posthorn: " + deferred),
                (deferred, {"owner": (-1, group)}, 1,
                 "not owned by group posthorn: " + deferred),
                (mta.queue, {"owner": (user, -1)}, 1,
                 "not owned by root: " + mta.queue),
                (main_cf, {"owner": (user, -1)}, 0,
                 "not owned by root: " + main_cf),
            ]
        for path, how, status, line in rows:
            restore = changed(path, **how)
            said = complaints(mta)
            restore()
            equal((said[0], [text for text in said[1]
                             if text not in usual[1]]),
                  (status, [line] + (helps if status else [])))
        equal(complaints(mta), usual)
        os.rmdir(mta.queue + "/saved")
        with open(mta.queue + "/saved", "w"):
            equal(complaints(mta), (1, usual[1] + [
                mta.queue + "/saved: not a folder"] + helps))
        os.remove(mta.queue + "/saved")
        equal(complaints(mta), (1, usual[1] + [
            mta.queue + "/saved: No such file or directory"] + helps))
        # And all of it is repaired.
        os.chmod(deferred, 0o777)
        mta.command("posthorn", "set-permissions")
        equal(complaints(mta), usual)


def test_settings_of_rows():
    with Instance() as mta:
        cert, key = certificate(mta, "good", 400)
        _, other = certificate(mta, "other", 400)
        mta.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key,
                no_such=mta.folder)
        mta.master = """
127.0.0.1:%d inet n - n - - smtpd
  -o smtpd_tls_key_file=%s
  -o { smtpd_client_restrictions = check_client_access hash:$no_such/x }
  -o smtpd_tls_eccert_file=
  -o smtpd_helo_restrictions=check_policy_service,unix:%s/policy
""" % (mta.port("second"), other, mta.folder)
        for pattern in ("does not match the key " + other,
                        "table hash:%s/x is not there" % mta.folder,
                        "nobody answers at unix:%s/policy" % mta.folder):
            one(mta, 1, pattern)
            equal([line for line in findings(mta, 1) if pattern in line and
                   "master.cf, line 3: -o " not in line], [])
        mta.master = mta.master.replace(other, key).replace("hash:", "pcre:")
        mta.write("x", "")
        findings(mta, 0)


def test_what_is_not_honoured():
    """check, the log at start and postconf name what is set and not done."""
    with Instance(tcp_windowsize="65536", nothing_of_this_name="x") as mta:
        mta.master = """
127.0.0.1:%d inet n - n - - smtpd
  -o { smtpd_tls_enable_rpk = yes }
""" % mta.port("second")
        one(mta, 0, "tcp_windowsize is not supported yet and has no effect")
        one(mta, 0, "smtpd_tls_enable_rpk is not supported yet and has no")

        def listed(*words):
            return mta.command("postconf", "--not-honoured",
                               *words).stdout.splitlines()
        row = "127.0.0.1:%d/inet/" % mta.port("second")
        equal(listed(), ["tcp_windowsize = 65536",
                         row + "smtpd_tls_enable_rpk = yes"])
        equal(listed("-H")[0], "tcp_windowsize")
        known = listed("-d")
        check("tcp_windowsize = 0" in known and not any(
            line.startswith("mydestination ") for line in known))
        mta.start()
        mta.wait_log(r"warning: not honoured yet: tcp_windowsize, "
                     "smtpd_tls_enable_rpk\n")


def test_proxy_filter():
    """Where it is, and that it is there; words that are none."""
    port = free_port()
    with Instance(smtpd_proxy_filter="127.0.0.1:%d" % port) as mta:
        one(mta, 0, "nobody answers at port %d of 127.0.0.1" % port)
        for place in ("%d", ":%d", "inet:127.0.0.1:%d"):
            mta.set(smtpd_proxy_filter=place % port)
            one(mta, 0, "nobody answers at port %d of " % port)
            with socket.create_server(("127.0.0.1", port)):
                equal([line for line in findings(mta, 0)
                       if "nobody answers" in line], [])
        mta.set(smtpd_proxy_filter="unix:" + mta.folder + "/none")
        one(mta, 0, "nobody answers at unix:" + mta.folder + "/none")
        mta.set(smtpd_proxy_filter="/run/filter")
        one(mta, 1, '"/run/filter" is no place of a filter: write host:port, '
            "inet:host:port or unix:path")
        mta.set(smtpd_proxy_filter="", smtpd_proxy_options="speed")
        one(mta, 1, "bad value: smtpd_proxy_options = speed (write one of: "
            "speed_adjust)")
        mta.set(smtpd_proxy_options="",
                smtpd_upstream_proxy_protocol="proxy2")
        one(mta, 1, "bad value: smtpd_upstream_proxy_protocol = proxy2 (write "
            "one of: haproxy")


def test_servers():
    policy = "check_policy_service inet:127.0.0.1:%d"
    with Instance() as mta:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            mta.set(virtual_alias_maps="tcp:127.0.0.1:%d" % port,
                    relay_recipient_maps="socketmap:inet:[127.0.0.1]:%d:x" %
                    port, smtpd_client_restrictions=policy % port)
            equal([line for line in findings(mta, 0) if "nobody" in line],
                  [])
        says = "nobody answers at port %d of 127.0.0.1 (Connection refused)"
        lines = [line for line in findings(mta, 0) if says % port in line]
        equal(len(lines), 3)
        mta.set(virtual_alias_maps="socketmap:unix:%s/none:x" % mta.folder,
                relay_recipient_maps="", smtpd_client_restrictions=policy %
                mta.smtp_port)
        one(mta, 0, "nobody answers at unix:%s/none " % mta.folder)
        equal([line for line in findings(mta, 0) if "of 127" in line], [])


def test_milters():
    with Instance() as mta:
        port = free_port()
        mta.set(smtpd_milters="{ inet:127.0.0.1:%d, default_action=accept }" %
                port, non_smtpd_milters="local:%s/none" % mta.folder)
        one(mta, 0, "nobody answers at port %d of 127.0.0.1" % port)
        one(mta, 0, "nobody answers at unix:%s/none " % mta.folder)


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
            os.chmod(path, 0o666)
            equal([line for line in findings(mta, 0) if "unix:" in line], [])
            os.chmod(path, 0o600)
            if is_root():
                one(mta, 0, "unix:%s is not open to posthorn-net" % path)
        mta.set(virtual_transport="lmtp:unix:private/none")
        one(mta, 0, "nobody answers at unix:%s/private/none" % mta.queue)
        mta.set(virtual_transport="virtual")
        mta.start()
        equal([line for line in findings(mta, 0) if "in use" in line], [])


if __name__ == "__main__":
    main(globals())
