"""Lookup tables in the running system: rewriting, routes, recipients, tables
that are replaced, proxymap; and the commands that make and show them."""
import os

from instance import Instance, equal, main, matches, wait_for

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
        mta.send("a@example.net", ["moved@example.org"], TEXT % "x")
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
