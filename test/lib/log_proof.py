"""An independent verifier of Nova's verifiable log, after docs/verifiable-log.md alone.

Shares no code with audit/. Needs the standard library and PyNaCl (Debian: python3-nacl).

usage: log_proof.py PROOF.json LOG_KEY_FILE [WITNESS_KEY_FILE...]
"""
import base64
import hashlib
import json
import re
import struct
import sys
import uuid

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

LOG, WITNESS = 1, 4
FIELDS = ("n position log_id event_id type aggregate_type aggregate_id version actor command_id "
          "correlation_id causation_id occurred_at recorded_at payload").split()


class Refused(Exception):
    """It does not prove what it says."""


def need(condition, why):
    if not condition:
        raise Refused(why)


def unbase64(text, length=None):
    """Strict: one text for each value."""
    try:
        value = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise Refused(f"no base64: {text!r}") from error
    need(base64.b64encode(value).decode() == text, "not the one base64 of its bytes")
    need(length is None or len(value) == length, f"not {length} bytes")
    return value


# ---- the tree (RFC 6962, 2.1) -------------------------------------------------------------------

def leaf_hash(leaf):
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes):
    """By the recursive definition."""
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def path_to_root(index, size, leaf, path):
    """The root that a leaf and its path give, from the definition of PATH: recursive."""
    if size == 1:
        need(not path, "the proof is too long")
        return leaf
    need(path, "the proof is too short")
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return node_hash(path_to_root(index, split, leaf, path[:-1]), path[-1])
    return node_hash(path[-1], path_to_root(index - split, size - split, leaf, path[:-1]))


def roots_of_growth(old_size, size, path, old_root, whole=True):
    """(old root, new root) that a consistency proof gives, from the definition of SUBPROOF."""
    if old_size == size:
        if whole:
            need(not path, "the proof is too long")
            return old_root, old_root
        need(len(path) == 1, "the proof is too long or too short")
        return path[0], path[0]
    need(path, "the proof is too short")
    split = 1 << (size - 1).bit_length() - 1
    if old_size <= split:
        old, new = roots_of_growth(old_size, split, path[:-1], old_root, whole)
        return old, node_hash(new, path[-1])
    old, new = roots_of_growth(old_size - split, size - split, path[:-1], old_root, False)
    return node_hash(path[-1], old), node_hash(path[-1], new)


# ---- notes and checkpoints ----------------------------------------------------------------------

class Key:
    """NAME+ID+BASE64: a log's (type 1) or a witness's (type 4)."""

    def __init__(self, text):
        self.name, stated, coded = text.strip().split("+", 2)
        coded = unbase64(coded, 33)
        self.type, self.public = coded[0], coded[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + coded).digest()[:4]
        need(stated == self.id.hex() and self.type in (LOG, WITNESS), "the key's id is wrong")

    def signed(self, text, signature):
        if self.type == WITNESS:
            need(len(signature) == 72, f"{self.name}: no cosignature")
            time = struct.unpack(">Q", signature[:8])[0]
            text, signature = f"cosignature/v1\ntime {time}\n{text}", signature[8:]
        need(len(signature) == 64, f"{self.name}: no Ed25519 signature")
        try:
            VerifyKey(self.public).verify(text.encode(), signature)
        except BadSignatureError as error:
            raise Refused(f"the signature of {self.name} is wrong") from error


class Checkpoint:
    """A signed note of three lines; `cosigned` counts the known witnesses that signed it."""

    def __init__(self, note, log, witnesses=()):
        head, empty, tail = note.rpartition("\n\n")
        need(empty and tail.endswith("\n"), "it is no signed note")
        text, by = head + "\n", set()
        for line in tail[:-1].split("\n"):
            match = re.fullmatch(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)", line)
            need(match, "it is no signed note")
            name, signature = match[1], unbase64(match[2])
            for key in (log, *witnesses):
                if (name, signature[:4]) == (key.name, key.id):
                    key.signed(text, signature[4:])
                    by.add(key)
        need(log in by, f"{log.name} has not signed it")
        self.cosigned = len(by - {log})
        lines = text.split("\n")
        need(len(lines) == 4 and lines[3] == "", "a checkpoint has three lines")
        self.origin, size, root = lines[:3]
        need(re.fullmatch(r"0|[1-9][0-9]{0,18}", size), "the size is no number")
        self.size, self.root = int(size), unbase64(root, 32)
        name, _, log_id = self.origin.rpartition("/")
        need(name == log.name and log_id == str(uuid.UUID(log_id)), "another log's origin")
        self.log_id = log_id


# ---- proofs -------------------------------------------------------------------------------------

def read_leaf(leaf):
    """{field: value} of a leaf of version 1; ids as text, numbers as int, else bytes."""
    need(leaf[:1] == b"\x01", "the leaf is not of version 1")
    at, event = 1, {}
    for name in FIELDS:
        need(len(leaf) >= at + 4, "the leaf is cut")
        length = struct.unpack_from(">I", leaf, at)[0]
        value = leaf[at + 4:at + 4 + length]
        need(len(value) == length, "the leaf is cut")
        at += 4 + length
        if name.endswith("_id"):
            need(length == 16, "an id has 16 bytes")
            value = str(uuid.UUID(bytes=value))
        elif name in ("n", "position", "version", "occurred_at", "recorded_at"):
            need(length == 8, "a number has 8 bytes")
            value = struct.unpack(">q", value)[0]
        event[name] = value
    need(at == len(leaf), "the leaf has too much")
    return event


def check(text, log, witnesses=()):
    """What a proof shows: (Checkpoint, the event or the older Checkpoint). Else Refused."""
    proof = json.loads(text)
    need(proof["format"] == "nova-log-proof/v1", "another format")
    path = [unbase64(each, 32) for each in proof["hashes"]]
    new = Checkpoint(proof["checkpoint"], log, witnesses)
    if proof["kind"] == "inclusion":
        leaf = unbase64(proof["leaf"])
        event = read_leaf(leaf)
        need(event["log_id"] == new.log_id, "the event is of another log")
        need(1 <= event["n"] <= new.size, "the event is beyond the checkpoint")
        need(path_to_root(event["n"] - 1, new.size, leaf_hash(leaf), path) == new.root,
             "the log does not hold this event")
        return new, event
    need(proof["kind"] == "consistency", "another kind")
    old = Checkpoint(proof["old_checkpoint"], log, witnesses)
    need(old.origin == new.origin, "two logs")
    need(0 < old.size <= new.size, "the checkpoint is rewound")
    need(roots_of_growth(old.size, new.size, path, old.root) == (old.root, new.root),
         "the newer checkpoint does not extend the older one")
    return new, old


if __name__ == "__main__":
    FILE, *KEYS = sys.argv[1:]
    LOG_KEY, *WITNESS_KEYS = [Key(open(each, encoding="utf-8").read()) for each in KEYS]
    try:
        SHOWN, OF = check(open(FILE, encoding="utf-8").read(), LOG_KEY, WITNESS_KEYS)
    except (Refused, KeyError, ValueError, TypeError) as refused:
        sys.exit(f"refused: {refused}")
    print(f"{SHOWN.origin} of {SHOWN.size} events, {SHOWN.cosigned} cosignatures:",
          OF if isinstance(OF, dict) else f"extends {OF.size}")
