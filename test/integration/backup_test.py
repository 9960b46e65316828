#!/usr/bin/env python3
"""A backup restored on an empty machine, beside streams that know nothing, and beside streams that know more.

Whatever the restored outbox lacks, nobody may append before its relay or an operator has seen to it.
"""
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from instance import Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, outbox_leaves, stream_leaves

PASSWORD = "correct horse battery"
it, empty, kept = Instance(), Instance(), Instance()
given = {}


def register(instance, handle, code=0):
    return instance.nova("call", "identity", "Register", json.dumps(
        {"handle": handle, "email": f"{handle}@example.invalid", "display_name": handle,
         "password": PASSWORD}), code=code)


def post(instance, code=0):
    return instance.nova("call", "content", "CreatePost", json.dumps({"text": "a post"}), "--as",
                         given["user"], code=code)


def backup():
    return it.folder / "backup"


def relay(instance, service):
    return json.loads(instance.nova("relay", "status", service, "--json").stdout)[0]


@case
def a_backup_is_made_while_everything_runs():
    given["user"] = json.loads(register(it, "early").stdout)["userId"]
    post(it)
    append_and_commit(it, count=50)
    wait_for("everything to be at rest", it.is_caught_up)
    given["leaves"] = {service: list(outbox_leaves(it, service))
                       for service in ("identity", "content")}
    it.nova("backup", str(backup()))
    manifest = json.loads((backup() / "manifest.json").read_text())
    assert manifest["logs"]["content"]["events"] == 51, manifest
    assert manifest["logs"]["identity"]["log_id"] == it.sql(
        "select log_id::text from identity.log")[0][0]
    assert "credentials/seal/identity" in manifest["files"]
    assert "postgres/backup_manifest" in manifest["files"]
    for path in [backup(), *backup().rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    assert not (backup() / "nats").exists()  # streams are derived


@case
def what_cannot_be_backed_up_or_restored_is_refused():
    def refused(instance, words, *arguments):
        said = instance.nova(*arguments, code=1).stderr
        assert words in said, said

    refused(it, "is there already", "backup", str(backup()))
    refused(empty, "does not run", "backup", str(empty.folder / "backup"))
    refused(it, "runs in", "restore", str(backup()))
    refused(empty, "is no backup", "restore", str(empty.folder))
    empty.home.mkdir()
    (empty.home / "something").touch()
    refused(empty, "is not empty", "restore", str(backup()))
    shutil.rmtree(empty.home)
    manifest = backup() / "manifest.json"
    whole = manifest.read_text()
    for key, value, words in (("format", 99, "has format 99"),
                              ("postgres_major", "14", "holds data of PostgreSQL 14")):
        manifest.write_text(json.dumps(dict(json.loads(whole), **{key: value})))
        refused(empty, words, "restore", str(backup()))
    manifest.write_text(whole)
    for name, words in (("credentials/seal/content", "its checksum is another"),
                        ("postgres/global/pg_control", "PostgreSQL's data in the backup")):
        path = backup() / name
        data = path.read_bytes()
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        refused(empty, words, "restore", str(backup()))
        path.write_bytes(data)
    assert not empty.home.exists()
    for arguments in (["backup"], ["restore"], ["restore", "--now"]):
        empty.nova(*arguments, code=2)


@case
def a_restore_that_was_interrupted_starts_nothing():
    empty.home.mkdir()
    (empty.home / "restoring").write_text(str(backup()))
    assert "was interrupted" in empty.nova("up", "--empty", code=1).stderr
    shutil.rmtree(empty.home)


@case
def on_an_empty_machine_it_comes_up_whole():
    empty.nova("restore", str(backup()))
    said = empty.nova("up").stderr
    assert "3 restored outboxes" in said and "none" in said, said  # and no sample of made-up users
    wait_for("every read model", empty.is_caught_up)
    for service, leaves in given["leaves"].items():
        assert list(outbox_leaves(empty, service)) == leaves
    assert_streams_equal_outboxes(empty)
    assert not (empty.home / "restored").exists() and not (empty.home / "restoring").exists()
    wait_for("writers to be let in", lambda: not any(
        relay(empty, service)["restored_at"] for service in ("identity", "content")))
    assert "agrees with its stream" in empty.log("relay/content")
    empty.nova("call", "identity", "Login", json.dumps({"login": "early", "password": PASSWORD}))
    post(empty)
    wait_for("every read model", empty.is_caught_up)
    assert_streams_equal_outboxes(empty)
    empty.nova("down")


@case
def beside_streams_that_know_more_nobody_appends_before_the_operator_decides():
    post(it)
    append_and_commit(it, count=30)
    wait_for("everything to be at rest", it.is_caught_up)
    known = list(stream_leaves(it, "content"))
    it.nova("down")
    kept.nova("restore", str(backup()))
    shutil.copytree(it.home / "nats/store", kept.home / "nats/store")  # docs/recovery.md
    said = kept.up(code=1).stderr
    assert "runs, but" in said and "relay recover content --dry-run" in said, said
    wait_for("content's relay to stop", lambda: relay(kept, "content")["phase"] == "stopped")
    before = list(outbox_leaves(kept, "content"))
    said = post(kept, code=1).stderr
    assert "./nova relay status content" in said and "restored from a backup" in said, said
    assert list(outbox_leaves(kept, "content")) == before
    register(kept, "others.go.on")  # identity's stream knows no more than its outbox
    state = relay(kept, "content")
    assert state["restored_at"] and state["next"].endswith("recover content --dry-run"), state
    os.kill(kept.state("service/content")["pid"], 9)  # a new process is refused as well
    wait_for("the service", lambda: "restored from a backup" in post(kept, code=None).stderr)
    planned = kept.nova("relay", "recover", "content", "--import", "--dry-run").stdout
    assert "Would take back 31 events" in planned, planned
    assert list(outbox_leaves(kept, "content")) == before and relay(kept, "content")["restored_at"]
    assert "Took back 31 events" in kept.nova("relay", "recover", "content", "--import").stdout
    assert list(outbox_leaves(kept, "content")) == known
    post(kept)
    wait_for("every read model", kept.is_caught_up)
    assert_streams_equal_outboxes(kept)


if __name__ == "__main__":
    with it, empty, kept:
        it.up()
        raise SystemExit(main())
