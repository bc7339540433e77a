"""Postfix configuration directories as administrators leave them, used in
place (-c DIR): only folders, ports and the next host are changed, with
postconf(1), and mail flows."""
import glob
import os
import shutil
import smtplib

from capture import Capture
from instance import (SBIN, Instance, check, equal, free_port, main, run,
                      wait_for)

HERE = os.path.dirname(os.path.abspath(__file__)) + "/configurations/"
TEXT = "From: <boss@example.com>\nSubject: %s\n\nHello.\n"
# What a test has of its own: folders, log, names that are resolved.
KEPT = ("queue_directory data_directory daemon_directory command_directory "
        "maillog_file maillog_file_prefixes resolver_servers").split()


class InPlace(Instance):
    """An instance whose configuration is a copy of one of ours."""

    def __init__(self, name, **changed):
        super().__init__()
        shutil.rmtree(self.conf)
        shutil.copytree(HERE + name, self.conf)
        changed = dict({k: self.parameters[k] for k in KEPT},
                       inet_interfaces="127.0.0.1", inet_protocols="ipv4",
                       alias_maps="", alias_database="", **changed)
        self.command("postconf", "-c", self.conf, "-e",
                     *["%s=%s" % item for item in changed.items()])
        # A folder of Postfix's, and its users, are not on this host.
        self.command("postconf", "-c", self.conf, "-X", "mail_owner",
                     "program_directory", "sample_directory")
        self.move("smtp/inet", self.smtp_port)
        for table in glob.glob(self.conf + "/*"):
            if "hash:$config_directory/" + os.path.basename(table) in \
                    open(self.conf + "/main.cf").read():
                run(SBIN + "/postmap", "-c", self.conf, "hash:" + table)

    def move(self, row, port):
        """The service at another port."""
        self.command("postconf", "-c", self.conf, "-F",
                     "%s/service=127.0.0.1:%d" % (row, port))

    def write_configuration(self):
        pass

    def wait_port(self, port, address="127.0.0.1"):
        if "127.0.0.1:%d" % port in open(self.conf + "/master.cf").read():
            super().wait_port(port, address)

    def sendmail(self, sender, *recipients, subject="a word"):
        self.command("sendmail", "-C", self.conf, "-f", sender, *recipients,
                     input=TEXT % subject)


def flows(name, sender, recipients, arrive, subject="a word", **changed):
    """Mail by sendmail; what arrives at the next host, by recipients."""
    with Capture(free_port()) as sink, InPlace(
            name, relayhost="[127.0.0.1]:%d" % sink.server_address[1],
            **changed) as mta:
        mta.start()
        mta.sendmail(sender, *recipients, subject=subject)
        wait_for(lambda: sum(len(m[1]) for m in sink.messages) >= len(arrive),
                 "the mail")
        mta.wait_empty()
        got = sorted(r for m in sink.messages for r in m[1])
        equal(got, sorted(arrive))
        return sink.messages


def test_satellite():
    flows("satellite", "joe", ["jim", "x@dest.example"],
          ["jim@example.org", "x@dest.example"])


def test_null_client():
    messages = flows("nullclient", "joe", ["x@dest.example"],
                     ["x@dest.example"])
    equal(messages[0][0], "joe@example.com")


def test_virtual_alias():
    flows("virtual-alias", "a@dest.example",
          ["sales@example.org", "x@example.com", "list-dev@example.org",
           "ann@old.example.org"],
          ["alice@dest.example", "bob@dest.example", "postmaster@dest.example",
           "lists+dev@dest.example",
           # ann@example.org is nobody: the sender hears of it.
           "a@dest.example"])


def test_archive():
    messages = flows("archive", "boss@example.com", ["x@dest.example"],
                     ["x@dest.example", "sent@archive.example.net",
                      "archive+law.example.com@archive.example.net"],
                     subject="confidential")
    check("X-Class: confidential" in str(messages[0][2]))


def test_bulk_sender():
    messages = flows("bulk", "news@bulk.example.net", ["x@dest.example"],
                     ["x@dest.example"])
    equal(messages[0][0], "news@example.net")


def test_old_style():
    flows("oldstyle", "joe", ["webmaster@example.net"], ["x@dest.example"])


def test_no_level():
    """Nothing said about compatibility_level: its old defaults hold."""
    flows("level0", "joe", ["x@there"], ["x@there.example.org"])


def test_content_filter():
    """To the filter and back by another port, as amavis does."""
    with Capture(free_port()) as sink, Capture(free_port()) as filter, \
            InPlace("content-filter",
                    relayhost="[127.0.0.1]:%d" % sink.server_address[1],
                    content_filter="amavis:[127.0.0.1]:%d" %
                    filter.server_address[1]) as mta:
        mta.move("127.0.0.1:10025/inet", mta.port("back"))
        mta.start()
        mta.send("a@dest.example", ["sales@example.org"], TEXT % "a word")
        wait_for(lambda: filter.messages, "the filter's mail")
        sender, recipients, text = filter.messages[0]
        equal(recipients, ["sales@example.org"])
        mta.wait_port(mta.port("back"))
        with smtplib.SMTP("127.0.0.1", mta.port("back")) as client:
            client.sendmail(sender, recipients, text)
        wait_for(lambda: sink.messages, "the filtered mail")
        equal(sorted(r for m in sink.messages for r in m[1]),
              ["alice@dest.example", "bob@dest.example"])
        # What is submitted locally goes there, too; what comes back does not.
        mta.sendmail("a@dest.example", "x@dest.example")
        wait_for(lambda: len(filter.messages) == 2, "the filter's mail")
        mta.wait_empty()
        equal(filter.messages[1][1], ["x@dest.example"])
        equal(len(filter.messages), 2)


if __name__ == "__main__":
    main(globals())
