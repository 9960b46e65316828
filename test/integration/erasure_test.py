#!/usr/bin/env python3
"""A deleted user's e-mail, name and texts are in no table, no outbox and no stream file any more.

Searched as bytes, in the files of the database and of the streams and in the logs. Every leaf stays
what it was: what is gone is the person's key. What the write-ahead log still holds is said in
docs/erasure.md.
"""
import json
import os
import pathlib
import re
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from instance import ROOT, Instance, case, main, wait_for
from log_check import SERVICES, assert_streams_equal_outboxes, outbox_leaves, stream_leaves

it = Instance()
MARKS = {name: f"{name}x{uuid.uuid4().hex[:12]}" for name in (
    "handle", "email", "name", "renamed", "title", "post", "edited", "comment", "message", "topic")}
known = {}


def call(service, method, request, *options):
    return json.loads(it.nova("call", service, method, json.dumps(request), *options).stdout)


def places(*folders, without=()):
    """Which marks lie in which files."""
    found = set()
    for folder in folders:
        for path, _, files in os.walk(os.path.realpath(folder)):
            if any(f"/{each}" in path for each in without):
                continue
            for file in files:
                try:
                    data = (pathlib.Path(path) / file).read_bytes()
                except FileNotFoundError:  # replaced by another meanwhile, as state.json is
                    continue
                found |= {(name, file) for name, mark in MARKS.items() if mark.encode() in data or
                          mark.encode("utf-16-le") in data}
    return found


def rewrite():
    """Dead rows leave the tables' files, and the files reach the disk."""
    for _ in range(2):
        it.sql("vacuum full")
        it.sql("checkpoint")


def register(name, email, display):
    return call("identity", "Register", {"handle": name, "email": f"{email}@example.invalid",
                                         "password": "correct horse battery",
                                         "display_name": display})["userId"]


@case
def a_person_writes_and_is_read():
    user = register(MARKS["handle"], MARKS["email"], MARKS["name"])
    other = register("other", "other", "Other")
    known.update(user=user, other=other)
    for who in (user, other):
        wait_for("the cache to know them", lambda who=who: it.sql(
            "select 1 from communication.message_sender_cache where user_id = %s", (who,)))
    call("identity", "UpdateUser", {"user_id": user, "display_name": MARKS["renamed"]}, "--as", user)
    post = call("content", "CreatePost", {"title": MARKS["title"], "text": f"{MARKS['post']} #here"},
                "--as", user)["postId"]
    call("content", "UpdatePost", {"post_id": post, "text": f"{MARKS['edited']} #there"},
         "--as", user)
    call("content", "CreatePost", {"title": MARKS["title"], "text": "as it was"}, "--as", user)
    call("content", "CreateComment", {"post_id": post, "text": MARKS["comment"]}, "--as", user)
    talk = call("communication", "CreateConversation", {"member_ids": [user, other],
                                                        "title": MARKS["topic"]}, "--as", user)
    call("communication", "SendMessage", {"conversation_id": talk["conversationId"],
                                          "text": MARKS["message"]}, "--as", user)
    wait_for("all read models", it.is_caught_up)
    hits = call("search", "SearchPosts", {"query": MARKS["edited"]})
    assert [each["postId"] for each in hits["posts"]] == [post], hits
    said = it.nova("log", "query", "--actor", f"user:{user}").stdout
    assert MARKS["message"] in said and MARKS["post"] in said
    known.update(post=post, talk=talk["conversationId"])


@case
def a_former_generation_of_each_projection_holds_them_as_well():
    for projection, table in (("message_sender_cache", "sender"), ("search_index", "person"),
                              ("post_view", "author"), ("conversation_view", "message")):
        it.nova("projection", "rebuild", projection)
        assert it.sql(f"select 1 from {projection}_g1.{table} limit 1"), projection


@case
def before_the_deletion_the_search_for_bytes_finds_them():
    rewrite()
    found = {name for name, _ in places(it.home / "pg", without=("pg_wal",))}
    assert {"handle", "renamed", "topic", "title", "edited", "comment", "message"} <= found, found


@case
def after_the_deletion_no_file_holds_them():
    known["leaves"] = {each: list(outbox_leaves(it, each)) for each in SERVICES}
    call("identity", "DeleteUser", {"user_id": known["user"]}, "--as", known["user"])
    wait_for("all read models and reactors", it.is_caught_up)
    assert it.sql("select nspname from pg_namespace where nspname ~ '_g1$'") == []
    rewrite()
    found = places(it.home / "pg", it.home / "nats", it.home / "logs", it.home / "run",
                   without=("pg_wal",))
    assert found == set(), found


@case
def the_write_ahead_log_holds_them_until_its_segments_go():
    """The statements of docs/erasure.md, for whom waiting is too long."""
    wal = {name for name, _ in places(it.home / "pg/pg_wal")}
    print(f"# the write-ahead log still held {len(wal)} of {len(MARKS)} texts", flush=True)
    assert wal
    text = (ROOT / "docs/erasure.md").read_text()
    statements = re.findall(r"^    ([A-Za-z].*;)$", text, re.M)
    assert len(statements) >= 4, statements
    for statement in statements:
        it.sql(statement)
    assert places(it.home / "pg") == set()


@case
def every_leaf_is_unchanged():
    for service in SERVICES:
        before = known["leaves"][service]
        assert list(outbox_leaves(it, service))[:len(before)] == before, service
        assert list(stream_leaves(it, service))[:len(before)] == before, service
    assert_streams_equal_outboxes(it)


@case
def whoever_asks_afterwards_is_told_so():
    said = it.nova("log", "query", "--actor", f"user:{known['user']}").stdout
    assert "<erased>" in said and not any(mark in said for mark in MARKS.values()), said
    for query in ("post", "edited", "title"):
        assert call("search", "SearchPosts", {"query": MARKS[query]}).get("posts", []) == []
    assert call("search", "SearchUsers", {"query": MARKS["handle"]}).get("users", []) == []
    read = call("communication", "GetMessages", {"conversation_id": known["talk"]},
                "--as", known["other"])
    assert not any(mark in json.dumps(read) for mark in MARKS.values()), read


@case
def a_rebuilt_projection_does_not_bring_them_back():
    for projection in ("search_index", "message_sender_cache", "post_view", "conversation_view"):
        it.nova("projection", "rebuild", projection)
    rewrite()
    found = places(it.home / "pg", it.home / "nats", it.home / "logs", without=("pg_wal",))
    assert found == set(), found


@case
def the_name_and_the_address_stay_taken_for_a_while():
    """By a keyed hash only: nobody can register as who she was on the day she leaves."""
    for handle, email in ((MARKS["handle"], "another"), ("another", MARKS["email"])):
        said = it.nova("call", "identity", "Register", json.dumps(
            {"handle": handle, "email": f"{email}@example.invalid", "display_name": "New",
             "password": "correct horse battery"}), code=1).stderr
        assert "ALREADY_EXISTS" in said, said


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
