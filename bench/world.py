"""The servers that are measured: a Nova of the run's own, made by `nova up`, whose processes stand
still but for those that a figure starts.

So PostgreSQL and nats-server have the settings, roles, grants and accounts of every other Nova, and
nothing else uses the machine's CPUs meanwhile.
"""
import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("NOVA_BUILD", "build/release")
sys.path.insert(0, str(ROOT / "test/lib"))
from instance import BUILD, NOVA, Instance
from measure import BenchError, Meter, Program, last_json
from nats import Nats
from own import Own

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"
PATIENCE_S = 3600  # of the longest run; what hangs ends
CONSUMING = ("communication", "content", "search")


def wait_for(what, condition, seconds=PATIENCE_S, every_s=0.02):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise BenchError(f"waited {seconds} s for {what}")
        time.sleep(every_s)
    return found


def _seconds_of(stamp):
    """RFC 3339 with nanoseconds, as nats-server writes it."""
    whole, fraction = re.fullmatch(r"(.{19})(?:\.(\d+))?Z", stamp).groups()
    parsed = datetime.datetime.fromisoformat(whole + "+00:00")
    return parsed.timestamp() + float(f"0.{fraction or 0}")


class World:
    """A context. Its home lies on the disk of `parent`, where fsync means something.

    `logical`: PostgreSQL's WAL also holds what logical replication needs, for a peer that reads it.
    """

    def __init__(self, parent, logical=False):
        self.it = Instance(parent=parent)
        self.folder, self.logical = self.it.folder, logical
        self.held, self.connection = False, None

    def __enter__(self):
        try:
            self.it.up()
            if self.logical:
                self._make_logical()
            self._hold()
            self.connection = self.it.connect()  # one for all: a new one each time costs CPU
            self.connection.autocommit = True
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *failed):
        if self.connection:
            self.connection.close()
        if self.held:
            os.kill(self.it.supervisor(), signal.SIGCONT)
        self.it.__exit__(None, *failed[1:])

    def _make_logical(self):
        """PostgreSQL wants a restart for it, which its supervisor does."""
        self.it.sql("ALTER SYSTEM SET wal_level = 'logical'")
        before = self.it.state("postgres")
        os.kill(before["pid"], signal.SIGINT)
        self.it.ready_again("postgres", before["starts"])

    def _hold(self):
        """The servers alone go on; the supervisor starts nothing until the end."""
        os.kill(self.it.supervisor(), signal.SIGSTOP)
        self.held = True
        state = json.loads((self.it.home / "run/state.json").read_text())
        for each in state["processes"]:
            if each["kind"] != "server" and each["pid"]:  # else it waits to be started
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each["pid"], signal.SIGKILL)
        self.servers = {each["name"].partition("-")[0]: each["pid"]
                        for each in state["processes"] if each["kind"] == "server"}

    # ---- programs

    def meter(self, **more):
        return Meter(**self.servers, **more)

    def start(self, name, stays=False, **options):
        """bench/<name>: "limit_publish"; options become --name value."""
        words = [word for key, value in options.items()
                 for word in (f"--{key.replace('_', '-')}", str(value))]
        return Program([str(BUILD / "bench" / name), *words], self.it.environment(), stays)

    def run(self, name, **options):
        """(what it printed, {process: use}) of a program that is measured."""
        with self.meter() as meter:
            printed, _ = self._watched(meter, name, self.start(name, **options))
        return last_json(printed), meter.used

    def ask(self, meter, name, **options):
        """What a program printed that is measured beside others."""
        return last_json(self._watched(meter, name, self.start(name, **options))[0])

    def other(self, name, command, environment):
        """(what it printed, {process: use}) of a program that is none of ours."""
        with self.meter() as meter:
            printed, _ = self._watched(meter, name, Program(command, environment))
        return last_json(printed), meter.used

    def finish(self, meter, name, program):
        """What a program printed that was started before, and waited for its input to end."""
        return last_json(self._watched(meter, name, program)[0])

    def nova(self, *words, **more):
        """(seconds, {process: use}) of a command of the product, and of processes beside it."""
        with self.meter(**more) as meter:
            _, seconds = self._watched(meter, "nova", Program([str(NOVA), *words],
                                                              self.it.environment()))
        return seconds, meter.used

    @staticmethod
    def _watched(meter, name, program):
        meter.add(name, program.process.pid)
        printed, seconds, used = program.end()
        meter.ended(name, *used)
        return printed, seconds

    def own(self, kind, name, wait=True):
        """`nova run KIND NAME`, as a context."""
        own = Own(self.it, kind, name)
        return own.wait_ready() if wait else own

    def postgres_environment(self, role, database):
        """What libpq and other clients look up."""
        return dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(self.it.postgres_port), PGUSER=role,
                    PGDATABASE=database, PGPASSWORD=self.it.password(role))

    def pgbench(self, script, clients, transactions, environment=None, **variables):
        """(transactions a second, {process: use})"""
        command = [PGBENCH, "-n", "-M", "prepared", "-c", str(clients), "-j",
                   str(min(clients, os.cpu_count())), "-t", str(max(1, transactions // clients)),
                   "-f", str(ROOT / "bench/limit" / script)]
        for name, value in variables.items():
            command += ["-D", f"{name}={value}"]
        environment = environment or self.postgres_environment("content_service", "nova")
        with self.meter() as meter:
            printed, _ = self._watched(meter, "pgbench", Program(command, environment))
        found = re.search(r"^tps = ([\d.]+)", printed, re.M)
        if not found:
            raise BenchError(f"pgbench said no rate: {printed}")
        return float(found.group(1)), meter.used

    # ---- the servers' contents

    def sql(self, statement, values=None):
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else None

    def one(self, statement):
        return self.sql(statement)[0][0]

    def settle(self):
        """What former runs left to write is written before the next one."""
        self.sql("CHECKPOINT")

    def clean(self, *services):
        """Outboxes, streams and checkpoints as at the first start."""
        for service in services:
            self.sql(f"TRUNCATE {service}.outbox, {service}.person_key, {service}.snapshot"
                     " RESTART IDENTITY")
            self.drop_stream(service)
            for consuming in CONSUMING:
                self.sql(f"UPDATE {consuming}.checkpoint SET position = 0, n = 0,"
                         " event_id = DEFAULT WHERE source = %s", (service,))

    def analyze(self, *services):
        for service in services:
            self.sql(f"VACUUM ANALYZE {service}.outbox")
            self.sql(f"VACUUM ANALYZE {service}.person_key")

    def fill(self, **options):
        printed, _, _ = self.start("ours_fill", **options).end()
        return last_json(printed)

    def free_leases(self):
        """A process that was killed holds its lease for some seconds."""
        for service in ("identity", "content", "communication"):
            self.sql(f"UPDATE {service}.relay_lease SET lease_until = '-infinity'")
        for service in CONSUMING:
            self.sql(f"UPDATE {service}.consumer_lease SET lease_until = '-infinity'")

    def drop_stream(self, service):
        with Nats(self.it, "provisioner") as nats:
            nats.api(f"STREAM.DELETE.NOVA_{service.upper()}")

    def stream(self, service):
        """(messages, seconds between the first and the last) as the server tells."""
        url = f"http://127.0.0.1:{self.it.monitor_port}/jsz?acc=BUS&streams=true"
        with urllib.request.urlopen(url, timeout=10) as answer:
            accounts = json.load(answer).get("account_details", [])
        for account in accounts:
            for stream in account.get("stream_detail", []):
                if stream["name"] == f"NOVA_{service.upper()}" and stream["state"]["messages"]:
                    state = stream["state"]
                    return state["messages"], (_seconds_of(state["last_ts"]) -
                                               _seconds_of(state["first_ts"]))
        return 0, 0.0

    def stream_rate(self, service, first, last):
        """Events a second between two messages of a stream, by the times that it gave them."""
        with Nats(self.it, "provisioner") as nats:
            times = [_seconds_of(nats.api(f"STREAM.MSG.GET.NOVA_{service.upper()}", {
                "seq": each})["message"]["time"]) for each in (first, last)]
        return (last - first) / (times[1] - times[0])

    def drain(self, service, events):
        """The service's relay publishes all of its outbox; {process: use}."""
        self.free_leases()
        with self.own("relay", service) as relay, self.meter(relay=relay.pid) as meter:
            self.wait_stream(service, events)
        return meter.used

    def wait_stream(self, service, events):
        wait_for(f"{events} events in the stream",
                 lambda: self.stream(service)[0] >= events, every_s=0.05)

    def consume(self, name, source, events, **more):
        """A consumer takes in all events of a stream again: (seconds, {process: use}).

        From its process's start on, which a consumer of so many events hardly notices.
        """
        service = name.partition("/")[0]
        consumer_of = (name, source)
        self.sql(f"UPDATE {service}.checkpoint SET position = 0, n = 0, event_id = DEFAULT"
                 " WHERE consumer = %s AND source = %s", consumer_of)
        self.free_leases()
        began = time.monotonic()
        with self.own("consumer", name, wait=False) as consumer:
            with self.meter(consumer=consumer.pid, **more) as meter:
                where = f"{service}.checkpoint WHERE consumer = %s AND source = %s"
                wait_for(f"{name} to take in {events} events", lambda: self.sql(
                    f"SELECT n FROM {where}", consumer_of)[0][0] >= events)
                seconds = time.monotonic() - began
        return seconds, meter.used

    def save_copy(self, query, path):
        """COPY ... TO a file of the run's, in PostgreSQL's binary format."""
        with contextlib.closing(self.it.connect()) as connection, connection.cursor() as cursor:
            with open(path, "wb") as out:
                cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", out)
