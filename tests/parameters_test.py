"""What single parameters of routing, queueing, restrictions, tables and logging
change: each case fails where its parameters are without effect."""
import os
import pwd
import shutil
import socket
import tempfile

from capture import Capture
from instance import (PATIENCE, Instance, Skip, check, equal, free_port,
                      is_root, main, make_certificate, matches, run, wait_for)
from names import A, MX, Names


def to(port, **settings):
    """All mail goes to this port, where somebody may listen."""
    return Instance(**{**dict(relayhost="[127.0.0.1]:%d" % port,
                              mydestination="", smtp_host_lookup="native"),
                       **settings})


def submit(mta, recipient="u@example.com", sender="s@example.org",
           text="Subject: x\n\nbody\n"):
    mta.command("sendmail", "-f", sender, recipient, input=text)


# ---- where mail goes ----

def test_filter_without_nexthop():
    """default_filter_nexthop; without it the recipient's domain, not the
    relayhost."""
    with Capture(free_port()) as sink:
        port = sink.server_address[1]
        with to(9, content_filter="smtp:", default_filter_nexthop=
                "[127.0.0.1]:%d" % port) as mta:
            mta.start()
            submit(mta)
            wait_for(lambda: sink.messages, "the message at the filter")
            mta.set(default_filter_nexthop="", smtp_tcp_port=str(port),
                    smtp_dns_support_level="disabled")
            mta.reload()
            submit(mta, "u@localhost")
            # which the dialer does not allow: nobody has configured it
            mta.wait_log(r"connect to localhost\[127.0.0.1\]:%d: refused by "
                         r"dialer" % port)


RECORDS = {
    ("here.example", MX): [(10, "mail.example")],
    ("backup.example", MX): [(10, "mx1.example"), (20, "mail.example")],
    ("strange.example", MX): [(10, "mx1.example")],
    ("mail.example", A): ["127.0.0.1"],
    ("mx1.example", A): ["192.0.2.1"],
}


def test_best_mx_transport():
    """What would loop goes to another transport, once."""
    with Names(RECORDS) as names, Capture(free_port()) as sink:
        with Instance(resolver_servers="127.0.0.1:%d" % names.port,
                      mydestination="", best_mx_transport="smtp:[127.0.0.1]:%d"
                      % sink.server_address[1]) as mta:
            mta.start()
            submit(mta, "u@here.example")
            mta.wait_log(r"passing <u@here.example> to transport=smtp")
            wait_for(lambda: sink.messages, "the message")
            equal(sink.messages[0][1], ["u@here.example"])
            mta.wait_empty()
            mta.set(best_mx_transport="smtp:")
            mta.reload()
            submit(mta, "v@here.example", sender="")
            mta.wait_log(r"to=<v@here.example>.*dsn=5.4.6.*loops back")


def relay_code(mta, recipient):
    with mta.smtp() as client:
        client.ehlo("client.example.net")
        client.mail("a@example.net")
        return client.rcpt(recipient)[0]


def test_permit_mx_backup():
    with Names(RECORDS) as names:
        with Instance(resolver_servers="127.0.0.1:%d" % names.port,
                      mynetworks="192.0.2.77", smtpd_relay_restrictions=
                      "permit_mx_backup, reject_unauth_destination") as mta:
            mta.start()
            equal(relay_code(mta, "u@backup.example"), 250)
            equal(relay_code(mta, "u%elsewhere.example@backup.example"), 554)
            equal(relay_code(mta, "u@strange.example"), 554)
            equal(relay_code(mta, "u@absent.example"), 554)
            mta.set(permit_mx_backup_networks="198.51.100.0/24")
            mta.reload()
            mta.wait_port(mta.smtp_port)
            wait_for(lambda: relay_code(mta, "u@backup.example") == 554,
                     "backups of other networks to be refused")
            mta.set(permit_mx_backup_networks="192.0.2.0/24")
            mta.reload()
            wait_for(lambda: relay_code(mta, "u@backup.example") == 250,
                     "backups of this network to be accepted")


# ---- the queue ----

def test_delay_cleared():
    port = free_port()
    with to(port, delay_warning_time="1s", confirm_delay_cleared="yes",
            minimal_backoff_time="1s", maximal_backoff_time="1s",
            queue_run_delay="1s") as mta:
        mta.virtual_mailboxes()
        mta.start()
        submit(mta, sender="alice@example.org")
        matches(r"(?m)^Action: delayed", mta.wait_mail("alice")[0].decode())
        with Capture(port, features=("DSN",)) as sink:
            wait_for(lambda: sink.messages, "the message")
            letters = mta.wait_mail("alice", 2)
        equal(len([1 for letter in letters
                   if b"\nAction: relayed" in letter]), 1)


def test_warnings_of_a_clogged_queue():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with to(port, qmgr_message_active_limit="10") as mta:
            mta.start()
            for i in range(4):
                submit(mta)
            mta.wait_log(r"warning: mail for \[127.0.0.1\]:%d is using up "
                         r"[34] of 10 active queue entries" % port)
            equal(mta.log().count("is using up"), 1)
            mta.kill()  # a stop would wait for the deliveries
        with to(port, qmgr_message_active_limit="10",
                helpful_warnings="no") as mta:
            mta.start()
            for i in range(4):
                submit(mta)
            mta.wait_log(r"queue active", count=4)
            submit(mta, "v@[127.0.0.1]")
            mta.wait_log(r"queue active", count=5)
            check("is using up" not in mta.log())
            mta.kill()


def test_feedback_is_logged():
    with Capture(free_port()) as sink, to(
            sink.server_address[1],
            destination_concurrency_feedback_debug="yes") as mta:
        mta.start()
        submit(mta)
        mta.wait_log(r"positive feedback for smtp:\[127.0.0.1\]:\d+: "
                     r"concurrency=\d+ busy=0 success=")


def test_connections_wait_no_longer():
    with Capture(free_port()) as sink:
        with to(sink.server_address[1],
                smtp_connection_cache_destinations="[127.0.0.1]:%d" %
                sink.server_address[1],
                smtp_connection_cache_time_limit="1000s",
                connection_cache_ttl_limit="1s") as mta:
            mta.start()
            submit(mta)
            wait_for(lambda: "QUIT" in sink.commands, "the connection's end")


def deferred(mta, *domains):
    for domain in domains:
        submit(mta, "u@" + domain)
        mta.wait_log(r"to=<u@%s>.*status=deferred" % domain)
    # What is active still is not tried again.
    wait_for(lambda: [row["queue_name"] for row in mta.queue_list()] ==
             ["deferred"] * len(domains), "the end of all attempts")


def sink_has(sink, domain):
    return ["u@" + domain] in [message[1] for message in sink.messages]


def test_mail_for_one_site():
    """fast_flush_domains: ETRN, postqueue -s, sendmail -qR."""
    port = free_port()
    domains = ("one.example", "two.example", "three.example")
    with to(port, fast_flush_domains="one.example, two.example, three.example",
            smtpd_etrn_restrictions=
            "check_etrn_access inline:{three.example=REJECT}") as mta:
        mta.start()
        deferred(mta, *domains, "other.example")
        done = mta.command("postqueue", "-s", "other.example", check=False)
        equal(done.returncode, 69)
        matches("not configured for destination \"other.example\"",
                done.stderr)
        with Capture(port) as sink, mta.smtp() as client:
            client.ehlo("client.example.net")
            equal(client.docmd("ETRN other.example")[0], 459)
            equal(client.docmd("ETRN")[0], 500)
            equal(client.docmd("ETRN a..b")[0], 501)
            equal(client.docmd("ETRN three.example")[0], 554)
            client.mail("a@example.net")
            equal(client.docmd("ETRN one.example")[0], 503)
            client.rset()
            equal(client.docmd("ETRN @ONE.example")[0], 250)
            wait_for(lambda: sink_has(sink, "one.example"), "ETRN's")
            mta.command("postqueue", "-s", "two.example")
            wait_for(lambda: sink_has(sink, "two.example"), "postqueue's")
            mta.command("sendmail", "-qRthree.example")
            wait_for(lambda: sink_has(sink, "three.example"), "sendmail's")
            check(not sink_has(sink, "other.example"))


# ---- the server ----

def test_queue_file_is_opened_early():
    with Instance(smtpd_delay_open_until_valid_rcpt="no") as mta:
        mta.start()
        equal(relay_code(mta, "no-such-user@localhost"), 550)
        number = mta.wait_log(r"smtpd\[\d+\]: (\w+): client=")[1]
        mta.wait_log(r"smtpd\[\d+\]: %s: reject: RCPT from" % number)


def test_what_fails_for_now():
    """reject_tempfail_action, where no name server answers."""
    with Instance(mynetworks="192.0.2.77", smtpd_sender_restrictions=
                  "reject_unknown_sender_domain", smtpd_relay_restrictions=
                  "reject_unauth_destination") as mta:
        mta.start()
        equal(relay_code(mta, "u@elsewhere.example"), 554)
        mta.set(reject_tempfail_action="defer")
        mta.reload()
        wait_for(lambda: relay_code(mta, "u@elsewhere.example") == 450,
                 "450 at once")


def test_utf8_is_noticed():
    text = "Subject: caf\u00e9\n\nbody\n"
    with Capture(free_port()) as sink, to(sink.server_address[1]) as mta:
        mta.start()
        submit(mta, text=text, sender="")
        mta.wait_log(r"dsn=5.6.7, status=bounced")
        mta.send("a@example.org", ["u@example.com"], text.encode())
        wait_for(lambda: sink.messages, "the message by SMTP")
        mta.set(smtputf8_autodetect_classes="smtpd")
        mta.reload()
        submit(mta, text=text)
        wait_for(lambda: len(sink.messages) > 1, "the message of sendmail")


def test_postmaster_sees_what_was_said():
    with Instance(notify_classes="protocol", smtpd_history_flush_threshold="4",
                  smtpd_sasl_auth_enable="yes",
                  error_notice_recipient="alice@example.org") as mta:
        mta.virtual_mailboxes()
        mta.start()
        with mta.raw() as client:
            client.reply()
            for line in ("NOOP early", "EHLO early.example", "RSET",
                         "AUTH PLAIN AGEAc2VjcmV0", "WHAT IS THIS\x01"):
                client.ask(line)
            client.send("QUIT\r\n")
        letter = mta.wait_mail("alice")[0].decode()
        matches(r"Return-Path: <double-bounce@example.org>", letter)
        matches(r"Subject: posthorn SMTP server: errors from localhost"
                r"\[127.0.0.1\]\n", letter)
        matches(r"(?s) In:  AUTH PLAIN\n Out: .*\n In:  WHAT IS THIS\?\n"
                r" Out: 500 5.5.2 .*\n In:  QUIT\n Out: 221", letter)
        check("early" not in letter and "AGEAc2VjcmV0" not in letter)
        mta.set(notify_classes="resource, software")
        mta.reload()
        with mta.raw() as client:
            client.reply()
            client.ask("WHAT")
            client.ask("QUIT")
        mta.wait_log("disconnect from", count=2)
        mta.wait_empty()
        equal(len(mta.maildir("alice")), 1)


# ---- TLS in the log ----

def test_tls_of_a_delivery():
    with Instance() as mta:
        cert, key = make_certificate(mta.conf)
        relay = mta.port("relay")
        mta.set(mydestination="", relayhost="[127.0.0.1]:%d" % relay,
                smtp_host_lookup="native", smtp_tls_security_level="may",
                smtpd_tls_cert_file=cert, smtpd_tls_key_file=key,
                smtp_tls_loglevel_maps="inline:{127.0.0.1=1}",
                smtpd_tls_loglevel_maps="inline:{127.0.0.1=1}")
        mta.master = ("127.0.0.1:%d inet n - n - - smtpd\n"
                      " -o smtpd_tls_security_level=may\n"
                      " -o smtpd_client_restrictions=reject\n" % relay)
        mta.start()
        mta.wait_port(relay)
        submit(mta, sender="")
        mta.wait_log(r"delays=[\d./]+, tls=may, dsn=5.7.1, status=bounced")
        mta.wait_log(r"TLS connection established to")
        mta.wait_log(r"TLS connection established from")
        mta.set(smtp_log_tls_feature_status="no", smtp_tls_loglevel_maps="",
                smtpd_tls_loglevel_maps="")
        mta.reload()
        before = mta.log().count("TLS connection")
        submit(mta, sender="")
        mta.wait_log(r"delays=[\d./]+, dsn=5.7.1, status=bounced")
        equal(mta.log().count("TLS connection"), before)


def test_mail_in_the_clear():
    with Capture(free_port()) as sink, to(
            sink.server_address[1], smtp_tls_security_level="may") as mta:
        mta.start()
        submit(mta)
        mta.wait_log(r", tls=may:none, dsn=2.0.0, status=sent")
        mta.set(relayhost="[127.0.0.1]:9")
        mta.reload()
        submit(mta)
        mta.wait_log(r", tls=may\?, dsn=4.4.1, status=deferred")


# ---- the log, tables ----

def test_where_the_log_may_be():
    with Instance(maillog_file_prefixes="/var, /dev/stdout") as mta:
        mta.write_configuration()
        for verb in ("check", "start"):
            done = mta.command("posthorn", verb, check=False)
            check(done.returncode != 0)
            matches("maillog_file", done.stderr)
        check(not mta.master_pid())


def test_name_of_the_log_service():
    with Instance(postlog_service_name="lines",
                  master="lines unix-dgram n - n - 1 postlogd\n") as mta:
        mta.start()
        mta.command("postlog", "-t", "tester", "hello")
        mta.wait_log(r"tester\[\d+\]: hello")


def test_tables_that_must_be_there():
    with Instance(virtual_alias_maps="hash:/nonexistent/aliases") as mta:
        mta.start()
        with mta.smtp() as client:
            client.ehlo("client.example.net")
        mta.wait_log(r"/nonexistent/aliases")
        check("fatal" not in mta.log())
        mta.set(daemon_table_open_error_is_fatal="yes")
        mta.reload()
        mta.command("sendmail", "-f", "a@example.org", "b@example.org",
                    input="Subject: x\n\nx\n", check=False)
        mta.wait_log(r"fatal: daemon_table_open_error_is_fatal: "
                     r"hash:/nonexistent/aliases")


def test_type_of_caches():
    with Instance(default_cache_db_type="lmdb") as mta:
        mta.write_configuration()
        equal(mta.command("postconf", "-xh", "address_verify_map").stdout,
              "lmdb:%s/verify_cache\n" % mta.data)


# ---- biff ----

def test_new_mail_is_announced():
    if not is_root():
        raise Skip("needs users to deliver to")
    with tempfile.TemporaryDirectory() as folder, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as comsat, \
            Instance(biff="yes", local_recipient_maps="") as mta:
        comsat.bind(("127.0.0.1", 0))
        comsat.settimeout(PATIENCE)
        services = folder + "/services"
        shutil.copy("/etc/services", services)
        with open(services) as handle:
            text = handle.read().replace("512/udp", "%d/udp" %
                                         comsat.getsockname()[1])
        with open(services, "w") as handle:
            handle.write(text)
        os.chmod(folder, 0o755)
        # in this mount namespace only
        run("mount", "--bind", services, "/etc/services")
        try:
            os.chmod(mta.mail, 0o1777)
            mta.set(mail_spool_directory=mta.mail)
            mta.start()
            submit(mta, "alice@example.org")
            equal(comsat.recv(100), b"alice@0\0")
            size = os.stat(mta.mail + "/alice").st_size
            equal(os.stat(mta.mail + "/alice").st_uid,
                  pwd.getpwnam("alice").pw_uid)
            submit(mta, "alice@example.org")
            equal(comsat.recv(100), b"alice@%d\0" % size)
        finally:
            run("umount", "/etc/services")


main(globals())
