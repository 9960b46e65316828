#!/usr/bin/env python3
"""./nova bench: each figure beside its limit, in one run, on the same servers."""
import argparse
import difflib
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import npm
import report
from figure import Sizes, measure
from figures_bus import RPC
from figures_lag import LAG
from figures_latency import LATENCY, SUSTAINED
from figures_login import LOGIN
from figures_model import CONSUME, REBUILD
from figures_peers import LOGICAL, PEERS, peers_of
from figures_read import LOAD, LOG
from figures_write import APPEND, RELAY
from measure import BenchError
from world import BUILD, World

GROUPS = {"append": APPEND, "relay": RELAY + LAG, "consume": CONSUME, "latency": LATENCY,
          "sustained": SUSTAINED, "rebuild": REBUILD, "rpc": RPC, "login": LOGIN, "load": LOAD,
          "log": LOG}
HELP = pathlib.Path(__file__).with_name("help.txt")


class Mistake(Exception):
    """What was typed and cannot be understood."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Mistake(message)


def positive(text):
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return int(text)


def parse(words):
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("what", nargs="?", default="all")
    parser.add_argument("--events", type=positive)
    parser.add_argument("--size", type=positive, default=200)
    parser.add_argument("--runs", type=positive, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--against", type=pathlib.Path)
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    options, unknown = parser.parse_known_args(words)
    if unknown:
        raise Mistake(f"bench takes no '{unknown[0]}'")
    return options


def chosen(what):
    every = {part.name: figure for group in GROUPS.values() for figure in group
             for part in figure.figures()}
    if what == "all":
        return [figure for group in GROUPS.values() for figure in group]
    if what in GROUPS:
        return GROUPS[what]
    if what in every:
        return [every[what]]
    near = difflib.get_close_matches(what, [*GROUPS, *every], 1)
    raise Mistake(f"no figure '{what}'" + (f"; did you mean '{near[0]}'?" if near else
                                           f"; there are {', '.join(GROUPS)}"))


def beside(what, figures):
    """The names of those that have peers; they are installed."""
    names = {figure.name for figure in figures if peers_of(figure)}
    if not names:
        raise Mistake(f"'{what}' has no peers; these have: {', '.join(PEERS)}")
    npm.install()
    return names


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)


def run(options, figures, before):
    done, sizes = [], Sizes(options.events, options.size, options.runs)
    with_peers = beside(options.what, figures) if options.peers else set()
    with World(options.dir.resolve(), logical=bool(with_peers & LOGICAL)) as world:
        for figure in figures:
            peers = [peer(world, sizes) for peer in peers_of(figure) if figure.name in with_peers]
            for result in measure(figure(world, sizes), say, peers):
                done.append(result.json())
                say("")
                print(json.dumps(done[-1]) if options.json else report.text(done[-1]), flush=True)
    slower = report.slower(done, before)
    for line in slower:
        print(f"nova: {line}", file=sys.stderr)
    return 1 if slower else 0


def main(words):
    if words and words[0] in ("-h", "--help"):
        print(HELP.read_text(), end="")
        return 0
    try:
        options = parse(words)
        figures = chosen(options.what)
        before = report.read(options.against) if options.against else {}
        return run(options, figures, before)
    except Mistake as mistake:
        print(f"nova: {mistake} (./nova bench --help)", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except (BenchError, OSError, ValueError) as failure:
        print(f"nova: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    if not (BUILD / "bench/limit_publish").exists():
        sys.exit(f"nova: {os.environ['NOVA_BUILD']} holds no bench/: ./nova build")
    sys.exit(main(sys.argv[1:]))
