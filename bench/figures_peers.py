"""Peers: what a user would pick instead, beside the figures whose step they do.

Each in a database of its own on the same PostgreSQL, and on the same nats-server; what each of them
does and does not do is told in docs/performance.md.
"""
import os
import subprocess

import npm
from figure import Peer
from measure import BenchError, last_json
from world import PGBENCH, wait_for

POSTGRES_BIN = os.path.dirname(PGBENCH)
SCHEMAS = f"{npm.PACKAGES}/@eventide/message-db/database"


def _data(size):
    """JSON of about so many bytes."""
    return '{"text": "' + "ab" * (max(2, size) // 2) + '"}'


def _database(world, name):
    """An empty one; what somebody still does in it ends."""
    world.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    world.sql(f"CREATE DATABASE {name}")
    environment = world.postgres_environment("nova", name)
    return dict(environment, PATH=f"{POSTGRES_BIN}:{environment['PATH']}")


def _run(command, environment, text=None):
    done = subprocess.run(command, env=environment, input=text, text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


# ---- relay --------------------------------------------------------------------------------------

class Outbox(Peer):
    """pg-transactional-outbox, on identity's stream: content's is ours' and the limit's."""

    mode, aim, default = "", 80, 4000
    database = slot = "bench_outbox"

    def __init__(self, world, sizes):
        super().__init__(world, sizes)
        self.events = min(self.default, sizes.of(self.default))

    def prepare(self):
        self.world.sql("DO $$ BEGIN CREATE ROLE bench_listener NOLOGIN;"
                       " EXCEPTION WHEN duplicate_object THEN NULL; END $$")

    def _fill(self):
        environment = _database(self.world, self.database)
        setup = _run(npm.node("outbox.mjs", "setup", self.mode), environment)
        _run(["psql", "-q", "-v", "ON_ERROR_STOP=1"], environment, setup + f"""
            INSERT INTO outbox (id, aggregate_type, aggregate_id, message_type, payload, concurrency)
            SELECT gen_random_uuid(), 'user', gen_random_uuid()::text, 'registered',
                '{_data(self.sizes.size)}', 'parallel' FROM generate_series(1, {self.events});
            ANALYZE outbox;""")
        return environment

    def _bus(self):
        folder, it = self.world.it.home / "credentials/nats", self.world.it
        return {"NATS_URL": f"127.0.0.1:{it.nats_port}", "STREAM": "NOVA_IDENTITY",
                "NATS_NKEY_SEED_FILE": str(folder / "identity_relay.nk"),
                "NATS_INBOX_PREFIX": "_INBOX.identity_relay", "SUBJECT": "nova.evt.identity"}

    def _drop(self):
        """A slot that nobody reads keeps PostgreSQL from throwing WAL away."""
        self.world.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                       " WHERE active")
        wait_for("the peer's replication to end", lambda: self.world.one(
            "SELECT count(*) = 0 FROM pg_replication_slots WHERE active"))
        self.world.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
        self.world.sql(f"DROP DATABASE {self.database} WITH (FORCE)")

    def run(self):
        self.world.drop_stream("identity")
        environment = self._fill()
        self.world.settle()
        _, used = self.world.other("node", npm.node(
            "outbox.mjs", "drain", self.mode, "--events", self.events), dict(environment,
                                                                             **self._bus()))
        self._drop()
        messages, seconds = self.world.stream("identity")
        if messages != self.events:
            raise BenchError(f"{messages} messages of {self.events} by {self.name}")
        return (messages - 1) / seconds, used


class OutboxPolling(Outbox):
    mode = "polling"
    name = f"pg-transactional-outbox {npm.version('pg-transactional-outbox')}, polling"
    what = "batches of 500 by its function, 40 connections, a transaction for each message"


class OutboxReplication(Outbox):
    mode = "replication"
    name = f"pg-transactional-outbox {npm.version('pg-transactional-outbox')}, replication"
    what = "a logical replication slot, 40 connections, a transaction for each message"


# ---- append and load ----------------------------------------------------------------------------

class Emmett(Peer):
    name = f"Emmett {npm.version('@event-driven-io/emmett-postgresql')}"
    database = "bench_emmett"
    writers, events, default = 1, 1, 2500  # events: of one command; default: of all

    def prepare(self):
        self.environment = _database(self.world, self.database)

    def _node(self, *words):
        return self.world.other("node", npm.node("emmett.mjs", *words, "--size", self.sizes.size),
                                self.environment)

    def run(self):
        events = min(self.default, self.sizes.of(self.default))
        commands = max(self.writers, events // self.events)
        said, used = self._node("append", "--writers", self.writers, "--commands", commands,
                                "--events", self.events)
        return self.events * said["commands"] / said["seconds"], used


class Emmett1(Emmett):
    what = "appendToStream of one event to a new stream that must not be there"


class Emmett32(Emmett):
    what = "the same by 32 writers, each with a connection"
    writers, default = 32, 16000


class Emmett100(Emmett):
    what = "appendToStream of 100 events to a new stream, 8 writers, each with a connection"
    writers, events, default = 8, 100, 100000


class EmmettLoad(Emmett):
    what = "aggregateStream of 1,000 events into a state that counts them"

    def run(self):
        said, used = self._node("load", "--events", 1000, "--loads",
                                min(200, self.sizes.of(200)))
        return said["p50_us"], used


class MessageDb(Peer):
    """By pgbench, prepared: no client of it is faster."""

    name = f"message-db {npm.version('@eventide/message-db')}"
    what = "write_message of one message to a new stream, expected version -1, by pgbench"
    database, script = "bench_message_db", "write_message.sql"
    writers, events, default = 1, 1, 10000

    def prepare(self):
        environment = _database(self.world, self.database)
        # Its functions call each other without their schema's name.
        self.environment = dict(environment, PGOPTIONS="-c search_path=message_store,public")
        _run(["bash", f"{SCHEMAS}/install.sh"], dict(
            environment, DATABASE_NAME=self.database, CREATE_DATABASE="off"))

    def run(self):
        events = min(self.default, self.sizes.of(self.default))
        rate, used = self.world.pgbench(npm.SOURCES / self.script, self.writers,
                                        max(self.writers, events // self.events),
                                        self.environment, data=_data(self.sizes.size))
        return self.events * rate, used


class MessageDb32(MessageDb):
    what = "the same by 32 clients; it lets one at a time write to a category"
    writers, default = 32, 32000


class MessageDb100(MessageDb):
    what = "100 write_message in one statement and transaction, 8 clients of one category"
    script, writers, events, default = "write_hundred.sql", 8, 100, 50000


PEERS = {
    "relay_drain": (OutboxPolling, OutboxReplication),
    "append_1": (Emmett1, MessageDb),
    "append_32": (Emmett32, MessageDb32),
    "append_100x8": (Emmett100, MessageDb100),
    "load_1000": (EmmettLoad,),
}
LOGICAL = {"relay_drain"}  # with a peer that reads PostgreSQL's WAL


def peers_of(figure):
    return PEERS.get(figure.name, ())
