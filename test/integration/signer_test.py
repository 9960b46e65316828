#!/usr/bin/env python3
"""The verifiable log of a running Nova: signed while events come, proven before a verifier that shares
no code with ours, and verified: each change by hand is found and the event named.

Changes are made as PostgreSQL's superuser and as the relay's own user on the bus: nobody else can.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import log_proof
from appending import append_and_commit
from damage import server_killed, store
from instance import NOVA, Instance, case, main, wait_for
from log_check import SERVICES, outbox_leaves
from nats import Nats
from own import Own, ready, without

SIGNER, EVENTS, MARK = "signer/all", 600, b"as it was signed"
it = Instance(settings={"NOVA_SIGNER_CHECKPOINT_MS": "100"})
known = {}


def log_key(service):
    return log_proof.Key((it.home / f"credentials/log/{service}.pub").read_text())


def count(service):
    return it.sql(f"select count(*) from {service}.outbox")[0][0]


def signed(service):
    """Until a checkpoint of all events is stored and published: its size."""
    def is_signed():
        size = it.sql(f"select coalesce(max(size), 0) from {service}.log_checkpoint"
                      f" where log_id = (select log_id from {service}.log"
                      " order by started_at desc limit 1)")[0][0]
        last = published(service)
        return size > 0 and size == count(service) and last and last.size == size and size
    return wait_for(f"{service}'s log to be signed", is_signed)


def published(service):
    with Nats(it, "auditor") as auditor:
        subject = f"nova.audit.checkpoint.{service}"
        found = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_AUDIT.{subject}")
    if found is None or found.headers.get("Status") == "404":  # no stream, no message
        return None
    return log_proof.Checkpoint(found.data.decode(), log_key(service))


def append(service, events=1):
    ids = append_and_commit(it, service, MARK, events)
    signed(service)
    return ids


def verify(*options, code=0):
    return it.nova("log", "verify", *options, code=code).stdout


def checkpoint(service, name):
    path = it.folder / name
    it.nova("log", "checkpoint", service, "-o", str(path))
    return path


@contextlib.contextmanager
def changed_by_hand(service, pause=True):
    """The relay rests meanwhile, and the outbox is what it was afterwards."""
    if pause:
        it.nova("relay", "pause", service)
    it.sql(f"create table kept as select * from {service}.outbox")
    try:
        yield
    finally:
        it.sql(f"begin; delete from {service}.outbox; insert into {service}.outbox"
               " overriding system value select * from kept order by position; commit;"
               " drop table kept")
        if pause:
            it.nova("relay", "resume", service)


def at(service, n):
    """(event id, position) of the n-th event."""
    return it.sql(f"select event_id::text, position from {service}.outbox order by position"
                  f" limit 1 offset {n - 1}")[0]


@case
def each_checkpoint_is_the_tree_of_the_events_before_it():
    for _ in range(4):
        append("content", EVENTS // 4)
    hashes = [log_proof.leaf_hash(leaf) for leaf in outbox_leaves(it, "content")]
    kept = it.sql("select size, root, note from content.log_checkpoint order by size")
    assert len(kept) >= 4 and kept[-1][0] == len(hashes), kept
    for size, root, note in kept:
        opened = log_proof.Checkpoint(note, log_key("content"))
        assert (opened.size, opened.root) == (size, bytes(root))
        assert opened.root == log_proof.root_of(hashes[:size]), size


@case
def every_event_is_proven_and_the_independent_verifier_accepts_it():
    size, path = signed("content"), it.folder / "proof.json"
    for n in (1, 2, 255, 256, 257, 512, 513, size - 1, size):
        event, position = at("content", n)
        it.nova("log", "prove", event, "-o", str(path))
        shown, of = log_proof.check(path.read_text(), log_key("content"))
        assert (of["n"], of["event_id"], of["position"]) == (n, event, position)
        assert of["payload"] == MARK and shown.size >= size
        said = it.nova("log", "check-proof", str(path), "--key",
                       str(it.home / "credentials/log/content.pub")).stdout
        assert f"event {n} of" in said, said
    script = pathlib.Path(log_proof.__file__)
    subprocess.run([sys.executable, str(script), str(path),
                    str(it.home / "credentials/log/content.pub")], check=True, capture_output=True)


@case
def growth_is_proven_between_what_was_signed():
    old = checkpoint("content", "old")
    append("content", 3)
    new = checkpoint("content", "new")
    sizes = [int(each.read_text().split("\n")[1]) for each in (old, new)]
    for words in ([old, new], sizes):
        text = it.nova("log", "prove-consistency", *map(str, words), "--service", "content").stdout
        shown, of = log_proof.check(text, log_key("content"))
        assert [of.size, shown.size] == sizes
    told = it.nova("log", "prove-consistency", *map(str, (new, old)), "--service", "content", code=1)
    assert "no proof leads from" in told.stderr, told
    told = it.nova("log", "prove-consistency", "1", str(10**15), "--service", "content", code=1)
    assert "no checkpoint of content has" in told.stderr, told


@case
def what_cannot_be_proven_is_said():
    event = at("content", signed("content"))[0]
    for words, code, text in (
            (["prove", "00000000-0000-0000-0000-000000000001"], 1, "no outbox holds an event"),
            (["prove", "x"], 2, "a UUID"), (["prove"], 2, "prove wants an event's id"),
            (["prove", event, "--checkpoint", str(it.folder / "old")], 1, "take a later checkpoint"),
            (["prove", event, "--key", str(it.home / "credentials/log/identity.pub")], 1,
             "nova/identity"),
            (["prove-consistency", "1", "2"], 2, "--service"),
            (["prove-consistency", "1"], 2, "two checkpoints"),
            (["checkpoint", "search"], 2, "no service 'search' has a log"),
            (["checkpoint", "content", "--size", "x"], 2, "a number of events"),
            (["verify", "--checkpoint", "x"], 2, "say --service too"),
            (["verify", "--service", "content", "--checkpoint", "nowhere"], 1, "nowhere"),
            (["verify", "--required", "1"], 2, "--required wants a number"),
            (["verify", "content"], 2, "verify does not know 'content'")):
        told = it.nova("log", *words, code=code).stderr
        assert text in told, (words, told)


@case
def the_key_is_the_signers_and_what_was_signed_stays():
    for service in SERVICES:
        key = it.home / f"credentials/log/{service}"
        assert (key.stat().st_mode & 0o777) == 0o600 and "PRIVATE+KEY+" in key.read_text()
    for role in ("content_service", "content_relay", "content_consumer", "operator", "auditor",
                 "identity_signer"):
        with contextlib.closing(it.connect(role)) as connection, connection.cursor() as cursor:
            for statement in ("insert into content.log_checkpoint (log_id, size, root, note)"
                              " values (gen_random_uuid(), 1, '', '')",
                              "update content.log_tile set hashes = ''",
                              "update content.log_tree set size = 1"):
                refused(connection, cursor, "set transaction read write;" + statement)
    with contextlib.closing(it.connect("content_signer")) as connection, connection.cursor() as cursor:
        for statement in ("update content.log_checkpoint set note = ''",
                          "delete from content.log_checkpoint", "delete from content.log_tile",
                          "insert into content.outbox default values"):
            refused(connection, cursor, statement)
    subject = "nova.audit.checkpoint.content"
    for user in ("content_relay", "content_service", "auditor", "operator", "subscriber", "importer"):
        with Nats(it, user) as client:
            client.publish(subject, b"forged")
            client.flush()
            assert any(subject in each for each in client.errors), (user, client.errors)


def refused(connection, cursor, statement):
    try:
        cursor.execute(statement)
    except Exception as error:  # pylint: disable=broad-except
        connection.rollback()
        assert "permission denied" in str(error), (statement, error)
        return
    raise AssertionError(f"not refused: {statement}")


@case
def a_checkpoint_is_heard_as_it_is_published():
    with Nats(it, "auditor", seconds=60) as auditor, Nats(it, "subscriber", seconds=60) as other:
        heard = [(each, each.subscribe("nova.audit.checkpoint.content")) for each in (auditor, other)]
        for each in (auditor, other):
            each.flush()
        append_and_commit(it, "content", MARK)
        for client, place in heard:
            log_proof.Checkpoint(client.next(place).data.decode(), log_key("content"))


@case
def a_signer_killed_again_and_again_signs_one_history():
    for _ in range(3):
        before = ready(it, SIGNER)
        append_and_commit(it, "content", MARK, 50)
        os.kill(before["pid"], signal.SIGKILL)
        append_and_commit(it, "content", MARK, 50)
        it.ready_again(SIGNER, before["starts"])
    signed("content")
    assert "are what was signed" in verify("--service", "content")
    with Nats(it, "auditor") as auditor:
        sizes = [log_proof.Checkpoint(message.data.decode(), log_key("content")).size
                 for _, message in auditor.stream("NOVA_AUDIT")
                 if message.headers["Nats-Subject"].endswith(".content")]
    assert sizes == sorted(set(sizes)), sizes


@case
def a_store_that_was_wiped_has_the_checkpoints_stream_again():
    append("content", 10)
    size, starts = signed("content"), it.state("nats-server")["starts"]
    with server_killed(it):
        shutil.rmtree(store(it))
    it.ready_again("nats-server", starts)
    append_and_commit(it, "content", MARK, 50)
    assert signed("content") >= size + 50
    wait_for("the log to verify", lambda: it.nova("log", "verify", "--service", "content",
                                                  code=None).returncode == 0)


def without_a_home():
    """The settings of a signer on another machine: its own files and URLs."""
    secrets = it.home / "credentials"
    return {"NOVA_HOME": "/nonexistent/home", "NOVA_SIGNER_KEY_FOLDER": str(secrets / "log"),
            "NOVA_NATS_SEED_FILE": str(secrets / "nats/signer.nk"),
            "NOVA_NATS_URL": f"nats://127.0.0.1:{it.nats_port}",
            **{f"NOVA_POSTGRES_{each.upper()}_URL":
               f"postgresql://{each}_signer:{it.password(f'{each}_signer')}"
               f"@127.0.0.1:{it.postgres_port}/nova" for each in SERVICES}}


@case
def a_second_signer_stands_by_until_the_first_is_gone():
    with without(it, SIGNER):
        with Own(it, "signer", "all", **without_a_home()).wait_ready() as first:
            append("content", 5)
            with Own(it, "signer", "all").wait_ready():
                append("content", 5)
                os.kill(first.pid, signal.SIGSTOP)  # it holds its session's lock, and signs nothing
                append_and_commit(it, "content", MARK, 5)
                first.kill()
                signed("content")
    assert "are what was signed" in verify("--service", "content")


@case
def an_untouched_log_verifies():
    said = verify()
    for service in SERVICES:
        assert f"{service}: " in said, said
    assert f"content: {count('content')} events: outbox, stream and tree are what was signed" in said


@case
def a_row_changed_by_hand_is_named():
    event, position = at("content", 300)
    with changed_by_hand("content"):
        it.sql("update content.outbox set payload = 'something else' where position = %s",
               (position,))
        said = verify("--service", "content", code=1)
        assert f"content: event 300: {event} (test.happened, position {position})" in said, said
        assert "not in the outbox as it was signed: it was changed" in said, said
        assert said.count("event ") == 1, said
    assert "are what was signed" in verify("--service", "content")


@case
def a_row_removed_from_the_end_or_the_middle_is_named():
    for n in (count("content"), 301):
        event, position = at("content", n)
        with changed_by_hand("content"):
            it.sql("delete from content.outbox where position = %s", (position,))
            said = verify("--service", "content", code=1)
            assert f"content: event {n}: " in said and event in said, said
            assert "the outbox does not hold it" in said or "in its place" in said, said


@case
def two_rows_that_were_swapped_are_named():
    (one, first), (other, second) = at("content", 302), at("content", 400)
    with changed_by_hand("content"):
        it.sql("begin; delete from content.outbox where position in (%s, %s);"
               " update kept set position = %s - position where position in (%s, %s);"
               " insert into content.outbox overriding system value select * from kept"
               " where position in (%s, %s);"
               " update kept set position = %s - position where position in (%s, %s); commit",
               (first, second, first + second, first, second, first, second, first + second, first,
                second))
        said = verify("--service", "content", code=1)
        assert f"content: event 302: {one} " in said and f"has {other} " in said, said


def refill(messages, changed=None, mark=b"AS IT WAS SIGNED"):
    """The stream made again by its relay's own user, with one message changed."""
    with Nats(it, "content_relay") as relay:
        config = relay.api("STREAM.INFO.NOVA_CONTENT")["config"]
        assert relay.api("STREAM.DELETE.NOVA_CONTENT")["success"]
        assert "config" in relay.api("STREAM.CREATE.NOVA_CONTENT", config)
        for n, message in enumerate(messages, 1):
            data = message.data.replace(MARK, mark) if n == changed else message.data
            assert b'"seq"' in relay.request(message.headers["Nats-Subject"], data).data


@case
def a_message_changed_in_the_stream_is_named():
    event, _ = at("content", 303)
    with without(it, "relay/content"):
        with Nats(it, "auditor") as auditor:
            messages = [each for _, each in auditor.stream("NOVA_CONTENT")]
        refill(messages, changed=303)
        said = verify("--service", "content", code=1)
        assert f"content: event 303: {event} " in said and "not in the stream" in said, said
        refill(messages[:-2])
        said = verify("--service", "content", code=1)
        assert f"event {count('content') - 1}: the stream does not hold it" in said, said
        refill(messages)
    assert "are what was signed" in verify("--service", "content")


@case
def a_stored_hash_that_was_changed_is_named_and_not_signed():
    kept = it.sql("select hashes from content.log_tile where level = 0 and index = 1")[0][0]
    with without(it, SIGNER):
        it.sql("update content.log_tile set hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)"
               " where level = 0 and index = 1")
        said = verify("--service", "content", code=1)
        assert "event 257: the stored tree (log_tile) has another hash" in said, said
        told = it.nova("log", "prove", at("content", 258)[0], code=1).stderr
        assert "no proof can be made" in told, told
        it.sql("update content.log_tile set hashes = %s where level = 0 and index = 1", (kept,))
    assert "are what was signed" in verify("--service", "content")


@case
def the_same_change_everywhere_is_found_by_the_signature():
    """Outbox, stream and tree changed alike: nobody can say which event it was, but between which
    checkpoints it lies."""
    with without(it, SIGNER, "relay/content"), changed_by_hand("content", pause=False):
        with Nats(it, "auditor") as auditor:
            messages = [each for _, each in auditor.stream("NOVA_CONTENT")]
        it.sql("update content.outbox set payload = %s where position = %s",
               (b"AS IT WAS SIGNED", at("content", 50)[1]))
        refill(messages, changed=50)
        changed = log_proof.leaf_hash(list(outbox_leaves(it, "content"))[49])
        place = sum(49 >> level for level in range(8)) * 32  # audit/tile.h
        kept = it.sql("select hashes from content.log_tile where level = 0 and index = 0")[0][0]
        it.sql("update content.log_tile set hashes = overlay(hashes placing %s from %s)"
               " where level = 0 and index = 0", (changed, place + 1))
        said = verify("--service", "content", code=1)
        for copy in ("the outbox", "the stream", "the stored tree"):
            assert f": {copy} is not what was signed, and no other copy is" in said, said
        assert "content: events 1 to " in said, said
        it.sql("update content.log_tile set hashes = %s where level = 0 and index = 0", (kept,))
        refill(messages)
    assert "are what was signed" in verify("--service", "content")


class Witness:
    """An auditor's machine: files only."""

    def __init__(self):
        self.folder = it.folder / "witness"
        self.folder.mkdir()
        self.key = self.folder / "key"
        public = self.nova("key", "auditor.example/w", "-o", self.key).stdout
        (self.folder / "pub").write_text(public)

    def nova(self, *words, code=0, **more):
        done = subprocess.run([str(NOVA), "--home", str(self.folder / "none"), "log",
                               *map(str, words)], text=True, capture_output=True, check=False,
                              **more)
        assert done.returncode == code, done
        return done

    def show(self, path, *options, code=0):
        key = it.home / "credentials/log/communication.pub"
        done = self.nova("witness", "--key", self.key, "--state", self.folder / "seen",
                         "--log-key", key, *options, path, code=code)
        (self.folder / "cosigned").write_text(done.stdout)
        return done.stderr


@case
def a_witness_cosigns_what_was_published_and_a_proof_says_so():
    witness = known["witness"] = Witness()
    ids = append("communication", 40)
    first = checkpoint("communication", "first")
    witness.show(first)
    witness.nova("witness", "--key", witness.key, "--state", witness.folder / "seen", "--log-key",
                 it.home / "credentials/log/communication.pub", "-", input=first.read_text())
    append("communication", 30)
    second, growth = checkpoint("communication", "second"), it.folder / "growth.json"
    witness.show(second, code=1)  # it wants the proof
    it.nova("log", "prove-consistency", str(first), str(second), "--service", "communication", "-o",
            str(growth))
    witness.show(second, "--proof", growth)
    keys = ["--key", str(it.home / "credentials/log/communication.pub"), "--witness",
            str(witness.folder / "pub")]
    proof, cosigned = it.folder / "witnessed.json", witness.folder / "cosigned"
    for options, code, word in (([], 1, "; unwitnessed"), (["--checkpoint", str(cosigned)], 0,
                                                           "; witnessed by 1 of 1")):
        it.nova("log", "prove", ids[0], "-o", str(proof), *options)
        said = witness.nova("check-proof", proof, *keys, code=code).stdout
        assert word in said, said
        said = verify("--service", "communication", *keys, *options, code=code)
        assert word in said and "are what was signed" in said, said
    opened = log_proof.check(proof.read_text(), log_key("communication"),
                             [log_proof.Key((witness.folder / "pub").read_text())])[0]
    assert opened.cosigned == 1


def tables():
    return ("log_tree", "log_tile", "log_checkpoint")


@case
def a_database_restored_from_an_older_copy_is_not_signed_until_it_is_what_it_was():
    it.nova("relay", "pause", "communication")
    older = count("communication")
    for table in tables():
        it.sql(f"create table old_{table} as select * from communication.{table}")
    append("communication", 20)
    size = count("communication")
    it.sql("create table kept as select * from communication.outbox order by position desc limit 20")
    with without(it, SIGNER):
        it.sql("delete from communication.outbox where position in (select position from kept)")
        for table in tables():
            it.sql(f"delete from communication.{table}; insert into communication.{table}"
                   f" select * from old_{table}; drop table old_{table}")
    words = f"it has {older} events, and {size} were signed"
    wait_for("the signer to say so", lambda: words in it.nova("status", code=None).stdout)
    said = verify("--service", "communication", code=1)
    assert f"a checkpoint of {size} events was published" in said, said
    content = append("content", 2)  # the other logs go on
    assert content and published("communication").size == size
    it.sql("insert into communication.outbox overriding system value select * from kept"
           " order by position; drop table kept")
    assert signed("communication") == size
    wait_for("the trouble to be over", lambda: words not in it.nova("status", code=None).stdout)
    it.nova("relay", "resume", "communication")
    assert "are what was signed" in verify("--service", "communication")


@case
def another_history_of_the_same_size_is_not_signed_and_a_signed_one_is_refused_by_the_witness():
    it.nova("relay", "pause", "communication")
    witness, size = known["witness"], signed("communication")
    before, growth = checkpoint("communication", "ours"), it.folder / "growth.json"
    it.nova("log", "prove-consistency", str(it.folder / "second"), str(before), "--service",
            "communication", "-o", str(growth))
    witness.show(before, "--proof", growth)
    with without(it, SIGNER):
        it.sql("update communication.outbox set payload = 'forged' where position = %s",
               (at("communication", 7)[1],))
        for table in tables():
            it.sql(f"delete from communication.{table}")
    words = f"its first {size} events are not those that were signed"
    wait_for("the signer to say so", lambda: words in it.nova("status", code=None).stdout)
    # Whoever runs everything can make it forget what it published. Nobody can make the witness.
    with Nats(it, "provisioner") as admin:
        assert admin.api("STREAM.DELETE.NOVA_AUDIT")["success"]
    with without(it, SIGNER):
        pass
    assert signed("communication") == size
    forged = checkpoint("communication", "forged")
    told = witness.show(forged, code=1)
    assert "forked, another root for the same size" in told, told
    evidence = sorted(each.read_text() for each in (witness.folder / "seen/evidence").iterdir())
    assert sorted([before.read_text(), forged.read_text()]) == evidence
    said = verify("--service", "communication", "--checkpoint", str(before), code=1)
    assert "two checkpoints of" in said and "a fork" in said, said


@case
def after_an_erasure_the_log_and_old_proofs_still_hold():
    user = json.loads(it.nova("call", "identity", "Register", json.dumps(
        {"handle": "forgotten", "email": "forgotten@example.invalid", "display_name": "Forgotten",
         "password": "correct horse battery"})).stdout)["userId"]
    signed("identity")
    event = json.loads(it.nova("log", "query", "--aggregate", user, "--json").stdout.splitlines()[0])
    path = it.folder / "forgotten.json"
    it.nova("log", "prove", event["event_id"], "-o", str(path))
    old = path.read_text()
    it.nova("call", "identity", "DeleteUser", json.dumps({"user_id": user}), "--as", user)
    wait_for("the key to be gone", lambda: "<erased>" in it.nova(
        "log", "query", "--aggregate", user, "--json").stdout)
    signed("identity")
    assert log_proof.check(old, log_key("identity"))[1]["event_id"] == event["event_id"]
    it.nova("log", "check-proof", str(path), "--key", str(it.home / "credentials/log/identity.pub"))
    it.nova("log", "prove", event["event_id"], "-o", str(path))
    assert log_proof.check(path.read_text(), log_key("identity"))[0].size == count("identity")
    assert "are what was signed" in verify("--service", "identity")


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
