"""A NATS client that shares no code with ours: for tests that speak the protocol by hand.

One thread, one connection, core NATS as in docs.nats.io/reference/reference-protocols/nats-protocol,
nkeys by python3-nacl. Whoever asks for a reply of JetStream does so as a request.
"""
import base64
import contextlib
import json
import os
import re
import socket
import time

import nacl.signing

from instance import wait_for


class Message:
    def __init__(self, subject, sid, reply, raw_headers, data):
        self.subject, self.sid, self.reply, self.data = subject, sid, reply, data
        self.raw_headers = raw_headers
        self.headers = _headers_of(raw_headers) if raw_headers else {}

    def header_names(self):
        """Each as often as it is there."""
        return [line.partition(b":")[0].decode("utf-8", "replace")
                for line in self.raw_headers.split(b"\r\n")[1:] if line]

    @property
    def no_responders(self):
        return self.headers.get("Status") == "503"


def _headers_of(raw):
    lines = raw.decode("utf-8", "replace").split("\r\n")
    found = {"Status": lines[0][8:].strip().split(" ")[0]} if lines[0][8:].strip() else {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip()
    return found


def signing_key(instance, user):
    text = (instance.home / "credentials/nats" / f"{user}.nk").read_text().strip()
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    return nacl.signing.SigningKey(raw[2:34])  # two bytes of prefix before, a checksum behind


def public_nkey(key):
    raw = bytes([20 << 3]) + bytes(key.verify_key)
    crc = 0
    for byte in raw:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return base64.b32encode(raw + crc.to_bytes(2, "little")).decode().rstrip("=")


def account(instance, user):
    """The account that accounts.conf puts a user into: BUS, SERVICES, AUDITORS, ..."""
    before = (instance.home / "nats/accounts.conf").read_text().split(f"# {user}\n")[0]
    return re.findall(r"^  (\w+) \{", before, re.M)[-1]


class Nats:
    """As `user` of an Instance, or of a server without users; `errors` holds every -ERR it sent."""

    def __init__(self, instance, user=None, seconds=5):
        self.user, self.seconds = user, seconds
        bus = user is None or account(instance, user) == "BUS"
        self.js = "$JS.API" if bus else "JS.BUS.API"
        self.errors, self.pending, self.sids, self.requests = [], [], 0, 0
        self.socket = socket.create_connection(("127.0.0.1", instance.nats_port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.inbox = f"_INBOX.{user}.py{os.getpid()}-{id(self):x}"
        while b"\r\n" not in self.buffer:
            assert self._more(30), "no INFO"
        info = json.loads(self._cut(self.buffer.index(b"\r\n") + 2)[5:])
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True,
                   "lang": "py", "version": "1", "protocol": 1}
        if user is not None:
            key = signing_key(instance, user)
            signature = key.sign(info["nonce"].encode()).signature
            options |= {"nkey": public_nkey(key),
                        "sig": base64.urlsafe_b64encode(signature).decode().rstrip("=")}
        self._send(f"CONNECT {json.dumps(options)}\r\n".encode())
        self.flush()
        self.answers = self.subscribe(self.inbox + ".*")

    def _send(self, data):
        self.socket.sendall(data)

    def _more(self, seconds):
        """Receives what has come; False when nothing does in time."""
        self.socket.settimeout(max(seconds, 0.001))
        try:
            data = self.socket.recv(1 << 20)
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(30)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data
        return True

    def _cut(self, count):
        cut = bytes(self.buffer[:count])
        del self.buffer[:count]
        return cut

    def _read(self, seconds):
        """One operation of the protocol; None when the time is over."""
        while b"\r\n" not in self.buffer:
            if not self._more(seconds):
                return None
        line = self._cut(self.buffer.index(b"\r\n") + 2).decode()
        words = line.split()
        if words[0] == "PING":
            self._send(b"PONG\r\n")
        elif words[0] == "-ERR":
            self.errors.append(line[5:].strip())
        elif words[0] in ("MSG", "HMSG"):
            self._take(words)
        return words[0]

    def _take(self, words):
        sizes = 2 if words[0] == "HMSG" else 1
        numbers = [int(each) for each in words[-sizes:]]
        middle = words[3:-sizes]
        while len(self.buffer) < numbers[-1] + 2:
            assert self._more(30), "half a message"
        body = self._cut(numbers[-1] + 2)[:-2]
        cut = numbers[0] if sizes == 2 else 0
        self.pending.append(Message(words[1], int(words[2]), middle[0] if middle else None,
                                    body[:cut], body[cut:]))

    def flush(self):
        """Until the server has taken everything and said what it refused."""
        self._send(b"PING\r\n")
        end = time.monotonic() + self.seconds
        while self._read(end - time.monotonic()) != "PONG":
            assert time.monotonic() < end, "no PONG"

    def subscribe(self, subject, queue=""):
        self.sids += 1
        self._send(f"SUB {subject} {queue} {self.sids}\r\n".encode())
        return self.sids

    def unsubscribe(self, sid):
        self._send(f"UNSUB {sid}\r\n".encode())

    def publish(self, subject, data=b"", reply="", headers=None):
        if headers is None:
            self._send(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")
            return
        raw = ("NATS/1.0\r\n" + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) +
               "\r\n").encode()
        self._send(f"HPUB {subject} {reply} {len(raw)} {len(raw) + len(data)}\r\n".encode() + raw +
                   data + b"\r\n")

    def next(self, sid, seconds=None):
        """The next message of a subscription; None when there is none in time."""
        end = time.monotonic() + (self.seconds if seconds is None else seconds)
        while True:
            for place, message in enumerate(self.pending):
                if message.sid == sid:
                    return self.pending.pop(place)
            if time.monotonic() >= end or self._read(end - time.monotonic()) is None:
                return None

    def request(self, subject, data=b"", headers=None, seconds=None):
        self.requests += 1
        reply = f"{self.inbox}.{self.requests}"
        self.publish(subject, data, reply, headers)
        end = time.monotonic() + (self.seconds if seconds is None else seconds)
        while True:
            message = self.next(self.answers, end - time.monotonic())
            if message is None or message.subject == reply:
                return message

    def api(self, verb, request=None):
        """A request of JetStream's API; None when nobody may or can answer."""
        answer = self.request(f"{self.js}.{verb}", json.dumps(request or {}).encode())
        return None if answer is None or answer.no_responders else json.loads(answer.data)

    def last_n(self, service="content"):
        """The end of a service's stream. While a server takes up changed accounts, nobody answers."""
        return wait_for("an answer of JetStream", lambda: self.api(
            f"STREAM.INFO.NOVA_{service.upper()}"))["state"]["last_seq"]

    def stream(self, name):
        """Every message of a stream, by its sequence, read one by one: (sequence, message)."""
        state = self.api(f"STREAM.INFO.{name}")["state"]
        first = max(state["first_seq"], 1)  # an empty stream begins with 0
        for sequence in range(first, state["last_seq"] + 1):
            self.publish(f"{self.js}.DIRECT.GET.{name}", json.dumps({"seq": sequence}).encode(),
                         f"{self.inbox}.get{sequence % 512}")
            if (sequence - first) % 512 == 511 or sequence == state["last_seq"]:
                yield from self._direct(sequence - (sequence - first) % 512, sequence)

    def _direct(self, first, last):
        for sequence in range(first, last + 1):
            message = self.next(self.answers)
            assert message is not None, f"no answer for message {sequence}"
            assert message.headers.get("Status") != "404", f"message {sequence} is missing"
            assert message.headers["Nats-Sequence"] == str(sequence), message.headers
            yield sequence, message

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
