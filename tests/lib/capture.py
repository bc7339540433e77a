"""An SMTP server that accepts everything and keeps what it got."""
import socketserver
import threading
import time


class Capture(socketserver.ThreadingTCPServer):
    """`messages`: (sender, recipients, content) with LF line ends, in the
    order of their arrival. `replies`: what else than 250 a command gets."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port, replies=None, features=("PIPELINING", "8BITMIME")):
        super().__init__(("127.0.0.1", port), Session)
        self.messages = []
        self.commands = []  # as they came
        self.envelopes = [] # of each message: its MAIL and RCPT
        self.lock = threading.Lock()  # of the two lists
        self.times = []     # when each message was there
        self.greeting = "220 sink.example.com ESMTP"
        self.dot_after = 0  # longest time before a message's last line
        self.replies = replies or {}
        self.features = features
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.shutdown()
        self.server_close()


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        sender, recipients, envelope = None, [], []
        self.say(self.server.greeting)
        for line in self.rfile:
            line = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            self.server.commands.append(line)
            verb = line[:4].upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            if verb in ("EHLO", "LHLO"):
                for name in self.server.features:
                    self.say("250-" + name)
                self.say("250 sink.example.com")
                continue
            if verb == "MAIL":
                sender, recipients, envelope = path_of(line), [], []
            if verb in ("MAIL", "RCPT"):
                envelope.append(line)
            reply = self.server.replies.get(line.upper()) or \
                self.server.replies.get(verb, "250 2.0.0 Ok")
            if verb == "DATA" and verb not in self.server.replies:
                self.say("354 go on")
                content = self.content()
                with self.server.lock:
                    self.server.envelopes.append(envelope)
                    self.server.messages.append(
                        (sender, recipients, content))
                self.server.times.append(time.monotonic())
                reply = "250 2.0.0 Ok"
            if verb == "RCPT" and reply.startswith("2"):
                recipients.append(path_of(line))
            self.say(reply)

    def content(self):
        lines, before = [], time.monotonic()
        for line in self.rfile:
            if line == b".\r\n":
                self.server.dot_after = max(self.server.dot_after,
                                            time.monotonic() - before)
                break
            before = time.monotonic()
            if line.startswith(b"."):
                line = line[1:]
            lines.append(line.replace(b"\r\n", b"\n"))
        return b"".join(lines).decode("utf-8", "surrogateescape")


def path_of(line):
    return line[line.index("<") + 1:line.index(">")]
