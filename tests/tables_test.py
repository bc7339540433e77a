"""Lookup tables in the running system: rewriting, routes, recipients, tables
that are replaced, proxymap; and the commands that make and show them."""
import os
import re
import shutil

from instance import (SBIN, Instance, check, equal, is_root, main,
                      make_certificate, matches, renewed_is_noticed, run,
                      untrusting, wait_for)

TEXT = ("From: joe\r\nTo: %s\r\nSubject: x\r\n"
        "Message-ID: <x@example.net>\r\n\r\nHello.\r\n")

# Everything that is not ours ends in discard, whose log line tells the route.
SINK = "gone unix - - n - - discard\n"


def rcpt(mta, address, sender="a@example.net"):
    with mta.smtp() as client:
        client.ehlo("client.example.net")
        client.mail(sender)
        return client.rcpt(address)


def test_addresses_are_rewritten_and_routed():
    with Instance(master=SINK) as mta:
        mta.set(default_transport="gone:",
                recipient_delimiter="+",
                local_recipient_maps="",
                local_transport="gone:here",
                canonical_maps=mta.map("canonical", [
                    ("old@example.org", "new@example.org")]),
                virtual_alias_domains="v.example",
                virtual_alias_maps=mta.map("virtual", [
                    ("list@v.example", "x@example.com, y@example.net"),
                    ("@v.example", "@w.example")], "btree") +
                " pcre:{{/^digits(\\d+)@/ number-$$1@example.com}}",
                transport_maps=mta.map("transport", [
                    ("example.com", "gone:route.example"),
                    (".example.com", "gone:parents.example")], "lmdb"),
                relocated_maps="inline:{moved@example.org=b@example.com}")
        mta.start()
        mta.send("a@example.net", [
            "old+ext@example.org", "list@v.example", "u+e@v.example",
            "digits42@example.org", "z@sub.example.com", "bare"],
            TEXT % "list@v.example")
        for address in ("new\\+ext@example.org", "x@example.com",
                        "y@example.net", "u\\+e@w.example",
                        "number-42@example.com", "z@sub.example.com",
                        "bare@example.org"):
            mta.wait_log(r"to=<%s>.*status=sent" % address)
        equal(rcpt(mta, "moved@example.org")[0], 550)
        mta.command("sendmail", "-f", "a@example.net", "moved@example.org",
                    input="Subject: x\n\nx\n")
        mta.wait_log(r"to=<moved@example.org>.*dsn=5.1.6, status=bounced "
                     r"\(User has moved to b@example.com\)")
        mta.wait_empty()


def test_unknown_recipients_are_refused():
    with Instance(master=SINK) as mta:
        mta.set(local_transport="gone:",
                local_recipient_maps=mta.map("users", [("alice", "x")]),
                virtual_alias_domains="v.example",
                virtual_alias_maps="inline:{a@v.example=alice}",
                virtual_mailbox_domains="m.example",
                virtual_mailbox_maps="inline:{m@m.example=x}",
                relay_domains="r.example",
                relay_recipient_maps="inline:{r@r.example=x}",
                mynetworks="192.0.2.0/24")
        mta.start()
        for address in ("alice@example.org", "postmaster@example.org",
                        "a@v.example", "m@m.example", "r@r.example",
                        "alice@[127.0.0.1]"):
            equal(rcpt(mta, address)[0], 250)
        for address, table in (
                ("b@example.org", "local recipient"),
                ("b@v.example", "virtual alias"),
                ("b@m.example", "virtual mailbox"),
                ("b@r.example", "relay recipient")):
            code, reply = rcpt(mta, address)
            equal(code, 550)
            matches(r"5\.1\.1 <%s>: Recipient address rejected: User unknown "
                    r"in %s table" % (address, table), reply.decode())
        for address in ("b@example.com", "b%example.com@example.org",
                        "b@example.com@example.org",
                        "example.com!b@example.org",
                        '"b@example.com"@example.org'):
            code, reply = rcpt(mta, address)
            if code not in (454, 554, 550, 501):
                raise AssertionError("%s: %d %r" % (address, code, reply))


def test_a_replaced_table_is_noticed():
    with Instance(master=SINK) as mta:
        table = mta.map("users", [("alice", "x")])
        mta.set(local_recipient_maps=table, local_transport="gone:")
        mta.start()
        equal(rcpt(mta, "alice@example.org")[0], 250)
        equal(rcpt(mta, "bob@example.org")[0], 550)
        mta.map("users", [("bob", "x")])
        wait_for(lambda: rcpt(mta, "bob@example.org")[0] == 250, "bob")
        equal(rcpt(mta, "alice@example.org")[0], 550)


def test_each_kind_of_file_is_noticed():
    """Also when postmap changes an entry, and in files that are edited."""
    with Instance(master=SINK) as mta:
        made = [mta.map(kind, [(kind + "-old", "x")], kind)
                for kind in ("hash", "btree", "lmdb", "cdb")]
        texts = {"texthash": "%s x\n", "pcre": "/^%s@/ x\n",
                 "regexp": "/^%s@/ x\n"}

        def write(kind, name):
            with open(mta.path("conf/" + kind), "w") as handle:
                handle.write(texts[kind] % name)
            return kind + ":" + mta.path("conf/" + kind)
        made += [write(kind, kind + "-old") for kind in texts]
        mta.set(local_recipient_maps=" ".join(made), local_transport="gone:")
        mta.start()
        kinds = [table.split(":")[0] for table in made]
        for kind in kinds:
            equal(rcpt(mta, kind + "-old@example.org")[0], 250)
        for kind in kinds:
            if kind in texts:
                write(kind, kind + "-new")
            else:
                mta.map(kind, [(kind + "-new", "x")], kind)
            wait_for(lambda: rcpt(mta, kind + "-new@example.org")[0] == 250,
                     "the new " + kind)
            equal(rcpt(mta, kind + "-old@example.org")[0], 550)
        mta.command("postmap", "-i", made[0], input="added x\n")
        wait_for(lambda: rcpt(mta, "added@example.org")[0] == 250, "added")


def test_a_new_certificate_is_noticed():
    import ssl
    with Instance() as mta:
        os.makedirs(mta.path("tls"))
        cert, key = make_certificate(mta.path("tls"))
        mta.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
                smtpd_tls_key_file=key)
        mta.start()

        def seen():
            with mta.smtp() as client:
                client.starttls(context=untrusting())
                return ssl.DER_cert_to_PEM_cert(
                    client.sock.getpeercert(True)).split()
        renewed_is_noticed(mta, cert, key, seen)


def test_what_smtp_trusts_is_noticed():
    with Instance() as hop, Instance(
            relayhost="[127.0.0.1]:%d" % hop.smtp_port, mydestination="",
            smtp_tls_security_level="verify", minimal_backoff_time="1000s",
            smtp_tls_verify_cert_match="mail.example.org") as mta:
        folders = [mta.path(name) for name in ("one", "two")]
        for folder in folders:
            os.makedirs(folder)
        cert, key = make_certificate(folders[0])
        trusted, _ = make_certificate(folders[1])
        hop.virtual_mailboxes()
        hop.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
                smtpd_tls_key_file=key)
        mta.set(smtp_tls_CAfile=trusted)
        hop.start()
        mta.start()
        mta.send("a@example.net", ["alice@example.org"], TEXT % "x")
        mta.wait_log("status=deferred .*not trusted")
        shutil.copy(cert, trusted + ".new")
        os.rename(trusted + ".new", trusted)

        def is_sent():
            mta.command("postqueue", "-f")
            return "status=sent" in mta.log()
        wait_for(is_sent, "trust in the other certificate")
        hop.wait_mail("alice")


def test_a_new_certificate_of_smtp_is_noticed():
    """The one that it shows as a client, as the next hop's Received: has it."""
    with Instance(smtpd_tls_security_level="may", smtpd_tls_ask_ccert="yes",
                  smtpd_tls_received_header="yes") as hop, Instance(
            relayhost="[127.0.0.1]:%d" % hop.smtp_port, mydestination="",
            smtp_tls_security_level="encrypt") as mta:
        folders = [mta.path(name) for name in ("one", "two")]
        for folder in folders:
            os.makedirs(folder)
        cert, key = make_certificate(hop.conf)
        hop.virtual_mailboxes()
        hop.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key)
        mine, theirs = (make_certificate(folder, name + ".example.net")
                        for folder, name in zip(folders, ("first", "second")))
        mta.set(smtp_tls_cert_file=mine[0], smtp_tls_key_file=mine[1])
        hop.start()
        mta.start()

        def shown():
            """What the certificate with the next message calls itself."""
            count = len(hop.maildir("alice"))
            mta.send("a@example.net", ["alice@example.org"], TEXT % "x")
            message = hop.wait_mail("alice", count + 1)[-1]
            return re.findall(rb'Client CN "(.*?)"', message)
        equal(shown(), [b"first.example.net"])
        for old, new in zip(mine, theirs):
            os.rename(new, old)
        wait_for(lambda: shown() == [b"second.example.net"],
                 "the new certificate")


def test_tables_are_migrated():
    with Instance() as mta:
        mta.set(virtual_alias_maps=mta.map("virtual", [("a@x.example", "b")]),
                relocated_maps=mta.map("gone", [("c", "d")], "btree"),
                transport_maps="hash:" + mta.path("conf/missing"))
        mta.write_configuration()
        out = mta.command("posthorn", "migrate-tables", "--dry-run").stdout
        matches(r"hash:\S+/virtual -> lmdb:\S+/virtual\n", out)
        check(not os.path.exists(mta.path("conf/virtual.lmdb")))
        done = mta.command("posthorn", "migrate-tables", check=False)
        equal(done.returncode, 1)
        matches("missing", done.stderr)
        matches(r"hash:\S+/virtual -> lmdb:\S+/virtual \(1 entries\)",
                done.stdout)
        for name, key, value in (("virtual", "a@x.example", "b"),
                                 ("gone", "c", "d")):
            equal(mta.command("postmap", "-q", key, "lmdb:" +
                              mta.path("conf/" + name)).stdout, value + "\n")


def test_a_table_that_is_missing_defers():
    with Instance(master=SINK) as mta:
        mta.set(local_recipient_maps="hash:" + mta.path("nothing"))
        mta.start()
        code, reply = rcpt(mta, "alice@example.org")
        equal(code, 451)
        matches(r"4\.3\.0 <alice@example.org>: Temporary lookup failure",
                reply.decode())


def test_proxymap_answers():
    with Instance(master=SINK) as mta:
        table = mta.map("users", [("alice", "x")])
        mta.set(local_recipient_maps="proxy:" + table,
                local_transport="gone:")
        mta.start()
        equal(rcpt(mta, "alice@example.org")[0], 250)
        equal(rcpt(mta, "bob@example.org")[0], 550)
        wait_for(lambda: mta.pids("proxymap"), "a proxymap process")
        mta.map("users", [("bob", "x")])
        wait_for(lambda: rcpt(mta, "bob@example.org")[0] == 250, "bob")
        mta.set(proxy_read_maps="")
        mta.reload()
        wait_for(lambda: rcpt(mta, "bob@example.org")[0] == 451, "refusal")
        mta.wait_log(r"request for unapproved table")


def test_proxywrite_changes_tables():
    """postmap -i and -d of proxy: tables; proxymap answers from the result."""
    with Instance(master=SINK + "proxywrite unix - - n - 1 proxymap\n") as mta:
        os.makedirs(mta.path("written"))
        table = "lmdb:" + mta.path("written/users")
        mta.write_configuration()
        if is_root():
            shutil.chown(mta.path("written"), "posthorn", "posthorn")
        mta.command("postmap", "-i", table, input="alice\tx\n")
        if is_root():
            shutil.chown(mta.path("written/users.lmdb"), "posthorn")
        mta.set(local_recipient_maps="proxy:" + table,
                local_transport="gone:",
                proxy_write_maps="static:a !proxy:%s" % table)
        mta.start()
        equal(rcpt(mta, "bob@example.org")[0], 550)
        proxied = "proxy:" + table
        done = mta.command("postmap", "-i", proxied,
                           input="Bob\ty\nalice\tz\n")
        matches(r'warning: proxy:lmdb:\S+users: duplicate entry: "alice"\n\Z',
                done.stderr)
        equal(mta.command("postmap", "-s", table).stdout,
              "alice\tx\nbob\ty\n")
        wait_for(lambda: rcpt(mta, "bob@example.org")[0] == 250, "bob")
        equal(mta.command("postmap", "-ir", proxied,
                          input="alice\tz\n").stderr, "")
        equal(mta.command("postmap", "-q", "alice", table).stdout, "z\n")
        equal(mta.command("postmap", "-d", "BOB", proxied).returncode, 0)
        equal(mta.command("postmap", "-d", "bob", proxied,
                          check=False).returncode, 1)
        wait_for(lambda: rcpt(mta, "bob@example.org")[0] == 550, "no bob")
        equal(mta.command("postalias", "-i", proxied,
                          input="carol: a,  b\n").stderr, "")
        equal(mta.command("postmap", "-q", "carol", table).stdout, "a, b\n")

        other = "proxy:lmdb:" + mta.path("written/other")
        done = mta.command("postmap", "-i", other, input="a b\n", check=False)
        equal(done.returncode, 1)
        matches("fatal: proxywrite: proxy_write_maps does not allow this",
                done.stderr)
        mta.wait_log(r"proxywrite\S*: warning: request for unapproved table: "
                     r'"lmdb:\S+/other"')
        check(not os.path.exists(mta.path("written/other.lmdb")))
        if is_root():  # proxymap's account has no rights there; nor has Joe
            done = run(*mta.inside, "setpriv", "--reuid=61900",
                       "--regid=61900", "--clear-groups", SBIN + "/postmap",
                       "-i", proxied, input="x y\n", check=False,
                       env=mta.env)
            equal(done.returncode, 1)
            matches(r"fatal: connect to \S+/private/proxywrite: "
                    "Permission denied", done.stderr)


def test_proxywrite_may_have_another_name():
    with Instance(master="writer unix - - n - 1 proxymap\n") as mta:
        os.makedirs(mta.path("written"))
        if is_root():
            shutil.chown(mta.path("written"), "posthorn", "posthorn")
        table = "proxy:hash:" + mta.path("written/cache")
        mta.set(proxywrite_service_name="writer", proxy_write_maps=table)
        mta.start()
        mta.command("postmap", "-i", table, input="a b\n")
        equal(mta.command("postmap", "-q", "a", table).stdout, "b\n")
        check(mta.pids("proxywrite"))


def test_postconf_edits_in_place():
    with Instance() as mta:
        mta.write_configuration()
        path = mta.write("conf/main.cf", "# top\na = 1\nmydestination = x,\n"
                         "# inside\n  y\n\nrelayhost = z\n", 0o640)
        out = mta.command("postconf", "-e", "mydestination = q", "b=$a")
        equal(out.stdout, "")
        mta.command("postconf", "-X", "relayhost")
        mta.command("postconf", "-#", "a")
        with open(path) as handle:
            equal(handle.read(), "# top\n#a = 1\nmydestination = q\n"
                  "# inside\n\nb = $a\n")
        equal(os.stat(path).st_mode & 0o777, 0o640)
        out = mta.command("postconf", "-h", "mydestination", "nosuch")
        equal(out.stdout, "q\n")
        matches("nosuch: unknown parameter", out.stderr)
        out = mta.command("postconf", "-F", "*/inet/command")
        matches(r"/inet/command = smtpd\n", out.stdout)


if __name__ == "__main__":
    main(globals())
