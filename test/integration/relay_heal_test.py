#!/usr/bin/env python3
"""A stream that lost messages, bits or all of itself is whole again without a hand.

Each case damages the real store of a real nats-server; afterwards every stream equals its outbox
leaf by leaf (so with the same numbers), and the read models are what they were.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from caller import Caller
from damage import blocks, flip, remove_at_once, server_killed, store
from instance import Instance, case, main, wait_for
from log_check import SERVICES, assert_streams_equal_outboxes, stream_leaves
from nats import Nats

RELAY = "relay/content"
BLOCKS_MIN = 4
BIG = 800_000
READ_MODELS = {"communication": ["message_sender_cache", "conversation_view", "message_view"],
               "content": ["post_view", "comment_view"], "search": ["user_index", "post_index"]}
it = Instance(settings={"NOVA_RELAY_CHECK_MS": "1000"})
chance = random.Random(7)
persons = []


def read_models():
    """A digest of every row of every read model, and the consumers' checkpoints."""
    found = {}
    for schema, views in READ_MODELS.items():
        for view in views:
            rows = it.sql(f"select v::text from {schema}.{view} as v order by 1")
            assert rows, (schema, view)
            found[view] = hashlib.sha256(repr(rows).encode()).hexdigest()
    found["checkpoints"] = sorted((each["consumer"], each["source"], each["position"])
                                  for each in it.status()["consumers"])
    return found


def is_whole():
    """What a process says of itself may be older than the damage: compare the logs themselves."""
    with contextlib.suppress(AssertionError, OSError, KeyError, TypeError):
        return it.is_caught_up() and assert_streams_equal_outboxes(it)
    return False


def register():
    """A command and its effect in two read models of other services: everything is at work."""
    name = f"person{len(persons)}"
    persons.append(name)
    it.nova("call", "identity", "Register", json.dumps(
        {"handle": name, "email": f"{name}@example.invalid", "password": "correct horse battery",
         "display_name": f"Person {len(persons)}"}))
    for view in ("search.user_index", "communication.message_sender_cache"):
        wait_for(f"{name} in {view}", lambda view=view: it.sql(
            f"select 1 from {view} where handle = %s", (name,)))


def healed_after(damage, says=None):
    wait_for("everything to be at rest", is_whole)
    before, leaves, said = read_models(), list(stream_leaves(it, "content")), it.log(RELAY)
    damage()
    if says:
        wait_for(f"the relay to say: {says}", lambda: says in it.log(RELAY)[len(said):], 90)
    wait_for("every stream to equal its outbox", is_whole, 120)
    assert list(stream_leaves(it, "content")) == leaves
    assert read_models() == before
    register()


@case
def a_store_that_was_wiped_is_filled_again():
    def damage():
        with server_killed(it):
            shutil.rmtree(store(it))
    healed_after(damage)


@case
def a_store_removed_under_the_running_server_is_noticed_and_filled_again():
    starts = it.state("nats-server")["starts"]

    def damage():
        remove_at_once(store(it))
        append_and_commit(it)  # what it acknowledges now goes into deleted files
        it.ready_again("nats-server", starts)
    wait_for("everything to be at rest", is_whole)
    before = read_models()
    damage()
    wait_for("every stream to equal its outbox", is_whole, 120)
    now = read_models()
    assert {**now, "checkpoints": 0} == {**before, "checkpoints": 0}
    register()


@case
def a_middle_block_that_is_gone_is_found_and_the_stream_made_again():
    def damage():
        with server_killed(it):
            assert len(blocks(it, "content")) >= BLOCKS_MIN
            blocks(it, "content")[len(blocks(it, "content")) // 2].unlink()
    healed_after(damage, "the stream is damaged")


@case
def one_flipped_bit_in_any_block_is_found_and_the_stream_made_again():
    for place in range(BLOCKS_MIN):
        def damage(place=place):
            with server_killed(it):
                flip(blocks(it, "content")[place], chance)
        healed_after(damage, "the stream is damaged")


@case
def a_bit_that_rots_under_the_running_server_is_found_as_well():
    healed_after(lambda: flip(blocks(it, "content")[1], chance), "the stream is damaged")


@case
def the_newest_block_that_is_gone_is_published_again():
    def damage():
        with server_killed(it):
            blocks(it, "content")[-1].unlink()
    healed_after(damage)


@case
def a_zeroed_tail_is_published_again():
    def damage():
        with server_killed(it):
            with blocks(it, "content")[-1].open("r+b") as file:
                file.seek(-5000, os.SEEK_END)
                file.write(bytes(5000))
    healed_after(damage)


@case
def a_stream_that_an_administrator_trimmed_is_made_again():
    def damage():
        with Nats(it, "provisioner") as admin:
            config = admin.api("STREAM.INFO.NOVA_CONTENT")["config"]
            answer = admin.api("STREAM.UPDATE.NOVA_CONTENT", dict(config, max_msgs=10))
            assert answer["config"]["max_msgs"] == 10, answer
    healed_after(damage, "the stream is damaged")


@case
def a_foreign_message_counts_as_damage():
    def damage():
        with Nats(it, "content_relay") as thief:  # nobody else may publish there
            answer = thief.request("nova.evt.content.post.created.00", b"not an event")
            assert b'"seq"' in answer.data, answer.data
    healed_after(damage, "the stream is damaged")


@case
def what_was_healed_is_counted():
    def heals():
        text = (it.home / "run/metrics/relay.content.prom").read_text()
        counted = [line.split()[-1] for line in text.splitlines()
                   if line.startswith("nova_relay_heals_total{")]
        return counted and int(counted[0]) > 0 and "nova_relay_events_total" in text
    wait_for("the heals in the relay's metrics", heals)


@case
def a_relays_answer_in_anothers_stream_counts_as_damage():
    """nats-server does not check reply subjects within an account (docs/decisions/0010)."""
    def damage():
        with Nats(it, "communication_relay") as thief:
            thief.publish("$JS.API.STREAM.INFO.NOVA_COMMUNICATION", b"",
                          "nova.evt.content.post.created.07")
            thief.flush()
            assert thief.errors == [], thief.errors
    healed_after(damage, "the stream is damaged")


# A process of each kind, its user, and the subject of its daily work that it is refused.
REFUSALS = [(RELAY, "content_relay", "nova.evt.content.>"),
            ("consumer/search/search_index", "search_search_index",
             "JS.BUS.API.CONSUMER.MSG.NEXT.NOVA_CONTENT.search-search_index"),
            ("service/content", "content_service", "nova.bell.content")]
RINGS = "nova.bell."  # a doorbell may be lost: that is said, and the end of nobody


@contextlib.contextmanager
def permission_taken_away(user, subject):
    accounts = it.home / "nats/accounts.conf"
    good = accounts.read_text()
    before, name, after = good.partition(f"# {user}\n")
    line, end, rest = after.partition("\n")
    assert line.count(f'"{subject}"') == 1, (user, subject, line)
    line = line.replace(f'"{subject}"', '"nova.nothing"')
    accounts.write_text(before + name + line + end + rest)
    os.kill(it.state("nats-server")["pid"], signal.SIGHUP)
    try:
        yield
    finally:
        accounts.write_text(good)
        os.kill(it.state("nats-server")["pid"], signal.SIGHUP)


@case
def a_permission_taken_away_fails_the_process_and_nothing_is_lost():
    """nats-server tells of a refusal only in passing: nobody must wait for ever or go on blind."""
    person = str(it.sql("select user_id from search.user_index limit 1")[0][0])
    for process, user, subject in REFUSALS:
        said, starts = it.log(process), it.state(process)["starts"]
        with permission_taken_away(user, subject):
            append_and_commit(it, count=10)
            with Caller(it) as caller:
                caller.call("content", "CreatePost", person, title="who rings?")
            wait_for(f"{process} to say what it was refused", lambda: (
                f'Permissions Violation for Publish to \\"{subject.replace(".>", "")}'
                in it.log(process)[len(said):]))
            if not subject.startswith(RINGS):
                wait_for(f"{process} to have failed and been started again",
                         lambda: it.state(process)["starts"] > starts)
        wait_for("every stream to equal its outbox", is_whole, 120)
        assert subject.startswith(RINGS) == (it.state(process)["starts"] == starts)
    register()


if __name__ == "__main__":
    with it:
        it.up()
        file = it.folder / "commands.ndjson"
        file.write_text(it.nova("sample", "--users", "30", "--seed", "9").stdout)
        it.nova("import", str(file))
        for _ in range(44):  # nats-server's blocks are of 8 MB
            append_and_commit(it, payload=chance.randbytes(BIG))
        wait_for("everything to be at rest", is_whole, 120)
        assert all(list(stream_leaves(it, each)) for each in SERVICES)
        raise SystemExit(main())
