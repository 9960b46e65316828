#!/usr/bin/env python3
"""Leaf bytes v1, a second implementation that shares no code with bus/leaf.c (format: bus/leaf.h).

usage: leaf_v1.py --write    writes test/vectors/leaf_v1.json and leaf_v1.inc: only when a vector is
                             added; the bytes of an existing one never change
"""
import hashlib
import json
import pathlib
import struct
import sys
import uuid

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors"
FIELDS = [("n", "int"), ("position", "int"), ("log_id", "uuid"), ("event_id", "uuid"),
          ("type", "text"), ("aggregate_type", "text"), ("aggregate_id", "uuid"),
          ("version", "int"), ("actor", "text"), ("command_id", "uuid"),
          ("correlation_id", "uuid"), ("causation_id", "uuid"), ("occurred_at_us", "int"),
          ("recorded_at_us", "int"), ("payload", "hex")]
ENCODE = {"int": lambda value: struct.pack(">q", value),
          "uuid": lambda value: uuid.UUID(value).bytes,
          "text": lambda value: value.encode("utf-8"),
          "hex": bytes.fromhex}


def leaf_bytes(event):
    parts = [b"\x01"]
    for name, kind in FIELDS:
        encoded = ENCODE[kind](event[name])
        parts += [struct.pack(">I", len(encoded)), encoded]
    return b"".join(parts)


def leaf_hash(event):
    return hashlib.sha256(b"\x00" + leaf_bytes(event)).digest()


def event(name, **changes):
    ids = {field: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name} {field}"))
           for field, kind in FIELDS if kind == "uuid"}
    base = dict(ids, n=1, position=1, type="user.created", aggregate_type="user", version=1,
                actor="user:" + ids["aggregate_id"], occurred_at_us=1700000000000000,
                recorded_at_us=1700000000000001, payload="0a0568656c6c6f")
    return {"name": name, **base, **changes}


EVENTS = [
    event("usual"),
    event("empty_payload", payload=""),
    event("above_32_bits", n=2**31 + 7, position=2**40 + 9, version=2**33),
    event("before_1970_and_unicode", occurred_at_us=-1, actor="importer/Żółć 🐘", type="é"),
]


def as_json():
    return json.dumps([dict(e, leaf=leaf_bytes(e).hex(), hash=leaf_hash(e).hex())
                       for e in EVENTS], indent=1, ensure_ascii=False) + "\n"


def as_c(value, kind):
    if kind == "int":
        return f"INT64_C({value})"
    if kind == "uuid":
        return "{{" + ", ".join(f"0x{byte:02x}" for byte in uuid.UUID(value).bytes) + "}}"
    if kind == "text":
        return '"' + "".join(f"\\x{byte:02x}" for byte in value.encode()) + '"'
    octets = bytes.fromhex(value)
    return '{(const uint8_t *)"' + "".join(f"\\x{o:02x}" for o in octets) + f'", {len(octets)}}}'


def as_inc():
    lines = ["// Written by test/unit/leaf_v1.py; do not edit."]
    for e in EVENTS:
        lines.append(f'{{"{e["name"]}", {{')
        lines += [f"    .{name} = {as_c(e[name], kind)}," for name, kind in FIELDS]
        lines.append(f'}}, "{leaf_bytes(e).hex()}", "{leaf_hash(e).hex()}"}},')
    return "\n".join(lines) + "\n"


FILES = {"leaf_v1.json": as_json, "leaf_v1.inc": as_inc}

if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    for file_name, content in FILES.items():
        (VECTORS / file_name).write_text(content())
