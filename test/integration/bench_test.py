#!/usr/bin/env python3
"""The benchmark works: every figure is measured at a small size, and said as JSON.

No aims and no times here: what a figure is on a busy machine says nothing. That each side does its
work, the figures' own checks say (rows counted, streams full).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
sys.path.insert(0, str(ROOT / "bench"))
from instance import case, main
import bench
import report

KEYS = {"figure", "unit", "better", "ours", "limit", "ratio", "aim", "runs"}


def run(*words, code=0):
    done = subprocess.run([sys.executable, str(ROOT / "bench/bench.py"), *words], text=True,
                          capture_output=True, check=False)
    assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done


@case
def every_figure_is_measured_and_said_as_json():
    expected = [part.name for group in bench.GROUPS.values() for figure in group
                for part in figure.figures()]
    with tempfile.TemporaryDirectory(prefix="nova-bench.", dir="/var/tmp") as folder:
        results = [json.loads(line) for line in run(
            "all", "--events", "40", "--runs", "1", "--json", "--dir",
            folder).stdout.splitlines()]
    assert [each["figure"] for each in results] == expected, results
    for each in results:
        assert KEYS <= each.keys(), each
        assert each["ours"] > 0 and each["limit"] > 0 and each["ratio"] > 0, each
        assert each["better"] in ("higher", "lower") and len(each["runs"]) == 1, each


@case
def a_mistake_is_one_clear_error():
    assert run("--fast", code=2).stderr == "nova: bench takes no '--fast' (./nova bench --help)\n"
    assert "did you mean 'relay'?" in run("relais", code=2).stderr
    assert "'none' is no number above 0" in run("--runs", "none", code=2).stderr
    assert "./nova bench relay --events" in run("--help").stdout


@case
def what_became_slower_is_named():
    def result(figure, better, ratio):
        return {"figure": figure, "better": better, "ratio": ratio}
    before = {"up": result("up", "higher", 0.9), "down": result("down", "lower", 1.2)}
    assert not report.slower([result("up", "higher", 0.85), result("down", "lower", 1.3),
                              result("new", "lower", 9)], before)
    assert not report.slower([result("up", "higher", 2), result("down", "lower", 0.1)], before)
    assert report.slower([result("up", "higher", 0.5)], before) == [
        "up became slower: ratio 0.5, was 0.9"]
    assert report.slower([result("down", "lower", 2)], before) == [
        "down became slower: ratio 2, was 1.2"]


@case
def a_stored_run_that_is_none_is_refused():
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir="/var/tmp") as stored:
        stored.write("{}\n")
        stored.flush()
        assert "is no line of ./nova bench --json" in run("--against", stored.name, code=1).stderr


sys.exit(main())
