#!/usr/bin/env python3
"""Processes and servers killed with -9 while commands come in: nothing lost, nothing twice.

The moments come from a seed that is printed; NOVA_TEST_SEED repeats one.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from instance import NOVA, Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes

USERS = 500
VICTIMS = ["relay/content", "consumer/search/search_index", "service/content", "nats-server",
           "postgres"]
KILLS_EACH = 4
it = Instance()
commands = []


class Imports:
    """One import after the other, each of another network, so that there is always one at work."""

    def __init__(self):
        self.files, self.running = [], None

    def start(self):
        file = it.folder / f"commands{len(self.files)}.ndjson"
        seed = str(11 + len(self.files))
        file.write_text(it.nova("sample", "--users", str(USERS), "--seed", seed).stdout)
        self.files.append(file)
        commands.extend(json.loads(line) for line in file.read_text().splitlines())
        self.running = subprocess.Popen([str(NOVA), "import", str(file)], env=it.environment(),
                                        stderr=subprocess.PIPE, text=True)

    def finish(self):
        said = self.running.communicate(timeout=400)[1]
        lines = len(self.files[-1].read_text().splitlines())
        assert self.running.returncode == 0, said
        assert f"{lines} commands carried out, 0 refused" in said, said

    def is_at_work(self):
        if self.running.poll() is not None:
            self.finish()
            self.start()
        return True


imports = Imports()


@case
def imports_go_through_while_everything_is_killed():
    seed = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
    print(f"# seed {seed}", flush=True)
    chance = random.Random(seed)
    victims = VICTIMS * KILLS_EACH
    chance.shuffle(victims)
    imports.start()
    for victim in victims:
        time.sleep(chance.uniform(0.1, 0.6))
        before = wait_for(f"{victim} to be ready", lambda: (
            (state := it.state(victim)) and state["state"] == "ready" and imports.is_at_work()
            and state), 120)
        os.kill(before["pid"], signal.SIGKILL)
    imports.finish()
    print(f"# {len(victims)} kills during {len(imports.files)} imports, {len(commands)} commands",
          flush=True)
    wait_for("streams and read models to be whole again", it.is_caught_up, 180)


@case
def every_command_happened_exactly_once():
    """One event a command; only a message that was read before may be marked without one."""
    stored = [row[0] for service in ("identity", "content", "communication") for row in
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
    names, posts = {}, {}
    for line in it.nova("log", "query", "--json").stdout.splitlines():
        event = json.loads(line)
        if event["type"] == "user.created":
            sealed = event["payload"]["sealed"]
            names[event["aggregate_id"]] = (sealed["handle"], sealed["displayName"])
        elif event["type"] == "post.created":
            posts[event["aggregate_id"]] = (event["payload"]["sealed"]["title"],
                                            event["payload"]["sealed"]["text"])
    assert len(names) == USERS * len(imports.files) and posts
    cache = {row[0]: row[1:] for row in it.sql(
        "select user_id::text, handle, display_name from communication.message_sender_cache")}
    assert cache == names
    persons = {row[0]: row[1:] for row in it.sql(
        "select user_id::text, handle, display_name from search.user_index")}
    assert persons == names
    found = {row[0]: row[1:] for row in it.sql(
        "select post_id::text, title, text from search.post_index")}
    assert found == posts


@case
def the_same_commands_again_change_nothing():
    before = [it.sql(f"select count(*) from {each}.outbox") for each in
              ("identity", "content", "communication")]
    for file in imports.files:
        it.nova("import", str(file))
    assert before == [it.sql(f"select count(*) from {each}.outbox") for each in
                      ("identity", "content", "communication")]


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
