"""The faults: one function each, in one table with its weight.

A fault takes the world, the load and its own source of chance; it does its harm, waits as long as
that lasts, and puts back what has to be put back. False: there was nothing to harm just now, and it
does not count. What needs something for itself alone takes its lock of the world.
"""
import contextlib
import os
import shutil
import signal
import time

import psycopg2

from damage import blocks, flip, server_killed, store, supervisor_held
from instance import is_dead, wait_for
from world import ANSWERING, CONSUMERS, RELAYS, SERVICES

READY_SILENCE_S = 10  # then the supervisor kills (cli/up.c)
FAULTS = {}


def fault(weight):
    def note(function):
        FAULTS[function.__name__] = (function, weight)
        return function
    return note


def send(pids, chance, number):
    """A signal to one of them; the process, or None."""
    if not pids:
        return None
    pid = chance.choice(pids)
    try:
        os.kill(pid, number)
    except OSError:
        return None
    return pid


def pause(pids, chance, seconds):
    """SIGSTOP, and SIGCONT later."""
    pid = send(pids, chance, signal.SIGSTOP)
    if pid is None:
        return False
    time.sleep(seconds)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGCONT)
    return True


# ---- killed -------------------------------------------------------------------------------------

@fault(9)
def kill_relay(world, _load, chance):
    return send(world.pids([chance.choice(RELAYS)]), chance, signal.SIGKILL) is not None


@fault(12)
def kill_consumer(world, _load, chance):
    return send(world.pids([chance.choice(CONSUMERS)]), chance, signal.SIGKILL) is not None


@fault(9)
def kill_service(world, _load, chance):
    return send(world.pids([chance.choice(ANSWERING)]), chance, signal.SIGKILL) is not None


@fault(3)
def kill_importer(_world, load, chance):
    importer = chance.choice(load.importers)
    return send([importer.pid()] if importer.pid() else [], chance, signal.SIGKILL) is not None


@fault(3)
def kill_nats_server(world, _load, chance):
    return send(world.pids(["nats-server"]), chance, signal.SIGKILL) is not None


@fault(2.5)
def kill_postgres(world, _load, chance):
    return send(world.pids(["postgres"]), chance, signal.SIGKILL) is not None


@fault(2)
def kill_backend(world, _load, chance):
    """One connection's process with -9: PostgreSQL ends all others and recovers."""
    return send(world.backends(), chance, signal.SIGKILL) is not None


@fault(8)
def end_backend(world, _load, chance):
    """One connection ended by an administrator, in the middle of whatever it did."""
    try:
        ended = world.it.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename <> 'nova'"
            " and datname = 'nova' order by md5(pid::text || %s) limit 1", (str(chance.random()),))
    except psycopg2.Error:
        return False
    return bool(ended)


# ---- stopped ------------------------------------------------------------------------------------

@fault(6)
def stop_relay(world, _load, chance):
    return pause(world.pids([chance.choice(RELAYS)]), chance, chance.uniform(0.2, 6))


@fault(8)
def stop_consumer(world, _load, chance):
    return pause(world.pids([chance.choice(CONSUMERS)]), chance, chance.uniform(0.2, 6))


@fault(5)
def stop_service(world, _load, chance):
    return pause(world.pids([chance.choice(ANSWERING)]), chance, chance.uniform(0.2, 6))


@fault(2)
def stop_backend(world, _load, chance):
    """With whatever locks it holds."""
    return pause(world.backends(), chance, chance.uniform(0.2, 6))


@fault(1)
def stop_nats_server(world, _load, chance):
    return pause(world.pids(["nats-server"]), chance, chance.uniform(0.2, 6))


@fault(1)
def stop_postgres(world, _load, chance):
    return pause(world.pids(["postgres"]), chance, chance.uniform(0.2, 6))


@fault(1)
def stop_until_killed(world, _load, chance):
    """A supervised process that says nothing any more: the supervisor's to notice."""
    name = chance.choice([*RELAYS, *CONSUMERS, *ANSWERING])
    state = world.it.state(name)
    if not state or send([state["pid"]] if state["pid"] else [], chance, signal.SIGSTOP) is None:
        return False

    def is_killed():
        """Whoever else stops the same process wakes it again afterwards: stopped once more."""
        with contextlib.suppress(OSError):
            os.kill(state["pid"], signal.SIGSTOP)
        return is_dead(state["pid"])

    wait_for(f"{name} to be killed", is_killed, READY_SILENCE_S * 6)
    return True


@fault(1)
def stop_supervisor(world, _load, chance):
    """Nobody starts what ends meanwhile."""
    with world.locks["supervisor"], supervisor_held(world.it):
        time.sleep(chance.uniform(0.2, 3))
    return True


# ---- cut, slow, silent --------------------------------------------------------------------------

def cut(world, name, chance):
    """All connections or a few, at once or in the middle of what they say."""
    count = chance.choice((0, 1, 1, 3, 8))
    world.proxies[name].order(f"cut {count} {chance.choice((0, 0, chance.randint(1, 20000)))}")
    return True


def misbehave(world, name, order, seconds):
    with world.locks[f"{name}-link"]:
        world.proxies[name].order(order)
        time.sleep(seconds)
        world.proxies[name].order("open")
    return True


@fault(5)
def cut_nats(world, _load, chance):
    return cut(world, "nats", chance)


@fault(5)
def cut_postgres(world, _load, chance):
    return cut(world, "postgres", chance)


@fault(2)
def delay_nats(world, _load, chance):
    return misbehave(world, "nats", f"delay {chance.randint(5, 200)}", chance.uniform(0.5, 3))


@fault(2)
def delay_postgres(world, _load, chance):
    return misbehave(world, "postgres", f"delay {chance.randint(2, 60)}", chance.uniform(0.5, 3))


@fault(1.5)
def silence_nats(world, _load, chance):
    """Connections that stay open and bring nothing, in one direction or both."""
    return misbehave(world, "nats", f"hold {chance.choice(('in', 'out', 'both'))}",
                     chance.uniform(0.5, 5))


@fault(1.5)
def silence_postgres(world, _load, chance):
    return misbehave(world, "postgres", f"hold {chance.choice(('in', 'out', 'both'))}",
                     chance.uniform(0.5, 5))


@fault(1)
def refuse_nats(world, _load, chance):
    """Cut, and no new connection for a while."""
    with world.locks["nats-link"]:
        world.proxies["nats"].order("refuse")
        world.proxies["nats"].order("cut 0 0")
        time.sleep(chance.uniform(0.5, 4))
        world.proxies["nats"].order("open")
    return True


@fault(1)
def refuse_postgres(world, _load, chance):
    with world.locks["postgres-link"]:
        world.proxies["postgres"].order("refuse")
        world.proxies["postgres"].order("cut 0 0")
        time.sleep(chance.uniform(0.5, 4))
        world.proxies["postgres"].order("open")
    return True


# ---- the streams' store -------------------------------------------------------------------------

@contextlib.contextmanager
def store_at_rest(world):
    with world.locks["supervisor"], world.locks["nats-disk"], server_killed(world.it):
        yield


@fault(0.5)
def wipe_store(world, _load, _chance):
    with store_at_rest(world):
        shutil.rmtree(store(world.it), ignore_errors=True)
    return True


@fault(0.3)
def remove_store_under_server(world, _load, _chance):
    with world.locks["nats-disk"]:
        shutil.rmtree(store(world.it), ignore_errors=True)
    return True


@fault(0.6)
def lose_block(world, _load, chance):
    """Any but the newest, where there are several."""
    with store_at_rest(world):
        found = blocks(world.it, chance.choice(SERVICES))
        if found:
            found[chance.randrange(max(len(found) - 1, 1))].unlink()
    return bool(found)


@fault(0.6)
def flip_bit(world, _load, chance):
    with store_at_rest(world):
        found = [each for each in blocks(world.it, chance.choice(SERVICES))
                 if each.stat().st_size > 4]
        if found:
            flip(chance.choice(found), chance)
    return bool(found)


@fault(0.6)
def flip_bit_under_server(world, _load, chance):
    with world.locks["nats-disk"], contextlib.suppress(OSError):
        found = [each for each in blocks(world.it, chance.choice(SERVICES))
                 if each.stat().st_size > 4]
        if found:
            flip(chance.choice(found), chance)
            return True
    return False


@fault(0.8)
def cut_tail(world, _load, chance):
    """What a power loss takes: the newest block's end, or all of it."""
    with store_at_rest(world):
        found = blocks(world.it, chance.choice(SERVICES))
        if found and chance.random() < 0.3:
            found[-1].unlink()
        elif found:
            size = found[-1].stat().st_size
            os.truncate(found[-1], max(size - chance.randint(1, 200000), 0))
    return bool(found)


# ---- disks, permissions, clocks -----------------------------------------------------------------

def fill_disk(world, name, chance):
    """The disk shrinks to what is on it, and a little: no ballast, which would want memory."""
    folder = world.disk_folders[name]
    with world.locks[f"{name}-disk"]:
        try:
            left = chance.choice((4096, 4096, chance.randint(1, 6144) * 4096))
            for _ in range(20):  # it may grow between the two
                if world.resize_disk(name, shutil.disk_usage(folder).used + left):
                    break
            else:
                return False
            time.sleep(chance.uniform(1, 6))
        finally:
            world.resize_disk(name, world.disk_sizes[name])
    return True


@fault(0.7)
def fill_postgres_disk(world, _load, chance):
    return fill_disk(world, "postgres", chance)


@fault(0.7)
def fill_nats_disk(world, _load, chance):
    return fill_disk(world, "nats", chance)


def reload_accounts(world, text):
    (world.it.home / "nats/accounts.conf").write_text(text)
    for pid in world.pids(["nats-server"]):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGHUP)


@fault(1.5)
def take_permission(world, _load, chance):
    """A relay may not publish, or consumers of a stream may not ask for messages."""
    service = chance.choice(SERVICES)
    taken, left = chance.choice((
        (f'"nova.evt.{service}.>"', '"nova.taken.evt"'),
        (f"CONSUMER.MSG.NEXT.NOVA_{service.upper()}.", "TAKEN.MSG.NEXT.NOVA.")))
    with world.locks["nats-disk"]:
        good = (world.it.home / "nats/accounts.conf").read_text()
        bad = "\n".join(line.replace(taken, left) if "publish" in line else line
                        for line in good.split("\n"))
        assert bad != good, (taken, good)
        try:
            reload_accounts(world, bad)
            time.sleep(chance.uniform(0.5, 5))
        finally:
            reload_accounts(world, good)
    return True


@fault(3)
def step_clock(world, _load, chance):
    """One process's wall clock goes back or forth, and it becomes the active one."""
    clocked = chance.choice([each for each in world.standbys if each.clock])
    state = world.it.state(clocked.name)
    with world.locks["clock"]:
        if not clocked.pid():
            return False
        clocked.step(f"{chance.choice((-86400, -3600, -30, -2, 2, 30, 3600, 86400)):+d}")
        if state and state["pid"]:
            with contextlib.suppress(OSError):
                os.kill(state["pid"], signal.SIGKILL)
        time.sleep(chance.uniform(2, 5))
        clocked.step("+0")
    return True
