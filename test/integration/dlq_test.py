#!/usr/bin/env python3
"""`nova dlq` on real servers: what a handler refuses, and PostgreSQL's own constraints are the fault:
with one in a read model events fail for good, and dropping it is the fix.
"""
import contextlib
import json
import os
import pathlib
import pty
import subprocess
import sys
import threading

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, Instance, case, main, wait_for

it = Instance(settings={"NOVA_INBOX_LEASE_MS": "2000"})
author = {}
INDEX = "search/search_index"


@contextlib.contextmanager
def fault(table, rule, name="fault"):
    """A bug of the read model, until the block ends: then it is mended."""
    it.sql(f"alter table {table} add constraint {name} check ({rule}) not valid")
    try:
        yield
    finally:
        it.sql(f"alter table {table} drop constraint {name}")


def posts_table():
    return "search_index_g%d.post" % it.sql(
        "select generation from search.generation where projection = 'search_index'")[0]


def create(title):
    with Caller(it) as caller:
        return caller.call("content", "CreatePost", author["id"], title=title).post_id


def update(post, title):
    with Caller(it) as caller:
        caller.call("content", "UpdatePost", author["id"], post_id=post, title=title)


def letters(*filters):
    return [json.loads(line) for line in it.nova("dlq", "list", "--json", *filters).stdout.splitlines()]


def audit():
    return [json.loads(line) for line in it.nova("dlq", "audit", "--json").stdout.splitlines()]


def title_of(post):
    rows = it.sql("select title from search.post_index where post_id = %s", (post,))
    return rows[0][0] if rows else None


def given_a_poisoned_post(title, *later):
    """Its creation is refused, its later titles wait behind it; must be called within a fault."""
    post = create(title)
    for each in later:
        update(post, each)
    wait_for("all of it to be parked", lambda: len(
        [each for each in letters() if each["aggregate_id"] == post]) == 1 + len(later))
    return post


def answered(words, answer):
    """The command on a terminal where somebody types the answer."""
    own, its = pty.openpty()
    with subprocess.Popen([str(NOVA), *words], env=it.environment(), stdin=its,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        os.write(own, answer.encode())
        out = asked.communicate(timeout=120)
    os.close(own)
    os.close(its)
    return asked.returncode, out[1]


@case
def what_is_parked_is_told_with_reason_attempts_and_content():
    with fault(posts_table(), "title <> 'poison'"):
        post = given_a_poisoned_post("poison", "mended")
        other = create("another")
        wait_for("all others to go on", lambda: title_of(other))
        first, second = [each for each in letters() if each["aggregate_id"] == post]
        assert (first["consumer"], first["source"], first["type"]) == (INDEX, "content", "post.created")
        assert "fault" in first["reason"] and first["attempts"] == 1, first
        assert first["event"]["payload"]["sealed"]["title"] == "poison", first
        assert second["type"] == "post.updated" and second["attempts"] == 0, second
        assert first["n"] < second["n"]
        shown = json.loads(it.nova("dlq", "show", first["event_id"]).stdout)
        assert shown == first
        text = it.nova("dlq", "list").stdout
        assert post in text and "poison" in text and "fault" in text
        for filters, count in ((["--consumer", INDEX], 2), (["--type", "post"], 2), (
                ["--type", "post.created"], 1), (["--reason", "FAULT"], 1),
                (["--consumer", "content/post_view"], 0), (["--reason", "nothing says this"], 0)):
            assert len(letters(*filters)) == count, filters
    author["poisoned"] = post


@case
def a_retry_before_the_fix_leaves_all_of_it_parked():
    post = author["poisoned"]
    first = letters("--type", "post.created")[0]
    with fault(posts_table(), "title <> 'poison'"):
        refused = it.nova("dlq", "retry", first["event_id"], code=1)
    assert "refused again" in refused.stderr and "fault" in refused.stdout, refused
    now = letters()
    assert [each["attempts"] for each in now] == [2, 0] and title_of(post) is None, now
    deed = audit()[-1]
    assert (deed["action"], deed["event_id"], deed["attempts"]) == (
        "refused again", first["event_id"], 2), deed
    assert deed["role"] == "operator" and deed["person"] and deed["why"] is None, deed


@case
def a_retry_after_the_fix_applies_them_in_order():
    post = author["poisoned"]
    update(post, "newest")
    wait_for("it to wait behind the others", lambda: len(letters()) == 3)
    ids = [each["event_id"] for each in letters()]
    it.nova("dlq", "retry", ids[2])  # whichever is named: the first goes first
    assert letters() == [] and title_of(post) == "newest"
    deeds = audit()[-3:]
    assert [deed["event_id"] for deed in deeds] == ids
    assert {deed["action"] for deed in deeds} == {"retried"}
    starts = it.state(f"consumer/{INDEX}")["starts"]
    update(post, "applied at once")  # the consumer knows that nothing waits any more
    wait_for("the next one", lambda: title_of(post) == "applied at once")
    assert letters() == [] and it.state(f"consumer/{INDEX}")["starts"] == starts


@case
def a_retry_while_the_aggregate_goes_on_loses_nothing_and_turns_nothing_round():
    with fault(posts_table(), "title <> 'poison'"):
        post = given_a_poisoned_post("poison", *[f"title {number}" for number in range(5)])
    failures = []

    def write():
        try:
            for number in range(5, 45):
                update(post, f"title {number}")
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        it.nova("dlq", "retry", "--all", "--yes")
    writer.join()
    assert not failures, failures
    wait_for("the last title", lambda: letters() or title_of(post) == "title 44")
    it.nova("dlq", "retry", "--all", "--yes")
    assert title_of(post) == "title 44" and letters() == []


@case
def a_reactors_event_is_tried_again_with_the_reactors_rights():
    with Caller(it) as caller:
        leaver = caller.call("identity", "Register", handle="leaver", display_name="Leaver",
                             email="leaver@example.invalid", password="correct horse battery").user_id
        caller.call("content", "CreatePost", leaver, title="of somebody who leaves")
        with fault("content.person_key", "erased_at is null"):
            caller.call("identity", "DeleteUser", leaver, user_id=leaver)
            parked = wait_for("it to be parked", lambda: letters("--consumer", "content/forget"))
    assert it.sql("select wrapped is null from content.person_key where person_id = %s",
                  (leaver,)) == [(False,)]
    it.nova("dlq", "retry", parked[0]["event_id"])
    assert it.sql("select wrapped is null from content.person_key where person_id = %s",
                  (leaver,)) == [(True,)]
    assert letters() == []


@case
def what_is_discarded_stays_in_the_log_and_in_the_audit():
    with fault(posts_table(), "title not like 'poison%'"):
        post = given_a_poisoned_post("poison a", "poison b")
        first, second = letters()
        for words in (["dlq", "discard", first["event_id"]], ["dlq", "discard", "--why", "x"]):
            it.nova(*words, code=2)
        assert len(letters()) == 2
        told = it.nova("dlq", "discard", first["event_id"], "--why", "a test, not a post")
        assert "still parked" in told.stderr, told
    assert [each["event_id"] for each in letters()] == [second["event_id"]]
    deed = audit()[-1]
    assert (deed["action"], deed["event_id"], deed["why"]) == (
        "discarded", first["event_id"], "a test, not a post"), deed
    assert "fault" in deed["reason"] and deed["consumer"] == INDEX
    assert first["event_id"] in it.nova("log", "query", "--json", "--aggregate", post).stdout
    it.nova("dlq", "discard", "--all", "--type", "post", "--yes", "--why", "and what waited")
    assert letters() == [] and audit()[-1]["event_id"] == second["event_id"]


@case
def all_asks_first():
    with fault(posts_table(), "title <> 'poison'"):
        given_a_poisoned_post("poison", "poison no more")
    before = len(audit())
    unasked = it.nova("dlq", "retry", "--all", code=2, stdin=subprocess.DEVNULL)
    assert "--yes" in unasked.stderr
    code, said = answered(["dlq", "discard", "--all", "--why", "x"], "no\n")
    assert code == 1 and "discard 2 parked events" in said and "nothing was changed" in said, said
    assert len(letters()) == 2 and len(audit()) == before
    code, said = answered(["dlq", "retry", "--all"], "yes\n")
    assert code == 0 and "2 applied" in said, said
    assert letters() == [] and len(audit()) == before + 2


@case
def what_is_mistyped_is_named():
    for words, says in ((["dlq"], "wants 'list'"), (["dlq", "lst"], "did you mean 'list'"),
                        (["dlq", "list", "--consumer", "search/search_indx"],
                         "did you mean 'search/search_index'"),
                        (["dlq", "list", "--type", "post.create"], "did you mean 'post.created'"),
                        (["dlq", "list", "--all"], "takes no '--all'"),
                        (["dlq", "list", "--type"], "--type wants a value"),
                        (["dlq", "show"], "wants an event's id"),
                        (["dlq", "show", "7"], "a UUID, not '7'"),
                        (["dlq", "retry"], "or say --all"),
                        (["dlq", "retry", "--why", "x"], "takes no '--why'"),
                        (["dlq", "discard", "--all", "--yes", "--why", "x" * 501], "500 bytes")):
        done = it.nova(*words, code=2)
        assert says in done.stderr and not done.stdout, (words, done.stderr)
    nobody = "00000000-0000-4000-8000-000000000000"
    for words in (["show", nobody], ["retry", nobody], ["discard", nobody, "--why", "x"]):
        assert "no consumer has parked that event" in it.nova("dlq", *words, code=1).stderr
    assert "nothing" in it.nova("dlq", "retry", "--all", "--yes").stderr


@case
def an_audit_event_is_nobodys_to_change():
    """And acting as a consumer must be said: its rights are not the operator's own."""
    columns = ("person, action, consumer, source, n, position, event_id, aggregate_id, type,"
               " attempts, reason")
    values = "'x', 'retried', 'c', 's', 1, 1, gen_random_uuid(), gen_random_uuid(), 't', 1, 'r'"
    for role, statement in (
            ("operator", "update search.audit_event set person = 'another'"),
            ("operator", "delete from search.audit_event"),
            ("operator", "truncate search.audit_event"),
            ("operator", f"insert into search.audit_event ({columns}, at) values ({values}, now())"),
            ("operator", f"insert into search.audit_event ({columns}, role) values ({values}, 'x')"),
            ("auditor", f"insert into search.audit_event ({columns}) values ({values})"),
            ("search_consumer", "select from search.audit_event"),
            ("search_service", "select from search.audit_event"),
            ("operator", "update content.person_key set wrapped = null, erased_at = now()")):
        with contextlib.closing(it.connect(role)) as connection:
            with connection.cursor() as cursor:
                if role == "auditor":
                    cursor.execute("set transaction read write")
                try:
                    cursor.execute(statement)
                    raise RuntimeError(f"{role}: {statement} was allowed")
                except psycopg2.errors.InsufficientPrivilege:
                    pass


if __name__ == "__main__":
    with it:
        it.up()
        with Caller(it) as first_caller:
            author["id"] = first_caller.call(
                "identity", "Register", handle="author", display_name="Author",
                email="author@example.invalid", password="correct horse battery").user_id
        raise SystemExit(main())
