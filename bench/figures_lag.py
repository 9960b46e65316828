"""relay_lag: is a relay of a very long outbox as quick, as fast and as small as one of a short one?"""
from figure import HIGHER, LOWER, Figure
from measure import BenchError

RATE = 500  # events a second, far below what a relay takes: nothing queues
PART = 100  # the short outbox has so much less


class LagFlat(Figure):
    name, unit, better, aim = "relay_lag_flat", "us", LOWER, 1.1
    limit_is = "ours with a hundredth of the events in outbox and stream"


class LagRateFlat(LagFlat):
    name, unit, better, aim = "relay_lag_rate_flat", "events/s", HIGHER, 0.9


class LagMemoryFlat(LagFlat):
    """Of the relay's process."""

    name, unit = "relay_lag_memory_flat", "MiB"


class Lag(Figure):
    """The same events behind a long outbox (content's) and behind a short one (identity's): 2,500
    one by one, from COMMIT's answer to a subscriber, then 20,000 that are committed at once.

    The long one is filled and published once and grows by a few hundredths in all; the short one is
    made anew each time.
    """

    parts = (LagFlat, LagRateFlat, LagMemoryFlat)

    def prepare(self):
        self.events = self.sizes.of(10000000)
        self.lag_events = min(2500, self.events)
        self.burst = min(20000, max(2, self.events // 2))
        self._fill("content", self.events)

    def _fill(self, service, events):
        self.world.clean(service)
        self._add(service, events)
        self.world.analyze(service)
        self.world.drain(service, events)

    def _add(self, service, events):
        self.world.fill(what="posts", service=service, events=events, size=self.sizes.size)

    def _measure(self, service):
        """[median lag in us, events/s of the burst, the relay's peak in MiB], use"""
        self.world.free_leases()
        before = self.world.stream(service)[0] + self.lag_events
        with self.world.own("relay", service) as relay, self.world.meter(relay=relay.pid) as meter:
            said = self.world.ask(meter, "ours_lag", service=service, events=self.lag_events,
                                  rate=RATE, size=self.sizes.size)
            self.world.wait_stream(service, before)
            self._add(service, self.burst)
            self.world.wait_stream(service, before + self.burst)
        rate = self.world.stream_rate(service, before + 1, before + self.burst)
        return [said["p50_us"], rate, meter.used["relay"][1]], meter.used

    def ours(self):
        outbox = self.world.one("SELECT count(*) FROM content.outbox")
        if outbox < self.events:
            raise BenchError(f"{outbox} events in the outbox, not {self.events}")
        return self._measure("content")

    def limit(self):
        self._fill("identity", max(1, self.events // PART))
        self.world.settle()
        return self._measure("identity")


LAG = [Lag]
