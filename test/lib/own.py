"""Processes of a test's own, which nobody supervises: to be killed, stopped and set back."""
import contextlib
import os
import signal
import subprocess
import time

from instance import NOVA, wait_for


@contextlib.contextmanager
def supervisor_held(it):
    """It starts nothing again meanwhile, and ends nothing that does not answer."""
    os.kill(it.supervisor(), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(it.supervisor(), signal.SIGCONT)


@contextlib.contextmanager
def without(it, *names):
    """The supervised processes of these names are dead and stay so, until they are ready again."""
    before = {name: ready(it, name) for name in names}
    with supervisor_held(it):
        for each in before.values():
            os.kill(each["pid"], signal.SIGKILL)
        yield
    for name, each in before.items():
        it.ready_again(name, each["starts"])


def ready(it, name):
    return wait_for(f"{name} to be ready", lambda: (
        (state := it.state(name)) and state["state"] == "ready" and state))


class Own:
    """`nova run KIND NAME`, with settings and an environment of its own."""

    def __init__(self, it, kind, name, **environment):
        self.path = it.folder / f"{kind}.{name.replace('/', '.')}.{time.monotonic_ns()}.log"
        with self.path.open("w") as out:
            self.process = subprocess.Popen([str(NOVA), "run", kind, name], stdout=out, stderr=out,
                                            env=dict(it.environment(), **environment))
        self.pid = self.process.pid

    def log(self):
        return self.path.read_text()

    def wait_ready(self):
        """Every kind of process says 'ready' once it is connected."""
        wait_for(f"{self.path.name} to be ready", lambda: ": ready" in self.log())
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
