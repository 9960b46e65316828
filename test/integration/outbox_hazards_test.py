#!/usr/bin/env python3
"""What goes wrong between an outbox and its stream, provoked (docs/hazards.md): a thousand kills,
cut connections, crashes with their holes, full disks, clocks that step, doorbells that are lost.

NOVA_TEST_SEED repeats a run; NOVA_TEST_KILLS says how often a relay is killed, however long it takes.
"""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from accounts import changed_accounts
from appending import append, append_and_commit
from caller import Caller
from cut import Cutter
from instance import ROOT, Instance, case, main, wait_for
from log_check import SERVICES, assert_streams_equal_outboxes, event_of, message_class
from nats import Nats
from own import Own, ready, supervisor_held, without

RELAY = "relay/content"
KILLS = int(os.environ.get("NOVA_TEST_KILLS", "1000"))
# On a machine that has other things to do: no more of them than fit, but these.
KILLS_MIN, KILLS_S = (KILLS, 0) if "NOVA_TEST_KILLS" in os.environ else (100, 75)
SEED = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
UNAVAILABLE = 14
DAMAGED = "the stream is damaged"  # it would be healed; but nothing here may damage it
HOUR_S = 3600
it = Instance(settings={"NOVA_RELAY_CHECK_MS": "2000"})
author = {}


def is_whole():
    with contextlib.suppress(AssertionError, OSError, KeyError, TypeError):
        return it.is_caught_up() and assert_streams_equal_outboxes(it)
    return False


def create_post(caller, title="a post"):
    """(code, text, post's id); a service that just loses its connections answers at the end."""
    request = message_class("nova.content.v2.CreatePostRequest")(title=title)
    code, text, data = caller.ask("content", "CreatePost", request.SerializeToString(),
                                  caller.headers(**{"Nova-On-Behalf-Of": author["id"]}))
    reply = message_class("nova.content.v2.CreatePostReply").FromString(data)
    return code, text, reply.post_id if code == 0 else None


# ---- killed, cut, crashed -----------------------------------------------------------------------

def lives(service, count, chance):
    """Kills `count` relays one after the other, most of them while they publish.

    (how many were killed, how many had published)
    """
    killed, published, end = 0, 0, time.monotonic() + KILLS_S
    with contextlib.closing(it.connect()) as admin, Nats(it, "auditor", seconds=60) as auditor:
        admin.autocommit = True
        while killed < count and (
                time.monotonic() < end or killed < KILLS_MIN // len(SERVICES)):
            append_and_commit(it, service, count=4)
            before = auditor.last_n(service)
            with admin.cursor() as cursor:  # a dead relay's lease runs out: here at once
                cursor.execute(f"update {service}.relay_lease set lease_until = '-infinity'")
            with Own(it, "relay", service, NOVA_RELAY_BATCH="2") as relay:
                if chance.random() < 0.2:  # whenever: connecting, reading its stream, comparing
                    time.sleep(chance.uniform(0, 0.2))
                else:
                    wait_for("the first of its publishes", lambda before=before: (
                        relay.process.poll() is not None or auditor.last_n(service) > before))
                    time.sleep(chance.uniform(0, 0.004))
                assert relay.process.poll() is None, relay.log()
            assert DAMAGED not in relay.log(), relay.log()[-3000:]
            killed += 1
            published += auditor.last_n(service) > before
            relay.path.unlink()
    return killed, published


@case
def a_durable_ahead_of_its_stream_is_noticed_and_made_again():
    """It would be given nothing any more, and nobody would say so."""
    index = "consumer/search/search_index"
    append_and_commit(it, count=50)
    wait_for("every stream to be whole", is_whole, 120)
    relay, starts, said = ready(it, RELAY), it.state("nats-server")["starts"], len(it.log(index))
    with Nats(it, "auditor") as auditor:
        known = auditor.last_n()
    with supervisor_held(it):
        os.kill(relay["pid"], signal.SIGKILL)  # else it fills the tail again at once
        os.kill(it.state("nats-server")["pid"], signal.SIGKILL)
        wait_for("its end", lambda: not it.nats_is_healthy())
        blocks = (it.home / "nats/store/jetstream/BUS/streams/NOVA_CONTENT/msgs").glob("*.blk")
        newest = max(blocks, key=lambda each: int(each.stem))
        os.truncate(newest, newest.stat().st_size - 2000)
        # A server of the test's own, so that no relay comes with it.
        nats = subprocess.Popen(["/usr/sbin/nats-server", "-c", str(it.home / "nats/nats.conf")],
                                stderr=subprocess.DEVNULL, env=dict(
            os.environ, NOVA_NATS_PORT=str(it.nats_port), NOVA_NATS_STORE_BYTES_MAX="1000000000",
            NOVA_NATS_MONITOR_PORT=str(it.monitor_port), NOVA_NATS_STORE=f'"{it.home}/nats/store"',
            NOVA_NATS_PID_FILE=f'"{it.folder}/nats.pid"'))
        try:
            wait_for("its server", it.nats_is_healthy)
            with Nats(it, "operator") as operator:
                assert 0 < operator.last_n() < known
                wait_for("the consumer to notice", lambda: re.search(
                    "ahead of its stream|before our checkpoint", it.log(index)[said:]))
        finally:
            nats.kill()
            nats.wait()
    it.ready_again("nats-server", starts)
    wait_for("every stream to be whole", is_whole, 120)
    with Caller(it, seconds=30) as caller:
        made = create_post(caller, "behind the lost tail")[2]
    wait_for("the post in the index", lambda: it.sql(
        "select 1 from search.post_index where post_id = %s", (made,)), 180)


@case
def a_relay_killed_while_it_publishes_publishes_each_event_once():
    """Between a publish and its acknowledgement, between two publishes, and anywhere else."""
    print(f"# seed {SEED}", flush=True)
    share = [KILLS // len(SERVICES)] * len(SERVICES)
    share[0] += KILLS - sum(share)
    with without(it, *(f"relay/{service}" for service in SERVICES)):
        with concurrent.futures.ThreadPoolExecutor(len(SERVICES)) as pool:
            done = list(pool.map(lives, SERVICES, share,
                                 [random.Random(SEED + each) for each in range(len(SERVICES))]))
    killed, published = (sum(each) for each in zip(*done))
    assert published > killed / 2 and killed >= KILLS_MIN // len(SERVICES) * len(SERVICES), done
    assert not any(DAMAGED in it.log(f"relay/{service}") for service in SERVICES)
    wait_for("every event in its stream", is_whole, 120)
    print(f"# {killed} kills, {published} of them in the middle of publishing,"
          f" {assert_streams_equal_outboxes(it)} events, each once", flush=True)


@case
def connections_cut_in_the_middle_of_a_pipeline_leave_no_hole():
    chance = random.Random(SEED)
    cuts_max = 12

    def next_cut():
        return chance.randrange(2000, 60000) if cutter.cuts < cuts_max else None

    with Cutter(it.nats_port, next_cut) as cutter, without(it, RELAY):
        with Own(it, "relay", "content", NOVA_NATS_PORT=str(cutter.port)) as relay:
            end = time.monotonic() + 180
            while cutter.cuts < cuts_max:
                append_and_commit(it, payload=chance.randbytes(200), count=100)
                assert time.monotonic() < end and relay.process.poll() is None, (
                    cutter.cuts, relay.log()[-3000:])
                time.sleep(0.05)
            stored = it.sql("select count(*) from content.outbox")[0][0]
            with Nats(it, "auditor") as auditor:
                wait_for("every event in the stream", lambda: auditor.last_n() == stored, 120)
            assert DAMAGED not in relay.log(), relay.log()[-3000:]
    print(f"# {cutter.cuts} cuts", flush=True)
    wait_for("every stream to be whole", is_whole, 120)


@case
def positions_lost_in_a_crash_of_postgresql_settle():
    """A sequence is logged 32 ahead: what a crash jumps over is void, as a rollback's are."""
    done = threading.Event()

    def write(seed):
        chance = random.Random(seed)
        while not done.is_set():
            with contextlib.suppress(psycopg2.Error):
                with contextlib.closing(it.connect("content_service")) as connection:
                    while not done.is_set():
                        with connection.cursor() as cursor:
                            append(cursor)
                        if chance.random() < 0.1:
                            connection.rollback()
                        else:
                            connection.commit()
    writers = [threading.Thread(target=write, args=(SEED + each,)) for each in range(8)]
    for each in writers:
        each.start()
    widest, kills = 0, 0
    try:
        # Where it jumps to depends on how many of the 32 were used; rollbacks alone leave few.
        while kills < 3 or (widest < 12 and kills < 15):
            before = ready(it, "postgres")
            stored = it.sql("select count(*) from content.outbox")[0][0]
            wait_for("some events", lambda stored=stored: it.sql(
                "select count(*) from content.outbox")[0][0] > stored + 50)
            os.kill(before["pid"], signal.SIGKILL)
            it.ready_again("postgres", before["starts"])
            kills += 1
            widest = it.sql("select max(step) from (select position - lag(position) over (order by"
                            " position) as step from content.outbox) as s")[0][0]
    finally:
        done.set()
        for each in writers:
            each.join()
    assert widest >= 12, widest
    print(f"# {kills} crashes, the widest hole of {widest - 1} positions", flush=True)
    wait_for("every stream to be whole", is_whole, 120)


@case
def after_a_pause_longer_than_any_window_nothing_comes_twice():
    """JetStream forgets message ids after its window; so nothing may depend on them."""
    with Nats(it, "auditor") as auditor:
        before = auditor.last_n()
        window_s = auditor.api("STREAM.INFO.NOVA_CONTENT")["config"]["duplicate_window"] / 1e9
        with without(it, RELAY):
            append_and_commit(it, count=50)
            over = time.monotonic() + 2 * window_s
            wait_for("the window to be over", lambda: time.monotonic() > over)
        wait_for("the events behind the pause", lambda: auditor.last_n() == before + 50)
        raw = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_CONTENT", b'{"last_by_subj":'
                              b'"nova.evt.content.>"}')
        assert "Nats-Msg-Id" not in raw.headers and "Nats-Sequence" in raw.headers, raw.headers
    assert is_whole()


def said_to_nats():
    """How many messages the relay has sent to nats-server, on all its connections."""
    with urllib.request.urlopen(f"http://127.0.0.1:{it.monitor_port}/connz?state=any&limit=1000",
                                timeout=10) as answer:
        return sum(each["in_msgs"] for each in json.load(answer)["connections"]
                   if each.get("name", "").startswith(RELAY))


@case
def publishes_that_nobody_answers_are_no_storm():
    """A cluster without a leader refuses each publish at once, for seconds, on a good connection.

    Here JetStream is taken away and given back while commands come in.
    """
    before, appended = it.sql("select count(*) from content.outbox")[0][0], 0
    sent, said = said_to_nats(), len(it.log(RELAY))
    with changed_accounts(it, "    jetstream: enabled\n", ""):
        end = time.monotonic() + 120
        while it.log(RELAY)[said:].count("tries again") < 5 or no_stream() is not True:
            append_and_commit(it, count=200)
            appended += 200
            assert time.monotonic() < end, it.log(RELAY)[said:]
        tries = it.log(RELAY)[said:].count("tries again")
        attempts = said_to_nats() - sent
    print(f"# {attempts} messages in {tries} tries while {appended} events came", flush=True)
    assert attempts < appended + 100 * tries  # 200 thousand, when each refusal was only tried again
    wait_for("every stream to be whole", is_whole, 120)
    assert it.sql("select count(*) from content.outbox") == [(before + appended,)]


def no_stream():
    """Whether nobody answers for the stream; None: not known."""
    with Nats(it, "auditor") as auditor:
        answer = auditor.request(f"{auditor.js}.STREAM.INFO.NOVA_CONTENT", b"", seconds=2)
        return None if answer is None else answer.no_responders or b'"error"' in answer.data


# ---- what delays, and what does not -------------------------------------------------------------

@case
def an_unrelated_long_transaction_delays_nothing():
    it.sql("create table other (n int); insert into other values (1)")
    with contextlib.closing(it.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("begin isolation level repeatable read")
        cursor.execute("update other set n = 2")  # an id and a snapshot, both held open
        cursor.execute("select count(*) from content.outbox")
        with Nats(it, "auditor") as auditor:
            for _ in range(20):
                before = auditor.last_n()
                append_and_commit(it, count=50)
                wait_for("events past an open transaction", lambda before=before:
                         auditor.last_n() == before + 50, 20)
        cursor.execute("select n from other")
        assert cursor.fetchall() == [(2,)]  # it was open all the time
        connection.rollback()
    it.sql("drop table other")


@case
def a_lost_doorbell_costs_no_more_than_the_poll():
    starts = it.state("service/content")["starts"]
    with changed_accounts(it, '"nova.bell.content"]}, subscribe: {allow: ["nova.revoked.content',
                          '"nova.bell.nobody"]}, subscribe: {allow: ["nova.revoked.content'):
        with Caller(it, seconds=30) as caller, Nats(it, "auditor") as auditor:
            wait_for("the bell to be refused", lambda: create_post(caller)[0] == 0 and (
                'Subject "nova.bell.content"' in it.log("nats-server")))
            for _ in range(5):
                stored = it.sql("select count(*) from content.outbox")[0][0]
                wait_for("what was stored before", lambda: auditor.last_n() >= stored)
                code, text, _ = create_post(caller)
                assert code == 0, text
                wait_for("the event without a bell", lambda: auditor.last_n() > stored, 20)
    assert it.state("service/content")["starts"] == starts
    assert is_whole() or wait_for("every stream to be whole", is_whole)


@case
def neither_notify_nor_slots_nor_published_flags_are_used():
    assert it.sql("select slot_name from pg_replication_slots") == []
    assert it.sql("select pid from pg_stat_activity where query ilike 'listen%%'") == []
    wait_for("the statistics", lambda: it.sql(
        "select sum(n_tup_ins) > 100 from pg_stat_user_tables where relname = 'outbox'") == [(True,)])
    assert it.sql("select sum(n_tup_upd + n_tup_del) from pg_stat_user_tables"
                  " where relname = 'outbox'") == [(0,)]
    folders = ["base", "pg", "aggregates", "outbox-relay", "inbox", "projections", "services", "cli",
               "migrations"]
    found = [str(path) for folder in folders for path in (ROOT / folder).rglob("*")
             if path.suffix in (".c", ".h", ".sql") and re.search(
                 r'"\s*(LISTEN|NOTIFY)\b|pg_notify|replication_slot', path.read_text())]
    assert found == []


# ---- clocks -------------------------------------------------------------------------------------

class SteppingCaller(Caller):
    """Its clock is as wrong as that of the service it asks."""
    off_s = 0

    def now(self):
        return time.time() + self.off_s


@case
def a_clock_that_steps_changes_no_order():
    """A service whose clock goes back by an hour, then forward by two; PostgreSQL's stays."""
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    offset = it.folder / "offset"
    offset.write_text("+0")
    first = it.sql("select coalesce(max(position), 0) from content.outbox")[0][0]
    with without(it, "service/content"):
        with Own(it, "service", "content", LD_PRELOAD=str(library), FAKETIME_NO_CACHE="1",
                 FAKETIME_TIMESTAMP_FILE=str(offset), FAKETIME_DONT_FAKE_MONOTONIC="1",
                 ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
                 ) as service, SteppingCaller(it, seconds=30) as caller:
            service.wait_ready()
            for off_s in (0, -HOUR_S, HOUR_S, -2 * HOUR_S):
                offset.write_text(f"{off_s:+d}")
                caller.off_s = off_s
                for number in range(10):
                    code, text, _ = create_post(caller, f"clock {off_s} {number}")
                    assert code == 0, (text, service.log()[-2000:])
    rows = it.sql("select occurred_at, event_id::text from content.outbox where position > %s and"
                  " type = 'post.created' order by position", (first,))
    assert len(rows) == 40
    times, ids = [row[0] for row in rows], [row[1] for row in rows]
    back = sum(later < before for before, later in zip(times, times[1:]))
    assert back == 2, times  # the clock did step
    assert ids == sorted(ids)  # and UUIDv7 went on
    wait_for("every stream to be whole", is_whole, 120)
    with Nats(it, "auditor") as auditor:
        streamed = [event_of(message)[0] for _, message in auditor.stream("NOVA_CONTENT")]
    assert [each.id for each in streamed if each.id in set(ids)] == ids
    wait_for("the posts in the index", lambda: it.sql(
        "select count(*) from search.post_index where title like 'clock %%'") == [(40,)])


# ---- disks --------------------------------------------------------------------------------------

@contextlib.contextmanager
def small_disk(folder, megabytes):
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "nova", str(folder)],
                      capture_output=True, check=False).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, left):
    filler = folder / "filler"
    with filler.open("wb") as out:
        os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(folder).free - left)
    return filler


def outbox_in(tablespace):
    it.sql(f"alter table content.outbox set tablespace {tablespace}")
    for name, in it.sql("select indexname from pg_indexes where schemaname = 'content' and"
                        " tablename = 'outbox'"):
        it.sql(f"alter index content.{name} set tablespace {tablespace}")


def refused_whole(caller, until):
    """Posts until one is refused; those that were accepted are there, and no other event is."""
    before = it.sql("select count(*) from content.outbox")[0][0]
    accepted = 0
    for number in range(2000):
        code, text, _ = create_post(caller, f"full {number}")
        if code == 0:
            accepted += 1
            assert until != "at once", "it was accepted"
            continue
        assert code == UNAVAILABLE, (code, text)
        break
    else:
        raise AssertionError("nothing was refused")
    assert it.sql("select count(*) from content.outbox") == [(before + accepted,)]


@case
def a_full_disk_under_postgresql_refuses_commands_whole():
    folder = it.folder / "small"
    size = it.sql("select pg_total_relation_size('content.outbox')")[0][0]
    with small_disk(folder, (size >> 20) + 32) as mounted:
        if not mounted:
            return "no disk could be mounted here"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        it.sql(f"create tablespace small location '{folder}'")
        outbox_in("small")
        filler = fill(folder, 0)
        with Caller(it, seconds=30) as caller:
            refused_whole(caller, "the free pages are used up")
            filler.unlink()
            wait_for("commands to go through again", lambda: create_post(caller)[0] == 0)
        wait_for("every stream to be whole", is_whole, 120)
        outbox_in("pg_default")
        it.sql("drop tablespace small")
    return None


@case
def a_read_only_postgresql_refuses_commands_whole():
    service = "usename = 'content_service'"
    it.sql("alter role content_service set default_transaction_read_only = on")
    it.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where {service}")
    with Caller(it, seconds=30) as caller:
        # Until its connections are new ones, a worker may answer that its old one is gone.
        wait_for("it to be said", lambda: "read-only" in create_post(caller)[1])
        refused_whole(caller, "at once")
        it.sql("alter role content_service reset default_transaction_read_only")
        it.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where {service}")
        wait_for("commands to go through again", lambda: create_post(caller)[0] == 0)
    wait_for("every stream to be whole", is_whole, 120)


@case
def a_full_disk_under_jetstream_stops_no_command_and_heals():
    """First with the bound on streams that leaves space, then filled from outside to the brim."""
    store = it.home / "nats/store"
    it.nova("down")
    kept = it.folder / "kept"
    shutil.copytree(store, kept)
    with small_disk(store, 230) as mounted:
        if not mounted:
            it.up()
            return "no disk could be mounted here"
        shutil.copytree(kept, store, dirs_exist_ok=True)
        it.up()
        chance = random.Random(SEED)
        before = it.state("nats-server")["starts"]
        for _ in range(100):  # 80 MB: more than the bound of its store
            append_and_commit(it, payload=chance.randbytes(800_000))
        wait_for("the relay to say that the stream takes no more", lambda: (
            "maximum" in it.log(RELAY) or "insufficient" in it.log(RELAY)
            or "tries again" in it.log(RELAY)))
        assert shutil.disk_usage(store).free > 16 << 20  # the brim was never reached
        assert it.state("nats-server")["starts"] == before
        with Caller(it, seconds=30) as caller:
            assert create_post(caller)[0] == 0
        assert next(each for each in it.status()["streams"] if each["service"] == "content")[
            "events"] < it.sql("select count(*) from content.outbox")[0][0]
        filler = fill(store, 8 << 20)
        wait_for("nats-server to be stopped", lambda: it.state("nats-server")["state"] == "waiting")
        stored = it.sql("select count(*) from content.outbox")[0][0]
        append_and_commit(it, count=20)
        assert it.sql("select count(*) from content.outbox") == [(stored + 20,)]
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=1000m", str(store)], check=True)
        it.ready_again("nats-server", before)
        os.kill(it.state("nats-server")["pid"], signal.SIGTERM)  # its bound is set at its start
        wait_for("every stream to be whole", is_whole, 180)
        it.nova("down")
        shutil.rmtree(kept)
        shutil.copytree(store, kept)
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(kept, store)
    it.up()
    return None


# ---- the last: it leaves PostgreSQL empty -------------------------------------------------------

@case
def postgresqls_data_deleted_and_the_streams_kept_is_noticed():
    append_and_commit(it, count=20)
    wait_for("every stream to be whole", is_whole, 120)
    with Nats(it, "auditor") as auditor:
        known = auditor.last_n()
    it.nova("down")
    data = pathlib.Path(os.path.realpath(it.home / "pg"))
    shutil.rmtree(data)
    if (it.home / "pg").is_symlink():
        (it.home / "pg").unlink()
    it.up(code=1)  # which says that a relay stopped
    said = "PostgreSQL was restored from an older copy"
    wait_for("the relay to notice", lambda: said in it.log(RELAY))
    append_and_commit(it, count=100)
    wait_for("status to say so", lambda: "stopped" in it.state(RELAY)["status"])
    with Nats(it, "auditor") as auditor:
        assert auditor.last_n() == known


if __name__ == "__main__":
    with it:
        it.up()
        with Caller(it, seconds=30) as first_caller:
            author["id"] = first_caller.call(
                "identity", "Register", handle="author", display_name="Author",
                email="author@example.invalid", password="correct horse battery").user_id
        raise SystemExit(main())
