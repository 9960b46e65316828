#!/usr/bin/env python3
"""Old and new together: old events under today's code, a producer and a consumer one contract
version apart on the same streams, and a database that began with the first release.
"""
import contextlib
import difflib
import functools
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import uuid

import nacl.bindings
import nacl.utils
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import corpus
from appending import append
from caller import Caller
from instance import BUILD, NOVA, PATIENCE_S, ROOT, Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, contracts, event_of
from nats import Nats

POST_VIEW, INDEX = "consumer/content/post_view", "consumer/search/search_index"


@functools.lru_cache
def shared():
    instance = Instance()
    try:
        instance.up()
    except Exception:
        instance.tell()
        raise
    return instance


def append_as(it, service, kind, aggregate, version, payload, event_id=None):
    """An event as a producer of another version may have written it."""
    ids = [str(uuid.uuid4()) for _ in range(3)]
    event_id = event_id or str(uuid.uuid4())
    with contextlib.closing(it.connect(f"{service}_service")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(
                f"insert into {service}.outbox (event_id, type, aggregate_type, aggregate_id,"
                " version, actor, command_id, command_index, command_digest, correlation_id,"
                " causation_id, occurred_at, payload) values (%s, %s, %s, %s, %s, 'operator', %s, 0,"
                " %s, %s, %s, clock_timestamp(), %s)",
                (event_id, kind, kind.split(".")[0], aggregate, version, ids[0],
                 hashlib.sha256(payload).digest(), ids[1], ids[2], payload))
        connection.commit()
    return event_id


def put_key(it, service, key_id, key):
    """The corpus' key, as the service's own master key would have wrapped it."""
    master = bytes.fromhex((it.home / "credentials/seal" / service).read_text().strip())
    nonce = nacl.utils.random(24)
    wrapped = nonce + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        key, uuid.UUID(key_id).bytes, nonce, master)
    it.sql(f"insert into {service}.person_key (person_id, key_id, wrapped) values (%s, %s, %s)"
           " on conflict do nothing", (str(uuid.uuid4()), key_id, wrapped))


def caught_up(it):
    wait_for("everything to be caught up", it.is_caught_up, PATIENCE_S * 3)
    assert not [each for each in it.status()["consumers"] if each["parked"]]


# ---- the corpus ----------------------------------------------------------------------------------

@case
def every_event_type_and_every_field_of_it_is_in_the_corpus():
    for service, aggregate, event, sealed in corpus.event_types():
        found = corpus.files(service, aggregate, event)
        assert found, f"{service}'s {aggregate}.{event}: run test/corpus/add.py"
        missing = {field.name for field in corpus.payload_class(
            service, aggregate, event).DESCRIPTOR.fields}
        if sealed:
            missing |= {"personal " + field.name for field in corpus.payload_class(
                service, aggregate, event, True).DESCRIPTOR.fields}
        for each in corpus.events():
            if (each["service"], each["type"]) == (service, f"{aggregate}.{event}"):
                missing -= set(each["fields"][0]) | {"personal " + one for one in each["fields"][1]}
        assert not missing, f"{aggregate}.{event}: no file has {missing}; run test/corpus/add.py"


@case
def every_event_of_the_corpus_passes_the_projections():
    it, versions, seen = shared(), {}, []
    for each in corpus.events():
        if each["key"]:
            put_key(it, each["service"], each["key_id"], bytes.fromhex(each["key"]))
    for each in corpus.events():
        if each["type"].endswith(".deleted") and not seen:
            caught_up(it)
            seen = it.sql("select title from content.post_view")
            assert seen == [("title.of.post.updated",)], seen  # it was opened and applied
            assert it.sql("select text from communication.message_view") == [
                ("text.of.message.edited",)]
        key = each["service"], each["aggregate_id"]
        versions[key] = versions.get(key, 0) + 1
        append_as(it, each["service"], each["type"], each["aggregate_id"], versions[key],
                  bytes.fromhex(each["payload"]), each["event_id"])
    caught_up(it)
    assert it.sql("select count(*) from content.post_view where title is not null") == [(0,)]
    assert_streams_equal_outboxes(it)


# ---- one version apart ---------------------------------------------------------------------------

@functools.cache
def newer():
    """The contracts of tomorrow: a field more in each event, and a type more in each service."""
    described = descriptor_pb2.FileDescriptorSet()
    described.CopyFrom(contracts()[1])
    names = {"".join(part.capitalize() for part in f"{aggregate}_{event}".split("_")) + end for _, aggregate, event, _ in
             corpus.event_types() for end in ("", "Personal")}
    for file in described.file:
        for message in file.message_type:
            if message.name in names:
                message.field.add(name="added_later", number=100, label=1, type=9)
        if file.service:
            added = file.message_type.add(name="ThingHappened")
            added.field.add(name="what", number=1, label=1, type=9)
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(name))


@case
def a_newer_producers_fields_are_kept_and_its_types_passed_over_and_counted():
    it, post, author = shared(), str(uuid.uuid4()), str(uuid.uuid4())
    payload = newer()("nova.content.v2.PostCreated")(author_id=author, added_later="of tomorrow")
    happened = newer()("nova.content.v2.ThingHappened")(what="nobody knows it today")
    append_as(it, "content", "post.created", post, 1, payload.SerializeToString())
    for version in range(2, 5):
        append_as(it, "content", "post.pinned", post, version, happened.SerializeToString())
    append_as(it, "content", "post.deleted", str(uuid.uuid4()), 1, b"")
    caught_up(it)
    assert it.sql("select count(*) from post_view_g1.post where post_id = %s", (post,)) == [(1,)]
    for name in (POST_VIEW, INDEX):
        wait_for(f"{name} to say what it passed over", lambda n=name: re.search(
            r"passed over \d+ of types it does not know", it.state(n)["status"]))
    assert_streams_equal_outboxes(it, ("content",))  # leaf bytes hold the payload as it was
    with Nats(it, "auditor") as auditor:
        kept = [cloud.binary_data for _, message in auditor.stream("NOVA_CONTENT")
                for cloud, more in [event_of(message)] if more["subject"] == post]
    assert kept[0] == payload.SerializeToString()
    assert newer()("nova.content.v2.PostCreated").FromString(kept[0]).added_later == "of tomorrow"


@case
def a_consumer_that_declares_it_stops_before_an_unknown_type():
    it, name = shared(), "consumer/content/forget"
    caught_up(it)
    before = it.state(name)
    os.kill(it.supervisor(), signal.SIGSTOP)  # or it would start the consumer again
    try:
        os.kill(before["pid"], signal.SIGKILL)
        for kind in ("user.deleted", "user.frozen", "user.deleted"):
            append_as(it, "identity", kind, str(uuid.uuid4()), 1, b"")
        done = subprocess.run([str(BUILD / "test/check_unknown")], env=it.environment(), text=True,
                              capture_output=True, timeout=PATIENCE_S * 3, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        os.kill(it.supervisor(), signal.SIGCONT)
    it.ready_again(name, before["starts"])
    caught_up(it)


@case
def a_newer_consumer_reads_an_older_producers_stream():
    it = shared()
    with Caller(it) as caller:
        user = caller.call("identity", "ImportUser", handle="older.one", display_name="O",
                           email="o@example.org").user_id
        caller.call("content", "CreatePost", user, title="of today")
    caught_up(it)
    types, read = {(service, f"{aggregate}.{event}") for service, aggregate, event, _ in
                   corpus.event_types()}, 0
    for service in ("identity", "content", "communication"):
        with Nats(it, "auditor") as auditor:
            for _, message in auditor.stream(f"NOVA_{service.upper()}"):
                cloud, _ = event_of(message)
                if (service, cloud.type) not in types:
                    continue
                name = "".join(part.capitalize() for part in cloud.type.replace("_", ".").split("."))
                event = newer()(f"nova.{service}.v2.{name}").FromString(cloud.binary_data)
                assert event.SerializeToString() == cloud.binary_data, cloud.type
                read += 1
    assert read >= len(types), read


# ---- the first release ---------------------------------------------------------------------------

def released(number):
    """The migration files of a release: {path below migrations/: SHA-256}."""
    lines = (ROOT / f"migrations/releases/{number:04}.sha256").read_text().splitlines()
    return {line.split()[1]: line.split()[0] for line in lines}


@contextlib.contextmanager
def root_of(release):
    """A project's root that has the migrations of that release only."""
    with tempfile.TemporaryDirectory(prefix="nova-release.") as folder:
        for name, _ in release.items():
            path = pathlib.Path(folder) / "migrations" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((ROOT / "migrations" / name).read_bytes())
        for each in ROOT.iterdir():
            if each.name != "migrations":
                (pathlib.Path(folder) / each.name).symlink_to(each)
        yield pathlib.Path(folder)


def schema(it, database="nova"):
    """pg_dump --schema-only, without what is drawn anew for each database (log ids, and the key
    that newer versions of pg_dump print), and each object's grants in one order: in which they were
    given means nothing."""
    dump = subprocess.run(
        ["pg_dump", "--schema-only", "-h", "127.0.0.1", "-p", str(it.postgres_port), "-U", "nova",
         database], env={"PGPASSWORD": it.password("nova"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True).stdout
    dump = re.sub(r"^\\(un)?restrict .*$", "", dump, flags=re.M)
    dump = re.sub(r"(?:^GRANT .*\n)+", lambda grants: "".join(sorted(grants.group().splitlines(True))),
                  dump, flags=re.M)
    return re.sub(r"(log_id uuid DEFAULT )'[0-9a-f-]{36}'", r"\1'a log id'", dump)


@case
def released_migrations_never_change():
    for number in range(1, 1 + len(list((ROOT / "migrations/releases").glob("*.sha256")))):
        for name, digest in released(number).items():
            found = hashlib.sha256((ROOT / "migrations" / name).read_bytes()).hexdigest()
            assert found == digest, f"{name} was changed after release {number}"


def migrated(it, root, database):
    """Carries out the migrations of that root in a database of the same server."""
    url = f"postgresql://nova:{it.password('nova')}@127.0.0.1:{it.postgres_port}/{database}"
    done = subprocess.run([str(NOVA), "db", "migrate"], capture_output=True, text=True, env=dict(
        it.environment(), NOVA_ROOT=str(root), NOVA_POSTGRES_URL=url), timeout=PATIENCE_S)
    assert done.returncode == 0, done


@case
def a_database_of_the_first_release_becomes_equal_to_a_fresh_one():
    it = shared()
    it.sql("create database first")
    with root_of(released(1)) as root:
        migrated(it, root, "first")
    with contextlib.closing(it.connect("nova", "first")) as older, older.cursor() as cursor:
        event = append(cursor)
        older.commit()
        before = schema(it, "first")
        migrated(it, ROOT, "first")
        assert schema(it, "first") != before, "no migration since the first release"
        difference = list(difflib.unified_diff(schema(it).splitlines(),
                                               schema(it, "first").splitlines(), "fresh", "first"))
        assert not difference, "\n".join(difference[:40])
        cursor.execute("select count(*) from content.outbox where event_id = %s", (event,))
        assert cursor.fetchall() == [(1,)]


if __name__ == "__main__":
    failed = main()
    shared().__exit__()
    raise SystemExit(failed)
