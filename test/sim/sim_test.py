#!/usr/bin/env python3
"""The simulation: histories that were fixed once, fresh ones, and each rule taken out.

`./nova test sim --seed S ...` runs the program by itself (test/sim/main.c).
"""
import os
import pathlib
import secrets
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SIM = ROOT / os.environ.get("NOVA_BUILD", "build/test") / "test/sim/sim"
STEPS = 10_000_000

seed = secrets.randbelow(1 << 40)
runs = [("the_histories_of_the_first_seeds_hold", ["--seed", "1", "--seeds", "3000"]),
        ("fresh_histories_hold", ["--seed", str(seed), "--steps", str(STEPS)])]
failed = 0
for place, (name, arguments) in enumerate(runs, 1):
    done = subprocess.run([SIM, *arguments], stdout=subprocess.PIPE, text=True)
    print("".join(line + "\n" for line in done.stdout.splitlines() if line.startswith("#")), end="")
    print(f"{'not ok' if done.returncode else 'ok'} {place} - {name}", flush=True)
    failed |= done.returncode
done = subprocess.run([SIM, "--mutations", "--seeds", "1"], stdout=subprocess.PIPE, text=True)
for place, line in enumerate(line for line in done.stdout.splitlines() if "- without_" in line):
    print(f"{line.split(' - ')[0].rsplit(' ', 1)[0]} {len(runs) + 1 + place} - {line.split(' - ')[1]}")
sys.exit(failed | done.returncode)
