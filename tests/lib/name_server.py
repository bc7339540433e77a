"""A name server that says of its answers what a validating resolver would.

    with NameServer() as names:
        names.add("example.net MX 10 mx.example.net")
        names.add("mx.example.net A 127.0.0.1")
        names.add("_25._tcp.mx.example.net TLSA 3 1 1 <hexadecimal>")
        names.add("mx.example.com A 127.0.0.1", secure=False)
        names.add("_25._tcp.mx.example.com TLSA SERVFAIL")

Answers have the AD bit if the question had it (or DO) and no row on the way was
added with secure=False. What is not there is denied, with AD.
"""
import contextlib
import os
import socket
import struct
import tempfile
import threading

from instance import Skip, is_root, run

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16,
         "AAAA": 28, "SRV": 33, "TLSA": 52}
AD = 0x20


@contextlib.contextmanager
def system_name_server():
    """One that /etc/resolv.conf names, in this mount namespace only."""
    if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
        raise Skip("needs root and tests/with-accounts")
    # each process has an address of its own
    address = "127.53.%d.%d" % divmod(os.getpid() % 60000, 250)
    with NameServer(address, 53) as server, \
            tempfile.NamedTemporaryFile("w") as resolv:
        resolv.write("nameserver %s\n" % address)
        resolv.flush()
        os.chmod(resolv.name, 0o644)
        run("mount", "--bind", resolv.name, "/etc/resolv.conf")
        try:
            yield server
        finally:
            run("umount", "/etc/resolv.conf")


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".") if label) + b"\0"


def data_of(type, words):
    if type == "A":
        return socket.inet_aton(words[0])
    if type == "AAAA":
        return socket.inet_pton(socket.AF_INET6, words[0])
    if type in ("CNAME", "NS"):
        return wire(words[0])
    if type == "MX":
        return struct.pack("!H", int(words[0])) + wire(words[1])
    if type == "SRV":
        return struct.pack("!HHH", *map(int, words[:3])) + wire(words[3])
    if type == "TXT":
        text = " ".join(words).encode()
        return bytes([len(text)]) + text
    if type == "TLSA":
        return bytes(map(int, words[:3])) + bytes.fromhex(words[3])
    raise ValueError(type)


class NameServer:
    def __init__(self, address="127.0.0.1", port=0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.address, self.port = self.socket.getsockname()
        self.rows = {}       # (name, type) -> [(data or None, secure)]
        self.questions = []  # (name, type), as they came
        self.add(". NS a.root-servers.example")
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", (self.address, self.port))
        self.thread.join()
        self.socket.close()

    def add(self, row, secure=True):
        name, type, *words = row.split()
        key = name.lower().strip("."), TYPES[type]
        data = None if words == ["SERVFAIL"] else data_of(type, words)
        self.rows.setdefault(key, []).append((data, secure))

    def run(self):
        while True:
            packet, client = self.socket.recvfrom(65535)
            if packet == b"end":
                return
            self.socket.sendto(self.answer(packet), client)

    def answer(self, packet):
        end = packet.index(b"\0", 12) + 5
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
            at += 1 + packet[at]
        name = ".".join(labels)
        type = struct.unpack("!H", packet[end - 4:end - 2])[0]
        self.questions.append((name, type))
        records, rcode, secure = self.find(name, type)
        flags = 0x8180 | rcode
        # DO is in the flags of the OPT record at the end
        if secure and (packet[3] & AD or packet[-4] & 0x80):
            flags |= AD
        body = b"".join(wire(owner) + struct.pack("!HHIH", kind, 1, 0,
                                                  len(data)) + data
                        for owner, kind, data in records)
        return packet[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0,
                                        0) + packet[12:end] + body

    def find(self, name, type):
        """([(owner, type, data)], rcode, secure)"""
        records, secure = [], True
        for _ in range(8):
            rows = self.rows.get((name, type), [])
            aliases = self.rows.get((name, TYPES["CNAME"]), [])
            if any(data is None for data, _ in rows):
                return [], 2, False
            if rows or not aliases:
                secure = secure and all(ok for _, ok in rows)
                records += [(name, type, data) for data, _ in rows]
                known = any(owner == name for owner, _ in self.rows)
                if not rows:  # denied as the name's other rows are
                    secure = secure and all(
                        ok for (owner, _), of in self.rows.items()
                        for _, ok in of if owner == name)
                return records, 0 if rows or known else 3, secure
            data, ok = aliases[0]
            secure = secure and ok
            records.append((name, TYPES["CNAME"], data))
            name = text_of(data)
        return [], 2, False


def text_of(data):
    labels, at = [], 0
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode().lower())
        at += 1 + data[at]
    return ".".join(labels)
