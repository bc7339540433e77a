"""What is refused or changed because of its content: strict_*,
message_*_characters, MIME on the way in."""
import re
import smtplib

from capture import Capture
from instance import Instance, check, equal, free_port, main, wait_for

MIXED = ("Subject: x\r\nMIME-Version: 1.0\r\n"
         "Content-Type: multipart/mixed; boundary=b\r\n%s\r\n"
         "--b\r\nContent-Type: text/plain%s\r\n\r\n%s\r\n--b--\r\n")
EIGHT = "caf\u00e9"

MESSAGES = {
    "plain": "Subject: x\r\n\r\nbody\r\n",
    "header": "Subject: %s\r\n\r\nbody\r\n" % EIGHT,
    "body": "Subject: x\r\n\r\n%s\r\n" % EIGHT,
    "said": "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n" %
            EIGHT,
    "part": MIXED % ("", "", EIGHT),
    "part said": MIXED % ("Content-Transfer-Encoding: 8bit\r\n",
                          "\r\nContent-Transfer-Encoding: 8bit", EIGHT),
    "part header": MIXED % ("", "\r\nContent-Description: " + EIGHT, "x"),
    "part alone": MIXED % ("", "\r\nContent-Transfer-Encoding: 8bit", EIGHT),
    "domain": MIXED % ("Content-Transfer-Encoding: base64\r\n", "", "x"),
    "bell": "Subject: x\r\n\r\nring \a\r\n",
    "bell in header": "Subject: x \a\r\n\r\nring\r\n",
    "no end": "Subject: x\r\nthis is no field\r\n\r\nbody\r\n",
}

HEADER = "550 5.6.0 improper use of 8-bit data in message header"
BODY = "550 5.6.0 improper use of 8-bit data in message body"
DOMAIN = "550 5.6.0 invalid message/* or multipart/* encoding domain"
CHARACTER = "550 5.7.1 disallowed character"
END = "550 5.6.0 message header was not terminated by empty line"
CONTENT_TYPE = r"(?m)^(Subject:(?s:.*)\n\n(?s:.*)\n)Content-Type: text/plain$"

# Settings, the replies that are not 250, and what is put where in the others:
# what Debian's Postfix 3.7 answers and makes of MESSAGES (it knows neither
# non_empty_end_of_header_action nor force_mime_input_conversion).
CASES = [
    ({}, {}, []),
    ({"strict_7bit_headers": "yes"},
     {"header": HEADER, "part header": HEADER}, []),
    ({"strict_8bitmime_body": "yes"}, {"body": BODY, "part": BODY}, []),
    ({"strict_8bitmime": "yes"},
     {"header": HEADER, "part header": HEADER, "body": BODY, "part": BODY}, []),
    ({"strict_mime_encoding_domain": "yes"}, {"domain": DOMAIN}, []),
    ({"message_reject_characters": r"\007"},
     {"bell": CHARACTER, "bell in header": CHARACTER}, []),
    ({"message_strip_characters": r"\a"}, {}, [("\a", "")]),
    ({"disable_mime_input_processing": "yes", "strict_8bitmime": "yes",
      "body_checks":
          "regexp:{{/^Content-Type: text/ REPLACE X-Body: yes}}"},
     {}, [(CONTENT_TYPE, r"\1X-Body: yes")]),
    ({"non_empty_end_of_header_action": "reject"}, {"no end": END}, []),
    ({"non_empty_end_of_header_action": "add_header"}, {},
     [("x\nthis is", "x\nMIME-Error: message header was not terminated by "
       "empty line\nthis is")]),
]


def without_trace(content):
    content = re.sub(r"^Received: .*\n([ \t].*\n)*", "", content, flags=re.M)
    return re.sub(r"^(Message-Id|Date|From): .*\n", "", content,
                  flags=re.M | re.I)


def outcome(port, text, sink):
    """The reply, or what came out at the other end."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("client.example.com")
        client.mail("s@example.org", ["BODY=8BITMIME"])
        client.rcpt("r@example.com")
        code, reply = client.data(text.encode())
    if code != 250:
        return "%d %s" % (code, reply.decode())
    wait_for(lambda: sink.messages, "the message")
    return without_trace(sink.messages.pop()[2])


def expected(name, replies, changes):
    if name in replies:
        return replies[name]
    text = MESSAGES[name].replace("\r\n", "\n")
    for pattern, new in changes:
        text = re.sub(pattern, new, text)
    if name == "no end":  # the header ends where it is none any more
        text = text.replace("this is", "\nthis is")
    return text


def new(sink, **settings):
    return Instance(relayhost="[127.0.0.1]:%d" % sink.server_address[1],
                    mydestination="", smtp_host_lookup="native", **settings)


def test_rules():
    with Capture(free_port()) as sink:
        for settings, replies, changes in CASES:
            with new(sink, **settings) as mta:
                mta.start()
                for name, text in MESSAGES.items():
                    print(settings, name)
                    equal(outcome(mta.smtp_port, text, sink),
                          expected(name, replies, changes))


def test_log_and_large():
    """As Postfix logs it; the same in content that does not fit in memory."""
    with Capture(free_port()) as sink, new(sink, strict_8bitmime="yes",
                                           message_reject_characters=r"\a",
                                           message_strip_characters="#") as mta:
        mta.start()
        large = "Subject: x\r\n\r\n" + "many # lines\r\n" * 40000
        equal(outcome(mta.smtp_port, large, sink),
              "Subject: x\n\n" + "many  lines\n" * 40000)
        equal(outcome(mta.smtp_port, large + EIGHT, sink), BODY)
        equal(outcome(mta.smtp_port, large + "\a", sink), CHARACTER)
        tail = r" from localhost\[127.0.0.1\]; from=<s@example.org> " \
            r"to=<r@example.com>"
        mta.wait_log(r"reject: mime-error improper use of 8-bit data in "
                     r"message body: .*" + tail + "\n")
        mta.wait_log(r"reject: content .*" + tail + " proto=ESMTP "
                     r"helo=<client.example.com>: 5.7.1 disallowed character\n")


def test_7bit():
    """What is declared 8bit in its header is converted for a server that does
    not know 8BITMIME, whatever MAIL said; or all on its way in."""
    with Capture(free_port(), features=()) as sink, new(sink) as mta:
        mta.start()
        for force in ("no", "yes"):
            mta.set(force_mime_input_conversion=force)
            mta.write_configuration()
            mta.reload()
            mta.command("sendmail", "-f", "s@example.org", "r@example.com",
                        input=MESSAGES["said"].replace("\r\n", "\n"))
            wait_for(lambda: sink.messages, "the message")
            content = sink.messages.pop()[2]
            check("Content-Transfer-Encoding: quoted-printable\n" in content and
                  "caf=C3=A9" in content, content)


main(globals())
