#!/usr/bin/env python3
"""After a restore: outbox and stream are brought together again by the commands that the relay names.

Every recovery ends with outbox and stream equal leaf by leaf and every read model caught up.
"""
import base64
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from instance import Instance, case, main, wait_for
from log_check import outbox_leaves, stream_leaves
from nats import Nats
from older import restored
from recovering import login, post, recover, refreshed, register, relay, rows, wait_for_phase, whole

it = Instance()


@case
def a_paused_relay_publishes_nothing_until_it_is_resumed_also_after_a_restart():
    append_and_commit(it, count=10)
    wait_for("everything to be at rest", it.is_caught_up)
    it.nova("relay", "pause", "content")
    before = list(stream_leaves(it, "content"))
    append_and_commit(it, count=10)
    starts = it.state("relay/content")["starts"]
    os.kill(it.state("relay/content")["pid"], signal.SIGKILL)
    it.ready_again("relay/content", starts)
    said = wait_for("the new relay to say that it is paused", lambda: (
        (now := relay(it, "content"))["phase"] == "paused" and now))
    assert said["paused_since"] and said["lag"] == 10 and said["outbox"] == 20, said
    assert said["next"] == "./nova relay resume content", said
    assert list(stream_leaves(it, "content")) == before
    assert relay(it, "identity")["phase"] == "following"
    it.nova("relay", "resume", "content")
    wait_for_phase(it, "content", "following")
    whole(it)


def verifies(service):
    """Until the signer has signed all of it again: what signed before goes on."""
    wait_for("the log to be what was signed", lambda: it.nova(
        "log", "verify", "--service", service, code=None).returncode == 0)


# What the cases of one restore share: a restore stops and starts everything twice.
given = {}


@case
def the_relays_of_a_restored_postgres_stop_and_name_the_command():
    given["early"], given["forker"] = register(it, "early"), register(it, "forker")
    given["logs"] = {row[0] for row in it.sql("select log_id::text from content.log")}

    def work():
        given["later"] = register(it, "later")
        given["token"] = refreshed(it, json.loads(login(it, "early").stdout)["refreshToken"])
        it.nova("call", "identity", "UpdateUser",
                json.dumps({"userId": given["early"], "handle": "early.renamed"}))
        for i in range(5):
            post(it, given["forker"], f"lost {i}")
        append_and_commit(it, count=100)

    restored(it, work)
    append_and_commit(it, count=100)  # of content: its history goes on otherwise
    for service in ("identity", "content"):
        wait_for_phase(it, service, "stopped")
        assert relay(it, service)["next"] == f"./nova relay recover {service} --dry-run"
    said = recover(it, "identity", "--dry-run")
    assert "relay recover identity --import" in said and "lacks 4 events" in said, said
    said = recover(it, "content", "--dry-run")
    assert "--import is refused" in said and "relay recover content --fork" in said, said


@case
def without_new_events_the_stream_is_taken_back_as_it_was():
    known = list(stream_leaves(it, "identity"))
    before = rows(it, "identity"), it.sql("select count(*) from identity.session")
    planned = recover(it, "identity", "--import", "--dry-run")
    assert "Would take back 4 events" in planned and given["later"] in planned, planned
    assert (rows(it, "identity"), it.sql("select count(*) from identity.session")) == before
    assert relay(it, "identity")["phase"] == "stopped" and not relay(it, "identity")["recovery"]
    done = recover(it, "identity", "--import")
    assert done.replace("Took", "Would take") == planned, (planned, done)
    assert "1 users have no account" in done and "1 keys of persons are lost" in done, done
    wait_for_phase(it, "identity", "following")
    assert list(stream_leaves(it, "identity")) == known
    assert list(outbox_leaves(it, "identity")) == known
    assert [row[0] for row in it.sql("select action from identity.security_audit where user_id = %s"
                                     " order by audit_id", (given["early"],))] == [
        "registered", "login", "handle_changed"]
    login(it, "early.renamed")  # the newer name; the password is in the copy
    login(it, "early", code=1)
    login(it, "later", code=1)
    assert it.sql("select count(*) from identity.session where user_id = %s",
                  (given["early"],)) == [(2,)]  # the one that was taken back, and the new one
    refreshed(it, given["token"])  # and it goes on: the key that derives its tokens is in the copy
    register(it, "positions")  # go on behind the stream's
    wait_for("the new user in the stream", lambda: len(list(stream_leaves(it, "identity"))) ==
             len(known) + 3)
    verifies("identity")  # what was signed before the restore is what is there again


@case
def taking_back_again_changes_nothing():
    before = rows(it, "identity")
    assert "Nothing to take back" in recover(it, "identity", "--import")
    assert rows(it, "identity") == before
    assert "nothing to fork from" in recover(it, "identity", "--fork", code=1)
    assert relay(it, "identity")["phase"] == "following"


@case
def with_new_events_taking_back_is_refused_and_a_fork_named():
    held = rows(it, "content")
    refused = recover(it, "content", "--import", code=1)
    assert "appended since the restore" in refused and "--fork" in refused, refused
    plan = recover(it, "content", "--fork", "--dry-run")
    assert "Would keep 105 events" in plan and "new log id" in plan, plan
    assert rows(it, "content") == held and relay(it, "content")["phase"] == "stopped"
    assert not list(it.home.glob("recovered/*"))


@case
def a_fork_keeps_the_extra_events_and_ends_whole():
    held = rows(it, "content")
    with Nats(it, "auditor") as auditor:
        extra = [message.data for _, message in auditor.stream("NOVA_CONTENT")][-105:]
    said = recover(it, "content", "--fork")
    kept = pathlib.Path(next(line for line in said.splitlines() if line.startswith("Kept"))
                        .split(" in ", 1)[1])
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [base64.b64decode(line["cloudevent"]) for line in lines] == extra
    assert lines[0]["type"] == "post.created" and lines[0]["n"] < lines[1]["n"]
    assert [row[:2] for row in rows(it, "content")] == [row[:2] for row in held]
    logs = {row[2] for row in rows(it, "content")}
    assert len(logs) == 1 and not logs & given["logs"], (logs, given)
    assert relay(it, "content")["recovery"] is None and relay(it, "content")["paused_since"] is None
    post(it, given["forker"], "after the fork")
    whole(it)
    texts = {row[0] for row in it.sql("select text from search.post_index")}
    assert "after the fork" in texts and not any(text.startswith("lost") for text in texts), texts
    verifies("content")
    origin = it.nova("log", "checkpoint", "content").stdout.splitlines()[0]
    assert origin == f"nova/content/{logs.pop()}", origin  # a new tree, and so a new origin


@case
def what_makes_no_sense_is_refused():
    for arguments in (["recover"], ["recover", "content"], ["recover", "contend", "--import"],
                      ["recover", "content", "--import", "--fork"], ["pause", "search"],
                      ["recover", "content", "--now"], ["status", "--all"], ["stop"]):
        assert it.nova("relay", *arguments, code=2).stderr.startswith("nova: "), arguments
    assert "did you mean 'content'" in it.nova("relay", "pause", "contend", code=2).stderr


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
