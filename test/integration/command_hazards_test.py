#!/usr/bin/env python3
"""What goes wrong between a command and its events, provoked (docs/hazards.md): PostgreSQL killed in
the middle of many events, imports repeated at the same moment, aggregates without an end.

NOVA_TEST_SEED repeats a run.
"""
import contextlib
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from flood import Flood
from instance import NOVA, Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, message_class

SESSIONS, ROUNDS, LONG_EVENTS, MEASURED = 60, 4, 100_000, 25
IN_FLIGHT, OF_ONE_POST = 300, 60
DEADLINE_EXCEEDED, UNAVAILABLE = 4, 14
SEED = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
PASSWORD = "correct horse battery"
# A login's hash is not what is tried here.
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1"})


def register(caller, name):
    return caller.call("identity", "Register", handle=name, display_name=name,
                       email=f"{name}@example.invalid", password=PASSWORD).user_id


def ask(caller, service, method, fields, **headers):
    """(code, text); 0 and "" when it was carried out."""
    request = message_class(caller.types[service, method][0])
    return caller.ask(service, method, request(**fields).SerializeToString(),
                      caller.headers(**headers))[:2]


def events_of(command):
    return [row[0] for row in it.sql(
        "select command_index from identity.outbox where command_id = %s order by 1", (command,))]


def delete(user, command):
    """None when PostgreSQL goes away and nobody answers in time."""
    with contextlib.suppress(AssertionError, OSError), Caller(it, seconds=20) as caller:
        return ask(caller, "identity", "DeleteUser", {"user_id": user},
                   **{"Nova-Command-Id": command})
    return None


@case
def a_command_of_many_events_is_whole_or_absent_when_postgresql_is_killed():
    print(f"# seed {SEED}", flush=True)
    chance, seen = random.Random(SEED), []
    users = []
    with Caller(it, seconds=30) as caller:
        for number in range(ROUNDS):
            users.append(register(caller, f"many{number}"))
            for _ in range(SESSIONS):
                caller.call("identity", "Login", login=f"many{number}", password=PASSWORD)
    # Each event takes a while, so that the middle is long.
    it.sql("create function public.slowly() returns trigger language plpgsql as $$ begin"
           " perform pg_sleep(0.02); return new; end $$;"
           " create trigger slowly before insert on identity.outbox for each row"
           " when (new.type in ('user.deleted', 'session.revoked'))"
           " execute function public.slowly()")
    for user in users:
        command = str(uuid.uuid4())
        asked = threading.Thread(target=delete, args=(user, command))
        with contextlib.closing(it.connect()) as admin, admin.cursor() as cursor:
            admin.autocommit = True
            asked.start()
            wait_for("its transaction", lambda cursor=cursor: (
                cursor.execute("select 1 from pg_stat_activity where wait_event = 'PgSleep'")
                or cursor.fetchall() or not asked.is_alive()))
            time.sleep(chance.uniform(0, 1))
            before = it.state("postgres")
            os.kill(before["pid"], signal.SIGKILL)
        it.ready_again("postgres", before["starts"])
        asked.join()
        seen.append(len(events_of(command)))
        assert seen[-1] in (0, SESSIONS + 1), seen  # nothing in between
        wait_for("the same command to be carried out", lambda command=command, user=user: delete(
            user, command) == (0, ""))
        assert events_of(command) == list(range(SESSIONS + 1))
    it.sql("drop trigger slowly on identity.outbox; drop function public.slowly()")
    assert 0 in seen, seen  # some were killed in their middle
    wait_for("the streams", it.is_caught_up, 120)
    assert_streams_equal_outboxes(it)


def command_of(caller, author, method, fields, **headers):
    """A command of content as it is sent: (command id, bytes, headers)."""
    command = str(uuid.uuid4())
    request = message_class(caller.types["content", method][0])(**fields)
    return command, request.SerializeToString(), caller.headers(
        **{"Nova-Command-Id": command, "Nova-On-Behalf-Of": author, **headers})


def kill_at_work(cursor):
    cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename ="
                   " 'content_service' and state <> 'idle'")


@case
def commands_that_go_together_are_there_once_whatever_is_killed_meanwhile():
    """Three hundred posts in flight, and the sessions that append them ended again and again: who was
    told yes is there, who was told nothing sure finds out by the same command id."""
    unknown, together = 0, 0
    with Caller(it, seconds=60) as caller, contextlib.closing(it.connect()) as admin:
        admin.autocommit = True
        author = register(caller, "together")
        caller.call("content", "CreatePost", author, title="makes the author's key")
        for _ in range(20):
            flood = Flood(caller, "content", "CreatePost")
            sent = [command_of(caller, author, "CreatePost", {"title": f"post {number}"})
                    for number in range(IN_FLIGHT)]
            for each in sent:
                flood.send(*each)
            with admin.cursor() as cursor:
                while len(flood.codes) < IN_FLIGHT:
                    kill_at_work(cursor)
                    flood.take(0.01)
            assert set(flood.codes.values()) <= {0, UNAVAILABLE}, flood.texts
            again = flood.of(UNAVAILABLE)
            unknown += len(again)
            second = Flood(caller, "content", "CreatePost")
            for command, data, headers in sent:
                if command in again:
                    second.send(command, data, headers)
            second.take_until("the same commands again", lambda second=second, again=again: len(
                second.codes) == len(again))
            assert set(second.codes.values()) <= {0}, second.texts
            stored = {command: (place, times) for command, place, times in it.sql(
                "select command_id::text, 'content:' || max(position), count(*) from content.outbox"
                " where command_id = any(%s::uuid[]) group by 1", ([each[0] for each in sent],))}
            answered = flood.positions | second.positions
            assert stored == {command: (answered[command], 1) for command, _, _ in sent}
            together += it.sql("select count(*) - count(distinct xmin::text) from content.outbox where"
                               " command_id = any(%s::uuid[])", ([each[0] for each in sent],))[0][0]
            if unknown and together:
                break
    assert unknown and together, (unknown, together)
    print(f"# {unknown} were told nothing sure; {together} went with others", flush=True)


@case
def a_command_whose_deadline_passes_behind_others_is_told_so_and_does_nothing():
    """All are of one post, so that those a worker took together are carried out one by one; the first
    of them waits for a lock until all their deadlines have passed."""
    with Caller(it, seconds=60) as caller, contextlib.closing(it.connect()) as admin:
        author = register(caller, "late")
        post = caller.call("content", "CreatePost", author, title="late").post_id
        end = time.time() + 3
        flood = Flood(caller, "content", "UpdatePost")
        with admin.cursor() as cursor:
            cursor.execute("lock table content.outbox in exclusive mode")
            for number in range(OF_ONE_POST):
                flood.send(*command_of(caller, author, "UpdatePost", {
                    "post_id": post, "title": f"{number}"}, **{"Nova-Deadline": str(int(end * 1e6))}))
            wait_for("the workers to wait", lambda: it.sql(
                "select count(*) from pg_stat_activity where usename = 'content_service'"
                " and wait_event_type = 'Lock'") == [(4,)])
            wait_for("the deadline", lambda: time.time() > end)
        admin.rollback()
        flood.take_until("an answer to each", lambda: len(flood.codes) == OF_ONE_POST)
    assert set(flood.codes.values()) == {0, DEADLINE_EXCEEDED}, flood.texts
    assert len(flood.of(DEADLINE_EXCEEDED)) > OF_ONE_POST / 2, flood.codes
    stored = it.sql("select command_id::text from content.outbox where aggregate_id = %s"
                    " and type = 'post.updated'", (post,))
    assert {each[0] for each in stored} == flood.of(0) and len(stored) == len(flood.of(0))


@case
def an_import_repeated_at_the_same_moment_changes_nothing():
    file = it.folder / "commands.ndjson"
    file.write_text(it.nova("sample", "--users", "60", "--seed", "5").stdout)
    lines = len(file.read_text().splitlines())
    for _ in range(2):  # while they are new, and when all of them are old
        both = [subprocess.Popen([str(NOVA), "import", str(file)], env=it.environment(),
                                 stderr=subprocess.PIPE, text=True) for _ in range(3)]
        for each in both:
            said = each.communicate(timeout=300)[1]
            assert each.returncode == 0 and f"{lines} commands carried out, 0 refused" in said, said
    for service in ("identity", "content", "communication"):
        twice = it.sql(f"select actor, command_id, command_index from {service}.outbox"
                       " group by 1, 2, 3 having count(*) > 1")
        assert twice == []
        gaps = it.sql("select aggregate_id from (select aggregate_id, version, row_number() over"
                      f" (partition by aggregate_id order by position) as n from {service}.outbox)"
                      " as v where version <> n")
        assert gaps == []
    imported = it.sql("select count(*) from identity.outbox where type = 'user.created' and"
                      " actor like '%importer%'")
    assert imported == [(60,)], imported


def update(caller, author, post):
    began = time.monotonic()
    assert ask(caller, "content", "UpdatePost", {"post_id": post, "title": "new"},
               **{"Nova-On-Behalf-Of": author}) == (0, "")
    return time.monotonic() - began


@case
def an_aggregate_of_a_hundred_thousand_events_loads_as_fast_as_a_short_one():
    with Caller(it, seconds=60) as caller:
        author = register(caller, "author")
        long, short = (caller.call("content", "CreatePost", author, title=title).post_id
                       for title in ("long", "short"))
        it.sql("insert into content.outbox (event_id, type, aggregate_type, aggregate_id, version,"
               " actor, command_id, command_index, command_digest, correlation_id, causation_id,"
               " occurred_at, payload) select gen_random_uuid(), 'post.updated', 'post', %s, v,"
               " 'test', gen_random_uuid(), 0, sha256(''), gen_random_uuid(), gen_random_uuid(),"
               " clock_timestamp(), '' from generate_series(2, %s) as v", (long, LONG_EVENTS))
        first_s = update(caller, author, long)  # reads them all, once
        update(caller, author, short)
    assert it.sql("select version from content.snapshot where aggregate_id = %s", (long,)) == [
        (LONG_EVENTS + 1,)]
    wait_for("the streams to be quiet", it.is_caught_up, 300)
    with Caller(it, seconds=60) as caller:
        times = [(update(caller, author, long), update(caller, author, short))
                 for _ in range(MEASURED)]
        long_s, short_s = (statistics.median(each) for each in zip(*times))
        assert long_s < 3 * short_s + 0.01, (long_s, short_s)
        print(f"# {LONG_EVENTS} events: {first_s * 1e3:.0f} ms the first time, then"
              f" {long_s * 1e3:.1f} ms a command; {short_s * 1e3:.1f} ms with a short one", flush=True)
        # A snapshot that belongs to another version is thrown away, and all events are read again.
        it.sql("update content.snapshot set version = version - 1 where aggregate_id = %s", (long,))
        update(caller, author, long)
    assert it.sql("select count(*), max(version) from content.outbox where aggregate_id = %s",
                  (long,)) == [(LONG_EVENTS + 2 + MEASURED,) * 2]


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
