#!/usr/bin/env python3
"""A short campaign with every kind of fault, its check, and a check that must find what is wrong.

NOVA_TEST_SEED repeats a run that printed a seed. The long ones: ./nova test chaos --help.
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chaos
import check
from faults import FAULTS
from instance import ROOT, case, main
from nats import Nats
from world import RELAYS, World

MINUTES, EVERY_S, USERS = 1.8, 1.5, 150
options = chaos.parse(["--minutes", str(MINUTES), "--every", str(EVERY_S), "--users", str(USERS)])
world = World(postgres_disk="2g", nats_disk="800m")
ran = {}


@case
def every_kind_of_fault_is_made_and_everything_comes_to_rest():
    print(f"# seed {options.seed}", flush=True)
    ran["campaign"], ran["problems"], figures = chaos.run(options, world)
    for name, value in figures.items():
        print(f"# {name}: {value}")
    ran["figures"] = figures
    campaign = ran["campaign"]
    assert not campaign.broken, campaign.broken
    assert set(campaign.made) == set(FAULTS), set(FAULTS) - set(campaign.made)


@case
def nothing_is_lost_and_nothing_is_there_twice():
    assert not ran["problems"], "\n".join([f"seed {options.seed}:", *ran["problems"]])
    assert ran["figures"]["acknowledged"] > 100 and ran["figures"]["events"] > 100


# ---- the check must bite: everything below is broken by hand, then checked once -----------------

def tamper():
    """While neither supervisor nor relays can mend it."""
    it = check.attach(world.it.folder)
    for pid in (world.it.supervisor(), *world.pids(RELAYS)):
        os.kill(pid, signal.SIGSTOP)
    it.sql("update communication.outbox set causation_id = gen_random_uuid() where position ="
           " (select position from communication.outbox where type = 'message.sent' limit 1)")
    with Nats(it, "provisioner") as admin:
        info = admin.api("STREAM.INFO.NOVA_IDENTITY")
        admin.api("STREAM.UPDATE.NOVA_IDENTITY",
                  dict(info["config"], max_msgs=info["state"]["messages"] - 1))
    it.sql("insert into content.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,"
           " command_id, command_index, command_digest, correlation_id, causation_id, occurred_at,"
           " payload) select gen_random_uuid(), type, aggregate_type, gen_random_uuid(), 1, actor,"
           " command_id, 1, command_digest, correlation_id, causation_id, occurred_at, payload"
           " from content.outbox where type = 'post.created' limit 1")
    it.sql("delete from communication.message_view where message_id ="
           " (select message_id from communication.message_view limit 1)")
    it.sql("update search.checkpoint set n = n - 1 where source = 'identity'")
    lost, refused = str(uuid.uuid4()), it.sql(
        "select command_id::text from content.outbox where type = 'comment.created' limit 1")[0][0]
    for path in world.journal.glob("commands.*.log"):
        told = path.read_text()
        if refused in told:
            path.write_text("".join(line for line in told.splitlines(True) if refused not in line))
    (world.journal / "sent.tampered.log").write_text(
        f"{lost} content.CreatePost\n{refused} content.CreateComment\n")
    (world.journal / "commands.tampered.log").write_text(
        f"{lost} acknowledged 1 OK content.CreatePost\n"
        f"{refused} refused 1 NOT_FOUND content.CreateComment\n")
    (world.journal / "raw.tampered.log").write_text(f"{uuid.uuid4()} committed\n")
    ran["found"] = "\n".join(check.check_all(it, world.journal)[0])


def found(what):
    assert what in ran["found"], (what, ran["found"])


@case
def the_check_finds_a_changed_row():
    tamper()
    found("outbox and stream differ: communication at")
    found("another log was signed: communication at")  # the row was signed as it was


@case
def the_check_finds_a_dropped_message():
    found("outbox and stream differ: identity at 1")


@case
def the_check_finds_a_command_that_happened_twice():
    found("a command made other events")
    found("a sealed part does not open: content at")
    found("outbox and stream differ: content at")


@case
def the_check_finds_a_row_missing_in_a_read_model():
    found("communication.message_view: a row is missing")


@case
def the_check_finds_a_checkpoint_behind():
    found("a checkpoint is not at the head: search/search_index of identity")


@case
def the_check_finds_an_acknowledged_command_that_is_lost():
    found("acknowledged and lost")
    found("committed and lost")


@case
def the_check_finds_a_refused_command_that_is_there():
    found("refused and there all the same")


if __name__ == "__main__":
    subprocess.run([str(ROOT / "nova"), "build"], check=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(world)
        raise SystemExit(main())
