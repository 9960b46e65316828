#!/usr/bin/env python3
"""Late commits, rollbacks and stuck writers: the relay loses nothing and keeps the order.

NOVA_TEST_SEED repeats a run.
"""
import contextlib
import math
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

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append, append_and_commit
from instance import NOVA, Instance, case, free_ports, main, wait_for
from log_check import assert_streams_equal_outboxes, event_of
from nats import Nats

WRITERS = 32
SECONDS = 8
STUCK_MS = 2000
# How much later than the limit at the latest: the relay looks every now and then, and this runs
# with sanitizers on machines that have other work.
GRACE_S = 10
RELAY = "relay/content"
it = Instance(settings={"NOVA_RELAY_STUCK_WRITER_MS": str(STUCK_MS)})


def streamed(event_id):
    """Whether the stream holds this event, at the number that it has once no position is open."""
    n = it.sql("select count(*) from content.outbox where position <= (select position from"
               " content.outbox where event_id = %s)", (event_id,))[0][0]
    with Nats(it, "auditor") as auditor:
        raw = auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_CONTENT",
                              f'{{"seq":{n}}}'.encode())
    return raw.headers.get("Status") != "404" and event_of(raw)[0].id == event_id


class Writer(threading.Thread):
    """Transactions of one to three events, held open for a while, a tenth rolled back."""

    def __init__(self, seed, until):
        super().__init__()
        self.chance, self.until = random.Random(seed), until
        self.committed, self.unknown, self.rolled_back, self.failure = [], [], 0, None

    def run(self):
        try:
            while time.monotonic() < self.until:
                with contextlib.closing(it.connect("content_service")) as connection:
                    self.transactions(connection)
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def transactions(self, connection):
        """Until the end, or until the relay takes it for stuck: on a busy machine it may be."""
        try:
            while time.monotonic() < self.until:
                self.transaction(connection)
        except psycopg2.OperationalError:
            pass

    def transaction(self, connection):
        with connection.cursor() as cursor:
            ids = [append(cursor) for _ in range(self.chance.randint(1, 3))]
        if self.chance.random() < 0.3:
            time.sleep(self.chance.uniform(0, 0.06))
        if self.chance.random() < 0.1:
            connection.rollback()
            self.rolled_back += len(ids)
        else:
            self.unknown += ids
            connection.commit()
            del self.unknown[-len(ids):]
            self.committed += ids


class Writers:
    """As many as the test's, for as long as the block lasts; others than the one that is stuck."""
    committed, unknown = set(), set()

    def __enter__(self):
        seed = time.time_ns() % 1000000
        self.writers = [Writer(seed + each, math.inf) for each in range(WRITERS)]
        for each in self.writers:
            each.start()
        wait_for("all to write", lambda: all(each.committed for each in self.writers))
        return self

    def count(self):
        return sum(len(each.committed) for each in self.writers)

    def __exit__(self, *_):
        for each in self.writers:
            each.until = 0
        for each in self.writers:
            each.join()
            assert each.failure is None, each.failure
            self.committed.update(each.committed)
            self.unknown.update(each.unknown)


@case
def writers_that_commit_late_or_roll_back_lose_nothing():
    seed = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
    writers = [Writer(seed + each, time.monotonic() + SECONDS) for each in range(WRITERS)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
        assert each.failure is None, each.failure
    committed = {event for each in writers for event in each.committed}
    void = sum(each.rolled_back for each in writers)
    assert void > 0 and committed
    wait_for("the stream to hold every event", it.is_caught_up)
    stored = {row[0] for row in it.sql("select event_id::text from content.outbox")}
    assert committed <= stored <= committed | {event for each in writers for event in each.unknown}
    count = assert_streams_equal_outboxes(it, ["content"])
    assert count == len(stored)
    print(f"# seed {seed}: {count} events of {WRITERS} writers in {SECONDS} s, {void} positions void",
          flush=True)


def within_the_limit(what, condition, began):
    """From the moment on in which the relay could first wait for it."""
    wait_for(what, condition)
    took_s = time.monotonic() - began
    print(f"# {what}: after {took_s:.1f} s, the limit is {STUCK_MS / 1000:.1f} s", flush=True)
    assert took_s < STUCK_MS / 1000 + GRACE_S, took_s


def the_rest_goes_on(others, stuck_pid, application):
    """While one holds a position open, others commit; they are streamed once the limit is over."""
    began, before = time.monotonic(), others.count()
    event = append_and_commit(it)[0]
    wait_for("others to commit meanwhile", lambda: others.count() >= before + WRITERS)
    within_the_limit("the event behind the stuck writer", lambda: streamed(event), began)
    Writers.committed.add(event)
    assert it.sql("select 1 from pg_stat_activity where pid = %s", (stuck_pid,)) == []
    lines = [line for line in it.log(RELAY).splitlines()
             if "a stuck writer is ended" in line and re.search(rf'"pid":\s*{stuck_pid}\b', line)]
    assert lines and "content_service" in lines[0] and application in lines[0], lines


def unbounded(connection):
    """A session can turn its own time-outs off; so they are not what bounds it."""
    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
    connection.commit()


@case
def a_stopped_client_is_ended():
    script = (f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent.parent / 'lib')!r})\n"
              "import psycopg2, time\nfrom appending import append\n"
              f"c = psycopg2.connect(host='127.0.0.1', port={it.postgres_port}, dbname='nova',"
              " user='content_service', application_name='stopped_client',"
              f" password={it.password('content_service')!r})\n"
              "k = c.cursor(); k.execute('set idle_in_transaction_session_timeout = 0'); c.commit()\n"
              "append(k); print(c.get_backend_pid(), flush=True); time.sleep(600)")
    with Writers() as others, subprocess.Popen([sys.executable, "-c", script], text=True,
                                               stdout=subprocess.PIPE) as client:
        pid = int(client.stdout.readline())
        client.send_signal(signal.SIGSTOP)
        try:
            the_rest_goes_on(others, pid, "stopped_client")
        finally:
            client.kill()


def named(application):
    connection = it.connect("content_service")
    unbounded(connection)
    with connection.cursor() as cursor:
        cursor.execute("set application_name = %s", (application,))
    connection.commit()
    return connection


def must_have_failed(connection):
    try:
        connection.commit()
    except psycopg2.Error:
        connection.close()
        return
    raise AssertionError("the stuck writer could commit what was declared void")


@case
def a_sleeping_statement_is_ended():
    connection = named("sleeper")
    cursor = connection.cursor()
    failed = []

    def sleep():
        try:
            cursor.execute("select pg_sleep(600)")
        except psycopg2.Error as error:
            failed.append(error)

    with Writers() as others:
        append(cursor)
        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        the_rest_goes_on(others, connection.get_backend_pid(), "sleeper")
    sleeper.join()
    assert failed
    must_have_failed(connection)


@case
def a_trickling_writer_is_ended():
    connection = named("trickler")
    cursor = connection.cursor()
    ended = threading.Event()

    def trickle():
        with contextlib.suppress(psycopg2.Error):
            while True:
                cursor.execute("select 1")
                time.sleep(0.1)
        ended.set()

    with Writers() as others:
        append(cursor)
        threading.Thread(target=trickle).start()
        the_rest_goes_on(others, connection.get_backend_pid(), "trickler")
    assert ended.wait(30)
    must_have_failed(connection)


@case
def a_stopped_backend_is_named_and_holds_up_nobody_once_it_goes_on():
    connection = named("stopped_backend")
    pid = connection.get_backend_pid()
    with Writers() as others:
        append(connection.cursor())
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            event, before = append_and_commit(it)[0], others.count()
            within_the_limit("the relay names the stopped backend", lambda: re.search(
                rf'"pid":\s*{pid}\b.*stopped_backend', it.log(RELAY)), began)
            wait_for("others to commit meanwhile", lambda: others.count() >= before + WRITERS)
            assert it.state(RELAY)["state"] == "ready"
            assert not streamed(event)  # its position may still be filled: nothing may be skipped
        finally:
            os.kill(pid, signal.SIGCONT)
        within_the_limit("the event behind it", lambda: streamed(event), time.monotonic())
    Writers.committed.add(event)
    must_have_failed(connection)


@case
def nothing_of_all_this_is_lost_or_out_of_order():
    wait_for("the stream to hold every event", it.is_caught_up)
    stored = {row[0] for row in it.sql("select event_id::text from content.outbox")}
    assert Writers.committed <= stored, Writers.committed - stored
    print(f"# {assert_streams_equal_outboxes(it)} leaves compared,"
          f" {len(Writers.committed)} events while others were stuck", flush=True)


# ---- what breaks the rule is refused by name ----------------------------------------------------

def refused_by_name(words):
    """The relay connects anew, says what is wrong, and publishes nothing until it is right."""
    before, starts = it.log(RELAY).count(words), it.state(RELAY)["starts"]
    os.kill(it.state(RELAY)["pid"], signal.SIGKILL)
    wait_for(f"the relay to say: {words}", lambda: it.log(RELAY).count(words) > before)
    event = append_and_commit(it)[0]
    assert not streamed(event)
    return event, starts


def goes_on(event, starts):
    it.ready_again(RELAY, starts)
    wait_for("the relay to go on", lambda: streamed(event))


@case
def a_sequence_with_cache_2_is_refused():
    it.sql("alter table content.outbox alter column position set cache 2")
    known = refused_by_name("outbox.position's sequence must have CACHE 1")
    it.sql("alter table content.outbox alter column position set cache 1")
    goes_on(*known)


@case
def a_role_that_may_insert_positions_is_refused():
    it.sql("grant insert (position) on content.outbox to content_service")
    known = refused_by_name("the service's role may write position, recorded_at or log_id")
    it.sql("revoke insert (position) on content.outbox from content_service")
    goes_on(*known)


@case
def a_standby_is_refused():
    folder, port = it.folder / "standby", free_ports(1)[0]
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    environment = dict(os.environ, PGPASSWORD=it.password("nova"))
    subprocess.run([str(binaries / "pg_basebackup"), "-R", "-X", "stream", "-c", "fast", "-h",
                    "127.0.0.1", "-p", str(it.postgres_port), "-U", "nova", "-D", str(folder)],
                   check=True, env=environment)
    drop = []
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", "postgres", str(folder)], check=True)
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    with subprocess.Popen([*drop, str(binaries / "postgres"), "-D", str(folder), "-p", str(port),
                           "-k", str(folder)], stderr=subprocess.DEVNULL) as standby:
        try:
            def answers():
                with contextlib.suppress(psycopg2.Error):
                    psycopg2.connect(host="127.0.0.1", port=port, user="nova", dbname="nova",
                                     password=it.password("nova")).close()
                    return True
                return False
            wait_for("the standby to answer", answers)
            done = subprocess.run([str(NOVA), "run", "relay", "content"], text=True,
                                  env=dict(it.environment(), NOVA_POSTGRES_PORT=str(port)),
                                  capture_output=True, timeout=60, check=False)
            assert done.returncode == 1, done
            assert "this PostgreSQL is a standby" in done.stdout + done.stderr, done
        finally:
            standby.send_signal(signal.SIGINT)
            standby.wait(30)
    shutil.rmtree(folder)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
