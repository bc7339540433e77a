"""posthorn explain: the steps, the entries with file and line, restrictions;
and what it says is what happens."""
import json
import os

from instance import Instance, check, equal, main, matches


def new():
    mta = Instance(
        default_transport="retry:4.4.1 try again",
        canonical_maps="texthash:$config_directory/canonical",
        masquerade_domains="example.org",
        masquerade_classes="envelope_sender",
        virtual_alias_maps="proxy:hash:$config_directory/virtual, "
        "regexp:$config_directory/patterns",
        virtual_alias_domains="alias.example.org",
        recipient_bcc_maps="texthash:$config_directory/bcc",
        transport_maps="texthash:$config_directory/transport",
        smtpd_relay_restrictions="permit_mynetworks, "
        "reject_unauth_destination",
        smtpd_sender_restrictions="check_sender_access "
        "texthash:$config_directory/access",
        smtpd_helo_required="yes", notify_classes="")
    mta.virtual_mailboxes()
    os.makedirs(mta.conf, exist_ok=True)
    for name, text in (
            ("canonical", "# comment\njoe@old.example.net joe@example.net\n"),
            ("virtual", "# comment\n\nlist@example.org alice@example.org,\n"
             "   friend@example.com\nfriend@example.com bob@example.org\n"),
            ("patterns", "/^never/ x\n/^p-(.*)@example.org$/ "
             "$1@example.org\n"),
            ("bcc", "alice@example.org keep@example.net\n"),
            ("transport", "example.net smtp:[127.0.0.1]:1\n"),
            ("access", "bad.example.net 554 go away\ngood.example.net OK\n")):
        with open(mta.conf + "/" + name, "w") as handle:
            handle.write(text)
    mta.write_configuration()
    mta.command("postmap", "hash:" + mta.conf + "/virtual")
    return mta


def explain(mta, *words):
    """The lines, and the exit status."""
    done = mta.command("posthorn", "explain", *words, check=False)
    equal(done.stderr, "")
    return done.stdout.replace(mta.conf, "CONF"), done.returncode


def test_rewriting_and_routing():
    with new() as mta:
        text, rc = explain(mta, "--from", "x@sub.example.org",
                           "list@example.org")
        equal((rc, text if rc else ""), (0, ""))
        matches(r"masquerade +x@sub.example.org: x@example.org\n", text)
        matches(r"virtual alias +list@example.org: alice@example.org, "
                r"bob@example.org\n"
                r" +proxy:hash:CONF/virtual \(CONF/virtual:3\): "
                r'"list@example.org" has "alice@example.org, +'
                r'friend@example.com"\n'
                r" +proxy:hash:CONF/virtual \(CONF/virtual:5\): "
                r'"friend@example.com" has "bob@example.org"\n', text)
        matches(r"class +alice@example.org: virtual mailbox", text)
        matches(r"transport +virtual: ", text)
        matches(r"delivered by +virtual: a row that "
                r"master.cf need not have", text)
        text, rc = explain(mta, "p-alice@example.org")
        matches(r"regexp:CONF/patterns \(CONF/patterns:2\): "
                r'"p-alice@example.org" has "alice@example.org"\n', text)
        text, rc = explain(mta, "alice@example.org")
        matches(r"recipient_bcc +alice@example.org: keep@example.net\n"
                r" +texthash:CONF/bcc \(CONF/bcc:1\)", text)
        text, rc = explain(mta, "joe@old.example.net")
        matches(r"canonical +joe@old.example.net: joe@example.net\n"
                r" +texthash:CONF/canonical \(CONF/canonical:2\)", text)
        matches(r"class +joe@example.net: default", text)
        matches(r"transport +smtp: \[127.0.0.1\]:1\n"
                r" +texthash:CONF/transport \(CONF/transport:1\)", text)
        text, rc = explain(mta, "nobody@example.org")
        equal(rc, 2)
        matches(r"known recipient +nobody@example.org: 550 5.1.1 ", text)
        equal(explain(mta, "joe@example.net")[1], 0)


def test_restrictions():
    with new() as mta:
        mta.start()
        text, rc = explain(mta, "--client", "192.0.2.1", "--from",
                           "a@good.example.net", "alice@example.org")
        equal((rc, text if rc else ""), (0, ""))
        matches(r" +permit +smtpd_sender_restrictions: check_sender_access "
                r"texthash:CONF/access\n +texthash:CONF/access "
                r'\(CONF/access:2\): "good.example.net" has "OK"\n', text)
        matches(r" +dunno +smtpd_relay_restrictions: permit_mynetworks\n",
                text)
        matches(r" +reply +RCPT: 250 2.1.5 Ok\n", text)
        text, rc = explain(mta, "--client", "192.0.2.1", "--from",
                           "a@bad.example.net", "alice@example.org")
        equal(rc, 2)
        matches(r" +refuse +smtpd_sender_restrictions: check_sender_access",
                text)
        refused = r"554 \S+ <a@bad.example.net>: Sender address rejected: " \
            "go away"
        matches(r" +reply +RCPT: " + refused, text)
        text, rc = explain(mta, "--client", "127.0.0.1", "a@example.com")
        matches(r" +permit +smtpd_relay_restrictions: permit_mynetworks\n",
                text)
        text, rc = explain(mta, "--client", "2001:db8::1", "a@example.com")
        matches(r" +refuse +smtpd_relay_restrictions: "
                r"reject_unauth_destination\n", text)
        # And so it is.
        with mta.smtp() as client:
            client.ehlo("client.example")
            client.mail("a@bad.example.net")
            code, answer = client.rcpt("alice@example.org")
            matches(refused, "%d %s" % (code, answer.decode()))
        # No message has come of it.
        equal(mta.queue_list(), [])


def test_json_and_mistakes():
    with new() as mta:
        text, rc = explain(mta, "--json", "list@example.org")
        rows = [json.loads(line) for line in text.splitlines()]
        first = rows[0]
        equal((first["step"], first["about"]),
              ("virtual alias", "list@example.org"))
        equal((first["tables"][0]["file"], first["tables"][0]["line"]),
              ("CONF/virtual", 3))
        check({"class", "transport"} <= {row["step"] for row in rows},
              "all steps")
        for words in ((), ("a", "b"), ("--from",), ("--x", "a"),
                      ("--client", "nowhere", "a")):
            done = mta.command("posthorn", "explain", *words, check=False)
            equal((done.returncode, done.stdout), (1, ""))


if __name__ == "__main__":
    main(globals())
