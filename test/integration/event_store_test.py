#!/usr/bin/env python3
"""The behaviours that public event stores agree on, as a suite against ours (docs/hazards.md).

Append is what a service may do to its outbox, and what its commands make of it; load is what the
next command or query knows; subscribe is the stream, by NATS itself, and the inbox.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import uuid

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from caller import Caller
from instance import NOVA, Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, event_of, message_class
from nats import Nats
from own import Own, supervisor_held, without

OK, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION = 0, 3, 5, 6, 9
WRITERS, PARTITIONS, INBOX_BATCH = 32, 64, 1000
INDEX = "consumer/search/search_index"
BIG_POSITION = 3_000_000_000
it = Instance()
author = {}
SQL = ("insert into content.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
       " command_id, command_index, command_digest, correlation_id, causation_id, occurred_at, payload)"
       " values (gen_random_uuid(), 'test.happened', 'test', %s, %s, 'test', %s, %s, %s,"
       " gen_random_uuid(), gen_random_uuid(), clock_timestamp(), %s)")


def store(events):
    """Appends (aggregate, version, payload)s as one batch, in the service's role."""
    command, digest = str(uuid.uuid4()), hashlib.sha256(b"").digest()
    with contextlib.closing(it.connect("content_service")) as connection:
        with connection.cursor() as cursor:
            for place, (aggregate, version, payload) in enumerate(events):
                cursor.execute(SQL, (aggregate, version, command, place, digest, payload))
        connection.commit()


def is_conflict(events):
    try:
        store(events)
    except psycopg2.errors.UniqueViolation:
        return True
    return False


def versions(aggregate, service="content"):
    return [row[0] for row in it.sql(f"select version from {service}.outbox where aggregate_id = %s"
                                     " order by position", (str(aggregate),))]


def count(service="content"):
    return it.sql(f"select count(*) from {service}.outbox")[0][0]


def ask(caller, service, method, headers=None, **fields):
    """(code, text, reply or None)"""
    request, reply = caller.types[service, method]
    headers = {"Nova-On-Behalf-Of": author["id"], **(headers or {})}
    code, text, data = caller.ask(service, method,
                                  message_class(request)(**fields).SerializeToString(),
                                  caller.headers(**headers))
    return code, text, message_class(reply).FromString(data) if code == OK else None


def post(caller, headers=None, **fields):
    code, text, reply = ask(caller, "content", "CreatePost", headers, **{"title": "a post", **fields})
    assert code == OK, text
    return reply.post_id


def at_once(work, number):
    results = [None] * number

    def run(place):
        results[place] = work(place)
    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return results


def last_n():
    with Nats(it, "auditor") as auditor:
        return auditor.last_n()


def log(*filters):
    return [json.loads(line) for line in it.nova("log", "query", "--json", *filters
                                                 ).stdout.splitlines()]


@case
def an_expected_version_that_is_wrong_is_a_conflict_and_nothing_is_written():
    one = str(uuid.uuid4())
    store([(one, 1, b"none before")])
    assert is_conflict([(one, 1, b"none before?")])  # no stream expected, and there is one
    store([(one, 2, b"exactly 1 before")])
    before = count()
    assert is_conflict([(one, 2, b"exactly 1 before?")])
    assert is_conflict([(one, 3, b"good"), (one, 1, b"wrong")])  # the batch with it
    assert versions(one) == [1, 2] and count() == before
    with Caller(it, seconds=30) as caller:
        known = post(caller)
        assert ask(caller, "content", "CreatePost", post_id=known, title="x")[0] == ALREADY_EXISTS
        unknown = str(uuid.uuid4())  # must exist, and does not
        assert ask(caller, "content", "UpdatePost", post_id=unknown, title="x")[0] == NOT_FOUND
        assert versions(unknown) == [] and versions(known) == [1]
        assert ask(caller, "content", "UpdatePost", post_id=known, title="any")[0] == OK
        assert versions(known) == [1, 2]


@case
def of_many_writers_with_one_expected_version_exactly_one_wins():
    one = str(uuid.uuid4())
    store([(one, 1, b"")])
    won = at_once(lambda place: not is_conflict([(one, 2, b"%d" % place)]), WRITERS)
    assert won.count(True) == 1 and versions(one) == [1, 2]


@case
def with_any_expected_version_all_win_without_a_hole():
    with Caller(it, seconds=30) as caller:
        known = post(caller)

    def update(place):
        with Caller(it, seconds=60) as caller:
            return ask(caller, "content", "UpdatePost", post_id=known, title=f"by {place}")[:2]
    assert set(at_once(update, WRITERS)) == {(OK, "")}
    assert versions(known) == list(range(1, WRITERS + 2))


@case
def the_same_command_again_has_the_same_answer_and_no_second_event():
    headers = {"Nova-Command-Id": str(uuid.uuid4())}
    with Caller(it, seconds=30) as caller:
        first = ask(caller, "content", "CreatePost", headers, title="once")
        position, before = caller.position, count()
        assert ask(caller, "content", "CreatePost", headers, title="once") == first
        assert caller.position == position and count() == before
        code, text, _ = ask(caller, "content", "CreatePost", headers, title="other")
        assert code == FAILED_PRECONDITION and "COMMAND_ID_TAKEN" in text, text
        assert count() == before


@case
def no_event_is_harmless_and_a_batch_over_the_limit_is_refused_whole():
    before, one = count(), str(uuid.uuid4())
    store([])
    assert count() == before
    with Caller(it, seconds=30) as caller:  # a command that finds nothing to do
        other = caller.call("identity", "Register", handle="reader", display_name="Reader",
                            email="reader@example.invalid", password="correct horse battery").user_id
        wait_for("the sender cache", lambda: it.sql("select 1 from communication.message_sender_cache"
                                                    " where user_id = %s", (other,)))
        talk = ask(caller, "communication", "CreateConversation",
                   member_ids=[author["id"], other])[2].conversation_id
        sent = ask(caller, "communication", "SendMessage", conversation_id=talk,
                   text="hello")[2].message_id
        marks = [ask(caller, "communication", "MarkRead", {"Nova-On-Behalf-Of": other},
                     conversation_id=talk, message_id=sent)[0] for _ in range(3)]
        assert marks == [OK] * 3
        assert it.sql("select count(*) from communication.outbox where type = 'message.read'") == [
            (1,)]
    with contextlib.suppress(psycopg2.errors.CheckViolation):
        store([(one, 1, b""), (one, 2, b"x" * 1_000_001)])
        raise AssertionError("it was taken")
    assert versions(one) == []
    store([(one, 1, b"x" * 1_000_000)])
    wait_for("the largest one in the stream", it.is_caught_up)


@case
def reading_from_anywhere_gives_what_is_there_and_no_more():
    """The log, and each stream: unknown, from a place with a limit, one by one, two, all at once."""
    assert log("--aggregate", str(uuid.uuid4())) == []
    with Caller(it, seconds=30) as caller:
        assert ask(caller, "content", "GetPost", post_id=str(uuid.uuid4()))[0] == NOT_FOUND
        known = post(caller)
        for number in range(6):
            assert ask(caller, "content", "UpdatePost", post_id=known, title=f"v{number}")[0] == OK
        assert [each["version"] for each in log("--aggregate", known)] == list(range(1, 8))
        for limit in (1, 2, 7, 100):
            found = [each["version"] for each in log("--aggregate", known, "--limit", str(limit))]
            assert found == list(range(1, min(limit, 7) + 1))
        # Pages of a list, forward by its tokens; newest first is backward.
        for size in (1, 2, 500):
            pages, token = [], ""
            while True:
                reply = ask(caller, "content", "ListPostsByAuthor", author_id=author["id"],
                            page={"size": size, "token": token})[2]
                pages += [each.post_id for each in reply.posts]
                token = reply.next_token
                if not token:
                    break
            made = [row[0] for row in it.sql("select aggregate_id::text from content.outbox where"
                                             " type = 'post.created' order by position desc")]
            assert pages == made, size
    wait_for("the stream", it.is_caught_up)
    with Nats(it, "auditor") as auditor:
        events = [event_of(message)[0].id for _, message in auditor.stream("NOVA_CONTENT")]
        backward = []
        for sequence in range(len(events), 0, -1):
            raw = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_CONTENT", b'{"seq":%d}' % sequence)
            backward.append(event_of(raw)[0].id)
        assert backward == events[::-1]
        raw = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_CONTENT", b'{"seq":%d}' % (len(events) + 1))
        assert raw.headers["Status"] == "404"


@case
def batches_of_one_of_two_and_large_end_the_same():
    """Relay and consumer with each size; the read model equals one that was filled anew."""
    made = []
    for size in ("1", "2", "5000"):
        with without(it, INDEX, "relay/content"), Caller(it, seconds=30) as caller:
            made += [post(caller, title=f"size {size} {number}") for number in range(7)]
            with Own(it, "relay", "content", NOVA_RELAY_BATCH=size), \
                    Own(it, "consumer", "search/search_index", NOVA_INBOX_BATCH=size):
                wait_for(f"the posts, {size} at once", lambda: it.sql(
                    "select count(*) from search.post_index where post_id = any(%s::uuid[])",
                    (made,)) == [(len(made),)])
    wait_for("everything to be at rest", it.is_caught_up)
    assert_streams_equal_outboxes(it)


@case
def a_reader_of_everything_skips_no_late_commit_and_no_gap_stops_it():
    with contextlib.closing(it.connect("content_service")) as late, contextlib.closing(
            it.connect("content_service")) as gone:
        before, one = last_n(), str(uuid.uuid4())
        for connection, aggregate in ((late, one), (gone, str(uuid.uuid4()))):
            connection.cursor().execute(SQL, (aggregate, 1, str(uuid.uuid4()), 0, bytes(32), b""))
        ids = append_and_commit(it, count=5)
        gone.rollback()
        assert last_n() == before  # behind a position that may still be filled
        late.commit()
        wait_for("all of them", lambda: last_n() == before + 6)
    with Nats(it, "auditor") as auditor:
        tail = [event_of(message)[0] for sequence, message in auditor.stream("NOVA_CONTENT")
                if sequence > before]
    assert tail[0].attributes["subject"].ce_string == one and [each.id for each in tail[1:]] == ids


@case
def events_cannot_be_changed_or_removed_by_who_appends_reads_or_watches():
    for role in ("content_service", "content_relay", "content_consumer", "search_service", "operator",
                 "auditor"):
        with contextlib.closing(it.connect(role)) as connection, connection.cursor() as cursor:
            for statement in ("update content.outbox set payload = ''", "delete from content.outbox",
                              "truncate content.outbox", "drop table content.outbox"):
                try:
                    cursor.execute(statement)
                    raise AssertionError(f"{role}: {statement}")
                except (psycopg2.errors.InsufficientPrivilege,
                        psycopg2.errors.ReadOnlySqlTransaction):
                    connection.rollback()


@case
def snapshots_are_recorded_overwritten_and_deleted_twice():
    with Caller(it, seconds=30) as caller:
        known = post(caller)

        def snapshot():
            rows = it.sql("select version from content.snapshot where aggregate_id = %s", (known,))
            return rows[0][0] if rows else None

        def update(times):
            for number in range(times):
                assert ask(caller, "content", "UpdatePost", post_id=known, title=f"{number}")[0] == OK
        update(1)
        assert snapshot() is None
        update(256)
        first = snapshot()
        assert first == 256 or first == 257, first
        update(256)
        assert snapshot() > first
        with contextlib.closing(it.connect("content_service")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for _ in range(2):
                    cursor.execute("delete from content.snapshot where aggregate_id = %s", (known,))
        assert snapshot() is None
        update(1)  # from the events alone, and it is there again
        assert snapshot() == 515 and versions(known) == list(range(1, 516))


# ---- subscriptions ------------------------------------------------------------------------------

def delivered(admin, name, config, count_max):
    """What a durable of these settings is given, up to so many."""
    config = {"durable_name": name, "ack_policy": "explicit", **config}
    answer = admin.api(f"CONSUMER.DURABLE.CREATE.NOVA_CONTENT.{name}",
                       {"stream_name": "NOVA_CONTENT", "config": config})
    assert "error" not in answer, answer
    sid = admin.subscribe(f"{admin.inbox}.{name}")
    admin.publish(f"{admin.js}.CONSUMER.MSG.NEXT.NOVA_CONTENT.{name}", json.dumps(
        {"batch": count_max, "no_wait": True}).encode(), f"{admin.inbox}.{name}")
    found = []
    while len(found) < count_max and (message := admin.next(sid, 5)) and message.data:
        found.append(message)
    return found


@case
def a_subscription_begins_at_the_origin_at_a_position_or_now():
    wait_for("everything to be at rest", it.is_caught_up)
    end, tenth = last_n(), max(last_n() - 10, 1)
    with Nats(it, "provisioner", seconds=30) as admin, Nats(it, "subscriber") as subscriber:
        place = [int(event_of(message)[1]["sequence"]) for message in delivered(
            admin, "origin", {"deliver_policy": "all"}, end + 10)]
        assert place == list(range(1, end + 1))
        place = [int(event_of(message)[1]["sequence"]) for message in delivered(
            admin, "position", {"deliver_policy": "by_start_sequence", "opt_start_seq": tenth}, 100)]
        assert place == list(range(tenth, end + 1))
        assert delivered(admin, "now", {"deliver_policy": "new"}, 10) == []
        core = subscriber.subscribe("nova.evt.content.>")
        subscriber.flush()
        ids = append_and_commit(it, count=3)
        assert [event_of(subscriber.next(core, 30))[0].id for _ in ids] == ids
        wait_for("the stream", lambda: last_n() == end + 3)
        found = [event_of(message)[0].id for message in delivered(
            admin, "now", {"deliver_policy": "new"}, 10)]
        assert found == ids
        for name in ("origin", "position", "now"):
            assert admin.api(f"CONSUMER.DELETE.NOVA_CONTENT.{name}")["success"]


def checkpoint():
    return it.sql("select n from search.checkpoint where consumer = 'search/search_index' and"
                  " source = 'content'")[0][0]


@case
def a_subscription_resumes_behind_its_checkpoint_which_only_grows():
    wait_for("everything to be at rest", it.is_caught_up)
    it.sql("create table public.moves (old bigint, new bigint);"
           "create function public.moved() returns trigger language plpgsql security definer as $$"
           " begin insert into public.moves values (old.n, new.n); return new; end $$;"
           " create trigger moved after update on search.checkpoint for each row"
           " execute function public.moved()")
    for _ in range(5):
        append_and_commit(it, count=200)
        state = it.state(INDEX)
        os.kill(state["pid"], signal.SIGKILL)
        it.ready_again(INDEX, state["starts"])
    wait_for("everything to be at rest", it.is_caught_up)
    moves = it.sql("select old, new from public.moves")
    it.sql("drop trigger moved on search.checkpoint; drop function public.moved();"
           " drop table public.moves")
    assert moves and all(old < new for old, new in moves), moves
    assert checkpoint() == last_n()


@case
def a_consumer_that_does_not_read_is_given_no_more_than_its_bound():
    wait_for("everything to be at rest", it.is_caught_up)
    with supervisor_held(it):
        os.kill(it.state(INDEX)["pid"], signal.SIGSTOP)
        try:
            append_and_commit(it, count=3 * INBOX_BATCH)
            wait_for("the stream", lambda: last_n() == count(), 120)
            with Nats(it, "operator") as operator:
                info = operator.api("CONSUMER.INFO.NOVA_CONTENT.search-search_index")
            assert info["num_ack_pending"] <= INBOX_BATCH <= info["config"]["max_ack_pending"], info
            assert info["num_pending"] >= 2 * INBOX_BATCH, info  # in the stream, in nobody's memory
        finally:
            os.kill(it.state(INDEX)["pid"], signal.SIGCONT)
    wait_for("everything to be at rest", it.is_caught_up, 120)


@case
def of_two_with_one_name_one_is_active_and_the_other_takes_over():
    with Own(it, "consumer", "search/search_index") as second, Caller(it, seconds=30) as caller:
        second.wait_ready()
        assert "inbox: active" not in second.log()
        with without(it, INDEX):
            wait_for("the second to take over", lambda: "inbox: active" in second.log())
            made = post(caller, title="taken over")
            wait_for("the post", lambda: it.sql(
                "select 1 from search.post_index where post_id = %s", (made,)))
    wait_for("everything to be at rest", it.is_caught_up)


@case
def partitions_are_disjoint_and_together_everything():
    """What a group of consumers would share: 64 filters give each event to exactly one."""
    wait_for("everything to be at rest", it.is_caught_up)
    with Nats(it, "auditor", seconds=30) as auditor:
        owners, events = {}, 0
        state = auditor.api("STREAM.INFO.NOVA_CONTENT", {"subjects_filter": ">"})["state"]
        for subject, number in state["subjects"].items():
            partition = subject.rsplit(".", 1)[1]
            assert partition.isdigit() and len(partition) == 2 and int(partition) < PARTITIONS
            events += number
        assert events == state["messages"]
        for sequence in range(1, min(state["last_seq"], 600) + 1):
            raw = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_CONTENT", b'{"seq":%d}' % sequence)
            aggregate = event_of(raw)[0].attributes["subject"].ce_string
            subject = raw.headers["Nats-Subject"]
            fnv = 14695981039346656037
            for byte in uuid.UUID(aggregate).bytes:
                fnv = (fnv ^ byte) * 1099511628211 % (1 << 64)
            assert int(subject.rsplit(".", 1)[1]) == fnv % PARTITIONS, (subject, aggregate)
            assert owners.setdefault(aggregate, subject.rsplit(".", 1)[1]) == subject.rsplit(
                ".", 1)[1]


def member_log(member=None):
    group = ("--member", member) if member else ()
    done = it.nova("log", "query", "--service", "content", "--json", *group)
    return [(event["aggregate_id"], event["event_id"]) for event in
            map(json.loads, done.stdout.splitlines())]


@case
def members_of_a_group_share_a_log_and_bad_sizes_are_errors():
    append_and_commit(it, count=600)  # more than a page
    everything = member_log()
    for size in (1, 3):
        shares = [member_log(f"{number}/{size}") for number in range(1, size + 1)]
        owners = [{aggregate for aggregate, _ in share} for share in shares]
        assert sorted(sum(shares, [])) == sorted(everything), size
        assert len(set().union(*owners)) == sum(map(len, owners)), size
        for share in shares:  # each in the log's order
            mine = set(share)
            assert [event for event in everything if event in mine] == share, size
    for bad in ("0/4", "5/4", "1/65", "1/0", "3", "1/2/3", "a/b"):
        for reader in ("query", "tail"):
            refused = it.nova("log", reader, "--member", bad, code=2)
            assert "2/4: the second of four" in refused.stderr, (reader, bad, refused.stderr)


@case
def each_member_that_follows_is_told_of_its_own_events():
    followers = [subprocess.Popen([str(NOVA), "log", "tail", "nova.evt.content.>", "--json",
                                   "--member", f"{number}/2"], env=it.environment(), text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                 for number in (1, 2)]
    try:
        for each in followers:
            assert "from now on" in each.stderr.readline()
        new, told = set(append_and_commit(it, count=40)), [[], []]
        readers = [threading.Thread(target=lambda each=each, out=out: out.extend(
            json.loads(line)["event_id"] for line in each.stdout), daemon=True)
            for each, out in zip(followers, told)]
        for each in readers:
            each.start()
        wait_for("both to have been told", lambda: len(told[0]) + len(told[1]) >= 40)
    finally:
        for each in followers:
            each.send_signal(signal.SIGINT)
    for each, reader in zip(followers, readers):
        reader.join(30)
        assert each.wait(30) == 0
        each.stdout.close()
        each.stderr.close()
    assert len(told[0]) + len(told[1]) == 40 and set(told[0]) | set(told[1]) == new
    assert told[0] and told[1]


@case
def correlation_is_copied_and_causation_is_the_direct_cause():
    with Caller(it, seconds=30) as caller:
        correlation, command = str(uuid.uuid4()), str(uuid.uuid4())
        made = post(caller, {"Nova-Correlation-Id": correlation, "Nova-Command-Id": command})
        alone = post(caller, {"Nova-Command-Id": (own := str(uuid.uuid4()))})
    rows = dict(((row[0], row[1:]) for row in it.sql(
        "select aggregate_id::text, correlation_id::text, causation_id::text, command_id::text from"
        " content.outbox where aggregate_id = any(%s::uuid[])", ([made, alone],))))
    assert rows == {made: (correlation, command, command), alone: (own, own, own)}
    wait_for("the stream", it.is_caught_up)
    with Nats(it, "auditor") as auditor:
        end = auditor.last_n()
        raw = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_CONTENT", b'{"seq":%d}' % (end - 1))
    assert event_of(raw)[1]["correlationid"] == correlation
    assert event_of(raw)[1]["causationid"] == command


LOOK = """select (select count(*) from search.post_index where title like 'together %%'),
 (select count(*) from content.outbox where type = 'post.created' and position > %s and position <=
  (select position from search.checkpoint where consumer = 'search/search_index' and
   source = 'content'))"""


class Looker(threading.Thread):
    """Looks at rows and checkpoint in one snapshot, all the time."""

    def __init__(self, after):
        super().__init__()
        self.after, self.done, self.seen = after, threading.Event(), set()

    def run(self):
        with contextlib.closing(it.connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not self.done.is_set():
                cursor.execute(LOOK, (self.after,))
                self.seen.add(cursor.fetchone())


@case
def rows_and_checkpoint_are_one_transaction_and_a_dead_connection_frees_its_lock():
    """Whenever they are looked at together, neither is ahead of the other."""
    looker = Looker(it.sql("select max(position) from content.outbox")[0][0])
    looker.start()
    with Caller(it, seconds=30) as caller:
        for number in range(60):
            made = post(caller, title=f"together {number}")
        wait_for("the last one", lambda: it.sql(
            "select 1 from search.post_index where post_id = %s", (made,)))
        looker.done.set()
        looker.join()
        assert len(looker.seen) > 3 and all(rows == up for rows, up in looker.seen), looker.seen
        # A session that dies with the consumer's lock in its hand.
        with contextlib.closing(it.connect()) as holder, holder.cursor() as cursor:
            cursor.execute("select pg_backend_pid() from search.checkpoint"
                           " where consumer = 'search/search_index' for update")
            pid = cursor.fetchone()[0]
            made = post(caller, title="locked")
            wait_for("the consumer to wait", lambda: it.sql(
                "select 1 from pg_locks where locktype = 'transactionid' and not granted"))
            assert it.sql("select 1 from search.post_index where post_id = %s", (made,)) == []
            it.sql("select pg_terminate_backend(%s)", (pid,))
        wait_for("the post", lambda: it.sql(
            "select 1 from search.post_index where post_id = %s", (made,)))


@case
def unicode_comes_through_and_names_that_are_too_long_are_refused():
    text = "\u4e2d\u6587 \u0639\u0631\u0628\u064a \U0001f600 e\u0301 \u202e\u00df\ufb01"
    with Caller(it, seconds=30) as caller:
        made = post(caller, title=text, text=text, tags=[text[:2]])
        assert log("--aggregate", made)[0]["payload"]["sealed"]["title"] == text
        wait_for("the post", lambda: it.sql(
            "select title, text from search.post_index where post_id = %s", (made,)) == [(text, text)])
        before = count(), count("identity")
        code, words, _ = ask(caller, "content", "CreatePost", title="\u4e2d" * 101)
        assert code == INVALID_ARGUMENT and "title" in words.lower(), words
        code, words, _ = ask(caller, "identity", "Register", handle="h" * 65, display_name="x",
                             email="h@example.invalid", password="correct horse battery")
        assert code == INVALID_ARGUMENT and "handle" in words, words
        for bad in ("x" * 10000, "\U0001f600", "a/b"):
            code, words, _ = ask(caller, "content", "CreatePost", post_id=bad, title="x")
            assert code == INVALID_ARGUMENT and "post_id" in words, words
        assert before == (count(), count("identity"))


@case
def positions_above_2_to_the_31_are_positions():
    it.sql(f"alter table content.outbox alter column position restart with {BIG_POSITION}")
    with Caller(it, seconds=30) as caller:
        made = [post(caller, title=f"big {number}") for number in range(5)]
        service, position = caller.position.split(":")
        assert service == "content" and int(position) == BIG_POSITION + 4
        found = ask(caller, "search", "SearchPosts", {"Nova-Min-Position": caller.position},
                    query="big", page={"size": 50})[2]
        assert {each.post_id for each in found.posts} == set(made)
    wait_for("the streams", it.is_caught_up)
    assert_streams_equal_outboxes(it)
    assert it.sql("select position from search.checkpoint where consumer = 'search/search_index' and"
                  " source = 'content'") == [(BIG_POSITION + 4,)]
    assert int(log("--aggregate", made[-1])[0]["position"]) == BIG_POSITION + 4
    for name in ("relay/content", INDEX):  # and after a restart
        state = it.state(name)
        os.kill(state["pid"], signal.SIGKILL)
        it.ready_again(name, state["starts"])
    with Caller(it, seconds=30) as caller:
        again = post(caller, title="big again")
    wait_for("the post behind them", lambda: it.sql(
        "select 1 from search.post_index where post_id = %s", (again,)))


if __name__ == "__main__":
    with it:
        it.up()
        with Caller(it, seconds=30) as first_caller:
            author["id"] = first_caller.call(
                "identity", "Register", handle="author", display_name="Author",
                email="author@example.invalid", password="correct horse battery").user_id
        raise SystemExit(main())
