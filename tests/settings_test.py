"""What single parameters change: each case fails where its parameters are
without effect."""
import base64
import hashlib
import os
import pwd
import subprocess

from capture import Capture
from instance import (Instance, Raw, Skip, check, equal, free_port, is_root,
                      main, make_certificate, matches, run, untrusting,
                      wait_for, SBIN)

DISCARD = {"mydestination": "", "relay_transport": "discard:",
           "relay_domains": "example.com"}


def relay(sink, **settings):
    """All mail goes to `sink`."""
    return Instance(**{**dict(
        relayhost="[127.0.0.1]:%d" % sink.server_address[1],
        mydestination="", smtp_host_lookup="native"), **settings})


def header(text, name):
    """The body of a field of a message, unfolded."""
    head = text.split("\n\n", 1)[0].replace("\n ", " ").replace("\n\t", " ")
    for line in head.split("\n"):
        if line.lower().startswith(name.lower() + ": "):
            return line.split(": ", 1)[1]
    return None


# ---- content ----

def nested(depth):
    text = "Subject: x\nMIME-Version: 1.0\n"
    for level in range(depth):
        text += ("Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
                 % (level, level))
    return text + "\nsecret\n"


def test_limits_of_mime():
    with Instance(strict_mime_encoding_domain="yes",
                  mime_nesting_limit="3", **DISCARD) as mta:
        mta.start()
        with mta.smtp() as client:
            client.ehlo("client.example.net")
            # that Debian's Postfix 3.7 takes two more
            for depth, code in ((5, 250), (6, 550)):
                client.mail("a@example.net")
                client.rcpt("b@example.com")
                reply = client.data(nested(depth))
                equal(reply[0], code)
        equal(reply[1], b"5.6.0 MIME nesting exceeds safety limit")


def test_length_of_boundaries():
    """"--outside" is the boundary "outer" where three octets are enough."""
    with Instance(mime_header_checks="regexp:{{/^X-Secret:/ REJECT seen}}",
                  **DISCARD) as mta:
        other = mta.port("other")
        mta.master = (
            "127.0.0.1:%d inet n - n - - smtpd\n"
            " -o cleanup_service_name=short\n"
            "short unix n - n - 0 cleanup -o mime_boundary_length_limit=3\n"
            ) % other
        mta.start()
        mta.wait_port(other)
        for port, code in ((mta.smtp_port, 250), (other, 550)):
            with mta.smtp(port) as client:
                client.ehlo("client.example.net")
                client.mail("a@example.net")
                client.rcpt("b@example.com")
                equal(client.data(
                    "Subject: x\nMIME-Version: 1.0\nContent-Type: "
                    "multipart/mixed; boundary=outer\n\n--outer\n\nx\n"
                    "--outside\nX-Secret: y\n\n--outer--\n")[0], code)


def test_tokens_of_an_address_list():
    with Capture(free_port()) as sink, \
            relay(sink, header_address_token_limit="11") as mta:
        mta.start()
        to = ", ".join("user%d@example.com" % i for i in range(5))
        mta.send("a@example.org", ["b@example.com"],
                 "From: a@example.org\nTo: %s\nSubject: x\n\nx\n" % to)
        wait_for(lambda: sink.messages, "the message")
        equal(header(sink.messages[0][2], "To"),
              "user0@example.com, user1@example.com")


# ---- names of services ----

def test_names_of_services():
    """Another cleanup for one client, and other names altogether."""
    with Capture(free_port()) as sink, relay(
            sink, queue_service_name="manager", showq_service_name="lister",
            pickup_service_name="taker", rewrite_service_name="resolve",
            bounce_service_name="reporter", error_service_name="failer",
            relocated_maps="inline:{moved@example.com=new@example.com}",
            proxymap_service_name="mapper",
            smtpd_sender_restrictions="check_sender_access "
            "proxy:inline:{bad@example.org=REJECT}",
            proxy_read_maps="proxy:inline:{bad@example.org=REJECT}") as mta:
        other = mta.port("other")
        mta.master = (
            "127.0.0.1:%d inet n - n - - smtpd\n"
            " -o cleanup_service_name=pre-cleanup\n"
            "pre-cleanup unix n - n - 0 cleanup\n"
            " -o {header_checks=static:{PREPEND X-Before: yes}}\n"
            "manager unix n - n 300 1 qmgr\n"
            "lister unix n - n - - showq\n"
            "taker unix n - n 60 1 pickup\n"
            "mapper unix - - n - - proxymap\n"
            "failer unix - - n - - error -o syslog_name=postfix/failer\n"
            "resolve unix - - n - - rewrite\n"
            "reporter unix - - n - 0 bounce\n") % other
        sink.replies["RCPT TO:<GONE@EXAMPLE.COM>"] = "550 5.1.1 gone"
        mta.start()
        mta.wait_port(other)
        text = "Subject: x\n\nx\n"
        with mta.smtp() as client:
            client.mail("bad@example.org")
            equal(client.rcpt("one@example.com")[0], 554)
        mta.send("a@example.org", ["one@example.com"], text)
        wait_for(lambda: len(sink.messages) == 1, "a message")
        equal(header(sink.messages[0][2], "X-Before"), None)
        with mta.smtp(other) as client:
            client.sendmail("a@example.org", ["two@example.com"], text)
        wait_for(lambda: len(sink.messages) == 2, "another message")
        equal(header(sink.messages[1][2], "X-Before"), "yes")
        mta.command("sendmail", "-f", "a@example.org", "gone@example.com",
                    input=text)
        wait_for(lambda: len(sink.messages) == 3, "a bounce")
        equal(sink.messages[2][0], "")
        mta.command("sendmail", "-f", "a@example.org", "moved@example.com",
                    input=text)
        mta.wait_log(r"failer/error\[\d+\]: \w+: to=<moved@example.com>, "
                     ".*dsn=5.1.6")
        wait_for(lambda: len(sink.messages) == 4, "another bounce")
        mta.wait_empty()
        matches("Mail queue is empty",
                mta.command("postqueue", "-p").stdout)
        equal(sorted(os.listdir(mta.queue + "/public"))[:3],
              ["control", "lister", "manager"])


# ---- XCLIENT, XFORWARD ----

ALLOWED = {"smtpd_authorized_xclient_hosts": "127.0.0.1",
           "smtpd_authorized_xforward_hosts": "127.0.0.1",
           "mynetworks": "127.0.0.1"}


def test_xclient():
    """Restrictions, log and Received: are about the client that it names."""
    with Instance(smtpd_recipient_restrictions="check_client_access "
                  "inline:{{spike.example=REJECT spike}}, permit",
                  smtpd_peername_lookup="no", **{**DISCARD, **ALLOWED}) as mta:
        mta.start()
        with mta.raw() as client:
            client.reply()
            matches(r"\n250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT "
                    r"LOGIN DESTADDR DESTPORT\n250-XFORWARD NAME ADDR PROTO "
                    r"HELO SOURCE PORT IDENT\n250-ENHANCED",
                    client.ask("EHLO proxy.example"))
            equal(client.ask("XCLIENT ADDR=junk"),
                  "501 5.5.4 Bad ADDR syntax: junk")
            equal(client.ask("XCLIENT NAME=spike.example ADDR=192.0.2.9 "
                             "PORT=1234 HELO=their.helo LOGIN=joe"),
                  "220 mail.example.org ESMTP posthorn")
            client.ask("MAIL FROM:<a@example.net>")
            equal(client.ask("RCPT TO:<b@example.com>"),
                  "554 5.7.1 <spike.example[192.0.2.9]>: Client host "
                  "rejected: spike")
            equal(client.ask("XCLIENT NAME=x"),
                  "503 5.5.1 Error: MAIL transaction in progress")
            client.ask("RSET")
            # whoever it speaks for now is not on the list
            equal(client.ask("XCLIENT NAME=x"),
                  "550 5.7.0 Error: insufficient authorization")
        mta.wait_log(r"NOQUEUE: reject: RCPT from spike.example\[192.0.2.9\]: "
                     r"554 5.7.1 .*proto=SMTP helo=<their.helo> "
                     r"sasl_method=XCLIENT sasl_username=joe")
        mta.wait_log(r"disconnect from spike.example\[192.0.2.9\] ehlo=1 "
                     r"xclient=1/4 mail=1 rcpt=0/1 rset=1 commands=4/8")


def test_xforward():
    """The log and the next hop hear of the first client."""
    with Capture(free_port()) as sink, relay(
            sink, local_header_rewrite_clients="permit_mynetworks",
            header_checks="regexp:{{/^Subject:/ WARN seen}}",
            **ALLOWED) as mta:
        mta.start()
        with mta.raw() as client:
            client.reply()
            client.ask("EHLO proxy.example")
            equal(client.ask("XFORWARD NAME=orig.example ADDR=192.0.2.77"),
                  "250 2.0.0 Ok")
            equal(client.ask("XFORWARD HELO=orig.helo IDENT=a+20c "
                             "SOURCE=REMOTE"), "250 2.0.0 Ok")
            for line in ("MAIL FROM:<a@example.net>",
                         "RCPT TO:<b@example.com>", "DATA"):
                client.ask(line)
            matches("^250", client.ask("Subject: x\r\n\r\nx\r\n."))
            client.ask("MAIL FROM:<a@example.net>")
            client.ask("RCPT TO:<c@example.com>")
            client.ask("DATA")
            matches("^250", client.ask("Subject: y\r\n\r\ny\r\n."))
        mta.wait_log(r": client=localhost\[127.0.0.1\], orig_queue_id=a\?c, "
                     r"orig_client=orig.example\[192.0.2.77\]\n")
        mta.wait_log(r"warning: header Subject: x from "
                     r"orig.example\[192.0.2.77\]; .*helo=<orig.helo>: seen")
        mta.wait_log(r": client=localhost\[127.0.0.1\]\n")
        mta.wait_log(r"warning: header Subject: y from localhost\[127.0.0.1\]")
        wait_for(lambda: len(sink.messages) == 2, "two messages")
        by_subject = {header(m[2], "Subject"): m[2] for m in sink.messages}
        # SOURCE=REMOTE: nothing is added to a foreign header
        equal(header(by_subject["x"], "Date"), None)
        check(header(by_subject["y"], "Date"))


class Certified:
    """A client's certificate: its files and its two fingerprints."""

    def __init__(self, folder):
        os.makedirs(folder)
        self.files = make_certificate(folder, "client.example.net")
        self.own = run("openssl", "x509", "-in", self.files[0], "-noout",
                       "-fingerprint", "-sha256").stdout.split("=")[1].strip()
        der = subprocess.run(
            ["openssl", "pkey", "-in", self.files[1], "-pubout", "-outform",
             "DER"], check=True, stdout=subprocess.PIPE).stdout
        self.of_key = hashlib.sha256(der).digest().hex(":").upper()


def author(mta, sink, port, certified):
    """From: as it leaves when such a client (None: one without) sends it."""
    context = untrusting()
    if certified:
        context.load_cert_chain(*certified.files)
    before = len(sink.messages)
    with mta.smtp(port) as client:
        client.starttls(context=context)
        client.sendmail("a@example.net", ["b@example.com"],
                        "From: joe\n\nx\n")
    wait_for(lambda: len(sink.messages) > before, "the message")
    return header(sink.messages[-1][2], "From")


def test_headers_of_clients_with_certificates():
    """local_header_rewrite_clients knows a client by its certificate."""
    with Capture(free_port()) as sink, relay(
            sink, smtpd_tls_security_level="may", smtpd_tls_ask_ccert="yes",
            smtpd_tls_fingerprint_digest="sha256",
            local_header_rewrite_clients="permit_tls_clientcerts") as mta:
        cert, key = make_certificate(mta.conf)
        listed, by_key, stranger = (Certified(mta.path(name))
                                    for name in ("one", "two", "three"))
        mta.set(smtpd_tls_cert_file=cert, smtpd_tls_key_file=key,
                smtpd_tls_CAfile=stranger.files[0],
                relay_clientcerts="inline:{{%s=one}, {%s=two}}" % (
                    listed.own, by_key.of_key))
        trusted = mta.port("trusted")
        mta.master = """127.0.0.1:%d inet n - n - - smtpd
  -o local_header_rewrite_clients=permit_tls_all_clientcerts
""" % trusted
        mta.start()
        mta.wait_port(trusted)
        for port, who, expected in (
                (mta.smtp_port, listed, "joe@example.org"),
                (mta.smtp_port, by_key, "joe@example.org"),
                (mta.smtp_port, stranger, "joe"),
                (mta.smtp_port, None, "joe"),
                (trusted, stranger, "joe@example.org"),
                (trusted, listed, "joe"), (trusted, None, "joe")):
            equal(author(mta, sink, port, who), expected)


# ---- what is logged ----

def test_permits_are_logged():
    with Instance(smtpd_log_access_permit_actions="ok, permit_mynetworks",
                  smtpd_recipient_restrictions="check_sender_access "
                  "inline:{a@example.net=OK}, permit_auth_destination, "
                  "permit_mynetworks, reject",
                  smtpd_peername_lookup="no", **DISCARD) as mta:
        mta.start()
        with mta.smtp() as client:
            client.ehlo("client.example.net")
            for sender in ("a@example.net", "b@example.net"):
                for recipient in ("r@example.com", "r@example.org"):
                    client.mail(sender)
                    equal(client.rcpt(recipient)[0], 250)
                    client.rset()
        mta.wait_log("disconnect from .*rset=4")
        got = [line.split("; ")[0].split("]: ", 1)[1]
               for line in mta.log().splitlines() if ": permit: " in line]
        relay_permit = (
            "NOQUEUE: permit: RCPT from unknown[127.0.0.1]: "
            "action=permit_mynetworks for Client host=unknown[127.0.0.1] ")
        access = ("NOQUEUE: permit: RCPT from unknown[127.0.0.1]: action=OK "
                  "for Sender address=a@example.net from "
                  "inline:{a@example.net=OK}")
        equal(got, [relay_permit, access] * 2 +
              [relay_permit] + [relay_permit] * 2)


QUOTED = ('"o d"@example.org', '"r x"@example.com')


def test_form_of_addresses_in_the_log():
    for how, sender, recipient in (("external", *QUOTED),
                                   ("internal", "o d@example.org",
                                    "r x@example.com")):
        with Instance(info_log_address_format=how,
                      header_checks="regexp:{{/^Subject:/ WARN seen}}",
                      smtpd_sender_restrictions="check_sender_access "
                      "inline:{bad@example.org=REJECT}",
                      smtpd_peername_lookup="no", **DISCARD) as mta:
            mta.start()
            mta.command("sendmail", "-f", QUOTED[0], QUOTED[1],
                        input="Subject: x\n\nx\n")
            with mta.smtp() as client:
                client.mail("bad@example.org")
                client.docmd("RCPT TO:<%s>" % QUOTED[1])
            for line in (r"pickup\[\d+\]: \w+: uid=\d+ from=<%s>" % sender,
                         r"warning: header Subject: x from localhost.*; "
                         r"from=<%s> to=<%s>: seen" % (sender, recipient),
                         r"qmgr\[\d+\]: \w+: from=<%s>, size=" % sender,
                         r"discard\[\d+\]: \w+: to=<%s>, relay=" % recipient,
                         r"reject: RCPT from .*; from=<bad@example.org> "
                         r"to=<%s> proto" % recipient):
                mta.wait_log(line)


def test_dialogue_of_a_peer():
    """debug_peer_list; passwords stay out of the log."""
    with Capture(free_port()) as sink, relay(
            sink, debug_peer_list="127.0.0.0/8",
            smtpd_peername_lookup="no") as mta:
        mta.start()
        with mta.smtp() as client:
            client.docmd("AUTH PLAIN AGpvZQBzZWNyZXQ=")
        mta.send("a@example.org", ["b@example.com"], "Subject: x\n\nx\n")
        wait_for(lambda: sink.messages, "the message")
        for line in (r"smtpd\[\d+\]: < unknown\[127.0.0.1\]: "
                     r"mail FROM:<a@example.org>",
                     r"smtpd\[\d+\]: > unknown\[127.0.0.1\]: 250 2.1.0 Ok",
                     r"smtp\[\d+\]: > 127.0.0.1\[127.0.0.1\]: EHLO ",
                     r"smtp\[\d+\]: > 127.0.0.1\[127.0.0.1\]: MAIL FROM:",
                     r"smtp\[\d+\]: < 127.0.0.1\[127.0.0.1\]: 250 2.0.0",
                     r": < unknown\[127.0.0.1\]: AUTH PLAIN *\n"):
            mta.wait_log(line)
        check("AGpv" not in mta.log())
    with Instance(debug_peer_list="127.0.0.0/8", debug_peer_level="0",
                  smtpd_peername_lookup="no") as mta:
        mta.start()
        with mta.smtp() as client:
            client.ehlo("client.example.net")
        mta.wait_log("disconnect from .* ehlo=1")
        check("ehlo client" not in mta.log())


# ---- local submission ----

def test_senders_of_logins():
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        login = "uid:%d" % os.getuid()
    with Instance(local_login_sender_maps="inline:{{other=*}, "
                  "{%s=a@example.net, @example.org joe <null>}}" % login,
                  empty_address_local_login_sender_maps_lookup_key="<null>",
                  recipient_delimiter="+", **DISCARD) as mta:
        mta.start()
        for sender, may in (("a@example.net", True), ("b@example.net", False),
                            ("a+x@example.net", True), ("joe+x", True),
                            ("A@Example.NET", True), ("jo", False),
                            ("x@example.org", True), ("x@org", False),
                            ("<>", True)):
            done = mta.command("sendmail", "-f", sender, "r@example.com",
                               input="Subject: x\n\nx\n", check=False)
            equal((sender, done.returncode == 0), (sender, may))
            if not may:
                matches(r"%s\(%d\): not authorized to use sender='%s'" % (
                    login, os.getuid(), sender), done.stderr)
        mta.set(empty_address_local_login_sender_maps_lookup_key="<>")
        mta.write_configuration()
        mta.command("posthorn", "reload")
        wait_for(lambda: mta.command(
            "sendmail", "-f", "<>", "r@example.com", input="x\n",
            check=False).returncode != 0, "the null sender to be refused")


# ---- bounces ----

def test_bounces_like_other_mail():
    """Threaded, and past the checks if they are named."""
    with Capture(free_port(), {"RCPT TO:<GONE@EXAMPLE.COM>": "550 no"}) as \
            sink, relay(sink, header_checks="regexp:{{/^Subject: / "
                        "PREPEND X-Seen: yes}}") as mta:
        mta.start()
        for number, settings in enumerate((
                {}, {"internal_mail_filter_classes": "bounce",
                     "enable_threaded_bounces": "yes"})):
            mta.set(**settings)
            if settings:
                mta.stop()
                mta.start()
            mta.send("a@example.org", ["gone@example.com"],
                     "Message-ID: <m@example.org>\nSubject: x\n\nx\n")
            wait_for(lambda: len(sink.messages) > number, "a bounce")
            text = sink.messages[number][2]
            equal(header(text, "X-Seen"), "yes" if settings else None)
            equal(header(text, "In-Reply-To"),
                  "<m@example.org>" if settings else None)
            equal(header(text, "References"),
                  "<m@example.org>" if settings else None)


# ---- the SMTP client ----

def sent(sink, verb):
    return [line for line in sink.commands if line.upper().startswith(verb)]


def test_features_and_forms_by_server():
    """Keywords that are overlooked, and addresses as they are, for LMTP and
    SMTP alike."""
    for program, prefix, keyword in (("smtp", "smtp", "ehlo"),
                                     ("lmtp", "lmtp", "lhlo")):
        with Capture(free_port(), features=("sink.example.com", "SIZE",
                                            "8BITMIME")) as sink:
            place = "127.0.0.1:%d" % sink.server_address[1]
            with Instance(
                    mydestination="", smtp_host_lookup="native",
                    default_transport="lmtp:inet:" + place
                    if program == "lmtp" else "smtp:[127.0.0.1]:%d" %
                    sink.server_address[1], **{
                        prefix + "_discard_%s_keyword_address_maps" % keyword:
                            "inline:{127.0.0.1=size}",
                        prefix + "_quote_rfc821_envelope": "no"}) as mta:
                mta.start()
                mta.command("sendmail", "-f", QUOTED[0], QUOTED[1],
                            input="Subject: x\n\nx\n")
                wait_for(lambda: sink.messages, "the message")
                equal(sent(sink, "MAIL"), ["MAIL FROM:<o d@example.org>"])
                equal(sent(sink, "RCPT"), ["RCPT TO:<r x@example.com>"])


def test_firewalls_that_hide_the_server():
    """No EHLO, and the last dot in a packet of its own."""
    for program, words, helo, pause in (
            ("smtp", "", "HELO", True),
            ("smtp", "delay_dotcrlf", "EHLO", True),
            ("smtp", "disable_esmtp", "HELO", False),
            ("lmtp", "", "LHLO", False), ("lmtp", "delay_dotcrlf", "LHLO",
                                          True)):
        with Capture(free_port()) as sink:
            sink.greeting = "220 ***2******0***"
            settings = {program + "_pix_workaround_threshold_time": "0s",
                        program + "_pix_workaround_delay_time": "3s"}
            if words:
                settings[program + "_pix_workaround_maps"] = \
                    "inline:{127.0.0.1=%s}" % words
            elif program == "lmtp":
                settings["lmtp_pix_workarounds"] = "disable_esmtp"
            if program == "lmtp":
                settings["default_transport"] = "lmtp:inet:127.0.0.1:%d" % \
                    sink.server_address[1]
                settings["relayhost"] = ""
            with relay(sink, **settings) as mta:
                mta.start()
                mta.send("a@example.org", ["b@example.com"],
                         "Subject: x\n\nx\n")
                wait_for(lambda: sink.messages, "the message")
                equal(sink.commands[0][:4], helo)
                # the sink itself may stand still before it
                check(not pause or sink.dot_after >= 1)
                mta.wait_log("enabling PIX workarounds: %s for "
                             r"127.0.0.1\[127.0.0.1\]:" % (
                                 words or settings.get(
                                     "lmtp_pix_workarounds",
                                     "disable_esmtp,delay_dotcrlf")))


def test_mail_that_is_young_needs_no_workaround():
    with Capture(free_port()) as sink:
        sink.greeting = "220 ***2******0***"
        with relay(sink, smtp_pix_workarounds="disable_esmtp") as mta:
            mta.start()
            mta.send("a@example.org", ["b@example.com"], "Subject: x\n\nx\n")
            wait_for(lambda: sink.messages, "the message")
            equal(sink.commands[0][:4], "EHLO")


def test_an_identity_beside_the_name():
    """send_cyrus_sasl_authzid."""
    for wanted, response in (("no", b"\0joe\0secret"),
                             ("yes", b"joe\0joe\0secret")):
        with Capture(free_port(), {"AUTH": "235 2.7.0 yes"},
                     features=("sink.example.com", "AUTH PLAIN")) as sink, relay(
                sink, send_cyrus_sasl_authzid=wanted,
                smtp_sasl_auth_enable="yes", smtp_sasl_security_options="",
                smtp_sasl_password_maps="inline:{127.0.0.1=joe:secret}") \
                as mta:
            mta.start()
            mta.send("a@example.org", ["b@example.com"], "Subject: x\n\nx\n")
            wait_for(lambda: sink.messages, "the message")
            equal(base64.b64decode(sent(sink, "AUTH")[0].split()[2]),
                  response)


def test_without_dns():
    """..._dns_support_level = disabled: names as the system knows them."""
    for program, place in (("smtp", "smtp:localhost:%d"),
                           ("lmtp", "lmtp:inet:localhost:%d")):
        with Capture(free_port()) as sink, Instance(
                mydestination="", default_transport=place %
                sink.server_address[1],
                **{program + "_dns_support_level": "disabled"}) as mta:
            mta.start()
            mta.send("a@example.org", ["b@example.com"], "Subject: x\n\nx\n")
            wait_for(lambda: sink.messages, "the message")


# ---- the queue ----

def test_pause_between_deliveries():
    """default_transport_rate_delay, whatever the destination."""
    with Capture(free_port()) as one, Capture(free_port()) as two:
        table = "inline:{%s}" % ", ".join(
            "{%s.example.com=smtp:[127.0.0.1]:%d}" %
            (name, sink.server_address[1])
            for name, sink in (("one", one), ("two", two)))
        with Instance(mydestination="", smtp_host_lookup="native",
                      relay_domains="example.com", transport_maps=table,
                      default_transport_rate_delay="3s") as mta:
            mta.start()
            with mta.smtp() as client:
                client.sendmail("a@example.org", ["x@one.example.com",
                                                  "x@two.example.com"],
                                "Subject: x\n\nx\n")
            wait_for(lambda: one.times and two.times, "both messages")
            # the sinks may stand still for a while
            check(abs(one.times[0] - two.times[0]) >= 1)


main(globals())
