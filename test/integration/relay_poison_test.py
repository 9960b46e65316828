#!/usr/bin/env python3
"""A row that no message can carry stops nothing but what stands behind it.

The outbox's checks refuse such a row. One that was there before them, or that a superuser's hand
put in, is named by the relay, which neither ends nor publishes it; without it, it goes on.
"""
import contextlib
import pathlib
import sys

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from instance import Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes
from nats import Nats

RELAY = "relay/content"
SAYS = "an event cannot be published"
COLUMNS = {"event_id": "gen_random_uuid()", "type": "'test.happened'", "aggregate_type": "'test'",
           "aggregate_id": "gen_random_uuid()", "version": "1", "actor": "'test'",
           "command_id": "gen_random_uuid()", "command_index": "0", "command_digest": "sha256('')",
           "correlation_id": "gen_random_uuid()", "causation_id": "gen_random_uuid()",
           "occurred_at": "now()", "traceparent": "null", "payload": "''"}
# Lines that a relay would send as its own, had it put this type into a subject.
SPEAKS_NATS = ("x 12 12\r\nNATS/1.0\r\n\r\n\r\nPUB nova.evt.content.forged.happened.00 6\r\nforged\r\n"
               "HPUB nova.evt.content")
POISON = [("actor", "repeat('x', 600)"), ("type", "'a.' || repeat('x', 108)"),
          ("type", f"$q${SPEAKS_NATS}$q$"), ("aggregate_type", "repeat('x', 700)"),
          ("command_digest", "convert_to(repeat('x', 600), 'UTF8')"),
          ("occurred_at", "'infinity'"), ("traceparent", "repeat('x', 4000)")]
it = Instance(settings={"NOVA_RELAY_CHECK_MS": "1000"})


def insert(column, value):
    """As the service's role; returns the row's position."""
    values = dict(COLUMNS, **{column: value})
    with contextlib.closing(it.connect("content_service")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"insert into content.outbox ({', '.join(values)}) values"
                           f" ({', '.join(values.values())}) returning position")
            position = cursor.fetchone()[0]
        connection.commit()
    return position


def streamed(service="CONTENT"):
    with Nats(it, "auditor") as auditor:
        return auditor.last_n(service)


def relay():
    return it.state(RELAY)


@case
def the_outbox_refuses_what_no_message_can_carry():
    for column, value in POISON:
        try:
            insert(column, value)
            raise RuntimeError(f"{column} = {value} was taken")
        except psycopg2.errors.CheckViolation as refusal:
            assert f"outbox_{column}" in str(refusal), refusal
    assert it.sql("select count(*) from content.outbox") == [(0,)]


@case
def a_row_from_before_the_checks_holds_up_what_is_behind_it_and_is_named():
    for (name,) in it.sql("select conname from pg_constraint where contype = 'c'"
                          " and conrelid = 'content.outbox'::regclass"):
        it.sql(f"alter table content.outbox drop constraint {name}")
    starts, pid = relay()["starts"], relay()["pid"]
    for number, (column, value) in enumerate(POISON[:3] + POISON[5:6]):
        append_and_commit(it)  # before it
        position = insert(column, value)
        append_and_commit(it, count=3)  # behind it
        before = 4 * number + 1
        named = f"position {position} cannot be published: its {column} "
        wait_for(f"the relay to name the {column}", lambda named=named: named in it.log(RELAY))
        wait_for("its status to say so", lambda named=named: (
            (said := relay()["status"]).startswith("blocked, ") and named in said))
        wait_for("what is before it", lambda before=before: streamed() == before)
        others = streamed("IDENTITY")
        append_and_commit(it, "identity")
        wait_for("another outbox to go on", lambda others=others: streamed("IDENTITY") > others)
        assert streamed() == before
        it.sql("delete from content.outbox where position = %s", (position,))
        wait_for("what was behind it", lambda before=before: streamed() == before + 3)
    assert (relay()["starts"], relay()["pid"]) == (starts, pid), "the relay did not stay alive"
    wait_for("status to be good again", it.is_caught_up)
    assert_streams_equal_outboxes(it)


@case
def it_is_said_once_a_check_and_no_more():
    position = insert("actor", "repeat('x', 600)")
    said = it.log(RELAY).count(SAYS)
    wait_for("the relay to say it three times", lambda: it.log(RELAY).count(SAYS) >= said + 3)
    looks = it.log(RELAY).count('"to":"blocked"')
    assert it.log(RELAY).count(SAYS) <= looks + 1
    it.sql("delete from content.outbox where position = %s", (position,))


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
