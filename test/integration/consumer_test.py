#!/usr/bin/env python3
"""Consumers on real servers: poison, redelivery, a lost durable, two of one name, PostgreSQL away.

Afterwards every read model equals a fold of the log that shares no code with ours.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import uuid

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from caller import Caller
from instance import BUILD, NOVA, PATIENCE_S, Instance, case, main, wait_for
from log_check import message_class
from nats import Nats

LEASE_MS = 2000
PARKED_MAX = 100
INDEX = "consumer/search/search_index"
it = Instance(settings={"NOVA_INBOX_LEASE_MS": str(LEASE_MS)})
author = {}


def append_as(kind, aggregate, version, payload, service="content"):
    """An event of a known kind, written past its service: whatever its payload holds."""
    ids = [str(uuid.uuid4()) for _ in range(4)]
    with contextlib.closing(it.connect(f"{service}_service")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                f"insert into {service}.outbox (event_id, type, aggregate_type, aggregate_id,"
                " version, actor, command_id, command_index, command_digest, correlation_id,"
                " causation_id, occurred_at, payload) values (%s, %s, %s, %s, %s, 'test', %s, 0, %s,"
                " %s, %s, clock_timestamp(), %s)",
                (ids[0], kind, kind.split(".")[0], aggregate, version, ids[1],
                 hashlib.sha256(payload).digest(), ids[2], ids[3], payload))
        connection.commit()


def posts(count, text="a post"):
    with Caller(it) as caller:
        return [caller.call("content", "CreatePost", author["id"], title=f"{text} {number}").post_id
                for number in range(count)]


def indexed(ids):
    rows = it.sql("select count(*) from search.post_index where post_id = any(%s::uuid[])", (ids,))
    return rows == [(len(ids),)]


def parked(consumer=None):
    return {(each["consumer"], each["source"]): each["parked"] for each in it.status()["consumers"]
            if each["parked"] and consumer in (None, each["consumer"])}


def lags():
    return {(each["consumer"], each["source"]): each["lag_events"]
            for each in it.status()["consumers"]}


def is_at_rest():
    return not any(lags().values())


def given_changed_durable(admin, wrong, in_place):
    """As somebody left it who may administer consumers."""
    name = "search-search_index"
    ours = wait_for("its durable", lambda: admin.api(
        f"CONSUMER.INFO.NOVA_CONTENT.{name}").get("config"))
    changed = dict(ours, **wrong)
    os.kill(it.state(INDEX)["pid"], signal.SIGSTOP)  # else it makes its own in between
    try:
        if not in_place:
            end = admin.last_n()
            if end:  # else it fits by its numbers: nothing delivered, nothing acknowledged
                changed.update(deliver_policy="by_start_sequence", opt_start_seq=end)
            admin.api(f"CONSUMER.DELETE.NOVA_CONTENT.{name}")
        if "deliver_subject" in wrong:
            changed.pop("max_waiting", None)
        made = admin.api(f"CONSUMER.DURABLE.CREATE.NOVA_CONTENT.{name}",
                         {"stream_name": "NOVA_CONTENT", "config": changed})
    finally:
        os.kill(it.state(INDEX)["pid"], signal.SIGCONT)
    assert "error" not in made, (wrong, made)
    return name, ours


@case
def a_durable_that_was_changed_is_made_again():
    """To one that pushes, leaves messages out, or wants each acknowledged; also while it is read.

    The first case of all: with an empty stream the first one would stand where it should."""
    wrongs = [({"deliver_subject": "nowhere.to"}, False), ({"ack_policy": "explicit"}, False),
              ({"headers_only": True}, False), ({"max_ack_pending": 1}, True),
              ({"filter_subject": "nova.evt.content.none.>"}, True)]
    for wrong, in_place in wrongs:
        wait_for("everything to be at rest", is_at_rest)
        before = it.state(INDEX)
        with Nats(it, "provisioner") as admin:
            name, ours = given_changed_durable(admin, wrong, in_place)
            ids = posts(5)
            wait_for(f"the posts in the index, {wrong}", lambda ids=ids: indexed(ids), 90)
            wait_for(f"its durable as it was, {wrong}", lambda: all(
                (now := admin.api(f"CONSUMER.INFO.NOVA_CONTENT.{name}").get("config")) and
                ours.get(key) == now.get(key) for key in wrong))
        assert it.state(INDEX)["starts"] == before["starts"]


@case
def an_unknown_type_is_skipped():
    append_and_commit(it, count=5)
    ids = posts(3)
    wait_for("the posts behind it", lambda: indexed(ids))
    assert not parked()


@case
def a_batch_that_is_sent_without_waiting_is_all_or_nothing():
    done = subprocess.run([str(BUILD / "test/check_books")], env=it.environment(), text=True,
                          capture_output=True, timeout=PATIENCE_S * 3, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@case
def a_durable_that_was_deleted_is_made_again():
    wait_for("everything to be at rest", is_at_rest)  # else it may be making it anew just now
    before = it.state(INDEX)
    with Nats(it, "provisioner") as admin:
        names = [name for name in admin.api("CONSUMER.NAMES.NOVA_CONTENT")["consumers"]
                 if name.startswith("search")]
        answers = {name: admin.api(f"CONSUMER.DELETE.NOVA_CONTENT.{name}") for name in names}
    assert answers and all(answer.get("success") for answer in answers.values()), answers
    ids = posts(5)
    wait_for("the posts in the index", lambda: indexed(ids), 90)
    assert it.state(INDEX)["starts"] == before["starts"]  # by itself, without ending


@case
def a_durable_that_does_not_answer_is_made_again():
    """It may never do, whatever it says of itself: here the server stands still meanwhile."""
    wait_for("everything to be at rest", is_at_rest)
    with Nats(it, "provisioner") as admin:
        made = admin.api("CONSUMER.INFO.NOVA_CONTENT.search-search_index")["created"]
    def unanswered():
        log = (it.home / "logs/consumer.search.search_index.log").read_text()
        return log.count("fetching from a stream")
    before = unanswered()
    os.kill(it.supervisor(), signal.SIGSTOP)  # it would end what does not answer
    server = it.state("nats-server")["pid"]
    os.kill(server, signal.SIGSTOP)
    try:
        # One from each source, of which one is content's.
        wait_for("two requests without an end", lambda: unanswered() >= before + 2)
    finally:
        os.kill(server, signal.SIGCONT)
        os.kill(it.supervisor(), signal.SIGCONT)
    ids = posts(5)
    wait_for("the posts in the index", lambda: indexed(ids), 90)
    with Nats(it, "provisioner") as admin:
        wait_for("another durable", lambda: admin.api(
            "CONSUMER.INFO.NOVA_CONTENT.search-search_index").get("created", made) != made)


@case
def anybodys_advisory_lock_holds_up_no_consumer():
    """Whoever may log in may take it; a consumer's own rows only its role and an operator."""
    with contextlib.closing(it.connect("communication_service")) as other:
        other.autocommit = True  # a transaction that idles is ended
        with other.cursor() as cursor:
            for lock in ("nova inbox search/search_index", "nova projection search_index"):
                cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (lock,))
            ids = posts(5)
            wait_for("the posts in the index", lambda: indexed(ids))
            it.nova("projection", "rebuild", "search_index")
            it.nova("db", "migrate")
    for role in ("communication_service", "search_service"):
        with contextlib.closing(it.connect(role)) as other:
            with other.cursor() as cursor:
                for statement in ("select from search.checkpoint for update",
                                  "select from search.checkpoint for key share",
                                  "lock table search.checkpoint in row share mode",
                                  "lock table search.generation in row exclusive mode"):
                    try:
                        cursor.execute(statement)
                        raise RuntimeError(f"{role}: {statement} was allowed")
                    except psycopg2.errors.InsufficientPrivilege:
                        other.rollback()


@case
def one_role_cannot_take_every_session():
    """The limits of migrations/: others still get in."""
    taken = contextlib.ExitStack()
    with taken:
        try:
            for _ in range(300):
                taken.enter_context(contextlib.closing(it.connect("communication_service")))
            raise RuntimeError("there was no limit")
        except psycopg2.OperationalError as refusal:
            assert "too many connections for role" in str(refusal), refusal
        it.sql("select 1")
        for role in ("content_service", "search_consumer", "operator"):
            it.connect(role).close()


@case
def a_read_model_restored_from_an_older_copy_catches_up():
    """Its durable is ahead of its checkpoint then: the checkpoint decides."""
    tables = [f"{schema}.{name}" for schema, name in it.sql(
        "select schemaname, tablename from pg_tables where schemaname = 'search_index_g' || ("
        "select generation from search.generation where projection = 'search_index')")]
    tables.append("search.checkpoint")
    wait_for("everything to be at rest", is_at_rest)
    for number, table in enumerate(tables):
        it.sql(f"create table public.copy{number} as table {table}")
    ids = posts(10)
    wait_for("the posts in the index", lambda: indexed(ids) and is_at_rest())
    starts = it.state(INDEX)["starts"]
    os.kill(it.state(INDEX)["pid"], signal.SIGSTOP)
    for number, table in enumerate(tables):
        it.sql(f"begin; truncate {table}; insert into {table} table public.copy{number}; commit;"
               f" drop table public.copy{number}")
    assert not indexed(ids)
    os.kill(it.state(INDEX)["pid"], signal.SIGKILL)
    it.ready_again(INDEX, starts)
    wait_for("everything to be read", lambda: indexed(ids) and is_at_rest(), 90)
    assert not parked()


@case
def what_is_sent_again_while_a_consumer_sleeps_counts_once():
    pid = it.state(INDEX)["pid"]
    os.kill(it.supervisor(), signal.SIGSTOP)  # it would end what does not answer
    try:
        ids = posts(20)
        os.kill(pid, signal.SIGSTOP)
        ids += posts(20)
        with Nats(it, "operator") as admin:  # undelivered, and delivered but not acknowledged
            assert admin.api("CONSUMER.INFO.NOVA_CONTENT.search-search_index")["num_pending"] >= 0
        os.kill(pid, signal.SIGCONT)
    finally:
        os.kill(it.supervisor(), signal.SIGCONT)
    wait_for("the posts in the index", lambda: indexed(ids), 90)


@case
def postgresql_away_parks_nothing():
    for _ in range(3):
        starts = it.state("postgres")["starts"]
        append_and_commit(it, count=50)
        os.kill(it.state("postgres")["pid"], signal.SIGKILL)
        it.ready_again("postgres", starts)
    ids = wait_for("the service to answer", lambda: tried(lambda: posts(5)))
    wait_for("the posts in the index", lambda: indexed(ids) and is_at_rest(), 90)
    assert not parked()


def tried(work):
    with contextlib.suppress(AssertionError):
        return work()
    return None


@case
def two_of_one_name_and_a_woken_one_writes_nothing():
    """The second waits; it takes over from a paused one, whose batch is refused when it wakes."""
    log = it.folder / "second.log"
    with log.open("w") as out, subprocess.Popen(
            [str(NOVA), "run", "consumer", "search/search_index"], env=it.environment(),
            stdout=out, stderr=out) as second:
        try:
            wait_for("the second", lambda: "inbox: ready" in log.read_text())
            first = it.state(INDEX)["pid"]
            os.kill(it.supervisor(), signal.SIGSTOP)
            try:
                for _ in range(3):
                    ids = posts(10)
                    os.kill(first, signal.SIGSTOP)
                    ids += posts(30)
                    wait_for("the second to go on", lambda ids=ids: indexed(ids), 90)
                    os.kill(first, signal.SIGCONT)
                    os.kill(second.pid, signal.SIGSTOP)
                    ids += posts(30)
                    wait_for("the first to go on", lambda ids=ids: indexed(ids), 90)
                    os.kill(second.pid, signal.SIGCONT)
            finally:
                os.kill(first, signal.SIGCONT)
                os.kill(it.supervisor(), signal.SIGCONT)
            assert second.poll() is None, log.read_text()[-2000:]
        finally:
            second.kill()
    wait_for("everything to be at rest", is_at_rest, 90)
    twice = it.sql("select post_id from search.post_index group by 1 having count(*) > 1")
    assert twice == []


@case
def a_poisoned_aggregate_waits_and_all_others_go_on():
    poisoned = str(uuid.uuid4())
    append_as("post.created", poisoned, 1, b"\xff\xff\xff")
    append_as("post.deleted", poisoned, 2, b"")
    ids = posts(5)
    wait_for("the posts behind it", lambda: indexed(ids), 90)
    wait_for("it to be parked by both consumers, with what came behind it", lambda: parked() == {
        ("search/search_index", "content"): 2, ("content/post_view", "content"): 2}, 90)
    rows = it.sql("select type, error, attempts from search.dead_letter order by n")
    assert [row[0] for row in rows] == ["post.created", "post.deleted"] and rows[0][1], rows
    letters = it.sql("select event from search.dead_letter order by n limit 1")
    assert message_class("io.cloudevents.v1.CloudEvent").FromString(
        bytes(letters[0][0])).binary_data == b"\xff\xff\xff"
    before = it.state(INDEX)["starts"]
    os.kill(it.state(INDEX)["pid"], signal.SIGKILL)  # it knows after a restart
    it.ready_again(INDEX, before)
    append_as("post.updated", poisoned, 3, b"")
    ids = posts(2)
    wait_for("the posts behind it", lambda: indexed(ids), 90)
    wait_for("the newest behind the others", lambda: parked("search/search_index") == {
        ("search/search_index", "content"): 3}, 90)


@case
def past_a_hundred_poisoned_aggregates_the_consumer_stops_as_failing():
    for _ in range(PARKED_MAX + 5):
        append_as("post.created", str(uuid.uuid4()), 1, b"\xff")
    ids = posts(1)
    wait_for("the consumer to say that it fails", lambda: "fail" in json.dumps(
        it.state(INDEX)).lower(), 120)
    assert not indexed(ids)  # its handler is wrong, not the events: nothing is skipped
    assert it.sql("select count(distinct aggregate_id) from search.dead_letter") == [
        (PARKED_MAX,)] or it.sql("select count(distinct aggregate_id) from search.dead_letter"
                                 )[0][0] <= PARKED_MAX + 1
    assert it.status()["running"]


if __name__ == "__main__":
    with it:
        it.up()
        with Caller(it) as first_caller:
            author["id"] = first_caller.call(
                "identity", "Register", handle="author", display_name="Author",
                email="author@example.invalid", password="correct horse battery").user_id
        raise SystemExit(main())
