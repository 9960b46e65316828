#!/usr/bin/env python3
"""What goes wrong between a stream and a read model, provoked (docs/hazards.md): consumers killed
in a loop, slow handlers, redelivery, failures that pass by themselves, long silences, long streams.

NOVA_TEST_SEED repeats a run. A trigger counts what is applied, in the same transaction: what a
consumer would do twice is there twice, whatever its own tables make of it.
"""
import contextlib
import os
import pathlib
import random
import signal
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from accounts import changed_accounts
from appending import append_and_commit
from caller import Caller
from instance import Instance, case, main, wait_for
from log_check import message_class
from nats import Nats
from own import Own, supervisor_held, without

INDEX = "consumer/search/search_index"
FORGET = "consumer/content/forget"
KILLS, REACTOR_KILLS, EVENTS, SILENT_EVENTS = 100, 25, 100_000, 5_000
KILLS_MIN, KILLS_S = 10, 60  # on a machine that has other things to do: no more than fit
SEED = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
OK, INVALID_ARGUMENT = 0, 3
it = Instance(settings={"NOVA_INBOX_RETRY_MS_MAX": "200"})
author = {}


def ask_post(caller, **fields):
    request = message_class("nova.content.v2.CreatePostRequest")(**fields)
    code, text, data = caller.ask("content", "CreatePost", request.SerializeToString(),
                                  caller.headers(**{"Nova-On-Behalf-Of": author["id"]}))
    reply = message_class("nova.content.v2.CreatePostReply").FromString(data)
    return code, text, reply.post_id if code == OK else None


def posts(caller, count):
    answers = [ask_post(caller, title=f"title{number}", text="#all alike")
               for number in range(count)]
    assert {each[0] for each in answers} == {OK}, answers
    return [each[2] for each in answers]


def register(caller, name):
    return caller.call("identity", "Register", handle=name, display_name=name,
                       email=f"{name}@example.invalid", password="correct horse battery").user_id


def indexed(ids):
    return it.sql("select count(*) from search.post_index where post_id = any(%s::uuid[])",
                  (ids,)) == [(len(ids),)]


def parked():
    return [each for each in it.status()["consumers"] if each["parked"]]


def generation(projection="search_index"):
    return next(each["generation"] for each in it.status()["projections"]
                if each["projection"].endswith(projection))


def posts_table():
    return f"search_index_g{generation()}.post"


def checkpoint(consumer, source):
    rows = it.sql(f"select n from {consumer.split('/')[0]}.checkpoint where consumer = %s and"
                  " source = %s", (consumer, source))
    return rows[0][0] if rows else 0


@contextlib.contextmanager
def at_each(table, when, body):
    """`body` is run for each row, in the handler's own transaction and with its own rights."""
    it.sql("create table public.applied (id uuid); create function public.at_each() returns trigger"
           f" language plpgsql security definer as $$ begin {body} return new; end $$;"
           f" create trigger at_each after {when} on {table} for each row"
           " execute function public.at_each()")
    try:
        yield lambda: [row[0] for row in it.sql("select id::text from public.applied")]
    finally:
        it.sql(f"drop trigger at_each on {table}; drop function public.at_each();"
               " drop table public.applied")


def counted(column):
    return f"insert into public.applied values (new.{column});"


def give_back_lease(consumer):
    """A dead instance's lease runs out; here at once, so that many lives fit into a test."""
    it.sql(f"update {consumer.split('/')[0]}.consumer_lease set lease_until = '-infinity'"
           " where consumer = %s", (consumer,))


def kill_in_a_loop(consumer, source, count, work, chance, **settings):
    """Kills it while it applies, or at any moment; checkpoints only ever grow."""
    met, number, end = 0, 0, time.monotonic() + KILLS_S
    while number < count and (time.monotonic() < end or number < KILLS_MIN):
        work(number)
        number += 1
        give_back_lease(consumer)
        before = checkpoint(consumer, source)
        with Own(it, "consumer", consumer, **settings) as own:
            if chance.random() < 0.2:
                time.sleep(chance.uniform(0, 0.3))
            else:
                wait_for("a batch to be applied", lambda before=before: (
                    checkpoint(consumer, source) > before or own.process.poll() is not None))
                time.sleep(chance.uniform(0, 0.01))
            assert own.process.poll() is None, own.log()
        after = checkpoint(consumer, source)
        assert after >= before
        met += after > before
        own.path.unlink()
    assert met > number / 2, (met, number)
    print(f"# {consumer}: {number} kills, {met} of them at work", flush=True)


@case
def a_consumer_killed_in_a_loop_applies_each_event_once():
    print(f"# seed {SEED}", flush=True)
    made = []
    with at_each(posts_table(), "insert", counted("post_id")) as applied, Caller(
            it, seconds=30) as caller:
        with without(it, INDEX):
            kill_in_a_loop("search/search_index", "content", KILLS,
                           lambda _: made.extend(posts(caller, 4)), random.Random(SEED),
                           NOVA_INBOX_BATCH="2")
        wait_for("everything to be applied", lambda: indexed(made), 120)
        assert sorted(applied()) == sorted(made)  # each once
    assert it.sql("select post_count from search_index_g1.term where kind = 'hashtag'"
                  " and term = 'all'") == [(len(made),)]


@case
def a_reactor_killed_in_a_loop_acts_once_and_never_in_a_rebuild():
    persons = []
    with at_each("content.person_key", "insert or update of erased_at", counted("person_id")
                 ) as applied, Caller(it, seconds=30) as caller:
        def delete(number):
            user = register(caller, f"gone{number}")
            caller.call("identity", "DeleteUser", on_behalf_of=user, user_id=user)
            persons.append(user)
        with without(it, FORGET):
            kill_in_a_loop("content/forget", "identity", REACTOR_KILLS, delete,
                           random.Random(SEED), NOVA_INBOX_BATCH="1")
        wait_for("everybody to be forgotten", lambda: set(persons) <= set(applied()), 120)
        before = (sorted(applied()), it.sql("select person_id, erased_at from content.person_key"
                                            " where erased_at is not null order by 1"))
        assert before[0] == sorted(persons)
        place = checkpoint("content/forget", "identity")
        for each in ("search_index", "post_view", "conversation_view", "message_sender_cache"):
            it.nova("projection", "rebuild", each)
        wait_for("everything to be at rest", it.is_caught_up)
        assert checkpoint("content/forget", "identity") >= place
        assert before == (sorted(applied()), it.sql(
            "select person_id, erased_at from content.person_key where erased_at is not null"
            " order by 1"))


# ---- redelivery ---------------------------------------------------------------------------------

def set_ack_wait(seconds):
    with Nats(it, "provisioner") as admin:
        config = admin.api("CONSUMER.INFO.NOVA_CONTENT.search-search_index")["config"]
        config["ack_wait"] = int(seconds * 1e9)
        answer = admin.api("CONSUMER.DURABLE.CREATE.NOVA_CONTENT.search-search_index", {
            "stream_name": "NOVA_CONTENT", "config": config})
        assert answer["config"]["ack_wait"] == config["ack_wait"], answer


def durable():
    with Nats(it, "operator") as operator:
        return operator.api("CONSUMER.INFO.NOVA_CONTENT.search-search_index")


@case
def redelivery_to_a_slow_handler_counts_once():
    """What is worked on for longer than the ack wait is sent again, behind what came later.

    Its acknowledgements are lost as well, for a while: else they would overtake what is sent again.
    """
    wait_for("everything to be at rest", it.is_caught_up)
    said, starts = len(it.log(INDEX)), it.state(INDEX)["starts"]
    acknowledgements = ('{service: {account: BUS, subject:'
                        ' "$JS.ACK.NOVA_CONTENT.search-search_index.>"}}')
    with at_each(posts_table(), "insert", counted("post_id") + " perform pg_sleep(0.4);"
                 ) as applied, Caller(it, seconds=30) as caller:
        with changed_accounts(it, acknowledgements, ""):
            ids = posts(caller, 2)
            wait_for("one to wait for its acknowledgement", lambda: (
                durable()["num_ack_pending"] > 0))
            set_ack_wait(1)
            ids += posts(caller, 10)  # some seconds of work
            wait_for("what was sent again to be refused", lambda: (
                "came after" in it.log(INDEX)[said:]))
        ids += posts(caller, 3)
        wait_for("the posts in the index", lambda: indexed(ids), 120)
        assert sorted(applied()) == sorted(ids)
    assert it.state(INDEX)["starts"] == starts and not parked()
    wait_for("everything to be at rest", it.is_caught_up)


# ---- failures that pass by themselves -----------------------------------------------------------

@case
def a_deadlock_or_a_full_disk_parks_nothing():
    for state in ("40P01", "40001", "53100", "53200", "57014", "58030", "55P03", "25006"):
        with Caller(it, seconds=30) as caller, at_each(
                posts_table(), "insert", f"if nextval('public.tries') < 6 then raise exception 'it"
                f" passes' using errcode = '{state}'; end if; " + counted("post_id")) as applied:
            it.sql("create sequence public.tries")
            ids = posts(caller, 3)
            wait_for(f"the posts in spite of {state}", lambda ids=ids: indexed(ids), 180)
            assert sorted(applied()) == sorted(ids)
            assert it.sql("select last_value >= 6 from public.tries") == [(True,)]
            it.sql("drop sequence public.tries")
        assert not parked(), state


@case
def postgresql_gone_for_many_attempts_parks_nothing():
    append_and_commit(it, count=300)
    said = len(it.log(INDEX))
    with supervisor_held(it):
        os.kill(it.state("postgres")["pid"], signal.SIGKILL)
        wait_for("the consumer to have tried many times", lambda: any(
            '"attempt":16' in line.replace(" ", "") for line in it.log(INDEX)[said:].splitlines())
            or it.log(INDEX)[said:].count("waiting for PostgreSQL") > 10, 120)
    def posted():
        with contextlib.suppress(AssertionError):
            with Caller(it, seconds=30) as caller:
                return posts(caller, 3)
        return None
    ids = wait_for("the service to answer", posted)
    wait_for("the posts in the index", lambda: indexed(ids), 120)
    wait_for("everything to be at rest", it.is_caught_up, 120)
    assert not parked()


# ---- what people write --------------------------------------------------------------------------

NAUGHTY = [
    "\x00", "a\x00b", "\x01\x02\x7f", "\x1b[31mred\x1b[0m", "\r\nInjected: header", "\t", " ",
    "\u200b", "\u202e reversed", "\ufeff bom", "\ufffe", "\U0010ffff", "\U0001f468\u200d\U0001f469"
    "\u200d\U0001f467", "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334", "\u0130stanbul",
    "\u00df\u1e9e", "\ufdfa" * 500, "\u4e2d\u6587 \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4",
    "\u0645\u0631\u062d\u0628\u0627", "'; drop table post; --", "' or 1=1 --", "$1", "%s %d %n",
    "\\", "\\x00", "{}", "{{7*7}}", "<script>alert(1)</script>", "a & b | c ! d <-> e", ":*", "&&&",
    "|||",
    "(((", ")))", "''''", "\"\"\"", "NULL", "null", "undefined", "-1", "NaN", "1e309", "#", "##",
    "#" * 5000, "# hash", "#\u0301", "#1", "@" * 2000, "http://" + "a" * 3000, "w" * 65536,
    "w" * 2047, "w" * 2048, "\u00e9" * 32768, "word " * 13107, "a-" * 20000, "1." * 20000,
    "x@" * 20000, "/" * 60000, "_" * 60000, "\u0301" * 20000, "e\u0301" * 10000,
    "\U0001f600" * 16000,
    "http://a.b/" + "c/" * 20000, "#" + "t" * 60000, " #t" * 20000]
BAD_UTF8 = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"abc\x80", b"\xe2\x82"]


@case
def whatever_is_written_is_refused_or_found_and_stops_nothing():
    accepted, refused = {}, 0
    starts = {each["name"]: each["starts"] for each in it.status()["processes"]}
    with Caller(it, seconds=30) as caller:
        for text in NAUGHTY:
            for fields in ({"title": text[:70], "text": text}, {"title": "x", "text": text,
                                                                "tags": [text[:15]]}):
                code, words, post = ask_post(caller, **fields)
                assert code in (OK, INVALID_ARGUMENT), (code, words, text[:40])
                refused += code != OK
                if code == OK:
                    accepted[post] = text
        title = message_class("nova.content.v2.CreatePostRequest").DESCRIPTOR.fields_by_name["title"]
        for data in BAD_UTF8:
            code, words, _ = caller.ask(
                "content", "CreatePost", bytes([title.number << 3 | 2, len(data)]) + data,
                caller.headers(**{"Nova-On-Behalf-Of": author["id"]}))
            assert code == INVALID_ARGUMENT, (code, words, data)
        last = posts(caller, 1)
        wait_for("what was accepted, and what came behind it, in the index", lambda: indexed(
            [*accepted, *last]), 120)
        found = {row[0]: row[1] for row in it.sql(
            "select post_id::text, text from search.post_index where post_id = any(%s::uuid[])",
            (list(accepted),))}
        assert found == accepted
    assert len(accepted) > 60 and refused > 0, (len(accepted), refused)
    wait_for("everything to be at rest", it.is_caught_up)
    assert not parked()
    assert starts == {each["name"]: each["starts"] for each in it.status()["processes"]}
    print(f"# {len(accepted)} texts found as written, {refused} refused", flush=True)


# ---- long silences, long streams ----------------------------------------------------------------

def many_events(count, aggregate=None):
    """Events of a kind that no consumer wants; of one aggregate, so of one partition, if named."""
    identifier = "%(aggregate)s::uuid" if aggregate else "gen_random_uuid()"
    it.sql("insert into content.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
           " command_id, command_index, command_digest, correlation_id, causation_id, occurred_at,"
           f" payload) select gen_random_uuid(), 'test.happened', 'test', {identifier}, v, 'test',"
           " gen_random_uuid(), 0, sha256(''), gen_random_uuid(), gen_random_uuid(), clock_timestamp(),"
           " 'nothing' from generate_series(1, %(count)s) as v",
           {"aggregate": aggregate, "count": count})


def inbox_rows():
    """Rows of everything that a consumer keeps beside its read model."""
    return {f"{schema}.{name}": it.sql(f"select count(*) from {schema}.{name}")[0][0]
            for schema in ("search", "content") for name in ("checkpoint", "consumer_lease",
                                                             "dead_letter", "generation")}


@case
def one_hot_partition_moves_the_checkpoint_of_the_silent_ones():
    """A consumer that has nothing to do with what comes does not read it again at its next start."""
    many_events(SILENT_EVENTS, str(uuid.uuid4()))
    wait_for("everything to be at rest", it.is_caught_up, 180)
    end = it.sql("select count(*) from content.outbox")[0][0]
    assert checkpoint("search/search_index", "content") == end
    starts = it.state(INDEX)["starts"]
    os.kill(it.state(INDEX)["pid"], signal.SIGKILL)
    it.ready_again(INDEX, starts)
    with Caller(it, seconds=30) as caller:
        ids = posts(caller, 1)
    wait_for("the post in the index", lambda: indexed(ids), 90)
    wait_for("everything to be at rest", it.is_caught_up)
    # What it was sent in this life: its last message once more, and what is new.
    assert durable()["delivered"]["consumer_seq"] < 100, durable()


@case
def a_hundred_thousand_events_are_read_with_the_real_credentials():
    """A reader that may not answer $JS.FC stops silently after some twenty thousand messages."""
    before, began = inbox_rows(), time.monotonic()
    many_events(int(os.environ.get("NOVA_TEST_EVENTS", EVENTS)))
    wait_for("everything to be at rest", it.is_caught_up, 400)
    took_s = time.monotonic() - began
    end = it.sql("select count(*) from content.outbox")[0][0]
    assert end >= EVENTS and checkpoint("search/search_index", "content") == end
    # The relay reads its stream through with an ordered consumer when it starts.
    relay = it.state("relay/content")
    os.kill(relay["pid"], signal.SIGKILL)
    it.ready_again("relay/content", relay["starts"])
    wait_for("the relay to have read it all", lambda: f"following, {end} events" in it.state(
        "relay/content")["status"], 120)
    # And nobody remembers each of them: no table of seen ids grows.
    assert inbox_rows() == before
    print(f"# {end} events through outbox, stream and two consumers; the last"
          f" {EVENTS} in {took_s:.0f} s", flush=True)
    with Caller(it, seconds=30) as caller:
        ids = posts(caller, 1)
    wait_for("the post behind them", lambda: indexed(ids))


if __name__ == "__main__":
    with it:
        it.up()
        with Caller(it, seconds=30) as first_caller:
            author["id"] = register(first_caller, "author")
        raise SystemExit(main())
