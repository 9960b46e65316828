#!/usr/bin/env python3
"""Two relays for one outbox: one publishes, the other takes over, a woken one is refused."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from appending import append_and_commit
from instance import BUILD, NOVA, Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes

LEASE_MS = 1000
ROUNDS = 4
RELAY = "relay/content"
it = Instance(settings={"NOVA_RELAY_LEASE_MS": str(LEASE_MS)})


class Relay:
    """A relay of the test's own, which nobody supervises, beside the one of ./nova up."""

    def __init__(self):
        self.log = it.folder / f"relay{time.monotonic_ns()}.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen([str(NOVA), "run", "relay", "content"],
                                            env=it.environment(), stderr=out, stdout=out)
        wait_for("a relay of the test's own", lambda: "relay: ready" in self.log.read_text())

    def kill(self):
        self.process.kill()
        self.process.wait()


def holder():
    """The process that holds the lease now; None when it ran out."""
    rows = it.sql("select owner_name from content.relay_lease"
                  " where lease_until > clock_timestamp()")
    return int(rows[0][0].rsplit("/", 1)[1]) if rows else None


def holds(pid):
    return wait_for(f"process {pid} to hold the lease", lambda: holder() == pid)


def pause(pid):
    """Stopped until somebody else took over."""
    os.kill(pid, signal.SIGSTOP)
    wait_for("another relay to take over", lambda: holder() not in (None, pid))


@contextlib.contextmanager
def appending():
    """Commands come in all the time."""
    done, failures = threading.Event(), []

    def work():
        try:
            while not done.is_set():
                append_and_commit(it, count=20)
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not failures, failures


@case
def on_an_empty_stream_the_standby_takes_over_and_the_woken_one_adds_nothing():
    first = holder() or wait_for("a holder", holder)
    own = Relay()
    assert holder() == first
    # The supervisor would end what does not answer: hold it meanwhile.
    os.kill(it.supervisor(), signal.SIGSTOP)
    try:
        os.kill(first, signal.SIGSTOP)
        ids = append_and_commit(it, count=200)
        wait_for("the other to take over", lambda: holder() == own.process.pid)
        wait_for("every event in the stream", lambda: it.status()["streams"][1]["events"] == 200)
        os.kill(first, signal.SIGCONT)
    finally:
        os.kill(it.supervisor(), signal.SIGCONT)
    append_and_commit(it, count=10)
    wait_for("the rest", it.is_caught_up)
    assert assert_streams_equal_outboxes(it) == len(ids) + 10
    own.kill()


@case
def one_publishes_and_when_it_is_killed_the_other_goes_on():
    with appending():
        for _ in range(ROUNDS):
            own = Relay()
            supervised = it.state(RELAY)
            os.kill(supervised["pid"], signal.SIGKILL)
            it.ready_again(RELAY, supervised["starts"])
            wait_for("one to hold the lease", holder)
            own.kill()
            holds(it.state(RELAY)["pid"])
    wait_for("every event in the stream", it.is_caught_up)
    assert_streams_equal_outboxes(it)


@case
def a_stopped_one_is_replaced_and_when_woken_refused():
    own = Relay()
    with appending():
        for _ in range(ROUNDS):
            supervised = it.state(RELAY)
            if holder() != own.process.pid:  # make the unsupervised one the active one
                os.kill(supervised["pid"], signal.SIGKILL)
                holds(own.process.pid)
                it.ready_again(RELAY, supervised["starts"])
            pause(own.process.pid)
            holds(it.state(RELAY)["pid"])
            os.kill(own.process.pid, signal.SIGCONT)
            wait_for("the woken one to step down", lambda: own.log.read_text().rstrip().splitlines()
                     and '"to":"standby"' in own.log.read_text().replace(" ", "").split(
                         '"to":"following"')[-1])
            assert own.process.poll() is None
    wait_for("every event in the stream", it.is_caught_up)
    print(f"# {assert_streams_equal_outboxes(it)} events, each once, after {ROUNDS} pauses",
          flush=True)
    own.kill()


@case
def the_server_refuses_the_late_writer():
    """Without any lease: the expected sequence alone, on the empty stream too."""
    assert it.sql("select count(*) from communication.outbox") == [(0,)]
    supervisor, relay = it.supervisor(), it.state("relay/communication")["pid"]
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(relay, signal.SIGKILL)
    try:
        done = subprocess.run([str(BUILD / "test/check_fence")], env=it.environment(),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
    finally:
        os.kill(supervisor, signal.SIGCONT)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
