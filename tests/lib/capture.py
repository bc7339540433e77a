"""An SMTP server that accepts everything and keeps what it got."""
import socketserver
import ssl
import threading
import time


class Capture(socketserver.ThreadingTCPServer):
    """`messages`: (sender, recipients, content) with LF line ends, in the
    order of their arrival. `replies`: what else than 250 a command gets, the
    end of the content as "."; "" ends the connection.
    `certificate`: files of a chain and its key; then STARTTLS is offered."""
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, port, replies=None, features=("PIPELINING", "8BITMIME"),
                 certificate=None):
        super().__init__(("127.0.0.1", port), Session)
        self.messages = []
        self.commands = []  # as they came
        self.halves = []    # content that ended without a dot
        self.envelopes = [] # of each message: its MAIL and RCPT
        self.lock = threading.Lock()  # of the two lists
        self.times = []     # when each message was there
        self.greeting = "220 sink.example.com ESMTP"
        self.dot_after = 0  # longest time before a message's last line
        self.replies = replies or {}
        self.judge = None  # called with each message; its reply, or None
        self.features = features
        self.early = ""  # said behind the answer to EHLO, over TLS
        self.asked_names = []  # SNI, one for each handshake
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
            self.tls.sni_callback = \
                lambda _, name, __: self.asked_names.append(name)
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
        self.say(self.server.greeting)
        try:
            if self.converse():
                self.secure()
                self.converse()
        except (ssl.SSLError, ConnectionError):
            pass  # the client did not like it

    def secure(self):
        self.connection = self.server.tls.wrap_socket(self.connection,
                                                      server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def offers_tls(self):
        return self.server.tls and not isinstance(self.connection,
                                                  ssl.SSLSocket)

    def converse(self):
        """True: STARTTLS was said."""
        sender, recipients, envelope = None, [], []
        for line in self.rfile:
            line = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            self.server.commands.append(line)
            verb = line[:4].upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return False
            if verb == "STAR" and self.offers_tls():
                self.say("220 2.0.0 Ready")
                return True
            if verb in ("EHLO", "LHLO") and verb not in self.server.replies:
                for name in self.server.features:
                    self.say("250-" + name)
                if self.offers_tls():
                    self.say("250-STARTTLS")
                self.say("250 sink.example.com" +
                         ("" if self.offers_tls() else self.server.early))
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
                if content is None:
                    return False  # the client has gone
                with self.server.lock:
                    self.server.envelopes.append(envelope)
                    self.server.messages.append(
                        (sender, recipients, content))
                self.server.times.append(time.monotonic())
                reply = self.ended() or \
                    self.server.replies.get(".", "250 2.0.0 Ok")
            if not reply:
                return False
            if verb == "RCPT" and reply.startswith("2"):
                recipients.append(path_of(line))
            self.say(reply)
        return False

    def ended(self):
        """What else the last of the messages gets."""
        return self.server.judge and self.server.judge(
            self.server.messages[-1])

    def content(self):
        lines, before, done = [], time.monotonic(), False
        for line in self.rfile:
            if line == b".\r\n":
                self.server.dot_after = max(self.server.dot_after,
                                            time.monotonic() - before)
                done = True
                break
            before = time.monotonic()
            if line.startswith(b"."):
                line = line[1:]
            lines.append(line.replace(b"\r\n", b"\n"))
        if done:
            return b"".join(lines).decode("utf-8", "surrogateescape")
        self.server.halves.append(b"".join(lines).decode())
        return None


def path_of(line):
    return line[line.index("<") + 1:line.index(">")]
