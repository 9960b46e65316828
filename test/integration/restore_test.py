#!/usr/bin/env python3
"""PostgreSQL restored from an older copy: the relay notices, publishes nothing, and says what to do.

By numbers alone nobody would see it: new events take positions that the stream has had before.
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from instance import Instance, case, main, wait_for
from log_check import stream_leaves
from older import restored

RELAY = "relay/content"
SAYS = "PostgreSQL was restored from an older copy"
COMMAND = "./nova relay recover content --dry-run"
it = Instance()


@case
def the_relay_stops_and_names_what_happened():
    append_and_commit(it, count=20)
    said = restored(it, lambda: append_and_commit(it, count=50)).stderr
    assert "runs, but" in said and COMMAND in said, said
    known = list(stream_leaves(it, "content"))
    assert len(known) == 70
    wait_for("the relay to notice", lambda: SAYS in it.log(RELAY))
    wait_for("status to say so", lambda: "stopped" in it.state(RELAY)["status"])
    assert COMMAND in it.log(RELAY) and COMMAND in it.state(RELAY)["status"]
    wait_for("what it wrote beside its lease", lambda: COMMAND in it.nova(
        "relay", "status", "content").stdout)
    told = it.nova("status", code=1).stdout
    assert "TROUBLE" in told and "older than its stream" in told, told
    assert it.status()["good"] is False


@case
def new_events_on_reused_positions_are_not_published():
    """More than the stream knows, so that counting would find nothing wrong."""
    before = list(stream_leaves(it, "content"))
    append_and_commit(it, count=100)
    starts = it.state(RELAY)["starts"]
    os.kill(it.state(RELAY)["pid"], 9)
    said = it.log(RELAY).count(SAYS)
    it.ready_again(RELAY, starts)
    wait_for("the relay to notice again", lambda: it.log(RELAY).count(SAYS) > said)
    assert list(stream_leaves(it, "content")) == before


@case
def the_other_services_go_on():
    reply = json.loads(it.nova("call", "identity", "Register", json.dumps(
        {"handle": "after", "email": "after@example.invalid", "display_name": "After",
         "password": "correct horse battery"})).stdout)
    wait_for("the user in the index", lambda: it.sql(
        "select 1 from search.user_index where user_id = %s", (reply["userId"],)))


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
