"""What a figure is, and how ours, its limit and its peers are measured: in turns, in one run.

A machine's speed changes from minute to minute; so each run of ours has a run of the limit beside
it, and the ratio of the two is what counts. Which of them is first alternates. Peers, where they
are asked for, take their turns in the same runs.
"""
import dataclasses
import statistics

HIGHER, LOWER = "higher", "lower"


@dataclasses.dataclass
class Sizes:
    """What the command line asked for; None: each figure's own size."""
    events: int | None
    size: int
    runs: int

    def of(self, default):
        return default if self.events is None else self.events


class Figure:
    """One row of the table: what is measured, and what is said of it.

    `ours` and `limit` give (value, {process: [cpu s, peak MiB]}); where `parts` names several
    figures that one run gives, a value for each of them.
    """

    name = unit = limit_is = ""
    better = HIGHER
    aim = None
    parts = ()  # () : itself
    ours_first = False  # the limit is another part of ours' own run

    def __init__(self, world, sizes):
        self.world, self.sizes = world, sizes

    @classmethod
    def figures(cls):
        return cls.parts or (cls,)

    def prepare(self):
        """What both need, once; may be empty."""

    def ours(self):
        raise NotImplementedError

    def limit(self):
        raise NotImplementedError


class Peer:
    """What a user would pick instead of one step of ours, for a figure that is no more than one.

    `run` gives (value in the figure's unit, {process: [cpu s, peak MiB]}).
    """

    name = what = ""
    aim = 1  # so many times as good is ours to be

    def __init__(self, world, sizes):
        self.world, self.sizes = world, sizes

    def prepare(self):
        """What it needs, once; may be empty."""

    def run(self):
        raise NotImplementedError


def _short(value):
    return float(f"{value:.6g}")


@dataclasses.dataclass
class Beside:
    """A peer's values, run by run."""
    peer: Peer
    values: list
    used: dict

    def json(self, better, ours):
        """`times`: ours by it, or where less is better, it by ours; above 1 we are ahead."""
        times = statistics.median(own / other if better == HIGHER else other / own
                                  for own, other in zip(ours, self.values))
        return {"peer": self.peer.name, "value": _short(statistics.median(self.values)),
                "times": _short(times), "aim": self.peer.aim, "met": times > 1 and
                times >= self.peer.aim, "runs": [_short(each) for each in self.values],
                "used": self.used, "what": self.peer.what}


@dataclasses.dataclass
class Result:
    figure: type  # of Figure
    runs: list  # (ours, limit)
    ours_used: dict
    limit_used: dict
    beside: list  # Beside

    def ours(self):
        return [each[0] for each in self.runs]

    def limit(self):
        return [each[1] for each in self.runs]

    def ratio(self):
        return statistics.median(ours / limit for ours, limit in self.runs)

    def is_met(self):
        if self.figure.aim is None:
            return None
        better = self.ratio() >= self.figure.aim
        return better if self.figure.better == HIGHER else self.ratio() <= self.figure.aim

    def json(self):
        return {
            "figure": self.figure.name, "unit": self.figure.unit, "better": self.figure.better,
            "ours": _short(statistics.median(self.ours())),
            "limit": _short(statistics.median(self.limit())), "ratio": _short(self.ratio()),
            "aim": self.figure.aim, "met": self.is_met(),
            "runs": [{"ours": _short(ours), "limit": _short(limit), "ratio": _short(ours / limit)}
                     for ours, limit in self.runs],
            "ours_used": self.ours_used, "limit_used": self.limit_used,
            "limit_is": self.figure.limit_is, **self.peers(),
        }

    def peers(self):
        """`peer` and `times_peer` are the nearest one's; `peers` are all."""
        every = [each.json(self.figure.better, self.ours()) for each in self.beside]
        if not every:
            return {}
        nearest = min(every, key=lambda each: each["times"])
        return {"peer": nearest["peer"], "times_peer": nearest["times"], "peers": every}


def _most(before, now):
    """The most that any run used, process by process."""
    return {name: [max(pair) for pair in zip(before.get(name, [0, 0]), used)]
            for name, used in now.items()}


def _one_side(figure, side, run, say, what):
    figure.world.settle()
    values, used = run()
    values = values if figure.parts else [values]
    for part, value in zip(figure.figures(), values):
        say(f"{part.name}: {what}, {side} {value:.6g} {part.unit}")
    return values, used


def _order(figure, peers, number):
    """Ours and its limit are always neighbours; forwards and backwards in turns."""
    order = ["limit", "ours", *(peer.name for peer in peers)]
    if figure.ours_first:
        return ["ours", "limit", *order[2:]]
    return order[::-1] if number % 2 == 1 else order


def measure(figure, say, peers=()):
    """Prepares, warms up once, and runs all sides in turns; a Result for each figure."""
    assert not (peers and figure.parts), "a peer's run gives one value"
    say(f"{figure.figures()[0].name}: preparing")
    figure.prepare()
    for peer in peers:
        peer.prepare()
    sides = {"ours": figure.ours, "limit": figure.limit, **{peer.name: peer.run for peer in peers}}
    for side, run in sides.items():  # ours first: some limits take what it made
        _one_side(figure, side, run, say, "warming up")
    beside = [Beside(peer, [], {}) for peer in peers]
    results = [Result(part, [], {}, {}, beside) for part in figure.figures()]
    for number in range(figure.sizes.runs):
        what = f"run {number + 1} of {figure.sizes.runs}"
        done = {side: _one_side(figure, side, sides[side], say, what)
                for side in _order(figure, peers, number)}
        for place, result in enumerate(results):
            result.runs.append((done["ours"][0][place], done["limit"][0][place]))
            result.ours_used = _most(result.ours_used, done["ours"][1])
            result.limit_used = _most(result.limit_used, done["limit"][1])
        for each in beside:
            (value,), used = done[each.peer.name]
            each.values.append(value)
            each.used = _most(each.used, used)
    return results
