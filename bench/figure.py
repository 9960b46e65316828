"""What a figure is, and how ours and its limit are measured: in turns, in one run.

A machine's speed changes from minute to minute; so each run of ours has a run of the limit beside
it, and the ratio of the two is what counts. Which of them is first alternates.
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


@dataclasses.dataclass
class Result:
    figure: type  # of Figure
    runs: list  # (ours, limit)
    ours_used: dict
    limit_used: dict

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
        def short(value):
            return float(f"{value:.6g}")
        return {
            "figure": self.figure.name, "unit": self.figure.unit, "better": self.figure.better,
            "ours": short(statistics.median(self.ours())),
            "limit": short(statistics.median(self.limit())), "ratio": short(self.ratio()),
            "aim": self.figure.aim, "met": self.is_met(),
            "runs": [{"ours": short(ours), "limit": short(limit), "ratio": short(ours / limit)}
                     for ours, limit in self.runs],
            "ours_used": self.ours_used, "limit_used": self.limit_used,
            "limit_is": self.figure.limit_is,
        }


def _most(before, now):
    """The most that any run used, process by process."""
    return {name: [max(pair) for pair in zip(before.get(name, [0, 0]), used)]
            for name, used in now.items()}


def _one_side(figure, side, say, what):
    figure.world.settle()
    values, used = getattr(figure, side)()
    values = values if figure.parts else [values]
    for part, value in zip(figure.figures(), values):
        say(f"{part.name}: {what}, {side} {value:.6g} {part.unit}")
    return values, used


def measure(figure, say):
    """Prepares, warms up once, and runs both sides in turns; a Result for each figure."""
    name = figure.figures()[0].name
    say(f"{name}: preparing")
    figure.prepare()
    _one_side(figure, "ours", say, "warming up")  # first: some limits take what it made
    _one_side(figure, "limit", say, "warming up")
    results = [Result(part, [], {}, {}) for part in figure.figures()]
    for number in range(figure.sizes.runs):
        sides, what = {}, f"run {number + 1} of {figure.sizes.runs}"
        ours_first = figure.ours_first or number % 2 == 1
        for side in ("ours", "limit") if ours_first else ("limit", "ours"):
            sides[side] = _one_side(figure, side, say, what)
        for place, result in enumerate(results):
            result.runs.append((sides["ours"][0][place], sides["limit"][0][place]))
            result.ours_used = _most(result.ours_used, sides["ours"][1])
            result.limit_used = _most(result.limit_used, sides["limit"][1])
    return results
