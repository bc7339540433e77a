"""smtp-source and smtp-sink: with each other, and word for word beside
Debian's: each of the two talks to ours and to theirs."""
import os
import re
import socket
import subprocess
import tempfile
import threading

from instance import (PATIENCE, SBIN, Skip, check, equal, free_port, is_root,
                      main, matches, wait_for)
from postfix_peer import unpacked

LINES = """EHLO x
MAIL FROM:<a@example.net>
RCPT TO:<c@example.org>
RCPT TO:<d@example.org>
DATA

x
.
NOOP
QUIT"""
LMTP = LINES.replace("EHLO", "LHLO")

# What smtp-sink is started with, and what a client says to it.
SINKS = [
    ("-P", LINES), ("-L", LMTP), ("-L", "EHLO x\nHELO x\nLHLO x\nQUIT"),
    ("-E", LINES), ("-e", LINES), ("-8 -a -N -p", LINES), ("-F -C", LINES),
    ("-f RCPT", LINES), ("-r MAIL,RCPT", LINES), ("-f .", LINES),
    ("-r DATA", LINES), ("-q NOOP", LINES), ("-Q NOOP", LINES),
    ("-Q CONNECT", LINES), ("-f CONNECT", LINES), ("-q CONNECT", LINES),
    ("-f EHLO", "EHLO x\nHELO x\nQUIT"), ("-E -f RCPT -r MAIL", LINES),
    ("-h sink.example -f rcpt -B 599_no", LINES), ("-r QUIT", "QUIT"),
    ("-L -f .", LMTP),
    ("", "\n  \nMAIL\nRCPT\nEHLO  a  b \nMAIL FROM:<a b\nDATA\nRSET\nVRFY x\n"
     "MAIL\nMAIL\nFOO\nXCLIENT a\nXFORWARD a\nAUTH x\n.\nHELP\nQUIT"),
]

# What smtp-source is started with, and the command that is refused.
SOURCES = [
    ("", ""), ("-c -m 3 -d -r 2 -N", ""), ("-o -l 100", ""),
    ("-L -S hi -t a@example.org -f x@example.net -M h.example -l 170", ""),
    ("-r 3 -t b@example.org", ""), ("-m 2 -l 81", ""),
] + [(go_on, verb) for go_on in ("", "-A")
     for verb in ("CONNECT", "HELO", "MAIL", "RCPT", "DATA", ".")]


def ours(name):
    return [SBIN + "/" + name], dict(os.environ)


def theirs(name):
    folder = unpacked("postfix")
    env = dict(os.environ, LD_LIBRARY_PATH=folder + "/usr/lib/postfix")
    program = folder + "/usr/sbin/" + name
    try:
        subprocess.run([program], env=env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=PATIENCE)
    except OSError as error:
        raise Skip(str(error))
    return [program], env


def user():
    return ["-u", "nobody"] if is_root() else []


class Sink:
    def __init__(self, program, *options, where=None):
        argv, env = program
        self.port = free_port()
        self.where = where or "127.0.0.1:%d" % self.port
        self.process = subprocess.Popen(
            argv + list(options) + user() + [self.where, "50"], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def connect(self):
        def attempt():
            check(self.process.poll() is None, "smtp-sink ended")
            try:
                return socket.create_connection(("127.0.0.1", self.port),
                                                PATIENCE)
            except OSError:
                return None
        return wait_for(attempt, "smtp-sink")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def read_reply(stream):
    lines = []
    while True:
        try:
            line = stream.readline()
        except OSError:
            line = b""
        lines.append(line.decode())
        if line[3:4] != b"-":
            return lines


def dialogue(sink, text, is_lmtp):
    """All replies to the lines of text."""
    with sink.connect() as connection:
        stream = connection.makefile("rwb")
        seen = read_reply(stream)
        in_data = False
        for line in text.split("\n") if seen[-1] else []:
            try:
                stream.write(line.encode() + b"\r\n")
                stream.flush()
            except OSError:
                break
            if in_data and line != ".":
                continue
            answers = 2 if in_data and is_lmtp else 1
            in_data = False
            for _ in range(answers):
                seen += read_reply(stream)
            if seen[-1] == "":
                break
            in_data = line == "DATA" and seen[-1][:1] == "3"
        return seen


def test_a_sink_answers_as_theirs():
    pair = ours("smtp-sink"), theirs("smtp-sink")
    for words, text in SINKS:
        options = [word.replace("_", " ") for word in words.split()]
        seen = []
        for program in pair:
            with Sink(program, *options) as sink:
                seen.append(dialogue(sink, text, "-L" in options))
        if seen[0] != seen[1]:
            print("smtp-sink", words)
        equal(seen[0], seen[1])


class Server(threading.Thread):
    """Takes `count` connections, refuses one verb; keeps what it is told."""

    def __init__(self, refused):
        super().__init__(daemon=True)
        self.refused = refused
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.told = []
        self.start()

    def answer(self, line, in_data):
        verb = "." if in_data else line[:4].strip().upper()
        if verb == self.refused:
            return b"550 5.1.1 no\r\n"
        return {"DATA": b"354 go\r\n", "QUIT": b"221 bye\r\n"}.get(
            verb, b"250 2.0.0 ok\r\n")

    def serve(self, stream):
        stream.write(b"554 no\r\n" if self.refused == "CONNECT"
                     else b"220 x ESMTP\r\n")
        stream.flush()
        in_data = False
        for line in stream:
            line = line.decode()
            self.told.append(line)
            if in_data and line != ".\r\n":
                continue
            answer = self.answer(line, in_data)
            in_data = answer.startswith(b"354")
            stream.write(answer)
            stream.flush()
            if answer.startswith(b"221"):
                return

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.serve(connection.makefile("rwb"))
                except OSError:
                    pass

    def close(self):
        # The thread would go on with the next server's descriptor.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()


def source_outcome(program, words, refused):
    argv, env = program
    server = Server(refused)
    try:
        done = subprocess.run(
            argv + words.split() + ["127.0.0.1:%d" % server.port], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=PATIENCE)
        wait_for(lambda: done.returncode or server.told[-1:] == ["QUIT\r\n"],
                 "QUIT of %s %s %s" % (argv[0], words, server.told[-9:]))
        told = "".join(server.told)
    finally:
        server.close()
    told = re.sub(r"(?m)^Date: .*$", "Date:", told)
    told = re.sub(r"<[0-9a-f]+\.[0-9a-f]+\.", "<", told)
    errors = re.sub(r"\S*/smtp-source", "smtp-source", done.stderr.decode())
    return done.returncode, done.stdout, errors, told


def test_a_source_says_the_same():
    pair = ours("smtp-source"), theirs("smtp-source")
    for words, refused in SOURCES:
        seen = [source_outcome(program, words, refused) for program in pair]
        if seen[0] != seen[1]:
            print("smtp-source", words, refused)
        equal(seen[0], seen[1])


def test_a_file_is_sent():
    """Theirs adds an empty line."""
    with tempfile.NamedTemporaryFile("w") as handle:
        handle.write("Subject: x\n\n.\n.dot\nlast")
        handle.flush()
        rc, out, errors, told = source_outcome(
            ours("smtp-source"), "-F " + handle.name, "")
        equal((rc, out, errors), (0, b"", ""))
        matches(r"DATA\r\nSubject: x\r\n\r\n\.\.\r\n\.\.dot\r\nlast\r\n"
                r"\.\r\nQUIT\r\n", told)


def test_from_the_source_to_the_sink():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        with Sink(ours("smtp-sink"), "-D", folder + "/new/all", "-S",
                  "start\\n\\101\\n", "-n", "3") as sink:
            sink.connect().close()
            argv, env = ours("smtp-source")
            done = subprocess.run(
                argv + ["-d", "-s", "2", "-m", "50", "-r", "2", "-l", "70000",
                        "-t", "t@example.org", "-f", "f@example.net",
                        sink.where], env=env, timeout=PATIENCE)
            equal(done.returncode, 0)
            equal(sink.process.wait(timeout=PATIENCE), 0)
        with open(folder + "/new/all") as handle:
            text = handle.read()
        equal(text.count("start\nA\n"), 50)
        check(len(text.split("start\nA\n")[1]) > 69000, "all of it")
        matches(r"(?m)^start\nA\nX-Client-Addr: 127.0.0.1\n"
                r"X-Client-Proto: SMTP\nX-Helo-Args: \S+\n"
                r"X-Mail-Args: <f@example.net>\n"
                r"X-Rcpt-Args: <2t@example.org>\n"
                r"X-Rcpt-Args: <t@example.org>\n"
                r"Received: from \S+ \(\[127.0.0.1\]\)\n"
                r"\tby smtp-sink \(smtp-sink\) with SMTP id [0-9a-f]{8};\n"
                r"\t\w{3}, .*\nFrom: <f@example.net>\n", text[:2000])


def test_a_file_for_each_message_over_a_path():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        path = "unix:" + folder + "/socket"
        with Sink(ours("smtp-sink"), "-L", "-d", folder + "/m.", "-M", "2",
                  "-c", where=path) as sink:
            wait_for(lambda: os.path.exists(path[5:]), "the socket")
            os.chmod(path[5:], 0o777)
            argv, env = ours("smtp-source")
            subprocess.run(argv + ["-L", "-C", "500", "-m", "2", path],
                           env=env, timeout=PATIENCE, check=True)
            equal(sink.process.wait(timeout=PATIENCE), 0)
            matches(rb"mesg=2\r", sink.process.stdout.read())
        names = [n for n in os.listdir(folder) if n.startswith("m.")]
        equal(len(names), 2)
        with open(folder + "/" + names[0]) as handle:
            matches(r"X-Client-Addr: unix\nX-Client-Proto: LMTP\n",
                    handle.read())


if __name__ == "__main__":
    main(globals())
