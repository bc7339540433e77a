"""Mail that comes over LMTP, and goes over POP3, while processes are killed
(tests/torture/mailbox)."""
import os
import poplib
import re
import smtplib

from full import PASSWORD
from instance import PATIENCE
from mailbox_model import GONE, Doubt, Violation

BROKEN = GONE + (smtplib.SMTPException,)


class Mail:
    """Deeds of a User: see there."""

    def __init__(self):
        super().__init__()
        self.late = []        # (name, flags) that may come to INBOX, once each
        self.dropped = {}     # name: acknowledged, of the second recipient
        self.uidls = {}       # uid: what POP3 called it
        self.delivered = self.removed = 0

    # -- LMTP --------------------------------------------------------------

    def deliver(self):
        """To INBOX and to a mailbox that nobody reads: what was answered for
        each recipient counts for that one alone."""
        self.serial += 1
        message = "%s.%d" % (self.name, self.serial)
        text = ("Subject: t\r\nX-Id: %s\r\n\r\n%s\r\n" % (message, message)
                + "line\r\n" * self.random.choice((1, 100, 30000)))
        key = (message, frozenset())
        addresses = ["%s@example.org" % name
                     for name in (self.name, drop_name(self.name))]
        codes = self.transaction(addresses, text)
        self.dropped[message] = codes[1] == 250
        if codes[0] == 250:
            self.delivered += 1
            self.acknowledged += 1
            doubt = Doubt(appear={"INBOX": [key]}, arrive=[message])
        else:
            # may be under way, longer than any connection lasts
            self.late.append(key)
            doubt = Doubt()
        self.leave()
        self.reconnect(doubt)

    def transaction(self, addresses, text):
        """The code for each recipient; None: no answer."""
        codes = []
        try:
            with smtplib.LMTP("127.0.0.1", self.mta.ports["lmtp"],
                              timeout=PATIENCE * 2) as client:
                client.ehlo("client.example.net")
                refused = client.mail("s@example.net")[0] != 250
                taken = [client.rcpt(address)[0] == 250
                         for address in addresses]
                if refused or not any(taken) or client.docmd("DATA")[0] != 354:
                    return [None, None]
                client.send(text.encode() + b".\r\n")
                for one in taken:
                    codes.append(client.getreply()[0] if one else None)
        except BROKEN:
            pass
        return codes + [None] * (len(addresses) - len(codes))

    # -- POP3 --------------------------------------------------------------

    def remove_by_pop3(self):
        """Messages go at QUIT, when that is answered OK, and not before."""
        try:
            client = self.enter_pop3()
        except BROKEN + (poplib.error_proto,):
            return  # the lock of the last session, or nobody there
        asked = []
        try:
            numbers = self.compare_pop3(client)
            going = self.random.sample(sorted(numbers),
                                       min(len(numbers), 3))
            for number in going:
                client.dele(number)
            if self.random.random() < 0.3:
                client.close()
            else:
                asked = [numbers[number] for number in going]
                client.quit()
                for uid in asked:
                    del self.boxes["INBOX"].messages[uid]
                self.removed += len(asked)
                self.acknowledged += 1
                asked = []
        except BROKEN + (poplib.error_proto,):
            pass
        self.leave()
        self.reconnect(Doubt(vanish={"INBOX": asked}))

    def enter_pop3(self):
        client = poplib.POP3("127.0.0.1", self.mta.ports["pop3"],
                             timeout=PATIENCE * 2)
        client.user(self.name + "@example.org")
        client.pass_(PASSWORD)
        return client

    def compare_pop3(self, client):
        """uids by number; each UIDL is what it was, and made of the UID."""
        box, numbers = self.boxes["INBOX"], {}
        late = {name for name, _ in self.late}
        for line in client.uidl()[1]:
            number, uidl = line.decode().split()
            found = re.fullmatch(r"([0-9a-f]{8})([0-9a-f]{8})", uidl)
            if not found:
                raise Violation("UIDL " + uidl)
            uid, validity = (int(part, 16) for part in found.groups())
            if validity != box.uidvalidity:
                raise Violation("UIDL %s, UIDVALIDITY is %d" % (
                    uidl, box.uidvalidity))
            name = self.name_in_pop3(client, number)
            if uid in box.messages and box.messages[uid].name == name:
                numbers[int(number)] = uid
            elif uid in box.known or name not in late:
                raise Violation("POP3 shows uid %d, %s; INBOX has %s" % (
                    uid, name, {u: m.name for u, m in box.messages.items()}))
            if self.uidls.setdefault(uid, (uidl, name)) != (uidl, name):
                raise Violation("UIDL of %d was %s" % (uid, self.uidls[uid]))
        missing = set(box.messages) - set(numbers.values())
        if missing:
            raise Violation("not in POP3: uids %s" % sorted(missing))
        return numbers

    @staticmethod
    def name_in_pop3(client, number):
        head = b"\n".join(client.top(number, 0)[1]).decode()
        found = re.search(r"(?m)^X-Id: (\S+)$", head)
        if not found:
            raise Violation("a message without its name: " + head)
        return found.group(1)


# ---- the second recipients ---------------------------------------------------

def drop_name(user):
    return user + "-drop"


def drop_names(users):
    return [drop_name(user) for user in users]


def drops_found(mta, user):
    """The name of each message in the Maildir."""
    names = []
    for sub in ("new", "cur"):
        folder = "%s/example.org/%s/%s" % (mta.mail, drop_name(user), sub)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(folder + "/" + name, errors="replace") as handle:
                found = re.search(r"(?m)^X-Id: (\S+)$", handle.read())
            names.append(found.group(1) if found else "no name in " + name)
    return names


def drops_wrong(user, names):
    """What was acknowledged is there once; the rest at most once."""
    wrong = ["%s: %d times in %s" % (name, names.count(name),
                                     drop_name(user.name))
             for name in sorted(set(names)) if names.count(name) > 1]
    wrong += ["%s from nowhere" % name
              for name in sorted(set(names) - set(user.dropped))]
    return wrong + ["%s was acknowledged, and is not in %s" % (
        name, drop_name(user.name)) for name, done in user.dropped.items()
        if done and name not in names]
