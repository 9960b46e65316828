"""Damage to the real store of a real nats-server, and whoever must not interfere meanwhile."""
import contextlib
import os
import shutil
import signal

from instance import is_dead, wait_for


def store(it):
    return it.home / "nats/store"


def remove_at_once(folder):
    """Whatever a running server still writes there meanwhile."""
    aside = folder.with_name(folder.name + ".removed")
    folder.rename(aside)
    while aside.exists():
        shutil.rmtree(aside, ignore_errors=True)


def blocks(it, service):
    """The files of a stream's messages, the oldest first."""
    return sorted((store(it) / f"jetstream/BUS/streams/NOVA_{service.upper()}/msgs").glob("*.blk"),
                  key=lambda each: int(each.stem))


@contextlib.contextmanager
def supervisor_held(it):
    """It would start what ends, and end what does not answer."""
    supervisor = it.supervisor()
    os.kill(supervisor, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(supervisor, signal.SIGCONT)


@contextlib.contextmanager
def server_killed(it):
    """The supervisor is held meanwhile: it would start the server before the damage is done."""
    with supervisor_held(it):
        pid = it.state("nats-server")["pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_for("its end", lambda: is_dead(pid))
        yield


def flip(block, chance):
    """One bit in the middle half of a file."""
    with block.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        place = chance.randrange(size // 4, size * 3 // 4)
        byte = os.pread(file.fileno(), 1, place)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1 << chance.randrange(8)]), place)
