"""A Nova of a test's own: its home and its ports, started by `./nova up` and gone with the test.

Also what every test in Python needs: cases as TAP lines, and waiting for conditions.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("NOVA_BUILD", "build/test")
NOVA = BUILD / "cli/nova"
PATIENCE_S = 60
cases = []


def case(function):
    cases.append(function)
    return function


def wait_for(what, condition, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.05)


def free_ports(count):
    """Ports nobody listens on and no outgoing connection is given: a client that dials a listener
    that is down may be given that very port as its own end, connect to itself and keep the
    listener from coming back."""
    first_given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            port = random.randrange(10000, max(first_given, 20000))
            with contextlib.suppress(OSError):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                ports.append(port)
        return ports


def is_dead(pid):
    """Also a zombie, unless threads of it are still ending: these hold its ports and files."""
    process = pathlib.Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):
        state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
        return state == "Z" and len(list((process / "task").iterdir())) <= 1
    return True


class Instance:
    """One home with its own ports; a context that stops it whatever happens."""

    def __init__(self, mode=0o755, user=None, parent=None, settings=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nova-up.", dir=parent))
        self.folder.chmod(mode)
        if user:
            shutil.chown(self.folder, user)
        self.home = self.folder / "home"
        self.user = user
        self.settings = settings or {}  # environment variables: NOVA_RELAY_LEASE_MS and the like
        self.postgres_port, self.nats_port, self.monitor_port = free_ports(3)

    @classmethod
    def attached(cls, folder, postgres_port, nats_port, monitor_port):
        """One that somebody else started, to look at only."""
        it = cls.__new__(cls)
        it.folder, it.user, it.settings = pathlib.Path(folder), None, {}
        it.home = it.folder / "home"
        it.postgres_port, it.nats_port, it.monitor_port = postgres_port, nats_port, monitor_port
        return it

    def environment(self):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NOVA_")}
        return dict(clean, NOVA_ROOT=str(ROOT), NOVA_HOME=str(self.home),
                    NOVA_POSTGRES_PORT=str(self.postgres_port), NOVA_NATS_PORT=str(self.nats_port),
                    NOVA_NATS_MONITOR_PORT=str(self.monitor_port), **self.settings)

    def nova(self, *arguments, code=0, seconds=PATIENCE_S * 3, **more):
        command = [str(NOVA), *arguments]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", "--regid=nogroup", "--clear-groups",
                       *command]
        done = subprocess.run(command, env=self.environment(), text=True, capture_output=True,
                              timeout=seconds, **more)
        assert code is None or done.returncode == code, (
            f"{arguments}: {done.returncode}, not {code}: {done}")
        return done

    def up(self, **more):
        return self.nova("up", "--empty", **more)

    def tell(self):
        """What is known of it, as TAP comments: for a case that failed."""
        with contextlib.suppress(Exception):
            for words in (["status"], ["logs", "-n", "20"]):
                told = subprocess.run([str(NOVA), *words], env=self.environment(), text=True,
                                      capture_output=True, timeout=PATIENCE_S).stdout
                print("".join(f"# {line}\n" for line in told.splitlines()
                              if '"level":"info"' not in line), end="", flush=True)

    def state(self, name):
        with contextlib.suppress(OSError, ValueError):
            state = json.loads((self.home / "run/state.json").read_text())
            return next((each for each in state["processes"] if each["name"] == name), None)
        return None

    def ready_again(self, name, starts):
        return wait_for(f"{name} to be ready again", lambda: (
            (state := self.state(name)) and state["state"] == "ready" and
            state["starts"] > starts and state))

    def supervisor(self):
        return int((self.home / "run/supervisor.pid").read_text())

    def password(self, role):
        return (self.home / "credentials/postgres" / role).read_text().strip()

    def connect(self, role="nova", database="nova"):
        return psycopg2.connect(host="127.0.0.1", port=self.postgres_port, user=role, dbname=database,
                                password=self.password(role), connect_timeout=5)

    def sql(self, statement, values=None):
        with contextlib.closing(self.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else None

    def rows(self, statement):
        """What a query gives, a few thousand rows at a time: for more than fits into memory."""
        with contextlib.closing(self.connect()) as connection:
            with connection.cursor(name="rows") as cursor:
                cursor.itersize = 5000
                cursor.execute(statement)
                yield from cursor

    def log(self, name):
        """What a process logged so far: its JSON lines as one text."""
        with contextlib.suppress(OSError):
            return (self.home / "logs" / f"{name.replace('/', '.')}.log").read_text()
        return ""

    def status(self):
        done = subprocess.run([str(NOVA), "status", "--json"], env=self.environment(),
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout or "{}")

    def is_caught_up(self):
        """Every process ready, every event in its stream and in every read model."""
        now = self.status()
        return ("consumers" in now and "streams" in now and
                all(each["lag_events"] == 0 for each in now["consumers"]) and
                all(each["events"] == each["outbox"] for each in now["streams"]) and
                all(each["state"] == "ready" for each in now["processes"]))

    def nats_is_healthy(self):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/healthz",
                                        timeout=2) as answer:
                return b'"ok"' in answer.read()
        return False

    def __enter__(self):
        return self

    def __exit__(self, failed=None, *_):
        if failed not in (None, SystemExit):
            self.tell()
        with contextlib.suppress(Exception):
            subprocess.run([str(NOVA), "down"], env=self.environment(), capture_output=True,
                           timeout=PATIENCE_S)
        link = self.home / "pg"
        if link.is_symlink():
            shutil.rmtree(os.readlink(link), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    """Runs the cases in their order, or those whose names hold one of the arguments."""
    chosen = [each for each in cases
              if not sys.argv[1:] or any(part in each.__name__ for part in sys.argv[1:])]
    failed = 0
    for place, run in enumerate(chosen, 1):
        try:
            skipped = run()
            print(f"ok {place} - {run.__name__}" + (f" # SKIP {skipped}" if skipped else ""),
                  flush=True)
        except Exception:  # pylint: disable=broad-except
            failed = 1
            traceback.print_exc()
            print(f"not ok {place} - {run.__name__}", flush=True)
    return failed
