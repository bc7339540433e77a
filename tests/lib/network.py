"""Hosts in network namespaces of the test's own, with a real DNS server.

    with Network("mx.example.org", "peer.example.net") as net:
        net.zone("example.org", "@ MX 10 mx.example.org.")
        net.start_dns()
        run(*net.inside("mx.example.org"), "ping", ...)

Each host has an IPv4 address of 192.0.2.0/24 and an IPv6 address of
2001:db8::/64; the DNS server is 192.0.2.53. Nothing leaves the namespaces.
"""
import os
import shutil
import subprocess
import tempfile

from instance import Skip, is_root, run, wait_for


class Network:
    def __init__(self, *hosts):
        if not is_root() or "POSTHORN_ACCOUNTS" not in os.environ:
            raise Skip("needs root and tests/with-accounts")
        if not shutil.which("knotd"):
            raise Skip("knot is not there")
        self.tag = "ph%d" % os.getpid()
        self.folder = tempfile.mkdtemp(prefix="posthorn-net-")
        os.chmod(self.folder, 0o755)
        self.hosts = {}
        self.spaces = []
        self.zones = {}
        self.dns = None
        for number, host in enumerate(hosts, 1):
            self.hosts[host] = number
        self.hosts["dns"] = 53

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *ignored):
        self.close()

    def make(self):
        hub = self.space("hub")
        run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", hub, "link", "set", "br0", "up")
        for number in self.hosts.values():
            name = self.space(str(number))
            run("ip", "link", "add", "name", "p%d" % number, "netns", hub,
                "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "-n", hub, "link", "set", "p%d" % number, "master",
                "br0", "up")
            for args in (("addr", "add", "192.0.2.%d/24" % number, "dev",
                          "eth0"),
                         ("addr", "add", "2001:db8::%d/64" % number, "dev",
                          "eth0", "nodad"),
                         ("link", "set", "eth0", "up"),
                         ("link", "set", "lo", "up")):
                run("ip", "-n", name, *args)
        resolv = self.folder + "/resolv.conf"
        with open(resolv, "w") as handle:
            handle.write("nameserver 192.0.2.53\n")
        # in this mount namespace only
        run("mount", "--bind", resolv, "/etc/resolv.conf")

    def space(self, name):
        full = self.tag + name
        run("ip", "netns", "add", full)
        self.spaces.append(full)
        return full

    def inside(self, host):
        return ("ip", "netns", "exec", self.tag + str(self.hosts[host]))

    def address(self, host, version=4):
        number = self.hosts[host]
        return ("192.0.2.%d" if version == 4 else "2001:db8::%d") % number

    def zone(self, name, *records):
        self.zones[name] = records

    def start_dns(self):
        config = "server:\n    listen: 192.0.2.53@53\n    rundir: %s\n" \
            "    user: root\ndatabase:\n    storage: %s\nzone:\n" % (
                self.folder, self.folder)
        self.zone("2.0.192.in-addr.arpa", *[
            "%d PTR %s." % (n, h) for h, n in self.hosts.items()])
        for name, records in self.zones.items():
            path = "%s/%s.zone" % (self.folder, name)
            with open(path, "w") as handle:
                handle.write("$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 "
                             "60 60 600 60\n@ NS ns\nns A 192.0.2.53\n"
                             % name if not name.endswith(".arpa") else
                             "$ORIGIN %s.\n$TTL 60\n@ SOA ns.example.org. "
                             "hostmaster.example.org. 1 60 60 600 60\n"
                             "@ NS ns.example.org.\n" % name)
                handle.write("\n".join(records) + "\n")
            config += "  - domain: %s\n    file: %s\n" % (name, path)
        with open(self.folder + "/knot.conf", "w") as handle:
            handle.write(config)
        self.dns = subprocess.Popen(
            [*self.inside("dns"), "knotd", "-c", self.folder + "/knot.conf"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        name = next(iter(self.zones))
        wait_for(lambda: "NOERROR" in run(
            *self.inside("dns"), "kdig", "+time=1", "+retry=0",
            "@192.0.2.53", name, "SOA", check=False).stdout, "the DNS server")

    def close(self):
        if self.dns:
            self.dns.terminate()
            self.dns.wait()
        run("umount", "/etc/resolv.conf", check=False)
        for name in reversed(self.spaces):
            run("ip", "netns", "del", name, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
