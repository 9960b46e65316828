#!/usr/bin/env python3
"""Bad input to every method of every contract: one clear error each, and no event.

The requests are generated from the contracts' descriptors, so a new method or field is covered by
being there. They are sent as bytes over NATS: no client of ours stands in between.
"""
import json
import pathlib
import struct
import sys
import time
import uuid

from google.protobuf.descriptor import FieldDescriptor as Field

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller, methods
from instance import Instance, case, main
from log_check import SERVICES, contracts

INVALID_ARGUMENT = 3
# gRPC's codes that tell a caller what to change. INTERNAL, UNKNOWN, UNAVAILABLE would be ours.
CLEAR = {3: "INVALID_ARGUMENT", 5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED",
         9: "FAILED_PRECONDITION", 11: "OUT_OF_RANGE", 16: "UNAUTHENTICATED"}
BYTES_MAX, ELEMENTS_MAX = 1_000_000, 1000
INJECTIONS = ["'; DROP SCHEMA identity CASCADE; --", "' OR '1'='1", "\\'; SELECT pg_sleep(10); --",
              "$1", "%s%n%s%n", "${jndi:ldap://x/y}", "../../../../etc/passwd", "a:* & !b | (", "\"",
              "Nova-On-Behalf-Of: x", "_INBOX.>", "nova.evt.identity.>", "*", "\u202e\ufeff\u2028",
              "x\r\nNova-Position: identity:99", "x\r\n\r\nbody", "\r\nNats-Service-Error-Code: 0",
              "<script>alert(1)</script>", "[[\"", "-", "\U0001f600" * 200, "e\u0301" * 300]
it = Instance(settings={"NOVA_IDENTITY_LOGIN_ATTEMPTS": "1000000"})  # some hundred logins of nobody fail
attempts = {}


# ---- the wire format by hand --------------------------------------------------------------------

def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def tag(number, wire):
    return varint(number << 3 | wire)


def text(number, data):
    return tag(number, 2) + varint(len(data)) + data


WIRE = {Field.TYPE_DOUBLE: 1, Field.TYPE_FLOAT: 5, Field.TYPE_FIXED64: 1, Field.TYPE_FIXED32: 5,
        Field.TYPE_SFIXED64: 1, Field.TYPE_SFIXED32: 5, Field.TYPE_STRING: 2, Field.TYPE_BYTES: 2,
        Field.TYPE_MESSAGE: 2}


def some(field):
    """A field with a value that its type allows."""
    wire = WIRE.get(field.type, 0)
    return tag(field.number, wire) + {0: b"\x01", 1: bytes(8), 5: bytes(4), 2: b"\x00"}[wire]


def wrongly(field):
    """The same field in another wire type."""
    other = 2 if WIRE.get(field.type, 0) == 0 else 0
    return tag(field.number, other) + (b"\x01x" if other == 2 else b"\x01")


def is_id(field):
    return field.type == Field.TYPE_STRING and (
        field.name == "id" or field.name.endswith(("_id", "_ids")))


def fields_of(message, wrap=lambda data: data, depth=0):
    """(field, how to wrap it into the request) of a message and of those in it."""
    for field in message.fields:
        yield field, wrap
        if field.type == Field.TYPE_MESSAGE and depth < 4:
            yield from fields_of(field.message_type, lambda data, field=field: wrap(
                text(field.number, data)), depth + 1)


def faults_of_form(message):
    """(what, bytes) that no protobuf of this type has."""
    unused = max([field.number for field in message.fields] + [0]) + 1
    yield "no protobuf", b"\xff\xff\xff\xff"
    yield "a cut tag", b"\x80"
    yield "a cut length", tag(1, 2) + b"\x7f" + b"short"
    yield "a huge length", tag(1, 2) + b"\xff\xff\xff\xff\x0f"
    yield "an endless varint", tag(1, 0) + b"\xff" * 11
    yield "field 0", b"\x00\x01"
    yield "a group", tag(1, 3) + tag(1, 4)
    yield "wire type 7", b"\x0f"
    yield "a text file", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for number in (unused, 1000, 18999, (1 << 29) - 1):
        yield "unknown field", text(number, b"x")
        yield "unknown field", tag(number, 0) + b"\x01"
        yield "unknown field", tag(number, 1) + bytes(8)
        yield "unknown field", tag(number, 5) + bytes(4)
    yield "too large", text(unused, bytes(BYTES_MAX))


def faults_of_fields(message):
    """(what, the field it must name, bytes)."""
    for field, wrap in fields_of(message):
        yield "wrong wire type", field, wrap(wrongly(field))
        if field.label != Field.LABEL_REPEATED:
            yield "a field twice", field, wrap(some(field) * 2)
        else:
            yield "too many", field, wrap(some(field) * (ELEMENTS_MAX + 1))
        if field.type == Field.TYPE_STRING:
            for what, data in (("invalid UTF-8", b"a\xff\xfeb"), ("overlong UTF-8", b"\xc0\xaf"),
                               ("a surrogate", b"\xed\xa0\x80"), ("NUL", b"a\x00b"),
                               ("a control character", b"a\x1b[31mb"), ("cut UTF-8", b"\xe2\x82"),
                               ("beyond Unicode", b"\xf4\x90\x80\x80")):
                yield what, field, wrap(text(field.number, data))
        if is_id(field):
            for data in ("x", "00000000-0000-0000-0000-00000000000g", str(uuid.uuid4()) + " ",
                         "{" + str(uuid.uuid4()) + "}", *INJECTIONS):
                yield "no UUID", field, wrap(text(field.number, data.encode()))


def injections(message):
    """Texts that are allowed but mean something to somebody behind us."""
    for field, wrap in fields_of(message):
        if field.type == Field.TYPE_STRING and not is_id(field):
            for data in INJECTIONS:
                yield wrap(text(field.number, data.encode()))
            yield wrap(text(field.number, b"x" * (BYTES_MAX - 100)))
        elif field.type in (Field.TYPE_INT64, Field.TYPE_UINT64, Field.TYPE_INT32,
                            Field.TYPE_UINT32, Field.TYPE_ENUM):
            for number in (0, 1, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
                yield wrap(tag(field.number, 0) + varint(number))
        elif field.type == Field.TYPE_DOUBLE:
            for number in (float("nan"), float("inf"), -1e308):
                yield wrap(tag(field.number, 1) + struct.pack("<d", number))
        elif field.type == Field.TYPE_BYTES:
            for length in (0, 1, 15, 17, 1000):
                yield wrap(text(field.number, bytes(length)))


def each_method():
    for service, method, request, _ in methods():
        yield service, method, contracts()[0].FindMessageTypeByName(request)


def tried(kind):
    attempts[kind] = attempts.get(kind, 0) + 1


def state():
    rows = [it.sql(f"select count(*), max(position) from {each}.outbox") for each in SERVICES]
    return rows, [(each["name"], each["starts"]) for each in it.status()["processes"]]


def must_be_clear(where, code, words, allowed):
    assert code in allowed, f"{where}: {code} {words!r}"
    assert words and words.isprintable() and len(words) < 500, f"{where}: {words!r}"


@case
def what_is_no_request_is_refused():
    before = state()
    with Caller(it) as caller:
        for service, method, message in each_method():
            for what, data in faults_of_form(message):
                code, words, _ = caller.ask(service, method, data)
                must_be_clear((service, method, what, data[:20]), code, words, {INVALID_ARGUMENT})
                tried("form")
    assert state() == before


@case
def a_field_that_is_wrong_is_named():
    before = state()
    with Caller(it) as caller:
        for service, method, message in each_method():
            for what, field, data in faults_of_fields(message):
                code, words, _ = caller.ask(service, method, data)
                where = (service, method, what, field.name, data[:40])
                must_be_clear(where, code, words, {INVALID_ARGUMENT})
                assert field.name in words, f"{where}: {words!r}"
                tried("field")
    assert state() == before


@case
def what_means_something_to_sql_or_headers_is_only_text():
    """Alone in a request it makes no command whole: an error, or an answer to a question."""
    before = state()
    with Caller(it) as caller:
        for service, method, message in each_method():
            for data in injections(message):
                code, words, _ = caller.ask(service, method, data)
                if code != 0:
                    must_be_clear((service, method, data[:60]), code, words, CLEAR)
                tried("injection")
    assert state() == before


def whole_register():
    name = uuid.uuid4().hex[:12]
    return b"".join(text(number, data.encode()) for number, data in (
        (REGISTER["handle"], name), (REGISTER["email"], f"{name}@example.invalid"),
        (REGISTER["password"], "correct horse battery"), (REGISTER["display_name"], name)))


REGISTER = {field.name: field.number for field in contracts()[0].FindMessageTypeByName(
    "nova.identity.v2.RegisterRequest").fields}


def bad_headers(caller):
    token = caller.token()
    head, body, signature = token.split(".")
    for name in ("Nova-Command-Id", "Nova-Correlation-Id", "Nova-On-Behalf-Of"):
        for value in ["x", "0", str(uuid.uuid4())[:-1], str(uuid.uuid4()) + "0", *INJECTIONS]:
            yield {name: value}
    for value in ["x", "-1", "1e9", "99999999999999999999", "1 2", str(int(time.time() * 1e6) - 1),
                  *INJECTIONS]:
        yield {"Nova-Deadline": value}
        if not value.isdigit() and value != "-1":  # an operator may say when it happened
            yield {"Nova-Occurred-At": value}
    for value in ["--1", "+1", "-", "-99999999999999999", str(10 ** 18), str(-(1 << 63))]:
        yield {"Nova-Occurred-At": value}
    for value in ["x", "identity", "identity:", "identity:x", "identity:-1", "nobody:1", ":1",
                  f"identity:{(1 << 53) + 1}", f"identity:{(1 << 63) - 1}",
                  "identity:1,,content:1", "identity:99999999999999999999", ",".join(
                      ["identity:1"] * 20), *INJECTIONS]:
        yield {"Nova-Min-Position": value}
    for value in ["x", "Bearer", "Bearer x", "Bearer x.y.z", "Basic YTpi", f"Bearer {head}.{body}.",
                  f"Bearer {head}.{body}.{'A' * len(signature)}", f"Bearer {body}.{head}.{signature}",
                  f"Bearer {token}.x", f"Bearer {token[:-4]}", "Bearer " + "x" * 5000,
                  "Bearer eyJhbGciOiJub25lIn0." + body + ".", *INJECTIONS]:
        yield {"Authorization": value}
    for value in ("x\r\nno colon", "x\r\n\r\nbody", "x\r\n\x00: y"):  # no headers any more
        yield {"X-Other": value}


@case
def a_bad_header_stops_a_request_that_is_otherwise_good():
    before = state()
    with Caller(it) as caller:
        for bad in bad_headers(caller):
            code, words, _ = caller.ask("identity", "Register", whole_register(),
                                        caller.headers(**bad))
            must_be_clear(bad, code, words, {*CLEAR, 4})  # 4: a deadline that is over
            tried("header")
        assert state() == before
        assert caller.ask("identity", "Register", whole_register())[0] == 0
    assert state() != before


@case
def a_method_that_is_not_there_is_named():
    with Caller(it) as caller:
        for service in (*SERVICES, "search"):
            for method in ("Unknown", "register", "Register2", "x" * 200):
                code, words, _ = caller.ask(service, method, b"")
                must_be_clear((service, method), code, words, {12, INVALID_ARGUMENT, 5})
                tried("method")
    print(f"# attempts: {json.dumps(attempts)}", flush=True)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
