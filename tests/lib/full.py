"""An instance with everything a mail domain needs: submission, IMAP and POP3
with TLS, and users with passwords."""
from instance import Instance, make_certificate

PASSWORD = "correct horse 7"


class FullInstance(Instance):
    def __init__(self, users=("alice", "bob"), **parameters):
        super().__init__(**parameters)
        self.users = users
        self.virtual_mailboxes(users=users)
        cert, key = make_certificate(self.conf)
        self.set(smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
                 smtpd_tls_key_file=key)
        for name in ("submission", "imap", "imaps", "pop3", "pop3s"):
            self.port(name)
        self.master += (
            "127.0.0.1:%(submission)d inet n - n - - smtpd\n"
            "    -o syslog_name=postfix/submission\n"
            "    -o smtpd_tls_security_level=encrypt\n"
            "    -o smtpd_sasl_auth_enable=yes\n"
            "    -o smtpd_tls_auth_only=yes\n"
            "    -o smtpd_recipient_restrictions="
            "permit_sasl_authenticated,reject\n"
            "127.0.0.1:%(imap)d inet n - n - - login -o login_service=imap\n"
            "127.0.0.1:%(imaps)d inet n - n - - login "
            "-o login_service=imaps\n"
            "127.0.0.1:%(pop3)d inet n - n - - login -o login_service=pop3\n"
            "127.0.0.1:%(pop3s)d inet n - n - - login "
            "-o login_service=pop3s\n") % self.ports

    def start(self):
        self.write_configuration()
        for user in self.users:
            self.command("posthorn", "user", "add", user + "@example.org",
                         input=PASSWORD + "\n")
        super().start()
        for name in ("submission", "imap", "imaps", "pop3", "pop3s"):
            self.wait_port(self.ports[name])
        return self

    def login_imap(self, user="alice"):
        client = self.imap(self.ports["imaps"], tls=True)
        client.login(user + "@example.org", PASSWORD)
        return client
