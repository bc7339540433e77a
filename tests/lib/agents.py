"""Delivery agents beside Debian's: the same rows and the same mail; what is
logged of each recipient, and what then lies in folders."""
import difflib
import os
import pwd
import re
import smtplib
import stat

from instance import PATIENCE, Failed, check, equal, wait_for
from postfix_peer import Postfix


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as handle:
        handle.write(text)
    os.chmod(path, mode)


def filled(text, mta):
    return text.replace("FOLDER", mta.folder)


def add_rows(mta, rows):
    """Rows of master.cf of both kinds of suites; each has its domain, its name
    with .example."""
    text = filled("".join("%s unix - n n - - %s\n" % item
                          for item in rows.items()), mta)
    mta.parameters["transport_maps"] = "inline:{%s}" % ", ".join(
        "{%s.example=%s:}" % (name, name) for name in rows)
    if isinstance(mta, Postfix):
        mta.services += "\n" + text
    else:
        mta.master += text


TEXT = ("From: s@remote.example\r\nTo: x@example.org\r\n"
        "Subject: x\r\n\r\nHello.\r\nFrom here\r\n.dot\r\n")


def send(mta, recipients, sender="s@remote.example", text=TEXT, options=()):
    """What is answered to each recipient, and the queue ID; None: not taken."""
    with smtplib.SMTP("127.0.0.1", mta.smtp_port, timeout=PATIENCE) as client:
        client.ehlo("client.example.net")
        client.mail(sender, list(options))
        said = [client.docmd("RCPT TO:<%s>" % recipient)
                for recipient in recipients]
        queue_id = None
        if any(code == 250 for code, _ in said):
            code, reply = client.data(text.encode())
            equal(code, 250)
            queue_id = reply.decode().split()[-1]
        return ["%d %s" % (code, reply.decode()) for code, reply in said], \
            queue_id


def send_all(mta, letters):
    """Each of them (arguments of send) when those before are at rest; what
    was answered."""
    ids, answers = set(), []
    for letter in letters:
        said, queue_id = send(mta, *letter)
        ids |= {queue_id} - {None}
        answers.append("%r %r" % (letter[:2], said))
        wait_for(lambda: at_rest(mta, ids), "rest after %r" % (letter,))
    return answers


def at_rest(mta, ids):
    """These, and each message that came of them, are removed or have been
    tried."""
    log = mta.log()
    active = set(re.findall(r"qmgr\[\d+\]: (\w+): from=.*queue active", log))
    done = set(re.findall(r"qmgr\[\d+\]: (\w+): removed", log)) | set(
        re.findall(r": (\w+): to=.*status=deferred", log))
    reports = set(re.findall(r"notification: (\w+)", log))
    return ids | reports <= active <= done


def is_over(log, count):
    """So many messages were taken in; they and their reports are removed."""
    taken = set(re.findall(r"(?:pickup|smtpd)\[\d+\]: (\w+): (?:uid|client)=",
                           log))
    reports = set(re.findall(r"notification: (\w+)", log))
    removed = set(re.findall(r"qmgr\[\d+\]: (\w+): removed", log))
    return len(taken) >= count and taken | reports <= removed


def plain(text, mta, more=()):
    for old, new in ((mta.folder, "FOLDER"), *more):
        text = text.replace(old, new)
    return text


def statuses(mta, agents, more=()):
    """Of each recipient, in any order."""
    found = []
    for line in mta.log().splitlines():
        row = re.search(r"/(%s)\[\d+\]: \w+: to=<(.*?)>, (?:orig_to=<(.*?)>, "
                        r")?relay=.*?, .*dsn=(.*?), status=(\w+) (\(.*\))" %
                        agents, line)
        if row and row.group(3) is not None or row and \
                row.group(2) != "s@remote.example":
            found.append("|".join(re.sub(
                r"forwarded as \w+", "forwarded as ID", word or "").replace(
                    " )", ")") for word in row.groups()))
    return sorted(plain(row, mta, more) for row in found)


def is_ours_alone(path, name):
    """The index and its files are no mail."""
    return name.startswith((".forward", "dovecot", "posthorn")) or "/." in path


def tree(mta, tops, more=()):
    """What lies there, message by message."""
    found = []
    for top in tops:
        for folder, _, names in os.walk(top):
            for name in names:
                path = folder + "/" + name
                state = os.lstat(path)
                if is_ours_alone(folder[len(top):], name) or \
                        not stat.S_ISREG(state.st_mode):
                    continue
                with open(path, errors="replace") as handle:
                    text = handle.read()
                if "/new" in path or "/cur" in path:
                    path = folder + "/MESSAGE"
                found.append(plain("%s %s %o\n%s" % (
                    path, pwd.getpwuid(state.st_uid).pw_name,
                    state.st_mode & 0o777, cleaned(text)), mta, more))
    return sorted(found)


def cleaned(text):
    text = re.sub(r"(?m)^(Received|Message-Id|Date|X-Postfix-\S+|"
                  r"Arrival-Date|Reporting-MTA|X-Posthorn-\S+):.*\n([ \t].*\n)*",
                  "", text, flags=re.I)
    text = re.sub(r"(?m)^(From \S+) .*", r"\1", text)
    return text


def compare(got, unlike=lambda row: False):
    """got: of theirs and of ours, lists of rows; unlike: rows that have a
    reason to differ."""
    wrong = []
    for theirs, ours in zip(*got):
        check(len(theirs) > 10)
        wrong += difflib.unified_diff(*[
            "\n".join(row for row in rows if not unlike(row)).split("\n")
            for rows in (theirs, ours)], "theirs", "ours", lineterm="", n=1)
    if wrong:
        raise Failed("\n".join(wrong))


