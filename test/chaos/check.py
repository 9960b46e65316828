#!/usr/bin/env python3
"""The independent check: nothing lost, nothing twice, whatever was done (docs/chaos.md).

Shares no code with the product: the rows come by psycopg2, the messages by lib/nats.py, the leaves
from unit/leaf_v1.py, sealed parts are opened by lib/sealed.py, read models compared with folds.py.

usage: check.py FOLDER    of a campaign that is quiet: its chaos.json and journal/
"""
import collections
import json
import multiprocessing
import pathlib
import re
import sys
import time
import uuid

import nacl.exceptions

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / "lib"),
                str(pathlib.Path(__file__).resolve().parent)]
import log_proof
from folds import CommunicationFold, ContentFold, IdentityFold
from instance import ROOT, Instance
from log_check import SERVICES, leaf_v1, outbox_events, stream_leaves
from sealed import Opener

TOLD_MAX = 5  # of one kind
HEAL_S, SIGN_S = 300, 30
RAW_TYPE = "test.happened"
# What a command's events are; MarkRead of what was read before makes none.
MAKES = {"Register": "user.created", "ImportUser": "user.created", "UpdateUser": "user.updated",
         "CreatePost": "post.created", "UpdatePost": "post.updated", "DeletePost": "post.deleted",
         "CreateComment": "comment.created", "UpdateComment": "comment.updated",
         "DeleteComment": "comment.deleted", "CreateConversation": "conversation.created",
         "SendMessage": "message.sent", "EditMessage": "message.edited",
         "DeleteMessage": "message.deleted", "MarkRead": "message.read"}
SENT, UNKNOWN, REFUSED, REFUSED_LATE, ACKNOWLEDGED = range(5)


class Problems(list):
    """Sentences; of one kind only the first few, and how many there were."""

    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()

    def add(self, kind, detail):
        self.counts[kind] += 1
        if self.counts[kind] <= TOLD_MAX:
            self.append(f"{kind}: {detail}")
        elif self.counts[kind] == TOLD_MAX + 1:
            self.append(f"{kind}: and more")


def attach(folder):
    """The campaign's instance as its chaos.json says."""
    return Instance.attached(**json.loads((pathlib.Path(folder) / "chaos.json").read_text()))


# ---- the journal --------------------------------------------------------------------------------

def _note(known, method, outcome, attempts, run, status):
    """One outcome more of a command: (method, state, run) as it is now, and what is impossible.

    UNAUTHENTICATED is said of the caller, before anybody looks for the command: so does a service
    whose clock was stepped by more than tokens allow for.
    """
    _, state, last_run = known
    if outcome == "acknowledged":
        return (method, ACKNOWLEDGED, run), None
    if state == ACKNOWLEDGED:
        wrong = outcome == "refused" and status != "UNAUTHENTICATED"
        return known, f"{outcome} after it was acknowledged" if wrong else None
    if outcome == "unknown":
        return (method, UNKNOWN, run), None
    # Refused for good only when no earlier attempt can still be on its way.
    earlier_ended = run == 1 or (state == REFUSED and last_run == run - 1)
    return (method, REFUSED if attempts == 1 and earlier_ended else REFUSED_LATE, run), None


def read_journal(folder, problems):
    """{command id as 16 bytes: (method, state, run)}"""
    commands = {}
    for path in sorted(folder.glob("sent.*.log")):
        for line in path.open():
            command_id, method = line.split()
            commands[uuid.UUID(command_id).bytes] = (sys.intern(method), SENT, 0)
    for path in sorted(folder.glob("commands.*.log")):
        run = 0 if path.name.startswith("commands.import") else 1
        for line in path.open():
            words = line.split()
            if words == ["#", "run"]:
                run += 1
            elif len(words) == 5:  # not the half line of an importer that was killed
                key = uuid.UUID(words[0]).bytes
                commands[key], wrong = _note(commands[key], sys.intern(words[4]), words[1],
                                             int(words[2]), run, words[3])
                if wrong:
                    problems.add("the journal", f"command {words[0]} was {wrong}")
    return commands


def check_commands(it, folder):
    """Acknowledged: there, whole, once. Refused: not there. All others: at most once."""
    problems, figures = Problems(), collections.Counter()
    commands = read_journal(folder, problems)
    seen = set()
    for service in SERVICES:
        for command_id, types, first, last, count in it.rows(
                "select command_id::text, string_agg(type, ' ' order by command_index),"
                f" min(command_index), max(command_index), count(*) from {service}.outbox"
                f" where type <> '{RAW_TYPE}' group by command_id"):
            key = uuid.UUID(command_id).bytes
            method, state, _ = commands.get(key, ("nobody", None, 0))
            if state is None:
                problems.add("a command nobody sent", f"{command_id} in {service}")
            elif state == REFUSED:
                problems.add("refused and there all the same", f"{command_id} {method}")
            elif key in seen:
                problems.add("a command in two outboxes", command_id)
            if first != 0 or last != count - 1:
                problems.add("a command's events are not whole", f"{command_id} {types}")
            elif state is not None and not _is_made_by(method, types):
                problems.add("a command made other events", f"{command_id} {method}: {types}")
            figures["refused late and there"] += state == REFUSED_LATE
            seen.add(key)
    for key, (method, state, _) in commands.items():
        if state == ACKNOWLEDGED and key not in seen and not method.endswith(".MarkRead"):
            problems.add("acknowledged and lost", f"{uuid.UUID(bytes=key)} {method}")
        figures[{ACKNOWLEDGED: "acknowledged", REFUSED: "refused",
                 REFUSED_LATE: "refused after an open attempt", UNKNOWN: "unknown"}.get(
                     state, "without an outcome, or never sent")] += 1
        figures["unknown or without an outcome, and there"] += state in (SENT, UNKNOWN) and key in seen
    return list(problems), dict(figures)


def _is_made_by(method, types):
    name = method.split(".")[1]
    if name == "DeleteUser":
        return re.fullmatch(r"(session\.revoked )*user\.deleted( session\.revoked)*", types)
    if name == "Login":  # the 101st session of a user ends another
        return re.fullmatch(r"session\.started( session\.revoked)*", types)
    return types == MAKES[name]


def check_raw(it, folder):
    """Raw writers' events: what was committed is there, what was rolled back is not."""
    problems, figures, told = Problems(), collections.Counter(), {}
    for path in sorted(folder.glob("raw.*.log")):
        for line in path.open():
            event_id, outcome = line.split()
            told[event_id] = outcome
    there = set()
    for service in SERVICES:
        there.update(row[0] for row in it.rows(
            f"select event_id::text from {service}.outbox where type = '{RAW_TYPE}'"))
    for event_id, outcome in told.items():
        figures[f"raw events {outcome}"] += 1
        if outcome == "committed" and event_id not in there:
            problems.add("committed and lost", event_id)
        if outcome == "rolled-back" and event_id in there:
            problems.add("rolled back and there all the same", event_id)
    for event_id in there - set(told):
        problems.add("an event nobody wrote", event_id)
    return list(problems), dict(figures)


# ---- outboxes, streams, read models -------------------------------------------------------------

class Stream:
    """A stream's leaves beside the outbox's; after the first difference all others would differ."""

    def __init__(self, it, service, problems):
        self.leaves, self.service, self.problems = stream_leaves(it, service), service, problems

    def is_next(self, leaf, n):
        """`leaf` None: the stream must end here."""
        if self.leaves is None:
            return
        try:
            published = next(self.leaves, None)
            wrong = None if published == leaf else "it has another leaf"
            if wrong and published is None or leaf is None:
                wrong = wrong and "it ends before the outbox or goes on behind it"
        except (AssertionError, KeyError) as failure:  # missing, or not to be read
            wrong = repr(failure)
        if wrong:
            self.problems.add("outbox and stream differ", f"{self.service} at {n}: {wrong}")
            self.leaves = None


class Signed:
    """Every checkpoint that was signed, beside the tree of the outbox's leaves."""

    def __init__(self, it, service, problems):
        self.it, self.service, self.problems, self.size, self.peaks = it, service, problems, 0, []
        key = log_proof.Key((it.home / f"credentials/log/{service}.pub").read_text())
        self.roots = {}
        for note, in it.rows(f"select note from {service}.log_checkpoint order by size"):
            opened = log_proof.Checkpoint(note, key)
            self.roots[opened.size] = opened.root

    def take(self, leaf):
        node, size = log_proof.leaf_hash(leaf), self.size
        while size & 1:
            node, size = log_proof.node_hash(self.peaks.pop(), node), size >> 1
        self.peaks.append(node)
        self.size += 1
        if self.size in self.roots:
            root = self.peaks[-1]
            for peak in reversed(self.peaks[:-1]):
                root = log_proof.node_hash(peak, root)
            if root != self.roots[self.size]:
                self.problems.add("another log was signed", f"{self.service} at {self.size}")

    def end(self):
        if self.size and not wait_until(lambda: self.it.sql(
                f"select max(size) from {self.service}.log_checkpoint")[0][0] == self.size):
            self.problems.add("not signed to its end", self.service)


def wait_until(condition):
    end = time.monotonic() + SIGN_S
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def compare_log(it, service, fold, problems):
    """One pass: leaf by leaf against the stream, versions and positions, and into the fold."""
    versions, position, count = {}, 0, 0
    stream, signed = Stream(it, service, problems), Signed(it, service, problems)
    for event in outbox_events(it, service):
        count += 1
        leaf = leaf_v1.leaf_bytes(event)
        stream.is_next(leaf, count)
        signed.take(leaf)
        if event["position"] <= position:
            problems.add("positions do not grow", f"{service} at {count}")
        position = event["position"]
        before = versions.get(event["aggregate_id"], 0)
        if event["version"] != before + 1:
            problems.add("versions are not 1..n",
                         f"{service} {event['aggregate_id']}: {event['version']} after {before}")
        versions[event["aggregate_id"]] = event["version"]
        try:
            fold.take(event)
        except nacl.exceptions.CryptoError:
            problems.add("a sealed part does not open", f"{service} at {count}")
    stream.is_next(None, count + 1)
    signed.end()
    return count


def columns_of(names):
    """Times as microseconds, so that both sides are numbers."""
    return ", ".join(f"(extract(epoch from {name}) * 1000000)::bigint"
                     if name.endswith("_at") else name for name in names)


def compare_view(it, view, keys, columns, expected, problems):
    table, _, where = view.partition(" ")
    key = " || '/' || ".join(f"{name}::text" for name in keys)
    expected = dict(expected)
    for row in it.rows(f"select {key}, {columns_of(columns)} from {table} {where}"):
        wanted = expected.pop(row[0], None)
        if wanted is None:
            problems.add(f"{table}: a row too many", row[0])
        elif tuple(row[1:]) != wanted:
            differ = [name for name, one, other in zip(columns, row[1:], wanted) if one != other]
            problems.add(f"{table}: a row differs", f"{row[0]} in {', '.join(differ)}: "
                         f"{tuple(row[1:])}, not {wanted}"[:400])
    for missing in expected:
        problems.add(f"{table}: a row is missing", missing)


def check_service(it, service, fold):
    problems = Problems()
    count = compare_log(it, service, fold, problems)
    if not any("positions" in each or "versions" in each for each in problems):
        for view in fold.views():
            compare_view(it, *view, problems)
    return list(problems), count


# ---- checkpoints and dead letters ---------------------------------------------------------------

def readers():
    """(consumer's service, consumer, source) as the bus's table lists them."""
    text = (ROOT / "bus/topology.def").read_text()
    owners = re.findall(r"^READER\((\w+), (\w+), (\w+)\)", text, re.M)
    assert owners
    return owners


def check_checkpoints(it):
    problems = Problems()
    heads = {service: it.sql(f"select count(*), coalesce(max(position), 0) from {service}.outbox")[0]
             for service in SERVICES}
    found = {}
    for service in sorted({each[0] for each in readers()}):
        parked, = it.sql(f"select count(*) from {service}.dead_letter")[0]
        if parked:
            problems.add("dead letters", f"{parked} in {service}: " + str(it.sql(
                f"select consumer, source, n, type, error from {service}.dead_letter"
                " order by parked_at limit 3"))[:600])
        for consumer, source, n, position in it.sql(
                f"select consumer, source, n, position from {service}.checkpoint"):
            found[service, consumer.split("/")[-1], source] = (n, position)
    for service, consumer, source in readers():
        stands = found.get((service, consumer, source))
        if stands != tuple(heads[source]) and not (stands is None and heads[source][0] == 0):
            problems.add("a checkpoint is not at the head",
                         f"{service}/{consumer} of {source}: {stands}, not {heads[source]}")
    lags = [each for each in it.status().get("consumers", [{"lag_events": "unknown"}])
            if each["lag_events"] != 0]
    if lags:
        problems.add("lag", str(lags)[:300])
    return list(problems)


# ---- the whole ----------------------------------------------------------------------------------

def _work(answers, name, function, *arguments):
    try:
        answers.put((name, function(*arguments)))
    except BaseException as failure:  # pylint: disable=broad-except
        answers.put((name, ([f"{name} could not be checked: {failure!r}"], 0)))
        raise


def check_all(it, folder):
    """(problems, figures)"""
    folder = pathlib.Path(folder)
    identity = IdentityFold(Opener(it, "identity"))
    problems, count = check_service(it, "identity", identity)
    handles, gone = identity.handles(), identity.gone
    del identity
    works = {
        "content": (check_service, it, "content",
                    ContentFold(Opener(it, "content"), handles, gone)),
        "communication": (check_service, it, "communication",
                          CommunicationFold(Opener(it, "communication"), gone)),
        "commands": (check_commands, it, folder),
        "raw": (check_raw, it, folder),
    }
    answers, figures = multiprocessing.Queue(), {"events": count, "erased persons": len(gone)}
    running = [multiprocessing.Process(target=_work, args=(answers, name, *work))
               for name, work in works.items()]
    for each in running:
        each.start()
    for _ in running:
        name, (found, more) = answers.get()
        problems += found
        if name in SERVICES:
            figures["events"] += more
        elif more:
            figures.update(more)
    for each in running:
        each.join()
    return problems + check_checkpoints(it), figures


def check_healed(it, folder):
    """As check_all; what only a stream lacks may still be found and healed by its relay."""
    end = time.monotonic() + HEAL_S
    while True:
        problems, figures = check_all(it, folder)
        hidden = problems and all(each.startswith("outbox and stream differ") for each in problems)
        if not hidden or time.monotonic() > end:
            return problems, figures
        figures["checked again"] = "a stream's damage was not found yet"
        time.sleep(5)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    began = time.monotonic()
    problems, figures = check_all(attach(folder), folder / "journal")
    for name, value in figures.items():
        print(f"# {name}: {value}")
    for problem in problems:
        print(f"# differs: {problem}")
    print(f"{'not ok' if problems else 'ok'} 1 - checked in {time.monotonic() - began:.0f} s")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
