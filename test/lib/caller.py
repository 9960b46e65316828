"""Calls of the contracts' methods by hand: NATS, JWT and protobuf of other libraries than ours."""
import base64
import json
import time
import uuid

from log_check import contracts, message_class
from nats import Nats, public_nkey, signing_key

RESTART_S = 10


def methods():
    """(service, method, request's type, reply's type) of every contract."""
    for file in contracts()[1].file:
        for service in file.service:
            for method in service.method:
                yield (service.name.lower(), method.name, method.input_type.lstrip("."),
                       method.output_type.lstrip("."))


def _base64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# All headers that an answer has; another one would be somebody's text that became a header.
ANSWERED = ({"Nova-Position"}, {"Nats-Service-Error-Code", "Nats-Service-Error"}, set())


class Caller(Nats):
    """A process of its own with its token: operator_rpc, importer."""

    def __init__(self, instance, user="operator_rpc", seconds=10, token=None):
        self.given_token = token  # a user's own, instead of the process's
        super().__init__(instance, user, seconds)
        self.key = signing_key(instance, user)
        self.position = None  # of the last reply that made events: calls ask for no older view
        self.types = {(service, method): (request, reply)
                      for service, method, request, reply in methods()}

    def now(self):
        return time.time()

    def token(self):
        if self.given_token:
            return self.given_token
        now = int(self.now())
        head = {"alg": "EdDSA", "typ": "JWT", "kid": public_nkey(self.key)}
        claims = {"iss": "process", "sub": self.user, "aud": "nova", "iat": now, "exp": now + 60}
        signed = f"{_base64(json.dumps(head).encode())}.{_base64(json.dumps(claims).encode())}"
        return f"{signed}.{_base64(self.key.sign(signed.encode()).signature)}"

    def headers(self, **more):
        return {"Authorization": f"Bearer {self.token()}", "Nova-Command-Id": str(uuid.uuid4()),
                "Nova-Deadline": str(int((self.now() + self.seconds) * 1e6)), **more}

    def ask(self, service, method, data, headers=None):
        """Bytes in; (error code or 0, error text or "", bytes out)."""
        sent = self.headers() if headers is None else headers
        end = time.monotonic() + RESTART_S
        while True:
            answer = self.request(f"nova.rpc.{service}.v2.{method}", data, sent)
            # A service that was just started again subscribes in a moment.
            if answer is None or not answer.no_responders or time.monotonic() > end:
                break
            time.sleep(0.1)
        assert answer is not None, f"{service}.{method} did not answer"
        assert not answer.no_responders, f"nobody answers {service}.{method}"
        names = answer.header_names()
        assert set(names) in ANSWERED and len(set(names)) == len(names), (service, method, names)
        self.position = answer.headers.get("Nova-Position", self.position)
        return (int(answer.headers.get("Nats-Service-Error-Code", 0)),
                answer.headers.get("Nats-Service-Error", ""), answer.data)

    def call(self, service, method, on_behalf_of=None, **fields):
        """The reply's message; an error fails the test."""
        request, reply = self.types[service, method]
        more = {"Nova-On-Behalf-Of": on_behalf_of} if on_behalf_of else {}
        if self.position:
            more["Nova-Min-Position"] = self.position
        code, text, data = self.ask(service, method,
                                    message_class(request)(**fields).SerializeToString(),
                                    self.headers(**more))
        assert code == 0, f"{service}.{method}: {code} {text}"
        return message_class(reply).FromString(data)
