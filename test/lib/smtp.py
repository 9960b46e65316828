"""A real SMTP server on loopback (aiosmtpd): it counts what it took, and fails on order.

A class of its own for each order would hide what a case does: a case sets `refuse`, `cut` or `hold`.
"""
import asyncio
import email
import email.policy
import ssl
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP


class Mailbox:
    """Where e-mails arrive."""

    def __init__(self, port, tls=None, login=None):
        """tls: (certificate, key): STARTTLS is wanted. login: (user, password) that is wanted."""
        self.taken = []  # (recipient, message), in order
        self.refuse = []  # answers for the next recipients: "450 later", "550 never"
        self.cut = 0  # of so many e-mails the connection ends before the answer
        self.hold = False  # answers 250, and then nothing more
        self.held = threading.Event()
        self.attempts = 0
        self.encrypted = []
        self.login = login
        more = {"require_starttls": bool(tls)}
        if tls:
            more["tls_context"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            more["tls_context"].load_cert_chain(*tls)
        if login:
            more.update(auth_required=True, auth_require_tls=bool(tls),
                        authenticator=self.authenticate)
        self.options = {"hostname": "127.0.0.1", "port": port, "enable_SMTPUTF8": True, **more}
        self.controller = None

    def start(self):
        self.controller = Controller(self, **self.options)
        self.controller.start()

    def stop(self):
        self.controller.stop()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.login)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        self.attempts += 1
        if self.refuse:
            return self.refuse.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.encrypted.append(session.ssl is not None)
        if self.cut:
            self.cut -= 1
            server.transport.abort()
            return "250 nobody hears it"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.taken.append((envelope.rcpt_tos[0], message))
        return "250 OK"

    async def handle_QUIT(self, server, _session, _envelope):
        while self.hold:  # the 250 of before was sent; until the client is gone, nothing more
            self.held.set()
            await asyncio.sleep(0.01)
        return "221 Bye"

    def to(self, address):
        return [message for recipient, message in self.taken if recipient == address]

    def ids(self):
        return [message["Message-ID"] for _, message in self.taken]


def text_of(message):
    """The text of an e-mail, decoded."""
    return message.get_body(("plain",)).get_content().replace("\r\n", "\n")
