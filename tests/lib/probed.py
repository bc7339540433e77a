"""A server for probes of addresses: it answers RCPT by the local-part, and
notes what it is asked."""
import re
import socket
import threading

ANSWERS = {
    "good": "250 2.1.5 Ok",
    "bad": "550 5.1.1 No such user",
    "later": "450 4.2.0 Come again",
    "closed": "550 no code",
}


class Probed:
    """Local-parts begin with a word of ANSWERS; "slow-" waits before the
    answer until release() is called; "data-" is refused at DATA."""

    def __init__(self, address="127.0.0.1", offers=("PIPELINING",)):
        self.hello = "\r\n".join(["250-sink.example"] + [
            "250%s%s" % (" " if word == offers[-1] else "-", word)
            for word in offers])
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.commands = []  # (command, argument) of all sessions
        self.answers = dict(ANSWERS)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,),
                             daemon=True).start()

    def serve(self, client):
        with client, client.makefile("rwb", 0) as stream:
            try:
                self.talk(stream)
            except OSError:
                pass

    def talk(self, stream):
        refuses = False
        stream.write(b"220 sink.example ESMTP\r\n")
        while True:
            line = stream.readline().decode().rstrip("\r\n")
            if not line:
                return
            with self.lock:
                self.commands.append(line)
            verb = line.split()[0].upper()
            if verb == "RCPT":
                name = re.search(r"<\"?([^@>]*)", line).group(1)
                if name.startswith("slow-"):
                    self.released.wait()
                    name = name[5:]
                refuses = name.startswith("data-")
                word = re.match(r"[a-z]*", name).group(0)
                answer = self.answers.get(word, "250 2.1.5 Ok")
            elif verb == "DATA":
                answer = "554 5.7.1 Not for you" if refuses else "354 Go on"
            else:
                answer = {"EHLO": self.hello, "QUIT": "221 Bye"}.get(
                    verb, "250 Ok")
            stream.write(answer.encode() + b"\r\n")
            if answer.startswith("354"):
                while True:
                    line = stream.readline()
                    if line in (b".\r\n", b""):
                        break
                with self.lock:
                    self.commands.append("MESSAGE" if line else "HANGUP")
                stream.write(b"250 2.0.0 Ok\r\n")
            if verb == "QUIT":
                return

    def asked(self, verb="RCPT"):
        with self.lock:
            return [line for line in self.commands
                    if line.split()[0].upper() == verb]

    def release(self):
        self.released.set()

    def close(self):
        self.release()
        # The thread would go on with the next server's descriptor.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()
