#!/usr/bin/env python3
"""Recoveries that are killed in the middle are run again and complete; PostgreSQL's data comes back from
the streams alone.
"""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from instance import Instance, case, main, wait_for
from log_check import outbox_leaves, stream_leaves
from nats import Nats
from older import data, restored
from recovering import (killed_when, post, recover, register, relay, rows, wait_for_phase,
                        whole)

it = Instance()
given = {}


def asked(question):
    """A condition in SQL."""
    return lambda: it.sql(f"select {question}") == [(True,)]


@case
def an_import_that_is_killed_is_run_again():
    """The same restore is for the next case: identity's history goes on otherwise."""
    given["author"] = register(it, "author")
    post(it, given["author"], "before")

    def work():
        register(it, "gone")
        append_and_commit(it, count=3000)

    restored(it, work)
    register(it, "other")
    known = list(stream_leaves(it, "content"))
    wait_for_phase(it, "content", "stopped")
    lock = ("exists (select from pg_locks where granted and mode = '{}' and relation ="
            " 'content.outbox'::regclass)")
    for moment in ("recovery = 'import' from content.relay_lease",
                   lock.format("ShareRowExclusiveLock"), lock.format("RowExclusiveLock")):
        assert killed_when(it, ["content", "--import"], asked(moment)), moment
        assert len(rows(it, "content")) == len(known) - 3000  # nothing is half done
        assert relay(it, "content")["next"].endswith("./nova relay recover content --import")
    assert "holds its relay" in it.nova("relay", "resume", "content", code=1).stderr
    recover(it, "content", "--import")
    assert list(outbox_leaves(it, "content")) == known
    wait_for_phase(it, "content", "following")


@case
def a_fork_that_is_killed_is_run_again_and_nobody_is_forgotten_twice():
    wait_for_phase(it, "identity", "stopped")
    auditor = Nats(it, "auditor")

    def made():
        return auditor.api("STREAM.INFO.NOVA_IDENTITY").get("created")

    born = made()
    held, logs = rows(it, "identity"), it.sql("select count(*) from identity.log")[0][0]
    generation = it.sql("select generation from communication.generation"
                        " where projection = 'conversation_view'")[0][0] + 1
    moments = (asked("recovery = 'fork' from identity.relay_lease"),
               lambda: list(it.home.glob("recovered/identity.*.ndjson")),
               asked(f"count(*) > {logs} from identity.log"),
               lambda: made() != born,
               asked("paused_at is null and recovery = 'fork' from identity.relay_lease"),
               asked("count(*) = 1 from pg_namespace"
                     f" where nspname = 'conversation_view_g{generation}'"))
    for place, moment in enumerate(moments):
        assert killed_when(it, ["identity", "--fork"], moment), f"moment {place}"
        state = relay(it, "identity")
        assert state["next"].endswith("./nova relay recover identity --fork"), state
    assert "a fork was begun" in recover(it, "identity", "--import", code=1)
    recover(it, "identity", "--fork")
    assert [row[:2] for row in rows(it, "identity")] == [row[:2] for row in held]
    assert it.sql("select count(*) from identity.log")[0][0] == logs + 1
    whole(it)
    assert {row[0] for row in it.sql(
        "select log_id::text from content.checkpoint where source = 'identity' union all"
        " select log_id::text from communication.checkpoint where source = 'identity'")} == {
            rows(it, "identity")[0][2]}
    it.nova("call", "identity", "DeleteUser", json.dumps({"userId": given["author"]}))
    wait_for("the reactor to forget", lambda: it.sql(
        "select 1 from content.person_key where person_id = %s and wrapped is null",
        (given["author"],)))
    whole(it)


@case
def postgres_data_deleted_and_the_streams_kept():
    wait_for("everything to be at rest", it.is_caught_up)
    known = {service: list(stream_leaves(it, service))
             for service in ("identity", "content", "communication")}
    it.nova("down")
    shutil.rmtree(data(it))
    (it.home / "pg").unlink(missing_ok=True)
    it.up(code=None)  # its relays stop
    for service, leaves in known.items():
        if leaves:
            wait_for_phase(it, service, "stopped")
            assert list(stream_leaves(it, service)) == leaves
            said = recover(it, service, "--import")
            assert f"lacks {len(leaves)} events" in said, said
            assert "keys of persons are lost" in said or service == "communication", said
            assert list(outbox_leaves(it, service)) == leaves
    register(it, "again")
    whole(it)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
