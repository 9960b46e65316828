#!/usr/bin/env python3
"""A Nova under load and faults, then quiet, then the independent check (docs/chaos.md).

usage: ./nova test chaos [--kills N] [--minutes M] [--seed S] [--events N] [--every SECONDS]

Ends when there were N faults and N events and M minutes are over, each where given (5 minutes where
nothing is). As root: it mounts two disks in memory.
"""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

os.environ["NOVA_BUILD"] = "build/release"  # LD_PRELOAD and AddressSanitizer do not mix
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / "lib"),
                str(pathlib.Path(__file__).resolve().parent)]
import psycopg2

import check
from faults import FAULTS
from instance import ROOT
from load import Load
from world import SERVICES, World

AT_ONCE_MAX = 8
SAY_EVERY_S = 10
MISSED_MAX = 4  # so often a kind is tried that was never made


class Campaign:
    """Draws the faults and counts them."""

    def __init__(self, world, load, seed, every_s):
        self.world, self.load, self.every_s = world, load, every_s
        self.chance = random.Random(seed)
        self.made, self.missed, self.broken = collections.Counter(), collections.Counter(), []
        self.threads, self.lock = [], threading.Lock()
        self.plan = list(FAULTS)  # each kind once, then as their weights are
        self.chance.shuffle(self.plan)

    def _draw(self):
        with self.lock:
            if self.plan:
                return self.plan.pop()
        names = list(FAULTS)
        return self.chance.choices(names, [FAULTS[name][1] for name in names])[0]

    def _note(self, name, what):
        with (self.world.journal / "faults.log").open("a") as out:
            out.write(f"{time.time():.1f} {name} {what}\n")

    def _make(self, name, chance):
        self._note(name, "begins")
        try:
            for _ in range(20):  # what it harms may be away just now, as other faults left it
                made = FAULTS[name][0](self.world, self.load, chance)
                if made:
                    break
                time.sleep(0.3)
        except Exception as failure:  # pylint: disable=broad-except
            made = False
            with self.lock:
                self.broken.append(f"{name}: {type(failure).__name__}: {failure}")
        self._note(name, "ends" if made else "was not made")
        with self.lock:
            (self.made if made else self.missed)[name] += 1
            if not self.made[name] and self.missed[name] < MISSED_MAX:
                self.plan.insert(0, name)

    def step(self):
        """One fault more, beside those that last."""
        self.threads = [each for each in self.threads if each.is_alive()]
        if len(self.threads) < AT_ONCE_MAX:
            name = self._draw()
            thread = threading.Thread(target=self._make, name=name, daemon=True, args=(
                name, random.Random(self.chance.getrandbits(64))))
            thread.start()
            self.threads.append(thread)
        time.sleep(self.chance.uniform(0.2, 1.8) * self.every_s)

    def end(self):
        for each in self.threads:
            each.join(120)
            assert not each.is_alive(), "a fault does not end"

    def lasting(self):
        return [each.name for each in self.threads if each.is_alive()]

    def count(self):
        return sum(self.made.values())


def events(world):
    """How many there are, near enough; None while PostgreSQL is away."""
    with contextlib.suppress(psycopg2.Error):
        return sum(world.it.sql(f"select coalesce(max(position), 0) from {each}.outbox")[0][0]
                   for each in SERVICES)
    return None


def is_enough(options, campaign, seconds, count):
    asked = [(options.kills, campaign.count()), (options.minutes, seconds / 60),
             (options.events, count or 0)]
    return not campaign.plan and all(got >= wanted for wanted, got in asked if wanted is not None)


def attack(options, world, load):
    campaign = Campaign(world, load, options.seed, options.every)
    began = said = time.monotonic()
    load.start()
    count = 0
    while not is_enough(options, campaign, time.monotonic() - began, count):
        campaign.step()
        count = events(world) or count
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            print(f"# {said - began:.0f} s: {campaign.count()} faults, {count} positions; now: "
                  f"{' '.join(campaign.lasting())}", flush=True)
    campaign.end()
    load.end()
    return campaign, time.monotonic() - began


def tell(campaign, problems, figures, options):
    for name in FAULTS:
        print(f"# {campaign.made[name]:6d} {name}" +
              (f" ({campaign.missed[name]} found nothing to harm)" if campaign.missed[name] else ""))
    for name, value in figures.items():
        print(f"# {name}: {value}")
    for problem in problems:
        print(f"# differs: {problem}")
    print(f"{'not ok' if problems else 'ok'} 1 - seed {options.seed}: {campaign.count()} faults, "
          f"{figures.get('events', 0)} events" + (f", {len(problems)} differences: repeat with "
          f"--seed {options.seed}" if problems else ""), flush=True)


def run(options, world):
    """The campaign and its check on a world that has started: (campaign, problems, figures)."""
    load = Load(world, options.seed + 1, users=options.users)
    campaign, seconds = attack(options, world, load)
    print(f"# {campaign.count()} faults in {seconds:.0f} s; quiet now", flush=True)
    quiet_s = world.quiet(options.patience)
    began = time.monotonic()
    problems, figures = check.check_healed(check.attach(world.it.folder), world.journal)
    figures.update(faults=campaign.count(), seconds=round(seconds), quiet_seconds=round(quiet_s),
                   check_seconds=round(time.monotonic() - began),
                   events_a_second=round(figures["events"] / seconds))
    problems += [f"a fault could not be made: {line}" for line in campaign.broken]
    return campaign, problems, figures


def parse(words):
    parser = argparse.ArgumentParser(prog="./nova test chaos")
    parser.add_argument("--kills", type=int, help="at least so many faults")
    parser.add_argument("--minutes", type=float, help="at least so long")
    parser.add_argument("--events", type=int, help="at least so many events")
    parser.add_argument("--seed", type=int, default=int(os.environ.get(
        "NOVA_TEST_SEED", time.time_ns() % 1000000)))
    parser.add_argument("--every", type=float, default=2.0, help="seconds between faults (2)")
    parser.add_argument("--users", type=int, default=1000, help="of one import (1000)")
    parser.add_argument("--patience", type=int, default=900,
                        help="seconds for everything to be at rest at the end (900)")
    parser.add_argument("--keep", metavar="DIR", help="copy logs and journals there when it differs")
    options = parser.parse_args(words)
    if options.kills is options.minutes is options.events is None:
        options.minutes = 5
    return options


def keep(options, world):
    folder = pathlib.Path(options.keep)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(world.it.home / "logs"), str(world.journal),
                    *map(str, world.it.folder.glob("*.log")), str(folder)], check=False)


def main():
    options = parse(sys.argv[1:])
    subprocess.run([str(ROOT / "nova"), "build"], check=True)
    print(f"# seed {options.seed}", flush=True)
    with World() as world:
        try:
            campaign, problems, figures = run(options, world)
        except BaseException:
            if options.keep:
                keep(options, world)
            world.it.tell()
            print(f"not ok 1 - seed {options.seed}: it did not come to rest", flush=True)
            raise
        if problems and options.keep:
            keep(options, world)
        tell(campaign, problems, figures, options)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
