"""A name server for one test: answers over UDP what it was given.

    with Names({("example.net", MX): [(10, "mx.example.net")],
                ("mx.example.net", A): ["192.0.2.1"]}) as names:
        Instance(resolver_servers="127.0.0.1:%d" % names.port)

A name that it has no records of does not exist.
"""
import ipaddress
import socket
import struct
import threading

A, MX, AAAA = 1, 15, 28
NO_NAME = 3


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".") if label) + b"\0"


def data(type, value):
    if type == MX:
        return struct.pack("!H", value[0]) + wire(value[1])
    return ipaddress.ip_address(value).packed


def question(packet):
    """(name, type, the octets of the question)"""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += packet[at] + 1
    return (".".join(labels), struct.unpack("!H", packet[at + 1:at + 3])[0],
            packet[12:at + 5])


class Names:
    def __init__(self, records):
        self.records = records
        self.names = {name for name, _ in records}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def answer(self, packet):
        name, type, asked = question(packet)
        found = [struct.pack("!HHHIH", 0xc00c, type, 1, 60,
                             len(data(type, value))) + data(type, value)
                 for value in self.records.get((name, type), [])]
        code = 0 if name in self.names else NO_NAME
        return packet[:2] + struct.pack("!HHHHH", 0x8580 | code, 1,
                                        len(found), 0, 0) + \
            asked + b"".join(found)

    def serve(self):
        while True:
            packet, client = self.socket.recvfrom(4096)
            if packet == b"end":
                return
            self.socket.sendto(self.answer(packet), client)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()
