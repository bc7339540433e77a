"""posthorn tls: keys, certificates and requests that work; the same exit
status and settings as Debian's `postfix tls` for the same words. And settings
given to set-permissions and upgrade-configuration."""
import hashlib
import os
import re
import shutil
import ssl

from instance import (SBIN, Failed, Instance, check, equal, main, matches, run,
                      untrusting)
from postfix_peer import Postfix, cover

# KEY and CERT: the newest files of that kind; ECKEY, ECCERT likewise.
LINES = """
all-default-client
all-default-server
enable-client
all-default-client
enable-client
new-server-key -a foo
new-server-key -b abc
new-server-key
enable-server -a ecdsa mail.example.org mx.example.org
all-default-server
enable-server
deploy-server-cert CERT
deploy-server-cert CERT ECKEY
deploy-server-cert CERT KEY
output-server-tlsa -h x.example.org rsa
new-server-cert -a ecdsa
foo
""".strip().splitlines()


def newest(conf, word):
    start = word.lower() + "-"
    names = sorted(n for n in os.listdir(conf) if n.startswith(start))
    return names[-1] if names else word


def hidden(text):
    """Without what is another's each time."""
    text = re.sub(r"/[^ ]*/conf/", "", text)
    text = re.sub(r"-\d{8}-\d{6}", "-TIME", text)
    return re.sub(r"[0-9a-f]{64}", "DIGEST", text)


def transcript(conf, folder):
    result = []
    for line in LINES:
        words = [newest(conf, w) if w.isupper() else w for w in line.split()]
        done = run(folder + "/postfix", "-c", conf, "tls", *words,
                   check=False)
        result.append("%s: %d\n%s" % (line, done.returncode,
                                      hidden(done.stdout)))
    done = run(folder + "/postconf", "-c", conf, "-n")
    # Sessions are resumed without a database here.
    result += [hidden(line) for line in done.stdout.splitlines()
               if re.match("smtpd?_tls", line) and "_database" not in line]
    return result


def test_the_same_words():
    with Postfix(openssl_path="openssl") as theirs, Instance() as ours:
        theirs.write_configuration()
        cover("/etc")  # it looks into the default main.cf too
        os.makedirs("/etc/postfix", exist_ok=True)
        shutil.copy(theirs.conf + "/main.cf", "/etc/postfix")
        ours.write_configuration()
        a = transcript(theirs.conf, "/usr/sbin")
        b = transcript(ours.conf, SBIN)
        # One refuses a key of another certificate, the other takes it.
        for line in a:
            if line.startswith("deploy-server-cert CERT ECKEY"):
                a[a.index(line)] = line.replace(": 0", ": 1")
        if a != b:
            raise Failed("theirs %s\nours %s" % ("\n".join(a), "\n".join(b)))


def presented(mta, ciphers=None):
    """The server's certificate as PEM."""
    context = untrusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if ciphers:
        context.set_ciphers(ciphers)
    with mta.smtp() as client:
        client.starttls(context=context)
        return ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(True))


def digest(pem):
    key = run("openssl", "x509", "-pubkey", "-noout", input=pem).stdout
    der = run("sh", "-c", "openssl pkey -pubin -outform DER | openssl base64",
              input=key).stdout
    return hashlib.sha256(ssl.base64.b64decode(der)).hexdigest()


def test_keys_and_certificates():
    with Instance() as mta:
        mta.start()

        def tls(*args, **more):
            return mta.command("posthorn", "tls", *args, **more)
        tls("enable-server", "-a", "ecdsa", "mail.example.org",
            "mx.example.org")
        mta.command("posthorn", "reload")
        pem = presented(mta)
        equal(tls("output-server-tlsa").stdout.split()[-1], digest(pem))
        text = run("openssl", "x509", "-noout", "-text", input=pem).stdout
        matches("DNS:mail.example.org, DNS:mx.example.org", text)
        matches("NIST CURVE: P-256", text)
        key = newest(mta.conf, "eckey")
        equal(os.stat(mta.conf + "/" + key).st_mode & 0o777, 0o600)
        request = tls("output-server-csr", "-k", key, "a.example.org",
                      "b.example.org").stdout
        text = run("openssl", "req", "-verify", "-noout", "-text",
                   input=request).stdout
        matches("CN *= *a.example.org", text)
        matches("DNS:a.example.org, DNS:b.example.org", text)
        tls("new-server-key", "-b", "3072")
        tls("deploy-server-cert", newest(mta.conf, "cert"),
            newest(mta.conf, "key"))
        equal(mta.command("posthorn", "check", check=False).stderr.count(
            "certificate"), 0)
        mta.command("posthorn", "reload")
        rsa = presented(mta, "aRSA")
        matches(r"Public-Key: \(3072 bit\)", run(
            "openssl", "x509", "-noout", "-text", input=rsa).stdout)
        equal(re.findall(r"3 1 1 (\w+)", tls("output-server-tlsa").stdout),
              [digest(rsa), digest(pem)])
        done = tls("new-server-key", "a b", check=False)
        equal(done.returncode, 1)
        mta.command("postconf", "-e", "smtpd_tls_chain_files=/nowhere")
        done = tls("deploy-server-cert", newest(mta.conf, "cert"),
                   newest(mta.conf, "key"), check=False)
        matches("smtpd_tls_chain_files is set", done.stderr)
        equal(done.returncode, 1)


def test_a_new_certificate_of_the_same_key():
    with Instance() as mta:
        mta.write_configuration()

        def digests():
            out = mta.command("posthorn", "tls", "output-server-tlsa").stdout
            return re.findall(r"3 1 1 (\w+)", out)
        mta.command("posthorn", "tls", "enable-server", "-a", "ecdsa")
        before, old = digests(), newest(mta.conf, "eckey")
        mta.command("posthorn", "tls", "new-server-cert", "-a", "ecdsa",
                    "new.example.org")
        check(newest(mta.conf, "eckey") != old)
        mta.command("posthorn", "tls", "deploy-server-cert",
                    newest(mta.conf, "eccert"), newest(mta.conf, "eckey"))
        equal(digests(), before)
        text = run("openssl", "x509", "-noout", "-text", "-in",
                   mta.conf + "/" + newest(mta.conf, "eccert")).stdout
        matches("DNS:new.example.org", text)


def test_settings():
    with Instance() as mta:
        mta.write_configuration()
        for verb, name in (("set-permissions", "other/queue"),
                           ("upgrade-configuration", "third")):
            mta.command("posthorn", verb, "queue_directory=" +
                        mta.path(name), "delay_warning_time=4h")
            check(os.path.isdir(mta.path(name) + "/journal"))
            equal(mta.command("postconf", "-h", "queue_directory",
                              "delay_warning_time").stdout,
                  "%s\n4h\n" % mta.path(name))
        done = mta.command("posthorn", "set-permissions", "nothing",
                           check=False)
        equal(done.returncode, 1)
        matches("name=value", done.stderr)


if __name__ == "__main__":
    main(globals())
