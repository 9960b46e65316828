"""append and relay: how fast events come into an outbox, and out of it."""
from figure import LOWER, Figure


def newest_row(world):
    """What append.sql inserts: payload and digest of the newest event."""
    payload, digest = world.sql(
        "SELECT payload, command_digest FROM content.outbox ORDER BY position DESC LIMIT 1")[0]
    return {"payload": "\\x" + bytes(payload).hex(), "digest": "\\x" + bytes(digest).hex(),
            "actor": "user:00000000-0000-4000-8000-000000000000"}


class Append(Figure):
    """Commands of one event, each in a transaction of its own."""

    unit, aim, writers, default = "commands/s", 0.9, 1, 10000
    limit_is = "pgbench: the same row into the same table by the same role, prepared"

    def prepare(self):
        self.world.clean("content")
        self._ours()
        self.row = newest_row(self.world)

    def _ours(self):
        return self.world.run("ours_append", writers=self.writers, size=self.sizes.size,
                              commands=max(self.sizes.of(self.default), self.writers))

    def ours(self):
        said, used = self._ours()
        return said["commands"] / said["seconds"], used

    def limit(self):
        return self.world.pgbench("append.sql", self.writers, self.sizes.of(self.default),
                                  **self.row)


class Append1(Append):
    name = "append_1"


class Append32(Append):
    name, writers, default = "append_32", 32, 64000


class Append100(Figure):
    """Commands of 100 events."""

    name, unit, aim, default = "append_100x8", "events/s", 0.8, 200000
    limit_is = "COPY of the same rows into the same table by the same role, 100 a transaction"

    def prepare(self):
        self.world.clean("content")
        commands = max(8, self.sizes.of(self.default) // 100)
        self.options = {"writers": 8, "events": 100, "size": self.sizes.size, "commands": commands}

    def _run(self, program):
        said, used = self.world.run(program, **self.options)
        return 100 * said["commands"] / said["seconds"], used

    def ours(self):
        return self._run("ours_append")

    def limit(self):
        return self._run("limit_copy_events")


class TogetherRate(Figure):
    name, unit, aim = "append_256", "commands/s", 0.5
    limit_is = ("COPY of the same rows into the same table by the same role, 256 a transaction, by as"
                " many connections")


class TogetherTimes(TogetherRate):
    name, aim = "append_256_times", 3
    limit_is = "pgbench with 32 clients: the same row into the same table by the same role, prepared"


class TogetherMedian(Figure):
    name, unit, better, aim = "append_256_p50", "us", LOWER, 2
    limit_is = "ours with one command in flight: what a lone append takes"


class Together(Figure):
    """Commands of different aggregates in flight in one process: those that wait go together."""

    parts, default, in_flight = (TogetherRate, TogetherTimes, TogetherMedian), 256000, 256
    workers = 4  # service.workers

    def prepare(self):
        self.world.clean("content")
        self.commands = max(self.in_flight, self.sizes.of(self.default))
        self.ours()
        self.row = newest_row(self.world)

    def _run(self, workers, in_flight, commands):
        return self.world.run("ours_together", workers=workers, in_flight=in_flight,
                              commands=commands, size=self.sizes.size)

    def ours(self):
        said, used = self._run(self.workers, self.in_flight, self.commands)
        rate = said["commands"] / said["seconds"]
        return [rate, rate, said["p50_us"]], used

    def limit(self):
        said, used = self.world.run(
            "limit_copy_events", writers=self.workers, events=self.in_flight, spread="yes",
            commands=max(self.workers, self.commands // self.in_flight), size=self.sizes.size)
        copied = self.in_flight * said["commands"] / said["seconds"]
        # A small part of ours: they are so much slower.
        inserted, _ = self.world.pgbench("append.sql", 32, max(32, self.commands // 8), **self.row)
        lone, _ = self._run(1, 1, max(1, self.commands // 64))
        return [copied, inserted, lone["p50_us"]], used


class RelayDrain(Figure):
    """The relay moves a filled outbox into an empty stream."""

    name, unit, aim = "relay_drain", "events/s", 0.95
    limit_is = ("nats.c's asynchronous publish of the same messages, a COPY of the outbox to"
                " nowhere beside it")

    def prepare(self):
        self.events = self.sizes.of(1000000)
        self.world.clean("content")
        self.world.fill(what="posts", events=self.events, size=self.sizes.size)
        self.world.analyze("content")

    def _rate(self):
        """Both by the same clock: the stream's own, from its first message to its last."""
        messages, seconds = self.world.stream("content")
        return (messages - 1) / seconds

    def ours(self):
        self.world.drop_stream("content")
        used = self.world.drain("content", self.events)
        return self._rate(), used

    def limit(self):
        _, used = self.world.run("limit_publish", service="content", events=self.events)
        return self._rate(), used


class RelayFlat(Figure):
    """A much longer outbox: is the relay as fast at its end as at its beginning?"""

    name, unit, aim = "relay_flat", "events/s", 0.9
    limit_is = "ours with the first 100,000 events of the same outbox, in the same drain"
    ours_first = True

    def prepare(self):
        self.events = self.sizes.of(10000000)
        self.part = min(100000, self.events // 2)
        self.world.clean("content")
        self.world.fill(what="posts", events=self.events, size=self.sizes.size)
        self.world.analyze("content")

    def ours(self):
        self.world.drop_stream("content")
        used = self.world.drain("content", self.events)
        return self.world.stream_rate("content", self.events - self.part + 1, self.events), used

    def limit(self):
        return self.world.stream_rate("content", 1, self.part), {}


APPEND = [Append1, Append32, Append100, Together]
RELAY = [RelayDrain, RelayFlat]
