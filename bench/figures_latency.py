"""latency: from a commit to the row that a reader sees."""
import contextlib

from figure import LOWER, Figure
from measure import BenchError

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


LATENCY = [Latency]
