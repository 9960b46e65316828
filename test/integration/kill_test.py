#!/usr/bin/env python3
"""Processes and servers killed with -9 while commands come in: nothing lost, nothing twice.

The moments come from a seed that is printed; NOVA_TEST_SEED repeats one.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import uuid

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from fold import assert_read_models_equal_the_fold
from instance import NOVA, Instance, case, main, wait_for
from log_check import SERVICES, assert_streams_equal_outboxes
from nats import Nats

USERS = 500
VICTIMS = ["relay/content", "consumer/search/search_index", "service/content", "nats-server",
           "postgres"]
KILLS_EACH = 4
PATIENCE_S = 180
it = Instance()
commands = []


def ids_of(command):
    """Every id that a command names."""
    for value in [command.get("on_behalf_of"), *command["request"].values()]:
        yield from value if isinstance(value, list) else [value]


class Changes:
    """Updates and deletions strewn into a sample, each where it is allowed."""

    def __init__(self, lines, seed):
        self.lines, self.chance = lines, random.Random(seed)
        self.made, self.last, self.inserted = {}, {}, {}
        for place, command in enumerate(lines):
            for each in ids_of(command):
                self.made.setdefault(each, place)
                self.last[each] = place

    def all_of(self, *methods):
        return [each for each in self.lines if each["method"] in methods]

    def insert(self, place, service, method, request, actor):
        self.last[actor] = max(self.last[actor], place)
        self.inserted.setdefault(place, []).append({
            "service": service, "method": method, "request": request, "on_behalf_of": actor,
            "command_id": str(uuid.UUID(int=self.chance.getrandbits(128), version=4)),
            "occurred_at": self.lines[place]["occurred_at"]})

    def some_place(self, key):
        return self.chance.randint(self.made[key], self.last[key])

    def whole(self):
        users = [each["request"]["user_id"] for each in self.all_of("Register", "ImportUser")]
        posts = {each["request"]["post_id"]: each["on_behalf_of"]
                 for each in self.all_of("CreatePost")}
        for number, user in enumerate(self.chance.sample(users, len(users) // 5)):
            fields = {"display_name": f"Renämed {number}", "handle": f"re.{self.chance.random()}"}
            kept = self.chance.sample(sorted(fields), self.chance.randint(1, 2))
            self.insert(self.some_place(user), "identity", "UpdateUser",
                        {"user_id": user, **{key: fields[key] for key in kept}}, user)
        for number, (post, author) in enumerate(self.chance.sample(sorted(posts.items()),
                                                                   len(posts) // 4)):
            self.insert(self.some_place(post), "content", "UpdatePost", {
                "post_id": post, "title": f"Édited Title {number % 7}", "tags": ["Große", "nova"],
                "text": f"text {number} #Café #edited{number % 5} a#b #{number}"}, author)
        for post, author in self.chance.sample(sorted(posts.items()), len(posts) // 10):
            self.insert(self.last[post], "content", "DeletePost", {"post_id": post}, author)
        for user in self.chance.sample(users, len(users) // 20):
            self.insert(self.last[user], "identity", "DeleteUser", {"user_id": user}, user)
        return [each for place, line in enumerate(self.lines)
                for each in (line, *self.inserted.get(place, []))]


class Imports:
    """One import after the other, each of another network, so that there is always one at work."""

    def __init__(self):
        self.files, self.running = [], None

    def start(self):
        file = it.folder / f"commands{len(self.files)}.ndjson"
        seed = 11 + len(self.files)
        sample = it.nova("sample", "--users", str(USERS), "--seed", str(seed)).stdout
        lines = Changes([json.loads(line) for line in sample.splitlines()], seed).whole()
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        self.files.append(file)
        commands.extend(lines)
        self.running = subprocess.Popen([str(NOVA), "import", str(file)], env=it.environment(),
                                        stderr=subprocess.PIPE, text=True)

    def finish(self):
        said = self.running.communicate(timeout=400)[1]
        lines = len(self.files[-1].read_text().splitlines())
        assert self.running.returncode == 0, said
        assert f"{lines} commands carried out, 0 refused" in said, said

    def is_at_work(self):
        return self.running.poll() is None

    def keep_at_work(self):
        if not self.is_at_work():
            self.finish()
            self.start()
        return True


imports = Imports()


def outboxes():
    """How many events the services stored."""
    return sum(it.sql(f"select coalesce(max(position), 0) from {each}.outbox")[0][0]
               for each in SERVICES)


def streamed():
    with Nats(it, "auditor") as auditor:
        return auditor.last_n()


def applied():
    """How far the search index came; None while it has nothing to do."""
    done, there = it.sql("select c.position, (select max(position) from content.outbox)"
                         " from search.checkpoint c where c.consumer = 'search/search_index'"
                         " and c.source = 'content'")[0]
    return done if there > done else None


# What each victim moves by its own work, and only while it works.
PROGRESS = {"relay/content": streamed, "consumer/search/search_index": applied,
            "service/content": lambda: it.sql("select max(position) from content.outbox")[0][0],
            "nats-server": streamed, "postgres": outboxes}


def progress(victim):
    """A number; None while a server that was killed before does not answer yet."""
    with contextlib.suppress(psycopg2.Error, OSError, AssertionError, TypeError, KeyError,
                             IndexError):
        return PROGRESS[victim]()
    return None


def kill_at_work(victim, pause_s):
    """Ready, seen at work, a drawn moment later still at work in an unfinished import: killed."""

    def ready():
        imports.keep_at_work()
        return (state := it.state(victim)) and state["state"] == "ready" and state["pid"]

    def moved_since(then):
        imports.keep_at_work()
        now = progress(victim)
        return now is not None and now > then and now

    def killed():
        pid = wait_for(f"{victim} to be ready", ready, PATIENCE_S)
        first = wait_for(f"{victim} to tell how far it is", lambda: moved_since(-1), PATIENCE_S)
        moved = wait_for(f"{victim} to move", lambda: moved_since(first), PATIENCE_S)
        time.sleep(pause_s)
        now = progress(victim)
        # It may have ended by itself: what a server's death before this one did to it.
        if now is None or now < moved or not imports.is_at_work() or ready() != pid:
            return None
        os.kill(pid, signal.SIGKILL)
        return now - first
    return wait_for(f"{victim} to be killed at work", killed, PATIENCE_S)


@case
def imports_go_through_while_everything_is_killed():
    seed = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
    print(f"# seed {seed}", flush=True)
    chance = random.Random(seed)
    victims = VICTIMS * KILLS_EACH
    chance.shuffle(victims)
    imports.start()
    steps = {each: [] for each in VICTIMS}
    for victim in victims:
        steps[victim].append(kill_at_work(victim, chance.uniform(0, 0.6)))
    imports.finish()
    assert all(len(each) == KILLS_EACH and min(each) > 0 for each in steps.values()), steps
    print(f"# {len(victims)} kills during {len(imports.files)} imports, {len(commands)} commands;"
          f" events that each victim saw through before it was killed: {json.dumps(steps)}",
          flush=True)
    wait_for("streams and read models to be whole again", it.is_caught_up, PATIENCE_S)


@case
def every_command_happened_exactly_once():
    """One event a command; only a message that was read before may be marked without one."""
    stored = [row[0] for service in SERVICES for row in
              it.sql(f"select command_id::text from {service}.outbox")]
    assert len(stored) == len(set(stored))
    must = {each["command_id"] for each in commands if each["method"] != "MarkRead"}
    may = {each["command_id"] for each in commands}
    assert must <= set(stored) <= may


@case
def every_stream_equals_its_outbox_leaf_by_leaf():
    print(f"# {assert_streams_equal_outboxes(it)} leaves compared", flush=True)


@case
def read_models_equal_an_independent_fold_of_the_log():
    """Every column that is read, and the counts of hashtags and words; after updates, deletions."""
    fold = assert_read_models_equal_the_fold(it)
    methods = collections.Counter(each["method"] for each in commands)
    assert len(fold.users) == USERS * len(imports.files) - methods["DeleteUser"]
    assert 0 < len(fold.posts) <= methods["CreatePost"] - methods["DeletePost"]
    for method in ("UpdateUser", "UpdatePost", "DeletePost", "DeleteUser"):
        assert methods[method] >= 20, methods
    print(f"# {len(fold.users)} users, {len(fold.posts)} posts, {len(fold.terms())} terms equal;"
          f" {dict(methods)}", flush=True)


@case
def the_same_commands_again_change_nothing():
    before = [it.sql(f"select count(*) from {each}.outbox") for each in SERVICES]
    for file in imports.files:
        it.nova("import", str(file))
    assert before == [it.sql(f"select count(*) from {each}.outbox") for each in SERVICES]


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
