#!/usr/bin/env python3
"""What the benchmark makes of its values: turns, ratios, peers, texts and plots. No servers, no times."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
sys.path.insert(0, str(ROOT / "bench"))
from instance import case, main
import figure
import plot
import report


class StillWorld:
    def settle(self):
        pass


def measured(better, ours, limit, peers, runs=2):
    """(the result as JSON, who was measured in which order); values and (name, value, aim)."""
    told = []

    class Made(figure.Figure):
        name, unit, aim, limit_is = "made", "events/s", 0.5, "a limit"

        def ours(self):
            told.append("ours")
            return ours, {"nova": [1.0, 2.0]}

        def limit(self):
            told.append("limit")
            return limit, {}

    class MadePeer(figure.Peer):
        what = "made up"

        def __init__(self, world, sizes, name, value, aim):
            super().__init__(world, sizes)
            self.name, self.value, self.aim = name, value, aim

        def run(self):
            told.append(self.name)
            return self.value, {"node": [0.5, 60.0]}

    Made.better = better
    world, sizes = StillWorld(), figure.Sizes(None, 200, runs)
    (result,) = figure.measure(Made(world, sizes), lambda text: None,
                               [MadePeer(world, sizes, *each) for each in peers])
    return result.json(), told


@case
def peers_take_their_turns_in_every_run_and_the_nearest_is_named():
    result, told = measured("higher", 100, 200, [("far", 1, 80), ("near", 50, 1)])
    assert told == ["ours", "limit", "far", "near",  # warming up
                    "limit", "ours", "far", "near", "near", "far", "ours", "limit"], told
    assert result["peer"] == "near" and result["times_peer"] == 2, result
    far, near = result["peers"]
    assert (far["times"], far["aim"], far["met"]) == (100, 80, True), far
    assert near["runs"] == [50, 50] and near["used"] == {"node": [0.5, 60.0]}, near
    assert result["ratio"] == 0.5 and result["met"], result


@case
def less_of_a_peer_is_ahead_of_us_where_less_is_better():
    result, _ = measured("lower", 100, 200, [("slower", 300, 1), ("quicker", 50, 1)])
    assert (result["peer"], result["times_peer"]) == ("quicker", 0.5), result
    assert [each["met"] for each in result["peers"]] == [True, False], result


@case
def to_be_as_good_as_a_peer_is_not_to_be_ahead_of_it():
    result, _ = measured("higher", 100, 100, [("same", 100, 1)])
    assert result["times_peer"] == 1 and not result["peers"][0]["met"], result


@case
def a_peer_that_is_not_far_enough_behind_misses_its_aim():
    result, _ = measured("higher", 79, 100, [("relay", 1, 80)])
    assert result["times_peer"] == 79 and not result["peers"][0]["met"], result
    assert "79 times relay (aim: at least 80 times, not met)" in report.text(result)


@case
def without_peers_nothing_is_said_of_them():
    result, told = measured("higher", 100, 200, [])
    assert told == ["ours", "limit", "limit", "ours", "ours", "limit"], told
    assert not {"peer", "times_peer", "peers"} & result.keys(), result
    assert "times" not in report.text(result)


@case
def the_text_tells_each_peer_with_what_it_did_and_used():
    text = report.text(measured("higher", 100, 200, [("far", 1, 80), ("near", 50, 1)])[0])
    assert "  100 times far (aim: at least 80 times, met)\n" in text, text
    assert "  2 times near (aim: ahead, met)\n" in text, text
    assert "made up" in text and "node 0.50 s, 60 MiB" in text, text


# ---- plots --------------------------------------------------------------------------------------

@contextlib.contextmanager
def plotted(results):
    """(exit code, what went to stderr, folder of the plots)"""
    with tempfile.TemporaryDirectory(prefix="nova-plot.") as folder:
        stored = pathlib.Path(folder, "run.json")
        stored.write_text("".join(f"{json.dumps(each)}\n" for each in results))
        error = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(error):
            code = plot.main([str(stored), f"{folder}/out"])
        yield code, error.getvalue(), pathlib.Path(folder, "out")


def plots_of(results):
    with plotted(results) as (code, error, folder):
        assert (code, error) == (0, ""), error
        return {path.name: path.read_bytes() for path in folder.iterdir()}


@case
def the_same_run_gives_the_same_plots():
    run = [measured("higher", 100, 200, [("far", 1, 80)])[0]]
    plots = plots_of(run)
    assert plots == plots_of(run)
    assert set(plots) == {"ratios.svg", "peers.svg"}, plots
    ratios, peers = (plots[name].decode() for name in ("ratios.svg", "peers.svg"))
    assert ">made<" in ratios and "0.5 (aim ≥ 0.5)" in ratios, ratios
    assert "made: far" in peers and "100 times (aim ≥ 80)" in peers, peers
    assert plot.MET in ratios and plot.MISSED not in ratios + peers
    missed = plots_of([dict(run[0], met=False)])
    assert plot.MISSED in missed["ratios.svg"].decode()


@case
def a_run_without_peers_has_no_plot_of_them():
    assert set(plots_of([measured("lower", 100, 200, [])[0]])) == {"ratios.svg"}


@case
def what_meets_its_aim_lies_right_of_the_line_whichever_way_is_better():
    assert plot.nearness(0.9, 0.5, "higher") > 1 > plot.nearness(0.4, 0.5, "higher")
    assert plot.nearness(1.1, 1.5, "lower") > 1 > plot.nearness(2, 1.5, "lower")
    result, _ = measured("lower", 100, 200, [("slower", 300, 1)])
    (row,) = plot.peer_rows([result])
    assert row[:4] == ("made: slower", 3, [3, 3], True), row


@case
def what_is_no_run_is_not_plotted():
    with plotted([{"figure": "made"}]) as (code, error, folder):
        assert code == 1 and "is no line of ./nova bench --json" in error, error
        assert not folder.exists()
    with contextlib.redirect_stderr(io.StringIO()) as error:
        assert plot.main([]) == 2 and "RUN.json" in error.getvalue()
        assert plot.main(["/nowhere/run.json"]) == 1 and "/nowhere" in error.getvalue()


sys.exit(main())
