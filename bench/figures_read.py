"""load and log: how fast what an outbox holds is found and read."""
import statistics
import uuid

from figure import LOWER, Figure
from measure import Program
from world import NOVA, BUILD

TAIL = 128  # events behind the snapshot: half of what there are between two of them


class Load(Figure):
    unit, better, aim, events, snapshot = "us/load", LOWER, 1.5, 1000, False
    limit_is = "the same bytes by libpq, prepared and binary"

    def prepare(self):
        self.loads = min(200, self.sizes.of(200))
        self.world.clean("content")
        self.id, self.after = self._post(self.events), 0
        if self.snapshot:
            self._write_snapshot(self.id)
            self.after = self.events + 1
        self.world.analyze("content")

    def _post(self, events):
        post_id = str(uuid.uuid4())
        self.world.fill(what="post", events=events, size=self.sizes.size, authors=1, id=post_id)
        return post_id

    def _write_snapshot(self, post_id):
        self.world.start("ours_load", id=post_id, loads=1, snapshot="yes", tail=TAIL).end()

    def _ours(self, post_id):
        said, used = self.world.run("ours_load", id=post_id, loads=self.loads)
        return said["p50_us"], used

    def ours(self):
        return self._ours(self.id)

    def limit(self):
        said, used = self.world.run("limit_load", id=self.id, loads=self.loads, after=self.after)
        return said["p50_us"], used


class Load1000(Load):
    name = "load_1000"


class LoadSnapshot(Load):
    name, snapshot = "load_100000_snapshot", True

    def prepare(self):
        self.events = max(300, self.sizes.of(100000))  # fewer get no snapshot
        super().prepare()


class LoadFlat(LoadSnapshot):
    name, aim = "load_flat", 1.1
    limit_is = "ours with 1,000 events, a snapshot and as many events behind it"

    def prepare(self):
        super().prepare()
        self.short = self._post(min(1000, self.events))
        self._write_snapshot(self.short)

    def limit(self):
        return self._ours(self.short)


class LogQuerySmall(Figure):
    name, unit, better, aim = "log_query_100000", "ms/query", LOWER, 2
    limit_is = "a program that connects, asks one index probe and prints the rows"


class LogQueryLarge(LogQuerySmall):
    name = "log_query_10000000"


class LogQueryFlat(LogQuerySmall):
    name, aim = "log_query_flat", 1.1
    limit_is = "ours with a hundredth of the events"


class LogQuery(Figure):
    """The log of one aggregate, by the auditor's command, from its start to its end.

    identity's outbox is the small one and content's the large one, so that they take turns.
    """

    parts = (LogQuerySmall, LogQueryLarge, LogQueryFlat)

    def prepare(self):
        self.events = self.sizes.of(10000000)
        self.times = max(2, min(20, self.events // 20))
        self.world.clean("content", "identity")
        self.world.fill(what="posts", events=self.events, size=self.sizes.size)
        self.world.fill(what="users", events=max(1, self.events // 100))
        self.world.analyze("content", "identity")
        self.ids = {service: self._some_id(service) for service in ("identity", "content")}

    def _some_id(self, service):
        return self.world.one(f"SELECT aggregate_id FROM {service}.outbox WHERE position ="
                              f" (SELECT max(position) / 2 + 1 FROM {service}.outbox)")

    def _times(self, name, command):
        """The median of its times in ms, and the CPU time of all of them."""
        seconds, cpu_s, peak_mib = [], 0.0, 0.0
        for _ in range(self.times):
            _, took_s, used = Program(command, self.world.it.environment()).end()
            seconds.append(took_s)
            cpu_s, peak_mib = cpu_s + used[0], max(peak_mib, used[1])
        return 1000 * statistics.median(seconds), {name: [round(cpu_s, 3), peak_mib]}

    def ours(self):
        (small, _), (large, used) = [self._times(
            "nova", [str(NOVA), "log", "query", "--service", service, "--aggregate", each,
                     "--json"]) for service, each in self.ids.items()]
        self.small = small
        return [small, large, large], used

    def limit(self):
        (small, _), (large, used) = [self._times(
            "limit_probe", [str(BUILD / "bench/limit_probe"), "--service", service, "--id", each])
            for service, each in self.ids.items()]
        return [small, large, self.small], used


LOAD = [Load1000, LoadSnapshot, LoadFlat]
LOG = [LogQuery]
