#!/usr/bin/env python3
"""The benchmark works: every figure is measured at a small size, and said as JSON.

No aims and no times here: what a figure is on a busy machine says nothing. That each side does its
work, the figures' own checks say (rows counted, streams full). Peers stand beside us in the same run
where npm's registry can be reached, or brought them before.
"""
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest.mock

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
sys.path.insert(0, str(ROOT / "bench"))
from instance import case, main
import bench
import npm
import report
from figures_peers import PEERS
from measure import BenchError

KEYS = {"figure", "unit", "better", "ours", "limit", "ratio", "aim", "runs"}


def run(*words, code=0):
    done = subprocess.run([sys.executable, str(ROOT / "bench/bench.py"), *words], text=True,
                          capture_output=True, check=False)
    assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout}{done.stderr}"
    return done


def why_no_peers():
    """None: they are installed."""
    try:
        npm.install()
    except BenchError as failure:
        answers = shutil.which("npm") and subprocess.run(
            ["npm", "ping"], capture_output=True, timeout=120, check=False).returncode == 0
        assert not answers, failure
        return "npm's registry cannot be reached (npm ping)"
    return None


@functools.cache
def one_run():
    """Of all figures, for all cases."""
    words = ["--peers"] if why_no_peers() is None else []
    with tempfile.TemporaryDirectory(prefix="nova-bench.", dir="/var/tmp") as folder:
        return [json.loads(line) for line in run(
            "all", "--events", "40", "--runs", "1", "--json", "--dir", folder,
            *words).stdout.splitlines()]


@case
def every_figure_is_measured_and_said_as_json():
    expected = [part.name for group in bench.GROUPS.values() for figure in group
                for part in figure.figures()]
    results = one_run()
    assert [each["figure"] for each in results] == expected, results
    for each in results:
        assert KEYS <= each.keys(), each
        assert each["ours"] > 0 and each["limit"] > 0 and each["ratio"] > 0, each
        assert each["better"] in ("higher", "lower") and len(each["runs"]) == 1, each


@case
def peers_are_measured_beside_us_in_the_same_run():
    if why_not := why_no_peers():
        return why_not
    found = {each["figure"]: [peer["peer"] for peer in each["peers"]] for each in one_run()
             if "peers" in each}
    assert found == {name: [peer.name for peer in peers] for name, peers in PEERS.items()}, found
    for each in one_run():
        for peer in each.get("peers", []):
            assert peer["value"] > 0 and peer["times"] > 0 and len(peer["runs"]) == 1, peer
        if "peers" in each:
            assert each["times_peer"] == min(peer["times"] for peer in each["peers"]), each
    return None


def installed_with(folder, environment):
    """What installing the peers into another folder says."""
    with unittest.mock.patch.multiple(npm, FOLDER=folder, PACKAGES=folder / "node_modules"):
        with unittest.mock.patch.dict(os.environ, environment):
            try:
                npm.install()
            except BenchError as failure:
                return str(failure)
    return "installed"


@case
def peers_that_cannot_be_installed_are_one_clear_error():
    with tempfile.TemporaryDirectory(prefix="nova-bench.", dir="/var/tmp") as folder:
        path = pathlib.Path(folder)
        assert "the Debian packages nodejs and npm" in installed_with(path, {"PATH": folder})
        if not shutil.which("npm"):
            return "there is no npm to fail"
        said = installed_with(path, {
            "npm_config_registry": "http://127.0.0.1:1/", "npm_config_cache": f"{folder}/cache",
            "npm_config_fetch_retries": "0"})
        assert said.startswith("npm could not install the peers (") and "ECONNREFUSED" in said, said
        assert not (path / "node_modules/.of-lock").exists()
    return None


@case
def a_mistake_is_one_clear_error():
    assert run("--fast", code=2).stderr == "nova: bench takes no '--fast' (./nova bench --help)\n"
    assert "did you mean 'relay'?" in run("relais", code=2).stderr
    assert "'none' is no number above 0" in run("--runs", "none", code=2).stderr
    assert "./nova bench relay --events" in run("--help").stdout
    assert run("log", "--peers", code=2).stderr.startswith("nova: 'log' has no peers; these have: ")


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
