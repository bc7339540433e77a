"""postcat, postkick, postlog, the listing and sendmail's modes without a
message beside Debian's: the same words, the same text and exit status, but for
what NOT_SHOWN and the comments say."""
import os
import re
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from instance import SBIN, Failed, Instance, equal, main, matches, wait_for
from postfix_peer import Postfix, lay_over_usr

RULES = {
    "default_transport": "retry:4.4.1 try again", "queue_run_delay": "1000s",
    "virtual_alias_maps": "inline:{old@example.com=new@example.net}",
    "myhostname": "mail.example.org", "mail_name": "Mail",
    "minimal_backoff_time": "1000s", "fast_flush_domains": "example.com",
}
TEXT = "Subject: cat\nTo: b@example.com\n\nFirst line.\n\nLast line.\n"
# postcat's options for one message.
PARTS = ["-q ID", "-qb ID", "-qh ID", "-qe ID", "-qbh ID", "-qeh ID",
         "-qeb ID", "-qo ID", "-qd ID", "-qdo ID", "-q ID ID", "-qr ID",
         "-q ZZZ", "-q ../x", "/etc/hosts", "/nonexistent", "-Z", "-qhd ID",
         "-qbo ID", "PATH", "-s 0 PATH", "-s x PATH", "-s -1 PATH",
         "-s 1x PATH", "-s"]
# Records that only one of the two has.
NOT_SHOWN = (r"(?m)^[\d ]*(named_attribute: (?!encoding)|sender_fullname: )"
             r".*\n")


def said(mta, line, data=b"", raw=False, **more):
    """Exit status, output and errors (raw: as they are, of a program called
    by its path); usages are in other words."""
    folder, env = (SBIN, mta.env) if isinstance(mta, Instance) else \
        ("/usr/sbin", dict(os.environ, MAIL_CONFIG=mta.conf))
    words = line.replace("FOLDER", mta.folder).split()
    program = {"mailq": "sendmail", "newaliases": "sendmail"}.get(
        words[0], words[0])
    done = subprocess.run(
        [folder + "/" + words[0], *words[1:]], input=data,
        env=dict(env, **more), executable=folder + "/" + program,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if raw:
        return done.returncode, done.stdout.decode(), done.stderr.decode()
    text = done.stderr.decode().replace(folder + "/", "")
    return (done.returncode, done.stdout.decode(),
            "(usage)" if "usage: " in text else text)


def said_alive(mta, words):
    """A writer dies where its reader goes away or opens afresh just then.
    Their postkick writes a NUL behind the request, and their pickup may never
    wait for that: the request was read, and that is all there is to say."""
    for _ in range(20):
        answer = said(mta, words)
        if answer[0] >= 0:
            return answer
    if answer[0] == -signal.SIGPIPE:
        return (0, *answer[1:])
    return answer


class Both:
    """Theirs and ours, running, with the same settings."""

    def __init__(self, **rules):
        lay_over_usr("postfix")
        self.suites = [Postfix(**rules), Instance(**rules)]
        self.suites[0].services += "\nflush unix n - n 1000? 0 flush\n"

    def __enter__(self):
        try:
            for mta in self.suites:
                mta.start()
        except BaseException:
            self.__exit__(Failed, None, None)
            raise
        return self

    def __exit__(self, *why):
        for mta in self.suites:
            mta.__exit__(*why)

    def compare(self, lines, words=lambda line, mta: line):
        """Each line of both: the same, once it is plain()."""
        wrong = []
        for line in lines:
            theirs, ours = (tuple(
                plain(part, mta) if isinstance(part, str) else part
                for part in said_alive(mta, words(line, mta)))
                for mta in self.suites)
            if theirs != ours:
                wrong.append("%s:\n  theirs %r\n  ours   %r" % (
                    line, theirs, ours))
        if wrong:
            raise Failed("\n".join(wrong))


def deferred_id(mta, recipients):
    found = wait_for(lambda: re.search(
        r" (\w{9,}): .*status=deferred", mta.log()), "a deferral")
    wait_for(lambda: mta.log().count("status=deferred") >= recipients,
             "%d deferrals" % recipients)
    return found.group(1)


def spooled(mta, message):
    """Where it is, from the queue directory."""
    for folder, _, names in os.walk(mta.folder + "/queue/deferred"):
        if message in names:
            return os.path.relpath(folder, mta.folder + "/queue") + "/" + \
                message
    return None


def plain(text, mta):
    """Without what is another in each message and each suite."""
    for pattern, word in (
            (r"(\S+/)?deferred/./%s" % mta.message, "PATH"),
            (r"(?m)^%s(.) +\d+ (?=\w{3} )" % mta.message, listed),
            (mta.message, "ID"), (r"<\d{14}\.", "<"),
            (r"\w{3} \w{3} +\d+ \d\d:\d\d:\d\d( \d{4})?", "TIME"),
            (r"\w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d", "TIME"),
            (r"(?m)^[ \d]{9} ([ \d]{3} )?(?=\S|\t|$)", r"OFFSET \1"),
            (r"(?m)^(OFFSET )?[ \d]{3} (?=\S|\t|$)", r"\1TAG "),
            (NOT_SHOWN.replace(r"[\d ]*", "(OFFSET )?(TAG )?"), ""),
            (r"(?m)(message_size:)(( +)\d+)+$", sizes)):
        text = re.sub(pattern, word, text)
    return text


def sizes(found):
    """Numbers in as many columns of that width."""
    return "message_size:%d of %s" % (len(found.group().split()) - 1, {
        len(column) for column in re.findall(r" +\d+", found.group())})


def listed(found):
    """ID and size of a listing: together they fill their columns."""
    return "ID%sof %d " % (found.group(1), len(found.group()))


def with_a_message(both):
    """One deferred message of each: suite.message is its ID."""
    for mta in both.suites:
        said(mta, "sendmail -F Full -f a@example.net b@example.com "
             "old@example.com", TEXT.encode())
    for mta in both.suites:
        mta.message = deferred_id(mta, 2)
        wait_for(lambda: spooled(mta, mta.message) and
                 '"queue_name": "deferred"' in said(mta, "postqueue -j")[1],
                 "the file")


def only_ours(mta):
    """-f is newer than Debian's 3.7, whose -s shows the envelope without its
    title and nothing at all with -b."""
    path = "%s/queue/%s" % (mta.folder, spooled(mta, mta.message))
    later = mta.folder + "/shifted"
    with open(path, "rb") as source, open(later, "wb") as target:
        target.write(100 * b"x" + source.read())
    for options in ("", "-b ", "-eh ", "-o "):
        whole = said(mta, "postcat %s%s" % (options, path))
        equal(whole[0], 0)
        equal(said(mta, "postcat -s 100 %s%s" % (options, later)),
              (0, whole[1].replace(path, later), ""))
        equal(said(mta, "postcat -f %s%s" % (options, path)),
              (0, re.sub("(?m)^", path + ": ", whole[1][:-1]) + "\n", ""))
    for options in ("", "-s 99 ", "-s 101 ", "-s 1000000 "):
        equal(said(mta, "postcat %s%s" % (options, later)),
              (0, "", "postcat: warning: %s: input is not a valid queue file\n"
               % later))


def test_postcat():
    with Both(**RULES) as both:
        with_a_message(both)
        both.compare(PARTS, lambda part, mta: "postcat " + part.replace(
            "ID", mta.message).replace("PATH", "FOLDER/queue/" +
                                       spooled(mta, mta.message)))
        only_ours(both.suites[1])
        # It is the message that both show.
        for mta in both.suites:
            status, text, errors = said(mta, "postcat -q " + mta.message)
            matches(r"(?s)recipient: new@example.net\n\*\*\* MESSAGE CONTENTS"
                    r" deferred/.*\n\nFirst line.\n\nLast line.\n\*\*\* H", text)


# Modes and words of sendmail that send nothing; what is in the queue stays.
MODES = [
    "mailq", "sendmail -I -bp", "sendmail -bp", "sendmail -bp -q5",
    "sendmail -q", "sendmail -qI", "sendmail -qIID", "sendmail -qR",
    "sendmail -qRsite", "sendmail -qRexample.com", "sendmail -qS",
    "sendmail -qSsite", "sendmail -q?", "sendmail -qx", "sendmail -q x",
    "sendmail -q 5m", "sendmail -q x -t", "sendmail -q30m", "sendmail -q5x",
    "sendmail -qIID x", "sendmail -qRsite x",
    "sendmail -bi", "sendmail -I", "sendmail -bi x", "sendmail -I x",
    "sendmail -bi -t", "sendmail -bd -t", "sendmail -bd x", "sendmail -bl x",
    "sendmail -bs x", "sendmail -bh x", "sendmail -oA", "sendmail -bi -oA",
    "sendmail -bi -oA/nonexistent/aliases",
    "sendmail -bi -oAhash:FOLDER/other", "sendmail -I -oAFOLDER/other",
    "newaliases", "newaliases x", "mailq x", "mailq -qIx", "mailq -q",
    "sendmail -N foo -bi",
]


def test_modes_of_sendmail():
    with Both(**RULES) as both:
        for mta in both.suites:
            mta.parameters["alias_database"] = "hash:%s/aliases" % mta.folder
            mta.write_configuration()
            for name in ("aliases", "other"):
                with open("%s/%s" % (mta.folder, name), "w") as handle:
                    handle.write("root: alice\n")
        with_a_message(both)
        both.compare(MODES, lambda line, mta: line.replace("ID", mta.message))
        for mta in both.suites:
            for name in ("aliases", "other"):
                equal(said(mta, "postalias -q root hash:FOLDER/" + name),
                      (0, "alice\n", ""))


# postkick's words; HEARD: a socket and a FIFO that somebody reads.
KICKS = [
    "public qmgr W", "public qmgr F", "public pickup W", "public none W",
    "x qmgr W", "private qmgr W", "public ../x W", "public plain W",
    "public", "public qmgr", "", "-Z", "public deaf W",
    "public socket hello", "private socket hello", "public fifo hello",
]


def take_each(listener, heard):
    """What each client says, up to its NUL, which theirs writes by itself (and
    dies where nobody reads it); then it is sent away, as it waits for."""
    while True:
        client = listener.accept()[0]
        words = b""
        while not words.endswith(b"\0"):
            octets = client.recv(100)
            if not octets:
                break
            words += octets
        heard.append(words)
        client.close()


def readers(mta):
    """public/socket, private/socket and public/fifo: what comes is kept.
    Gives the two sockets' list, and the FIFO's descriptor."""
    heard = []
    for name in ("public/socket", "private/socket"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("%s/queue/%s" % (mta.folder, name))
        listener.listen()
        threading.Thread(target=take_each, args=(listener, heard),
                         daemon=True).start()
    for name in ("fifo", "deaf"):
        os.mkfifo(mta.folder + "/queue/public/" + name)
    with open(mta.folder + "/queue/public/plain", "w"):
        pass
    return heard, os.open(mta.folder + "/queue/public/fifo",
                          os.O_RDONLY | os.O_NONBLOCK)


def test_postkick():
    with Both(**RULES) as both:
        places = []
        for mta in both.suites:
            mta.message = "none so far"
            os.makedirs(mta.folder + "/queue/private", exist_ok=True)
            places.append(readers(mta))
        both.compare(KICKS, lambda words, mta: "postkick " + words)
        for heard, fifo in places:
            wait_for(lambda: len(heard) >= 2, "what was said to the sockets")
            equal(heard, [b"hello\0"] * 2)
            equal(os.read(fifo, 100), b"hello")
            os.close(fifo)


# postlog's words, and what stands in the log then.
LOGS = ["-p info one", "-p warn two words", "-p error three", "-p foo four",
        "-t other five", "-i -t x/y six", "-p fatal seven", "-p panic eight",
        "-Z", "-p", "-p warning nine"]


def test_postlog():
    with Both(**RULES) as both:
        got = []
        for mta in both.suites:
            before = len(mta.log())
            statuses = [said(mta, "postlog " + words)[0] for words in LOGS]
            statuses.append(said(mta, "postlog -t in", b"ten\n\nlast")[0])
            wait_for(lambda: ": last\n" in mta.log(), "the last line")
            got.append((statuses, re.findall(
                r"(?m)^.{15} \S+ ((?:postfix/postlog|other|x/y|in)(?:\[)?)\d*"
                r"(.*(?:one|two words|three|five|six|seven|eight|nine|ten"
                r"|last))$", mta.log()[before:])))
        equal(got[1], got[0])


# Words that are wrong at once, or ask for what is not there.
WRONG = ["postcat -Z", "postcat /nonexistent", "postconf -Z",
         "postconf nosuch", "postconf -T x", "postlock -Z",
         "postlock /nonexistent/x true", "postlock x", "postlock -l x y true",
         "postmap -Z",
         "postmap -q x hash:/nonexistent", "postalias -Z",
         "postalias hash:/nonexistent", "postkick -Z", "postkick x",
         "postlog -p foo x", "postqueue -Z", "postsuper -Z", "postdrop -Z",
         "sendmail -Z", "posttls-finger -Z", "posttls-finger -l foo x"] + [
    "smtp-source %s y" % words for words in (
        "-Z", "-s x", "-l 0", "-m x", "-r x", "-R x", "-w x", "-T x", "-C 0",
        "-w 1 -R 1", "-l 5 -F /etc/hosts", "-F /nonexistent", "-f")] + [
    "smtp-sink %s y 10" % words for words in (
        "-Z", "-m x", "-M 0", "-n x", "-A x", "-w x", "-T x", "-t x", "-b x",
        "-b 500", "-B 450", "-b 4500", "-f foo", "-q foo", "-r foo", "-Q foo",
        "-s foo", "-W x", "-W foo:1:1", "-W data:x", "-W data:1:1000",
        "-W :1", "-u nobody")] + ["smtp-sink :25", "smtp-sink -H x y 10"]


# Whose errors differ, with the reason.
OTHERWISE = {
    "postlog -p foo x": "theirs writes to the log alone",
    "sendmail -Z": "theirs looks at the words, and says so, twice",
    "posttls-finger -Z": "all usages of ours have the same form, on standard "
                         "error and after fatal:",
}


def test_names_in_messages():
    """Whether a message begins with the program's name or its path, also of
    getopt(3); usages are in other words."""
    with Both(**RULES) as both:
        for mta in both.suites:
            mta.message = "none so far"

        def of(mta, line):
            status, out, errors = said(mta, line, raw=True)
            errors = re.sub(r"(?s)(usage: \S+ ).*", r"\1", errors)
            errors = re.sub(r"^\S+/sbin/|(?<=usage: )\S+/sbin/", "SBIN/",
                            errors, flags=re.M)
            if line in OTHERWISE:
                equal(status, 75 if "sendmail" in line else 1)
                errors = ""
            return status, out, errors
        # Theirs sleeps for a second at each error.
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(
                lambda line: [of(mta, line) for mta in both.suites], WRONG))
        wrong = [(line, *both_said) for line, both_said in zip(WRONG, answers)
                 if both_said[0] != both_said[1]]
        if wrong:
            raise Failed("\n".join("%s:\n  theirs %r\n  ours   %r" % w
                                   for w in wrong))


def test_debugger():
    """MAIL_DEBUG has sendmail, and nobody else, run debugger_command."""
    with Both(**dict(RULES, debugger_command="echo $process_name "
                     "${process_id?{some}} >>$queue_directory/seen")) as both:
        seen = []
        for mta in both.suites:
            for line in ("postmap -q x static:y", "postcat /dev/null",
                         "sendmail -bp", "postsuper -Z"):
                said(mta, line, MAIL_DEBUG="1")
            said(mta, "postmap -q x static:y")
            with open(mta.folder + "/queue/seen") as handle:
                seen.append(handle.read())
        equal(seen[0], "sendmail some\n")
        equal(seen[1], seen[0])


def test_environment():
    """NAME is the full name, MAIL_VERBOSE is taken."""
    with Both(**RULES) as both:
        for mta in both.suites:
            equal(said(mta, "sendmail -f a@example.net b@example.com",
                       b"Subject: x\n\nbody\n", NAME="Jo (II) Doe",
                       MAIL_VERBOSE="1")[0], 0)
        seen = []
        for mta in both.suites:
            mta.message = deferred_id(mta, 1)
            wait_for(lambda: spooled(mta, mta.message), "the file")
            seen.append(re.search(r"(?m)^From: .*", said(
                mta, "postcat -qh " + mta.message)[1]).group())
        equal(seen[1], seen[0])
        matches("Jo", seen[0])
        # Another configuration by -C or MAIL_CONFIG, and none that is there.
        equal(*(said(mta, "sendmail -bp", MAIL_CONFIG="/nonexistent")[0]
                for mta in both.suites))


if __name__ == "__main__":
    main(globals())
