#!/usr/bin/env python3
"""`nova log show` and `history` on real servers: what an auditor is told of an event, an aggregate."""
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import Instance, case, main, wait_for

it = Instance()
author = {}


def append(service, kind, cause, correlation, payload=b"", actor="service:test"):
    """An event as a reactor would append it: caused by another one."""
    event, aggregate, command = (str(uuid.uuid4()) for _ in range(3))
    with contextlib.closing(it.connect(f"{service}_service")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                f"insert into {service}.outbox (event_id, type, aggregate_type, aggregate_id,"
                " version, actor, command_id, command_index, command_digest, correlation_id,"
                " causation_id, occurred_at, payload) values (%s, %s, %s, %s, 1, %s, %s, 0, %s, %s,"
                " %s, clock_timestamp(), %s)",
                (event, kind, kind.split(".")[0], aggregate, actor, command,
                 hashlib.sha256(payload).digest(), correlation, cause, payload))
        connection.commit()
    return event


def show(event, **more):
    return json.loads(it.nova("log", "show", event, "--json", **more).stdout)


def event_of(aggregate):
    return json.loads(it.nova("log", "query", "--aggregate", aggregate, "--json"
                              ).stdout.splitlines()[0])


def states(shown):
    return {each["consumer"]: each["state"] for each in shown["stands"]["consumers"]}


def create(title):
    with Caller(it) as caller:
        return caller.call("content", "CreatePost", author["id"], title=title).post_id


@case
def an_event_is_told_with_its_content_its_actor_and_where_it_stands():
    post = create("the title")
    wait_for("everything to be read", it.is_caught_up)
    event = event_of(post)
    shown = show(event["event_id"])
    assert shown["event"] == event and event["payload"]["sealed"]["title"] == "the title"
    assert event["actor"].endswith(author["id"])
    outbox, stream = shown["stands"]["outbox"], shown["stands"]["stream"]
    assert (outbox["position"], outbox["n"]) == (event["position"], stream["message"]), shown
    assert stream["state"] == "the same event", stream
    assert states(shown) == {"content/post_view": "applied", "search/search_index": "applied"}
    assert shown["tree"]["command"] == event["command_id"], shown["tree"]
    (only,) = shown["tree"]["events"]
    assert only["event_id"] == event["event_id"] and only["shown"] and only["effects"] == []
    text = it.nova("log", "show", event["event_id"]).stdout
    for each in (event["event_id"], "the title", "the same event", "applied", "<- this one"):
        assert each in text, (each, text)
    assert "the title" not in it.nova("log", "show", event["event_id"], "--sealed").stdout
    registered = show(event_of(author["id"])["event_id"])
    assert states(registered)["content/forget"] == "passed over", registered  # users' ends only


@case
def causes_and_effects_are_one_tree_over_all_services():
    command, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    first = append("identity", "test.happened", command, correlation)
    beside = append("identity", "test.happened", command, correlation)
    effect = append("content", "test.followed", first, correlation)
    last = append("communication", "test.ended", effect, correlation)
    append("content", "test.unrelated", str(uuid.uuid4()), correlation)  # another command's
    for each in (first, effect, last):
        tree = show(each)["tree"]
        assert tree["command"] == command and not tree["cut"]
        assert [one["event_id"] for one in tree["events"]] == [first, beside], tree
        (second,) = tree["events"][0]["effects"]
        (third,) = second["effects"]
        assert (second["event_id"], third["event_id"]) == (effect, last) and third["effects"] == []
        shown = {one["event_id"] for one in (*tree["events"], second, third) if one["shown"]}
        assert shown == {each}, tree


@case
def a_circle_of_causes_ends():
    """No service writes one; an auditor's command must end nevertheless."""
    correlation, cause = str(uuid.uuid4()), str(uuid.uuid4())
    one = append("content", "test.circle", cause, correlation)
    other = append("content", "test.circle", one, correlation)
    it.sql("update content.outbox set causation_id = %s where event_id = %s", (other, one))
    try:
        assert show(one)["event"]["event_id"] == one
    finally:
        it.sql("update content.outbox set causation_id = %s where event_id = %s", (cause, one))


@case
def what_is_not_published_or_parked_is_said():
    it.nova("relay", "pause", "content")
    try:
        waiting = event_of(create("waiting"))["event_id"]
        shown = show(waiting)
        assert shown["stands"]["stream"]["state"] == "not published yet", shown
        assert set(states(shown).values()) == {"not reached"}, shown
    finally:
        it.nova("relay", "resume", "content")
    wait_for("it to be applied", lambda: set(states(show(waiting)).values()) == {"applied"})
    bad = append("content", "post.created", str(uuid.uuid4()), str(uuid.uuid4()), b"\xff")
    wait_for("it to be parked", lambda: set(states(show(bad)).values()) == {"parked"})
    assert all("payload" in each["reason"] for each in show(bad)["stands"]["consumers"])
    it.nova("dlq", "discard", bad, "--why", "the test is over")


@case
def a_row_that_was_changed_afterwards_is_told_from_its_message():
    wait_for("everything to be read", it.is_caught_up)
    event = event_of(create("true"))
    wait_for("it to be published", lambda: show(event["event_id"])["stands"]["stream"]["state"]
             == "the same event")
    create("a later one")  # the relay looks at the last only
    it.sql("update content.outbox set actor = 'somebody else' where event_id = %s",
           (event["event_id"],))
    try:
        state = show(event["event_id"])["stands"]["stream"]["state"]
        assert state == "the same event, changed", state
    finally:
        it.sql("update content.outbox set actor = %s where event_id = %s",
               (event["actor"], event["event_id"]))


@case
def without_the_bus_all_else_is_told():
    event = event_of(author["id"])
    os.kill(it.supervisor(), signal.SIGSTOP)
    server = it.state("nats-server")["pid"]
    os.kill(server, signal.SIGSTOP)
    try:
        shown = show(event["event_id"])
    finally:
        os.kill(server, signal.SIGCONT)
        os.kill(it.supervisor(), signal.SIGCONT)
    assert "event" not in shown["stands"]["stream"]["state"], shown
    assert shown["stands"]["consumers"] and shown["tree"]["events"], shown


def history(aggregate, *words):
    """The events with what each changed, and the end: version, state, difference."""
    lines = [json.loads(line) for line in
             it.nova("log", "history", aggregate, "--json", *words).stdout.splitlines()]
    return lines[:-1], lines[-1]


@case
def an_aggregates_history_is_what_its_own_rules_make_of_it():
    post = create("first")
    with Caller(it) as caller:
        caller.call("content", "UpdatePost", author["id"], post_id=post, title="second")
        caller.call("content", "DeletePost", author["id"], post_id=post)
    events, end = history(post)
    assert [each["type"] for each in events] == ["post.created", "post.updated", "post.deleted"]
    assert [each["version"] for each in events] == [1, 2, 3]
    assert [each["changes"] for each in events] == [
        {"exists": [False, True], "author_id": [None, author["id"]]}, {},
        {"deleted": [False, True]}], events
    assert events[1]["payload"]["sealed"]["title"] == "second"
    assert end == {"service": "content", "aggregate_type": "post", "version": 3, "state": {
        "author_id": author["id"], "exists": True, "deleted": True}}, end
    for version, deleted in ((1, False), (2, False), (3, True)):
        events, end = history(post, "--version", str(version))
        assert len(events) == version and end["version"] == version
        assert end["state"]["deleted"] == deleted and end["state"]["exists"]
    assert history(post, "--since-version", "1")[1]["difference"] == {"deleted": [False, True]}
    assert history(post, "--version", "2", "--since-version", "1")[1]["difference"] == {}
    whole = history(post, "--since-version", "0")[1]["difference"]
    assert whole["exists"] == [False, True] and whole["author_id"] == [None, author["id"]]
    text = it.nova("log", "history", post, "--since-version", "2").stdout
    for each in ("post.created", "deleted: false -> true", "since version 2", "post in version 3"):
        assert each in text, (each, text)
    assert "second" not in it.nova("log", "history", post, "--sealed").stdout


@case
def a_state_is_shown_as_of_any_moment():
    with Caller(it) as caller:
        other = caller.call("identity", "Register", handle="other", display_name="Other",
                            email="other@example.invalid", password="correct horse battery").user_id
        talk = caller.call("communication", "CreateConversation", author["id"],
                           member_ids=[author["id"], other]).conversation_id
        message = caller.call("communication", "SendMessage", author["id"], conversation_id=talk,
                              text="hello").message_id
        caller.call("communication", "MarkRead", other, conversation_id=talk, message_id=message)
    events, end = history(message)
    assert end["state"]["sender_id"] == author["id"] and end["state"]["readers"] == [other], end
    assert events[-1]["changes"]["readers"] == [[], [other]]
    assert sorted(history(talk)[1]["state"]["members"]) == sorted([author["id"], other])
    then = events[0]["recorded_at"]
    seen, before = history(message, "--at", then)
    assert before["version"] == 1 and before["state"]["readers"] == [] and len(seen) == 1
    early = it.nova("log", "history", message, "--at", "2020-01-01T00:00:00Z", code=1)
    assert "no outbox holds an event of that aggregate until then" in early.stderr, early


@case
def a_history_of_many_versions_is_read_in_pages():
    aggregate = create("many")
    with contextlib.closing(it.connect("content_service")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into content.outbox (event_id, type, aggregate_type, aggregate_id, version,"
                " actor, command_id, command_index, command_digest, correlation_id, causation_id,"
                " occurred_at, payload) select gen_random_uuid(), 'post.updated', 'post', %s, v,"
                " 'test', gen_random_uuid(), 0, sha256(''), gen_random_uuid(), gen_random_uuid(),"
                " clock_timestamp(), '' from generate_series(2, 1201) as v", (aggregate,))
        connection.commit()
    events, end = history(aggregate)
    assert [each["version"] for each in events] == list(range(1, 1202)) and end["version"] == 1201
    assert history(aggregate, "--version", "500")[1]["version"] == 500


@case
def what_is_mistyped_or_not_there_in_a_history_is_named():
    nobody, user = str(uuid.uuid4()), author["id"]
    for words, says in (([], "wants an aggregate's id"), (["7"], "not '7'"),
                        ([user, "--version", "0"], "a number above 0"),
                        ([user, "--version", "x"], "a number above 0"),
                        ([user, "--version"], "a number above 0"),
                        ([user, "--since-version", "-1"], "--since-version wants a number"),
                        ([user, "--at", "noon"], "--at wants a time"),
                        ([user, "--at", "-1h", "--version", "1"], "say one"),
                        ([user, "--csv"], "not '--csv'")):
        assert says in it.nova("log", "history", *words, code=2).stderr, words
    for words, says in (([nobody], "no outbox holds an event of that aggregate"),
                        ([user, "--version", "77"], "its last version is 1"),
                        ([user, "--since-version", "77"], "its last version is 1")):
        assert says in it.nova("log", "history", *words, code=1).stderr, words


@case
def what_is_mistyped_or_not_there_is_named():
    for words, says in (([], "wants an event's id"), (["7"], "not '7'"),
                        ([str(uuid.uuid4()), "--csv"], "not '--csv'")):
        assert says in it.nova("log", "show", *words, code=2).stderr, words
    absent = it.nova("log", "show", str(uuid.uuid4()), code=1)
    assert "no outbox holds an event of that id" in absent.stderr, absent


if __name__ == "__main__":
    with it:
        it.up()
        with Caller(it) as first_caller:
            author["id"] = first_caller.call(
                "identity", "Register", handle="author", display_name="Author",
                email="author@example.invalid", password="correct horse battery").user_id
        raise SystemExit(main())
