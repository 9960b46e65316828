"""The corpus: the bytes of every form in which an event was ever written, and what they say.

test/corpus/<service>/<type>.<number>.json is one event: its payload's bytes, the key that opens its
personal part, and both as JSON of today's form. A file is never changed once it was released; a new
form (a field more, another meaning) gets the next number by test/corpus/add.py.
"""
import json
import pathlib
import re

from instance import ROOT
from log_check import message_class

FOLDER = ROOT / "test/corpus"


def event_types():
    """(service, aggregate, event, whether it is sealed) of the contracts."""
    text = (ROOT / "proto/contract.def").read_text()
    return [(service, aggregate, event, kind == "SEALED") for kind, service, aggregate, event in
            re.findall(r"^(SEALED|PLAIN)\((\w+), (\w+), (\w+)\)", text, re.M)]


def payload_class(service, aggregate, event, personal=False):
    words = "".join(word.capitalize() for word in f"{aggregate}_{event}".split("_"))
    name = f"{words}{'Personal' if personal else ''}"
    return message_class(f"nova.{service}.v2.{name}")


def files(service, aggregate, event):
    return sorted((FOLDER / service).glob(f"{aggregate}.{event}.*.json"))


def events():
    """Every file's content, in an order in which the events can have happened."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/*.json"))]
    lives = ["created", "started", "sent", "updated", "password_changed",
             "email_verified", "edited", "read", "refreshed",
             "locked", "unlocked", "revoked", "rotated", "deleted"]
    first = ["user", "session", "keyring", "post", "comment", "conversation", "message"]
    return sorted(found, key=lambda each: (
        lives.index(each["type"].split(".")[1]), first.index(each["type"].split(".")[0]),
        each["event_id"]))
