#!/usr/bin/env python3
"""The simulation's models against the real servers: recorded histories must be accepted by them.

record_outbox.py and record_stream.py play seeded interleavings on a real PostgreSQL and a real
nats-server; `sim --replay` asks its models the same. Then histories are falsified, and rules taken
out of the models: each of these must be refused. NOVA_TEST_SEED repeats a fresh history.
"""
import collections
import concurrent.futures
import os
import pathlib
import random
import re
import secrets
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
import record_outbox
import record_stream
from instance import BUILD, case, main
from servers import NatsServer, Postgres

SIM = BUILD / "test/sim/sim"
KEPT = sorted((ROOT / "test/sim/histories").glob("*.txt"))  # what the models once got wrong
FRESH = int(os.environ.get("NOVA_TEST_SEED") or secrets.randbelow(1 << 30))
SEEDS = (1, 2, 3, FRESH)
FOLDER = tempfile.TemporaryDirectory(prefix="nova-replay.")
outbox_histories, stream_histories = {}, {}


def replay(steps, name="history", *more):
    """(accepted, what sim says) of a history."""
    path = pathlib.Path(FOLDER.name) / f"{name}.txt"
    path.write_text("".join(f"{step}\n" for step in steps))
    done = subprocess.run([SIM, "--replay", path, *more], text=True, capture_output=True,
                          timeout=60)
    assert done.returncode in (0, 1), f"{name}: {done}"
    return done.returncode == 0, done.stdout.strip()


def accept(histories, kinds):
    print(f"# {sum(len(steps) for steps in histories.values())} steps: "
          + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())), flush=True)
    refused = []
    for name, steps in histories.items():
        accepted, told = replay(steps, name)
        if not accepted:
            step = int(re.match(r"step (\d+)", told).group(1))
            refused.append(f"{name}: {told}")
            print("".join(f"#   {each}\n" for each in steps[max(0, step - 25):step]), end="")
    assert not refused, refused


@case
def histories_that_were_kept_are_accepted():
    for path in KEPT:
        accepted, told = replay(path.read_text().splitlines(), path.stem)
        assert accepted, f"{path.name}: {told}"


@case
def what_postgresql_does_the_model_does():
    print(f"# NOVA_TEST_SEED={FRESH}", flush=True)
    kinds = collections.Counter()
    with Postgres() as server:
        for seed in SEEDS:
            steps, more = record_outbox.record(server, random.Random(seed), steps=700, crashes=6)
            outbox_histories[f"outbox-{seed}"] = steps
            kinds += more
    accept(outbox_histories, kinds)


def record_stream_of(seed, large):
    with NatsServer() as server:
        return record_stream.record(server, random.Random(seed), steps=500, kills=6, expiries=3,
                                    large=large)


@case
def what_nats_server_does_the_model_does():
    """Side by side: most of the time they wait for an ack wait to end."""
    kinds = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        under_way = {f"stream-{seed}{'-large' if large else ''}":
                     pool.submit(record_stream_of, seed, large)
                     for seed in SEEDS for large in (False, True)}
        for name, future in under_way.items():
            steps, more, slow = future.result()
            stream_histories[name] = steps
            kinds += more
            if slow:
                print(f"# {name} ends at step {len(steps)}: this machine was too slow", flush=True)
    accept(stream_histories, kinds)


# ---- it must bite -------------------------------------------------------------------------------

def row_of_another(rows):
    """A row more, at a position that is not visible."""
    taken = {int(row.split(":")[0]) for row in rows}
    missing = [place for place in range(1, max(taken, default=0)) if place not in taken]
    return [*rows, f"{missing[0]}:4000"] if missing else None


def look_with(change):
    def falsify(asked, told):
        found = re.fullmatch(r"(rows|next \d+ rows)((?: \d+:\d+)*)(.*)", told)
        if not found or "after 0 limit 1000" not in asked and asked not in ("crash", "restore"):
            return None
        rows = change(found.group(2).split())
        return rows and " ".join([found.group(1), *sorted(
            rows, key=lambda row: int(row.split(":")[0]))]) + found.group(3)
    return falsify


def at_next(asked, told):
    return f"at {int(told[3:]) + 1}" if asked.startswith("insert") and told[:3] == "at " else None


def replaced(asked_begin, old, new):
    def falsify(asked, told):
        return (re.sub(old, new, told, count=1)
                if asked.startswith(asked_begin) and re.search(old, told) else None)
    return falsify


def stored_where_refused(asked, told):
    found = re.fullmatch(r"refused \(last is (\d+)\)", told)
    return f"stored as {int(found.group(1)) + 1}" if found else None


def redelivery_swallowed(asked, told):
    """The first of several is left out, and the numbers of the deliveries close up."""
    parts = [tuple(map(int, each.split("/"))) for each in told.split(" ") if "/" in each]
    if not asked.startswith("fetch") or len(parts) < 2 or parts[0][1] <= parts[0][0]:
        return None
    return " ".join(f"{n}/{delivery - 1}" for n, delivery in parts[1:])


OUTBOX_LIES = {
    "a rolled-back row comes back": look_with(row_of_another),
    "a committed row is lost": look_with(lambda rows: rows[:-1] or None),
    "a position is left out": at_next,
    "a second writer need not wait": replaced("insert", r"^waits$", "at 1"),
    "a refused row is stored": replaced("insert", r"^refused$", "waits"),
    "a lock is not seen": replaced("look", r"held by \d+", "held by"),
    "a sequence falls behind its rows": replaced("crash", r"^next \d+ rows (?=\d)", "next 1 rows "),
}
STREAM_LIES = {
    "stored where refused": stored_where_refused,
    "refused where stored": replaced("publish", r"^stored as \d+", "refused (last is 0)"),
    "a redelivery is swallowed": redelivery_swallowed,
    "a message is lost in a kill": replaced("kill", r" lost unread$", " lost 1 unread"),
    "an acknowledgement is forgotten": replaced("state", r"floor [1-9]\d*", "floor 0"),
    "another message is there": replaced("get", r"^event \d+", "event 4000"),
    "a message is not counted": replaced("info", r"messages \d+", "messages 0"),
}


def undamaged(steps):
    """Places where the stream is whole: a damaged one may really do some of this."""
    whole = True
    for place, step in enumerate(steps):
        whole = step.startswith("make") or (whole and not step.startswith("damage"))
        if whole:
            yield place


def assert_refused(lies, histories):
    """Each lie, at up to five places of each history."""
    for lie, falsify in lies.items():
        tried = 0
        for name, steps in histories.items():
            places = [(place, false) for place in undamaged(steps)
                      if (false := falsify(*steps[place].split(" -> ")))
                      and not steps[place].endswith(f" -> {false}")]
            random.Random(1).shuffle(places)
            for place, false in places[:5]:
                asked = steps[place].split(" -> ")[0]
                accepted, told = replay(
                    [*steps[:place], f"{asked} -> {false}", *steps[place + 1:]], "false")
                assert not accepted, f"{name}, step {place + 1}: '{asked} -> {false}' is accepted"
                tried += 1
        assert tried, f"nowhere to tell this lie: {lie}"
        print(f"# {lie}: {tried} refused; the last one: {told}"[:180], flush=True)


@case
def a_falsified_history_of_postgresql_is_refused():
    assert_refused(OUTBOX_LIES, outbox_histories)


@case
def a_falsified_history_of_nats_server_is_refused():
    kept = {path.stem: [line for line in path.read_text().splitlines() if line[0] != "#"]
            for path in KEPT if path.stem.startswith("stream")}
    assert_refused(STREAM_LIES, {**stream_histories, **kept})


@case
def a_model_without_one_of_its_rules_is_refused():
    for rule in ("sql.VERSION", "sql.COMMAND", "sql.SYNC"):
        told = [told for name, steps in outbox_histories.items()
                for accepted, told in [replay(steps, name, "--mutation", rule)] if not accepted]
        assert told, f"without {rule} every history is accepted"
        print(f"# without {rule}: {told[0]}"[:180], flush=True)


if __name__ == "__main__":
    sys.exit(main())
