#!/usr/bin/env python3
"""Commands as their callers see them: races, repeats, snapshots, and what is refused whole."""
import concurrent.futures
import pathlib
import sys
import uuid

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, message_class

WRITERS, EACH, NAMES, REPEATS, ROUNDS = 32, 8, 100, 24, 5
SNAPSHOT_EVENTS = 256
OK, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS = 0, 3, 5, 6
FAILED_PRECONDITION, ABORTED = 9, 10
it = Instance()
kept = {}


def at_once(work, count, threads):
    """The results of count calls of work(caller, number), each thread with its own connection."""
    def chunk(first):
        with Caller(it, seconds=30) as caller:
            return [work(caller, number) for number in range(first, count, threads)]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return [each for part in pool.map(chunk, range(threads)) for each in part]


def ask(caller, service, method, fields, headers=None, on_behalf_of=None):
    """(code, text, reply)"""
    request, reply = caller.types[service, method]
    more = dict(headers or {})
    if on_behalf_of:
        more["Nova-On-Behalf-Of"] = on_behalf_of
    code, text, data = caller.ask(service, method,
                                  message_class(request)(**fields).SerializeToString(),
                                  caller.headers(**more))
    return code, text, message_class(reply).FromString(data) if code == OK else None


def person(name):
    return {"handle": name, "email": f"{name}@example.invalid", "display_name": name.upper(),
            "password": "correct horse battery"}


def versions(service, aggregate):
    return [row[0] for row in it.sql(f"select version from {service}.outbox where aggregate_id = %s"
                                     " order by position", (aggregate,))]


@case
def many_writers_of_one_aggregate_leave_no_hole():
    with Caller(it) as caller:
        code, text, reply = ask(caller, "identity", "Register", person("many"))
        assert code == OK, text
    kept["user"] = reply.user_id

    def work(caller, number):
        return ask(caller, "identity", "UpdateUser",
                   {"user_id": kept["user"], "display_name": f"Name {number}"})[0]
    codes = at_once(work, WRITERS * EACH, WRITERS)
    assert set(codes) <= {OK, ABORTED}, set(codes)
    done = codes.count(OK)
    assert done > WRITERS and versions("identity", kept["user"]) == list(range(1, done + 2))
    print(f"# {done} of {len(codes)} commands of {WRITERS} writers, {codes.count(ABORTED)} gave up",
          flush=True)


@case
def one_of_many_gets_a_name():
    for field in ("handle", "email"):
        def work(caller, number, field=field):
            fields = person(f"{field}{number}")
            fields[field] = {"handle": "raced", "email": "raced@example.invalid"}[field]
            return ask(caller, "identity", "Register", fields)[0]
        before = it.sql("select count(*) from identity.outbox")[0][0]
        codes = at_once(work, NAMES, 20)
        assert codes.count(OK) == 1 and set(codes) == {OK, ALREADY_EXISTS}, set(codes)
        assert it.sql("select count(*) from identity.outbox") == [(before + 1,)]


@case
def the_same_command_has_one_effect_and_one_answer():
    for number in range(ROUNDS):
        headers = {"Nova-Command-Id": str(uuid.uuid4())}
        post = {"title": f"once {number}", "text": "only"}
        for service, method, fields in (("content", "CreatePost", post),
                                        ("identity", "Register", person(f"same{number}"))):
            def work(caller, _, service=service, method=method, fields=fields, headers=headers):
                return ask(caller, service, method, fields, headers,
                           kept["user"] if service == "content" else None)
            answers = at_once(work, REPEATS, 12)
            assert {each[:2] for each in answers} == {(OK, "")}, {each[:2] for each in answers}
            assert len({each[2].SerializeToString() for each in answers}) == 1
            assert it.sql(f"select count(*) from {service}.outbox where command_id = %s",
                          (headers["Nova-Command-Id"],)) == [(1,)]
            if service == "content":
                kept["post"] = answers[0][2].post_id
    with Caller(it) as caller:
        code, text, _ = ask(caller, "content", "CreatePost", dict(post, text="other"), headers,
                            kept["user"])
    assert code == FAILED_PRECONDITION and "COMMAND_ID_TAKEN" in text, (code, text)


@case
def a_message_read_twice_is_no_second_event():
    with Caller(it) as caller:
        other = ask(caller, "identity", "Register", person("other"))[2].user_id
        wait_for("the sender cache", lambda: it.sql(
            "select 1 from communication.message_sender_cache where user_id = %s", (other,)))
        talk = ask(caller, "communication", "CreateConversation",
                   {"member_ids": [kept["user"], other]}, on_behalf_of=other)[2].conversation_id
        sent = ask(caller, "communication", "SendMessage",
                   {"conversation_id": talk, "text": "hello"}, on_behalf_of=other)[2].message_id
        for _ in range(2):
            code, text, _ = ask(caller, "communication", "MarkRead",
                                {"conversation_id": talk, "message_id": sent},
                                on_behalf_of=kept["user"])
            assert code == OK, text
    assert it.sql("select count(*) from communication.outbox where type = 'message.read'") == [(1,)]


@case
def an_id_of_another_kind_is_named():
    with Caller(it) as caller:
        comment = ask(caller, "content", "CreateComment",
                      {"post_id": kept["post"], "text": "a comment"},
                      on_behalf_of=kept["user"])[2].comment_id
        code, text, _ = ask(caller, "content", "UpdatePost", {"post_id": comment, "text": "x"},
                            on_behalf_of=kept["user"])
    assert code == INVALID_ARGUMENT and "ID_OF_ANOTHER_KIND" in text, (code, text)


# ---- snapshots ----------------------------------------------------------------------------------

def snapshot():
    rows = it.sql("select version, state, state_version, digest from identity.snapshot"
                  " where aggregate_id = %s", (kept["user"],))
    return rows[0] if rows else None


def update(count):
    with Caller(it) as caller:
        for number in range(count):
            code, text, _ = ask(caller, "identity", "UpdateUser", {
                "user_id": kept["user"], "display_name": f"Again {number}"})
            assert code == OK, text


@case
def a_long_aggregate_gets_a_snapshot_and_new_ones():
    update(SNAPSHOT_EVENTS + 1)
    first = snapshot()
    assert first is not None
    update(SNAPSHOT_EVENTS + 1)
    assert snapshot()[0] > first[0]
    assert versions("identity", kept["user"]) == list(
        range(1, len(versions("identity", kept["user"])) + 1))


@case
def a_snapshot_that_is_not_ours_is_thrown_away():
    """Whatever is wrong with it: the events decide, and the next command is right."""
    for damage in ("state = set_byte(state, 0, get_byte(state, 0) # 255)",
                   "state = state || '\\x00'", "state_version = state_version + 1",
                   "digest = '\\x00'", "version = version - 1", "version = version + 100000"):
        if snapshot() is None:
            update(SNAPSHOT_EVENTS + 1)
        it.sql(f"update identity.snapshot set {damage} where aggregate_id = %s", (kept["user"],))
        bad, before = snapshot(), len(versions("identity", kept["user"]))
        update(1)
        assert versions("identity", kept["user"]) == list(range(1, before + 2)), damage
        assert snapshot() != bad or "100000" in damage, damage
        it.sql("delete from identity.snapshot")


@case
def a_deleted_user_stays_deleted_behind_a_snapshot():
    update(SNAPSHOT_EVENTS + 1)
    assert snapshot() is not None
    with Caller(it) as caller:
        assert ask(caller, "identity", "DeleteUser", {"user_id": kept["user"]})[0] == OK
        code, text, _ = ask(caller, "identity", "UpdateUser", {
            "user_id": kept["user"], "display_name": "Back"})
    assert code == NOT_FOUND, (code, text)


@case
def a_writer_with_synchronous_commit_off_is_refused():
    """What it commits could be published and then lost in a crash."""
    service = "service/content"
    before, starts = it.sql("select count(*) from content.outbox"), it.state(service)["starts"]
    it.sql("alter role content_service set synchronous_commit = off")
    it.sql("select pg_terminate_backend(pid) from pg_stat_activity"
           " where usename = 'content_service'")
    with Caller(it) as caller:
        def refused():
            code, text, _ = ask(caller, "content", "CreatePost", {"title": "x", "text": "y"},
                                on_behalf_of=other_user())
            return code != OK and "synchronous_commit" in text
        wait_for("the append to refuse", refused)
        assert it.sql("select count(*) from content.outbox") == before
        it.sql("alter role content_service reset synchronous_commit")
        it.sql("select pg_terminate_backend(pid) from pg_stat_activity"
               " where usename = 'content_service'")
        wait_for("it to go on", lambda: ask(
            caller, "content", "CreatePost", {"title": "x", "text": "y"},
            on_behalf_of=other_user())[0] == OK)
    assert it.state(service)["starts"] >= starts


def other_user():
    return it.sql("select user_id::text from search.user_index where handle = 'other'")[0][0]


@case
def an_event_cannot_be_changed_by_its_service():
    with_role = it.connect("content_service")
    for statement in ("update content.outbox set actor = 'x'", "delete from content.outbox",
                      "truncate content.outbox"):
        try:
            with with_role.cursor() as cursor:
                cursor.execute(statement)
            raise AssertionError(statement)
        except psycopg2.errors.InsufficientPrivilege:
            with_role.rollback()
    with_role.close()


@case
def all_of_it_is_in_the_streams():
    wait_for("the streams to hold every event", it.is_caught_up)
    assert_streams_equal_outboxes(it)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
