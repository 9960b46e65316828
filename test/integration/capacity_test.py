#!/usr/bin/env python3
"""Load beyond capacity: refused early and in words, memory flat, and all normal afterwards.

NOVA_TEST_FULL=1: the backlog is a million events instead of 100 thousand.
"""
import contextlib
import functools
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import uuid

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from caller import Caller
from flood import Flood
from instance import NOVA, PATIENCE_S, Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, message_class
from memory import MIB, Memory

RESOURCE_EXHAUSTED, INVALID_ARGUMENT = 8, 3
# base/limits.h
RPC_QUEUE_MAX, RPC_QUEUE_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX = 1024, 32 << 20, 1000000
# What a process may grow by while it is overloaded or far behind: its queues' bounds, their
# messages' envelopes, and what malloc keeps of them. With sanitizers freed memory is kept a while.
GROWTH_MAX = 96 * MIB
# The servers' own: nats-server's Go heap with a publisher and six readers at full speed, and what
# PostgreSQL's 60 sessions have for themselves; both are independent of how far the relay is behind.
SERVER_GROWTH_MAX = 256 * MIB
SANITIZED = " ".join(filter(None, (os.environ.get("ASAN_OPTIONS"), ""))).strip()
ASAN = f"{SANITIZED}:quarantine_size_mb=16" if SANITIZED else "quarantine_size_mb=16"
WORKERS = 2
BACKLOG = 1_000_000 if os.environ.get("NOVA_TEST_FULL") else 100_000


@functools.lru_cache
def shared():
    instance = Instance(settings={"NOVA_SERVICE_WORKERS": str(WORKERS), "ASAN_OPTIONS": ASAN})
    try:
        instance.up()
    except Exception:
        instance.tell()
        raise
    return instance


def import_user(caller, number):
    """A command as it is sent: (command id, bytes, headers)."""
    command = str(uuid.uuid4())
    request = message_class("nova.identity.v2.ImportUserRequest")(
        user_id=str(uuid.uuid4()), handle=f"u{number}.{command[:8]}", display_name=f"User {number}",
        email=f"u{number}.{command[:8]}@example.org").SerializeToString()
    return command, request, caller.headers(**{"Nova-Command-Id": command})


@contextlib.contextmanager
def commands_wait(it, service):
    """No command of the service can append meanwhile: its workers stay busy, for 5 s at most."""
    with contextlib.closing(it.connect()) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"lock table {service}.outbox in exclusive mode")
            yield
        connection.rollback()


def wait_until_blocked(it, service, count):
    wait_for("the workers to be busy", lambda: it.sql(
        "select count(*) from pg_stat_activity where usename = %s and wait_event_type = 'Lock'",
        (f"{service}_service",))[0][0] >= count)


def commands_in(it, service):
    return dict(it.sql(f"select command_id::text, count(*) from {service}.outbox group by 1"))


@case
def a_full_service_refuses_at_once_and_loses_nothing():
    it, count = shared(), 3000
    with Caller(it, "operator_rpc", 120) as caller, Memory(it) as memory:
        flood = Flood(caller, "identity", "ImportUser")
        prepared = [import_user(caller, number) for number in range(count)]
        with commands_wait(it, "identity"):
            for each in prepared[:WORKERS]:
                flood.send(*each)
            wait_until_blocked(it, "identity", WORKERS)
            for each in prepared[WORKERS:]:
                flood.send(*each)
            refused = count - WORKERS - RPC_QUEUE_MAX
            flood.take_until("the refusals", lambda: len(flood.codes) >= refused)
            assert set(flood.codes.values()) == {RESOURCE_EXHAUSTED}, set(flood.codes.values())
            assert len(flood.codes) == refused, len(flood.codes)
            assert all("try again later" in text for text in flood.texts.values())
        flood.take_until("an answer to each", lambda: len(flood.codes) == count)
    done, stored = flood.of(0), commands_in(it, "identity")
    assert len(done) >= RPC_QUEUE_MAX, len(done)  # those that waited for the lock may time out
    assert all(stored.get(command) == 1 for command in done)
    assert not any(command in stored for command in flood.of(RESOURCE_EXHAUSTED) - done)
    memory.assert_flat("a full service", GROWTH_MAX)
    wait_for("everything to be caught up", it.is_caught_up)


@case
def tokens_and_health_are_answered_while_commands_queue():
    it = shared()
    with Caller(it, "operator_rpc", 120) as caller, Caller(it, "operator_rpc", 60) as other:
        flood = Flood(caller, "identity", "ImportUser")
        prepared = [import_user(caller, number) for number in range(RPC_QUEUE_MAX + 50)]
        token = session_token(it, other)
        with commands_wait(it, "identity"):
            for each in prepared:
                flood.send(*each)
            flood.take_until("the queue to be full", lambda: flood.of(RESOURCE_EXHAUSTED))
            for _ in range(20):
                assert other.call("identity", "VerifyToken", access_token=token).user_id
                assert other.call("identity", "GetJwks").keys
                pong = other.request("$SRV.PING.identity")
                assert pong and json.loads(pong.data)["name"] == "identity"
            assert not flood.of(0), "commands were not waiting after all"
        flood.take_until("an answer to each", lambda: len(flood.codes) == len(prepared))
    wait_for("everything to be caught up", it.is_caught_up)


def session_token(it, caller):
    name = f"t{uuid.uuid4().hex[:12]}"
    caller.call("identity", "Register", handle=name, display_name="T", email=f"{name}@example.org",
                password="correct horse battery")
    return caller.call("identity", "Login", login=name, password="correct horse battery"
                       ).access_token


@case
def large_requests_are_bounded_by_their_bytes():
    it, size, count = shared(), 900_000, 150
    with Caller(it, "operator_rpc", 120) as caller, Memory(it) as memory:
        flood = Flood(caller, "identity", "ImportUser")
        with commands_wait(it, "identity"):
            for number in range(WORKERS):
                flood.send(*import_user(caller, number))
            wait_until_blocked(it, "identity", WORKERS)
            for _ in range(count):
                command = str(uuid.uuid4())
                flood.send(command, b"\x1a" + size.to_bytes(3, "little") + bytes(size),
                           caller.headers(**{"Nova-Command-Id": command}))
            refused = count - RPC_QUEUE_BYTES_MAX // size
            flood.take_until("the refusals", lambda: len(flood.codes) >= refused - 1)
            assert set(flood.codes.values()) == {RESOURCE_EXHAUSTED}, set(flood.codes.values())
        flood.take_until("an answer to each", lambda: len(flood.codes) == count + WORKERS)
        assert INVALID_ARGUMENT in flood.codes.values()  # what waited was looked at
    memory.assert_flat("large requests", GROWTH_MAX)


@case
def an_import_backs_off_and_ends_with_every_command_once():
    it, count = shared(), 3000
    before = it.sql("select count(*) from identity.outbox")[0][0]
    lines = "".join(json.dumps({"service": "identity", "method": "ImportUser", "request": {
        "user_id": str(uuid.uuid4()), "handle": f"i{number}.{os.getpid()}",
        "email": f"i{number}.{os.getpid()}@example.org", "display_name": "I"}}) + "\n"
        for number in range(count))
    imports = []
    with Caller(it, "operator_rpc", 120) as caller:
        flood = Flood(caller, "identity", "ImportUser")
        with commands_wait(it, "identity"):
            for number in range(RPC_QUEUE_MAX + WORKERS):
                flood.send(*import_user(caller, number))
            imports = [subprocess.Popen([str(NOVA), "import", "-"], env=it.environment(), text=True,
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE)]
            feeder = threading.Thread(target=lambda: imports[0].communicate(lines, 240))
            feeder.start()
            flood.take(1)
        flood.take_until("an answer to each", lambda: len(flood.codes) == len(flood.sent))
        feeder.join(240)
    assert imports[0].returncode == 0
    after = it.sql("select count(*) from identity.outbox")[0][0]
    assert after - before == count + len(flood.of(0)), (before, after, len(flood.of(0)))
    wait_for("everything to be caught up", it.is_caught_up)


@case
def an_event_beyond_the_bound_is_refused_at_append_and_the_largest_passes_the_relay():
    it = shared()
    envelope = {"type": "t." + "t" * 62, "aggregate_type": "a" * 64, "actor": "x" * 128,
                "traceparent": "p" * 55}
    beyond = [("payload", bytes(1024 * 1024 + 1)), ("type", "two words"), ("type", "post.*"),
              *[(each, envelope[each] + "y") for each in envelope]]
    for column, value in beyond:
        with contextlib.suppress(psycopg2.errors.CheckViolation):
            append_wide(it, {**envelope, "payload": b"", column: value})
            raise AssertionError(f"{column} has no bound")
    for _ in range(40):  # more than one look, one window and one batch of a consumer take
        append_wide(it, {**envelope, "payload": os.urandom(EVENT_PAYLOAD_BYTES_MAX)})
    append_and_commit(it)
    wait_for("the relay to pass them", it.is_caught_up, PATIENCE_S * 3)
    assert_streams_equal_outboxes(it, ("content",))


def append_wide(it, columns):
    ids = {name: str(uuid.uuid4()) for name in (
        "event_id", "aggregate_id", "command_id", "correlation_id", "causation_id")}
    row = {**ids, **columns, "version": 1, "command_index": 0, "command_digest": bytes(32)}
    names = list(row)
    with contextlib.closing(it.connect("content_service")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                f"insert into content.outbox ({', '.join(names)}, occurred_at) values "
                f"({', '.join(['%s'] * len(names))}, clock_timestamp())", [row[n] for n in names])
        connection.commit()


@case
def a_request_beyond_the_bus_is_refused_in_words():
    it = shared()
    request = {"title": "t", "text": "x" * (1024 * 1024 + 1)}
    said = it.nova("call", "content", "CreatePost", "-", input=json.dumps(request), code=1)
    assert "larger than the bus takes" in said.stderr, said.stderr


BACKLOG_SQL = """insert into identity.outbox (event_id, type, aggregate_type, aggregate_id, version,
 actor, command_id, command_index, command_digest, correlation_id, causation_id, occurred_at,
 payload) select gen_random_uuid(), 'session.started', 'session', gen_random_uuid(), 1, 'operator',
 gen_random_uuid(), 0, sha256(''), gen_random_uuid(), gen_random_uuid(), clock_timestamp(),
 decode(repeat('0a', 150), 'hex') from generate_series(1, %s)"""


@case
def a_relay_far_behind_catches_up_while_writers_go_on():
    it, stop, written = shared(), threading.Event(), []

    def write():
        with Caller(it, "operator_rpc", 60) as caller:
            while not stop.is_set():
                code, text, _ = caller.ask("identity", "ImportUser",
                                           *import_user(caller, len(written))[1:])
                assert code in (0, RESOURCE_EXHAUSTED), text
                written.append(code)

    with Memory(it) as memory:
        it.sql(BACKLOG_SQL, (BACKLOG,))
        began = time.monotonic()
        writer = threading.Thread(target=write)
        writer.start()

        def behind():
            streams = it.status().get("streams", [])
            mine = [each for each in streams if each.get("service") == "identity"]
            return mine and mine[0]["outbox"] - mine[0]["events"] < 100
        wait_for("the relay to catch up", behind, PATIENCE_S * 5 + BACKLOG // 500)
        took = time.monotonic() - began
        stop.set()
        writer.join(PATIENCE_S)
        wait_for("the consumers to catch up", it.is_caught_up, PATIENCE_S * 5 + BACKLOG // 500)
        total = time.monotonic() - began
    print(f"# {BACKLOG} events behind: the relay caught up in {took:.1f} s"
          f" ({BACKLOG / took:.0f}/s), every consumer in {total:.1f} s;"
          f" {written.count(0)} commands meanwhile")
    assert written.count(0) > 0
    memory.assert_flat("far behind", GROWTH_MAX, nats_server=SERVER_GROWTH_MAX,
                       postgres=SERVER_GROWTH_MAX)


if __name__ == "__main__":
    failed = main()
    shared().__exit__()
    raise SystemExit(failed)
