"""smtpd as a client of the network sees it: TLS, limits, manners."""
import json
import os
import signal
import smtplib
import socket
import ssl

from instance import (PATIENCE, Instance, check, equal, free_port, main,
                      make_certificate, matches, wait_for)

ANY = ssl.create_default_context()
ANY.check_hostname = False
ANY.verify_mode = ssl.CERT_NONE


def with_tls(mta, **parameters):
    cert, key = make_certificate(mta.folder)
    mta.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
            smtpd_tls_key_file=key, smtpd_tls_loglevel="1",
            smtpd_tls_received_header="yes", **parameters)


def test_starttls():
    with Instance() as mta:
        mta.virtual_mailboxes()
        with_tls(mta)
        mta.start()
        with mta.smtp() as client:
            client.ehlo("client.example.net")
            assert client.has_extn("starttls")
            equal(client.starttls(context=ANY)[0], 220)
            client.ehlo("client.example.net")
            assert not client.has_extn("starttls")
            client.sendmail("a@example.net", ["alice@example.org"],
                            "Subject: tls\r\n\r\nx\r\n")
        message = mta.wait_mail("alice")[0].decode()
        matches(r"\(using TLSv1\.3 with cipher \S+ \(\d+/\d+ bits\)\n"
                r"\t key-exchange ", message)
        matches(r"\(No client certificate requested\)", message)
        matches(r"with ESMTPS id ", message)
        mta.wait_log(r"Anonymous TLS connection established from \S+: "
                     r"TLSv1\.3 with cipher ")


def test_a_dead_master_leaves_its_ports():
    """Its smtpd has a client yet; the next master takes others all the
    same."""
    with Instance() as mta:
        mta.start()
        with mta.raw() as client:
            client.reply()
            matches("^250", client.ask("EHLO c.example"))
            os.kill(mta.master_pid(), signal.SIGKILL)
            wait_for(lambda: not mta.master_pid(), "master's end")
            mta.start()
            with mta.raw() as other:
                matches("^220", other.reply())
            matches("^221", client.ask("QUIT"))


def lacks_port(mta):
    status = json.loads(mta.command("posthorn", "status", "--json").stdout)
    equal(status["pid"], mta.master_pid())
    return {row["service"] for row in status["services"]
            if row.get("lacks_port")}


def test_a_port_that_is_taken_for_a_while():
    with Instance() as mta:
        other = free_port()
        mta.master = "127.0.0.1:%d inet n - n - - smtpd\n" % other
        with socket.create_server(("127.0.0.1", other)):
            mta.start()
            mta.wait_log("bind 127.0.0.1 port %d: Address" % other)
            equal(lacks_port(mta), {"127.0.0.1:%d" % other})
        mta.wait_log("service 127.0.0.1:%d/inet has its socket" % other)
        with mta.raw(other) as client:
            matches("^220", client.reply())
        equal(lacks_port(mta), set())
        mta.stop()
        status = mta.command("posthorn", "status", "--json", check=False)
        equal((status.returncode, json.loads(status.stdout)["running"]),
              (1, False))


def test_what_a_refusal_says():
    """Another text, a footer below it, and one that goes on in its line."""
    with Instance(smtpd_reject_footer=r"For help: $client_address\\n($nothing)"
                  .replace("\\\\", "\\"),
                  smtpd_reject_filter_maps="pcre:{{/^554 5.7.1 (.*)/ "
                  "550 5.7.1 No: $$1}, {/^503/ 250 fine}}",
                  smtpd_reject_footer_maps="pcre:{{/^500/ "
                  "\\c. Call <$$$$helo_name>}}") as mta:
        mta.start()
        with mta.raw() as client:
            client.reply()
            client.ask("EHLO c.example")
            client.ask("MAIL FROM:<a@example.net>")
            equal(client.ask("RCPT TO:<x@example.com>").splitlines(),
                  ["250 2.1.5 Ok"])
            equal(client.ask("FOO").splitlines(),
                  ["500 5.5.2 Error: command not recognized. "
                   "Call <c.example>"])
            equal(client.ask("MAIL FROM").splitlines()[1:],
                  ["503-5.5.1 For help: 127.0.0.1", "503 5.5.1 ()"])
        mta.wait_log("smtpd_reject_footer: unknown macro name: nothing")
        mta.wait_log("smtpd_reject_filter_maps: no reply of class 4 or 5")
    with Instance(mynetworks="192.0.2.1", smtpd_expansion_filter="abc",
                  relay_domains="example.net", allow_untrusted_routing="yes",
                  smtpd_reject_footer="$helo_name",
                  smtpd_reject_filter_maps="pcre:{{/^45(4.*)/ 55$$1 No}}",
                  smtpd_client_connection_limit_exceptions="127.0.0.1",
                  smtpd_client_connection_rate_limit="1") as mta:
        mta.start()
        for _ in range(3):  # it is exempt
            with mta.raw() as client:
                client.reply()
                client.ask("EHLO abcd")
                client.ask("MAIL FROM:<a@example.net>")
                matches(r"^554-.*Relay access denied No\n554 .* abc_$",
                        client.ask("RCPT TO:<x@example.com>"))
                # allow_untrusted_routing
                matches("^250", client.ask(
                    "RCPT TO:<x%there.example@example.net>"))


def tls_hello(mta, session=None, context=ANY):
    """A TLS connection after its second EHLO: by then the ticket is here."""
    sock = socket.create_connection(("127.0.0.1", mta.smtp_port), PATIENCE)
    plain = sock.makefile("rb")
    for word in (None, b"EHLO c.example\r\n", b"STARTTLS\r\n"):
        if word:
            sock.sendall(word)
        while plain.readline()[3:4] == b"-":
            pass
    plain.close()
    wrapped = context.wrap_socket(sock, session=session)
    wrapped.sendall(b"EHLO c.example\r\n")
    wrapped.recv(4096)
    return wrapped


def test_a_session_is_resumed_by_any_process():
    with Instance(smtpd_fiber_limit="1") as mta:
        with_tls(mta)
        mta.start()
        first = tls_hello(mta)
        equal(first.session_reused, False)
        held = [first]
        for count in (2, 3, 4):
            held.append(tls_hello(mta, held[-1].session))
            equal((count, held[-1].session_reused), (count, True))
        check(len(mta.pids("smtpd")) >= 4, "a process for each connection")
        for sock in held:
            sock.close()


def test_no_session_is_resumed_where_that_is_switched_off():
    with Instance() as mta:
        with_tls(mta, smtpd_tls_session_cache_timeout="0")
        mta.start()
        with tls_hello(mta) as first:
            session = first.session
        check(session is None or not session.has_ticket, "a ticket is given")
        with tls_hello(mta, session) as second:
            equal(second.session_reused, False)


def test_sessions_of_one_service_are_none_of_another():
    with Instance() as mta:
        with_tls(mta)
        port = mta.port("other")
        mta.master = "127.0.0.1:%d inet n - n - - smtpd\n" % port
        mta.start()
        mta.wait_port(port)
        with tls_hello(mta) as first:
            session = first.session
        with tls_hello(mta, session) as again:
            equal(again.session_reused, True)
        mta.smtp_port = port
        with tls_hello(mta, session) as other:
            equal(other.session_reused, False)


def test_commands_behind_starttls_end_the_connection():
    with Instance() as mta:
        mta.virtual_mailboxes()
        with_tls(mta)
        mta.start()
        with socket.create_connection(("127.0.0.1", mta.smtp_port)) as sock:
            stream = sock.makefile("rb")
            stream.readline()
            sock.sendall(b"EHLO c.example\r\n")
            while stream.readline()[3:4] == b"-":
                pass
            sock.sendall(b"STARTTLS\r\nRSET\r\n")
            equal(stream.read(),
                  b"554 5.5.0 Error: SMTP protocol synchronization\r\n")


def test_wrapper_mode():
    with Instance() as mta:
        mta.virtual_mailboxes()
        with_tls(mta)
        port = mta.port("smtps")
        mta.master = ("127.0.0.1:%d inet n - n - - smtpd\n"
                      "  -o smtpd_tls_wrappermode=yes\n" % port)
        mta.start()
        mta.wait_port(port)
        with smtplib.SMTP_SSL("127.0.0.1", port, context=ANY,
                              timeout=PATIENCE) as client:
            equal(client.ehlo("client.example.net")[0], 250)
            client.sendmail("a@example.net", ["alice@example.org"], "x\r\n")
        mta.wait_mail("alice")


def test_concurrency_limit():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.set(smtpd_client_connection_count_limit="2",
                smtpd_client_event_limit_exceptions="")
        mta.start()
        first, second = mta.smtp(), mta.smtp()
        equal(first.ehlo("c.example")[0], 250)
        equal(second.ehlo("c.example")[0], 250)
        try:
            mta.smtp()
            raise AssertionError("a third connection")
        except smtplib.SMTPConnectError as refusal:
            equal(refusal.smtp_code, 421)
            matches(b"too many connections from 127.0.0.1",
                    refusal.smtp_error)
        mta.wait_log(r"warning: Connection concurrency limit exceeded: 3 "
                     r"from localhost\[127\.0\.0\.1\] for service ")
        # one that quits makes room
        first.quit()

        def again():
            try:
                return mta.smtp()
            except smtplib.SMTPConnectError:
                return None
        third = wait_for(again, "room for another connection")
        # and so does a process that is killed
        for pid in mta.pids("smtpd"):
            os.kill(pid, signal.SIGKILL)
        third = wait_for(again, "room after the death of smtpd")
        equal(third.ehlo("c.example")[0], 250)
        third.close()
        second.close()


def test_rate_limit():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.set(smtpd_client_message_rate_limit="2",
                smtpd_client_event_limit_exceptions="")
        mta.start()
        with mta.smtp() as client:
            client.ehlo("c.example")
            for code in (250, 250, 450):
                equal(client.mail("a@example.net")[0], code)
                client.rset()
        mta.wait_log(r"Message delivery request rate limit exceeded: 3 from ")


def test_rate_limit_of_tls():
    """Refused in the clear, before the client is told to begin; where TLS comes
    first, without a word."""
    with Instance() as mta:
        mta.virtual_mailboxes()
        with_tls(mta, smtpd_client_new_tls_session_rate_limit="1",
                 smtpd_client_event_limit_exceptions="")
        port = mta.port("smtps")
        mta.master = ("127.0.0.1:%d inet n - n - - smtpd\n"
                      "  -o smtpd_tls_wrappermode=yes\n" % port)
        mta.start()
        with mta.smtp() as client:
            client.ehlo("c.example")
            equal(client.starttls(context=ANY)[0], 220)
        with mta.raw() as client:
            client.reply()
            client.ask("EHLO c.example")
            equal(client.ask("STARTTLS"), "454 4.7.0 Error: too many new TLS "
                  "sessions from 127.0.0.1")
            equal(client.ask("NOOP"), "250 2.0.0 Ok")
        mta.wait_log(r"New TLS session rate limit exceeded: 2 from ")
        with smtplib.SMTP_SSL("127.0.0.1", port, context=ANY,
                              timeout=PATIENCE) as client:
            equal(client.ehlo("c.example")[0], 250)
        with mta.raw(port) as client:
            check(client.at_end())
        mta.wait_log(r"New TLS session rate limit exceeded: 2 from ", count=2)


def test_speaking_before_the_turn():
    with Instance() as mta:
        mta.virtual_mailboxes()
        mta.start()
        with socket.create_connection(("127.0.0.1", mta.smtp_port)) as sock:
            stream = sock.makefile("rb")
            stream.readline()
            sock.sendall(b"EHLO c.example\r\nMAIL FROM:<>\r\n")
            equal(stream.readline(),
                  b"554 5.5.0 Error: SMTP protocol synchronization\r\n")
            equal(stream.readline(), b"")
        mta.wait_log(r"improper command pipelining after EHLO from "
                     r"localhost\[127\.0\.0\.1\]: MAIL FROM:<>")


if __name__ == "__main__":
    main(globals())
