"""Mail for benchmarks: a Maildir of any number of messages, the same each time.
Words come about as often as in English; a third of the messages are replies,
a fifth has an attachment; 8 KB each on the average.
"""
import base64
import itertools
import os
import random

WORDS = 40000
PARAGRAPHS = 12000
BEGIN = 1700000000


def _vocabulary(r):
    heads = ["b", "br", "c", "ch", "d", "f", "fl", "g", "h", "j", "k", "l",
             "m", "n", "p", "pr", "qu", "r", "s", "st", "t", "tr", "v", "w"]
    tails = ["a", "e", "i", "o", "u", "an", "en", "er", "ing", "on", "ou",
             "ar", "is", "ea", "ie"]
    words = set()
    while len(words) < WORDS:
        words.add("".join(r.choice(heads) + r.choice(tails)
                          for _ in range(r.choice((1, 2, 2, 3, 3, 4)))))
    return sorted(words, key=lambda w: (len(w), w))


class Corpus:
    def __init__(self, seed=1):
        self.r = r = random.Random(seed)
        self.words = _vocabulary(r)
        weights = list(itertools.accumulate(
            1 / (i + 3) for i in range(len(self.words))))
        self.subjects = r.choices(self.words, cum_weights=weights, k=60000)
        self.paragraphs = []
        for _ in range(PARAGRAPHS):
            lines = r.choices(self.words, cum_weights=weights, k=90)
            self.paragraphs.append("\n".join(
                " ".join(lines[i:i + 10]) for i in range(0, 90, 10))
                + ".\n\n")
        self.attachment = base64.encodebytes(r.randbytes(6000)).decode()

    def message(self, n):
        """The octets of message n; "needleN" stands in the body of each
        hundredth, "rareword" in that of each thousandth."""
        r = self.r
        parent = r.randrange(max(0, n - 200), n) if n and n % 3 == 0 else None
        at = r.randrange(len(self.subjects) - 8)
        subject = " ".join(self.subjects[at:at + 5])
        author = "user%d" % r.randrange(300)
        text = "".join(r.choices(self.paragraphs, k=r.choice(
            (2, 4, 6, 8, 10, 14, 20))))
        if n % 100 == 0:
            text += "needle%d\n" % n
        if n % 1000 == 0:
            text += "here is a rareword\n"
        head = ("Return-Path: <%s@example.net>\n"
                "Received: from a.example.net (a.example.net [192.0.2.%d])\n"
                "\tby mail.example.org with ESMTPS id %08X\n"
                "From: Some Body %s <%s@example.net>\n"
                "To: \"The Reader\" <reader@example.org>\n"
                "Subject: %s%s\n"
                "Date: %s\nMessage-ID: <m%d@example.net>\n%s"
                "MIME-Version: 1.0\n" % (
                    author, n % 255, n, author, author,
                    "Re: " if parent is not None else "", subject,
                    _date(BEGIN + n * 60), n,
                    "" if parent is None else
                    "In-Reply-To: <m%d@example.net>\n"
                    "References: <m%d@example.net>\n" % (parent, parent)))
        if n % 5:
            return (head + "Content-Type: text/plain; charset=utf-8\n\n"
                    + text).encode()
        return (head + "Content-Type: multipart/mixed; boundary=\"b%d\"\n\n"
                "--b%d\nContent-Type: text/plain\n\n%s\n--b%d\n"
                "Content-Type: application/octet-stream; name=\"a.bin\"\n"
                "Content-Disposition: attachment; filename=\"a.bin\"\n"
                "Content-Transfer-Encoding: base64\n\n%s\n--b%d--\n" % (
                    n, n, text, n, self.attachment, n)).encode()


def _date(seconds):
    from email.utils import formatdate
    return formatdate(seconds)


def make(path, count, seed=1):
    """A Maildir with `count` messages that are seen. Octets of all."""
    corpus = Corpus(seed)
    for folder in ("cur", "new", "tmp"):
        os.makedirs(path + "/" + folder, exist_ok=True)
    total = 0
    for n in range(count):
        octets = corpus.message(n)
        total += len(octets)
        name = "%s/cur/%d.M%dP1.bench,S=%d,W=%d:2,S" % (
            path, BEGIN + n * 60, n, len(octets),
            len(octets) + octets.count(b"\n"))
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, octets)
        os.utime(fd, (BEGIN + n * 60, BEGIN + n * 60))
        os.close(fd)
    return total
