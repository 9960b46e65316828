"""Seeded interleavings of transactions on a real content.outbox, and what PostgreSQL answered.

One thread draws who does what: a few writers with the service's role, and the relay's own
statements (out of outbox-relay/outbox.c). A history is a list of "question -> answer"
(docs/simulation.md).
"""
import collections
import contextlib
import re
import select
import time

import psycopg2
from psycopg2 import extensions

from instance import PATIENCE_S, ROOT

WRITERS = 4
AGGREGATES = 5
ROWS = 3  # of a transaction at most
POSITIONS = 400  # the model ends at 480, and a crash jumps
INSERT = """insert into content.outbox (event_id, type, aggregate_type, aggregate_id, version,
 actor, command_id, command_index, command_digest,
 correlation_id, causation_id, occurred_at, payload)
 values (%s, 'test.happened', 'test', %s, %s, 'test', %s, %s, sha256(''), %s, %s,
 clock_timestamp(), '') returning position"""
SEQUENCE = "select last_value + is_called::int from content.outbox_position_seq"


def uuid_of(kind, number):
    return f"{kind}0000000-0000-7000-8000-{number:012d}"


def relay_sql(name):
    """A statement of the relay, as its source has it, with psycopg's places for values."""
    source = (ROOT / "outbox-relay/outbox.c").read_text()
    columns = ", ".join("".join(re.findall(r'"([^"]*)"', macro)) for macro in re.findall(
        r"#define EVENT_ROW_(?:COLUMNS|EXTRA)((?:.*\\\n)*.*\n)", (ROOT / "pg/event_row.h").read_text()))
    found = re.search(rf"out->{name} =\s*arena_printf\(\s*out->sql,(.*?)service", source, re.S)
    text = "".join(literal if literal else columns for literal, _ in
                   re.findall(r'"([^"]*)"|(COLUMNS)', found.group(1)))
    bytes_max = re.search(r"RELAY_BATCH_BYTES_MAX = ([^,]*),",
                          (ROOT / "base/limits.h").read_text()).group(1)
    text = text.replace("%s", "content").replace("'%s", "'content").replace("%d", f"({bytes_max})")
    return re.sub(r"\$\d", "%s", text)


class Writer:
    """A session of the service's role, whose statements may have to wait."""

    def __init__(self, server):
        self.connection = server.connect("content_service", async_=True)
        self.cursor = None
        self._finish()
        self.cursor = self.connection.cursor()
        # It may be idle, and wait, for as long as the others take.
        for name in ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"):
            self.run(f"set {name} = 0")
        self.pid = self.connection.get_backend_pid()
        self.clear()

    def clear(self):
        self.open = self.waiting = False
        self.holder = self.waits_for = None
        self.aggregate = self.command = self.version = self.inserted = 0

    def is_done(self, seconds):
        """Whether the statement under way has ended; raises what it failed with."""
        end = time.monotonic() + seconds
        while True:
            state = self.connection.poll()
            if state == extensions.POLL_OK:
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            ways = ([self.connection], []) if state == extensions.POLL_READ else (
                [], [self.connection])
            select.select(*ways, [], left)

    def _finish(self):
        assert self.is_done(PATIENCE_S), "no answer"

    def run(self, statement, values=None):
        self.cursor.execute(statement, values)
        self._finish()
        return self.cursor.fetchall() if self.cursor.description else None


class Recorder:
    def __init__(self, server, chance):
        self.server, self.chance = server, chance
        self.steps, self.kinds = [], collections.Counter()
        self.commands = self.events = self.crashes = 0
        self.has_copy = False
        self.commands_of = {}  # aggregate of a command
        self.positions = 0
        self.admin = self.relay = None
        self.sql_rows, self.sql_holders = relay_sql("sql_rows"), relay_sql("sql_holders")
        self._connect()
        self.admin.cursor().execute("truncate content.outbox restart identity")

    def tell(self, asked, told):
        self.steps.append(f"{asked} -> {told}")
        self.kinds[f"{asked.split(' ')[0]} {told.split(' ')[0]}"] += 1

    def _connect(self):
        self.admin = self.server.connect("nova")
        self.relay = self.server.connect("content_relay")
        self.admin.autocommit = self.relay.autocommit = True
        self.writers = [Writer(self.server) for _ in range(WRITERS)]

    def _ask(self, connection, statement, values=None):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    # ---- transactions

    def begin(self, number):
        writer = self.writers[number]
        writer.run("begin")
        writer.aggregate = self.chance.randint(1, AGGREGATES)
        writer.version = writer.run(
            "select coalesce(max(version), 0) from content.outbox where aggregate_id = %s",
            (uuid_of("a", writer.aggregate),))[0][0]
        self.tell(f"begin {number + 1} aggregate {writer.aggregate}", f"version {writer.version}")
        if writer.version > 200:
            writer.run("rollback")
            return
        writer.holder = writer.run("select virtualtransaction from pg_locks where pid ="
                                   " pg_backend_pid() and locktype = 'virtualxid'")[0][0]
        writer.open = True
        if self.commands and self.chance.random() < 0.25:  # somebody sends a command once more
            writer.command = self.chance.randint(max(1, self.commands - 8), self.commands)
        else:
            self.commands += 1
            writer.command = self.commands

    def insert(self, number):
        writer = self.writers[number]
        self.events += 1
        writer.cursor.execute(INSERT, (
            uuid_of("e", self.events), uuid_of("a", writer.aggregate),
            writer.version + writer.inserted + 1, uuid_of("c", writer.command), writer.inserted,
            uuid_of("d", 1), uuid_of("d", 1)))
        self._tell_insert(number, f"insert {number + 1} aggregate {writer.aggregate} version"
                          f" {writer.version + writer.inserted + 1} command {writer.command} index"
                          f" {writer.inserted} event {self.events}", self._outcome(writer))

    def _outcome(self, writer):
        """Of an INSERT: its position, that it waits for another writer, or was refused."""
        with contextlib.suppress(psycopg2.errors.UniqueViolation):
            while not writer.is_done(0.002):
                pids = self._ask(self.admin, "select pg_blocking_pids(%s)", (writer.pid,))[0][0]
                if pids and not writer.is_done(0):
                    writer.waits_for = pids[0]
                    return "waits"
            return f"at {writer.cursor.fetchone()[0]}"
        return "refused"

    def _tell_insert(self, number, asked, told):
        writer = self.writers[number]
        self.tell(asked, told)
        writer.waiting = told == "waits"
        if told == "refused":
            writer.run("rollback")
            writer.clear()
        elif not writer.waiting:
            writer.inserted += 1
            self.positions = max(self.positions, int(told.split(" ")[1]))

    def wake(self):
        """Whoever waited for the one that has just ended, in an order in which it can have
        happened: a refusal frees those that waited for it, so it comes before them."""
        order = {"r": 0, "a": 1, "w": 2}
        while True:
            depths = {number: self._depth(writer) for number, writer in enumerate(self.writers)
                      if writer.waiting}
            told = [(self._outcome(self.writers[number]), number) for number in depths]
            for outcome, number in sorted(told, key=lambda each: (order[each[0][0]],
                                                                  depths[each[1]], each[1])):
                self._tell_insert(number, f"woken {number + 1}", outcome)
            if not any(outcome == "refused" for outcome, _ in told):
                return

    def _depth(self, writer):
        """How many of those that wait stand before it."""
        before = [each for each in self.writers if each.waiting and each.pid == writer.waits_for]
        return 1 + self._depth(before[0]) if before else 0

    def end(self, number, how):
        writer = self.writers[number]
        if how == "end":  # as the relay ends one that is stuck
            assert self._ask(self.relay, "select content.end_stuck_writer(%s)", (writer.pid,))[0][0]
            self._await_end_of(writer)
            self.writers[number] = Writer(self.server)
        else:
            writer.run(how)
            writer.clear()
        self.tell(f"{how} {number + 1}", "done")
        self.wake()

    def _await_end_of(self, writer):
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                if writer.is_done(0.01):
                    writer.cursor.execute("select 1")
        while self._ask(self.admin, "select 1 from pg_stat_activity where pid = %s", (writer.pid,)):
            time.sleep(0.001)

    # ---- looks

    def look(self):
        after = self.chance.choice((0, max(0, self.positions - self.chance.randint(0, 12))))
        limit = self.chance.choice((3, 20, 1000))
        rows = self._ask(self.relay, self.sql_rows, (after, limit))
        holders = {row[0] for row in self._ask(self.relay, self.sql_holders)}
        known = [number for number, writer in enumerate(self.writers, 1)
                 if writer.open and writer.holder in holders]
        assert len(known) == len(holders), f"a lock of a stranger: {holders}"
        self.tell(f"look after {after} limit {limit}", " ".join(
            ["rows", *(f"{row[0]}:{int(row[2][-12:])}" for row in rows), "held by",
             *map(str, known)]))

    # ---- the server

    def crash(self):
        self.crashes += 1
        asked = "crash"
        ready = [number for number, writer in enumerate(self.writers)
                 if writer.inserted and not writer.waiting]
        if ready and self.chance.random() < 0.5:
            number = self.chance.choice(ready)
            asked = f"crash commit {number + 1}"
            self.writers[number].cursor.execute("commit")  # nobody hears the answer
        copies = self.chance.random() < 0.3
        self.server.kill()
        if copies:
            self.server.copy()
            self.has_copy = True
        self._start_again(asked)
        if copies:
            self.tell("copy", "done")

    def restore(self):
        self.server.kill()
        self.server.put_copy_back()
        self._start_again("restore")

    def _start_again(self, asked):
        self.server.start()
        self._connect()
        rows = self._ask(self.admin, "select position, event_id from content.outbox order by 1")
        following = self._ask(self.admin, SEQUENCE)[0][0]
        self.positions = following - 1
        self.tell(asked, " ".join([f"next {following} rows", *(
            f"{position}:{int(event[-12:])}" for position, event in rows)]))

    # ---- the history

    def step(self, crashes):
        drawn = self.chance.random()
        number = self.chance.randrange(WRITERS)
        writer = self.writers[number]
        if drawn < 0.012 and self.crashes < crashes:
            if self.has_copy and self.chance.random() < 0.4:
                self.restore()
            else:
                self.crash()
        elif drawn < 0.2:
            self.look()
        elif not writer.open:
            self.begin(number)
        elif writer.waiting:
            if drawn > 0.97:
                self.end(number, "end")
        elif writer.inserted == 0 or (writer.inserted < ROWS and drawn < 0.6):
            self.insert(number)
        elif drawn < 0.86:
            self.end(number, "commit")
        else:
            self.end(number, "rollback" if drawn < 0.96 else "end")

    def close(self):
        for connection in (self.admin, self.relay, *(each.connection for each in self.writers)):
            connection.close()


def record(server, chance, steps, crashes):
    """(steps, counts by kind) of one history on an outbox that was emptied."""
    recorder = Recorder(server, chance)
    while len(recorder.steps) < steps and recorder.positions < POSITIONS:
        recorder.step(crashes)
    recorder.look()
    recorder.close()
    return recorder.steps, recorder.kinds
