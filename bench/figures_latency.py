"""latency: from a commit to the row that a reader sees; sustained: how much of it all at once."""
import contextlib
import os
import time

from figure import LOWER, Figure
from measure import BenchError
from world import wait_for

POSTS = "post_view_g1"
RATE = 1000  # events a second
# What a command of content and its read model need while they run.
PROCESSES = (("relay", "content"), ("consumer", "content/post_view"), ("relay", "identity"),
             ("service", "identity"), ("service", "content"))


class LatencyMedian(Figure):
    name, unit, better, aim = "latency_p50", "us", LOWER, 1.5
    limit_is = "its hops measured alone: message, read, acknowledged publish, delivery, commit"


class LatencyTail(LatencyMedian):
    name, aim = "latency_p99", 4


class Latency(Figure):
    """A thousand posts a second; the read model is content/post_view."""

    parts, default = (LatencyMedian, LatencyTail), 20000

    def prepare(self):
        self.world.clean("content", "identity")

    def ours(self):
        self.world.free_leases()
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(self.world.own(*each)) for each in PROCESSES]
            meter = stack.enter_context(self.world.meter(relay=running[0].pid,
                                                         consumer=running[1].pid))
            said = self.world.ask(meter, "ours_latency", rate=RATE, size=self.sizes.size,
                                  commands=self.sizes.of(self.default))
        self.check(said)
        return [said["p50_us"], said["p99_us"]], meter.used

    def check(self, said):
        if self.sizes.events is None and said["rate"] < 0.95 * RATE:
            raise BenchError(f"this machine takes {said['rate']:.0f} commands/s, not {RATE}:"
                             " what waits to be written is no latency of what follows")

    def limit(self):
        said, used = self.world.run("limit_hops", times=min(2000, self.sizes.of(self.default)))
        return [said["sum_us"], said["sum_us"]], used


class Sustained(Figure):
    """Commands, relay and read model (content/post_view) at once, until a reader sees all of it."""

    name, unit, aim, writers, default = "sustained", "events/s", 0.8, 32, 64000
    limit_is = ("the slowest of append, relay and consumer alone, or what all CPUs give when each"
                " event costs what it costs the three alone")

    def _empty(self):
        self.world.clean("content", "identity")
        self.world.sql(f"TRUNCATE {POSTS}.post, {POSTS}.comment, {POSTS}.author")

    def _append(self, meter):
        return self.world.ask(meter, "ours_append", writers=self.writers, size=self.sizes.size,
                              commands=max(self.writers, self.sizes.of(self.default)))

    def _outbox(self):
        return self.world.one("SELECT count(*) FROM content.outbox")

    def _is_seen(self):
        return self.world.one("SELECT (SELECT n FROM content.checkpoint WHERE source = 'content'"
                              " AND consumer = 'content/post_view') >="
                              " (SELECT count(*) FROM content.outbox)")

    def ours(self):
        self._empty()
        self.world.free_leases()
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(self.world.own(*each)) for each in PROCESSES]
            meter = stack.enter_context(self.world.meter(relay=running[0].pid,
                                                         consumer=running[1].pid))
            began = time.monotonic()
            self._append(meter)
            wait_for("the read model", self._is_seen)
            seconds = time.monotonic() - began
        return self._outbox() / seconds, meter.used

    def limit(self):
        self._empty()
        with self.world.meter() as meter:
            said = self._append(meter)
        events, uses = self._outbox(), [meter.used]
        uses.append(self.world.drain("content", events))
        _, published_s = self.world.stream("content")
        with self.world.own("relay", "identity"), self.world.own("service", "identity"):
            with self.world.own("service", "content") as keys:
                seconds, used = self.world.consume("content/post_view", "content", events,
                                                   content=keys.pid)
        cpu_s = sum(cpu for each in [*uses, used] for cpu, _ in each.values())
        return min(said["commands"] / said["seconds"], events / published_s, events / seconds,
                   os.cpu_count() * events / cpu_s), used


LATENCY = [Latency]
SUSTAINED = [Sustained]
