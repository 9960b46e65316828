#!/usr/bin/env python3
"""Liveness, not only exit: who does not answer is started again, whatever keeps it from answering;
storms of restarts back off and are shown; the order of starts does not matter; `down` during
anything leaves nothing behind.
"""
import contextlib
import ctypes
import fcntl
import functools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, PATIENCE_S, Instance, case, is_dead, main, wait_for

ONE_OF_EACH = ("relay/content", "consumer/content/post_view", "service/content")
PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


@functools.lru_cache
def shared():
    instance = Instance()
    try:
        instance.up()
    except Exception:
        instance.tell()
        raise
    return instance


def supervisor_log(it):
    return [json.loads(line) for line in it.log("supervisor").splitlines() if line.startswith("{")]


def works(it):
    """A command goes the whole way: service, outbox, relay, stream, consumer, read model."""
    with Caller(it, "operator_rpc", PATIENCE_S) as caller:
        author = caller.call("identity", "ImportUser", handle=f"w{uuid.uuid4().hex[:10]}",
                             email=f"{uuid.uuid4().hex}@example.org", display_name="W").user_id
        post = caller.call("content", "CreatePost", author, title="it works").post_id
        assert caller.call("content", "GetPost", post_id=post).post.title == "it works"


@case
def the_first_calls_behind_a_restart_of_postgresql_are_answered():
    """No worker keeps a connection that ended meanwhile until somebody's command fails of it."""
    it = shared()
    works(it)
    before = it.state("postgres")
    os.kill(before["pid"], signal.SIGKILL)
    it.ready_again("postgres", before["starts"])
    for _ in range(8):  # more than any service has workers
        works(it)


# ---- liveness ------------------------------------------------------------------------------------

@case
def a_stopped_process_of_each_kind_is_noticed_killed_and_started_again():
    it = shared()
    before = {name: it.state(name) for name in ONE_OF_EACH}
    for each in before.values():
        os.kill(each["pid"], signal.SIGSTOP)
    for name, each in before.items():
        after = it.ready_again(name, each["starts"])
        assert after["last_exit"] == "signal 9" and after["pid"] != each["pid"], after
    why = {each.get("name"): each["why"] for each in supervisor_log(it)
           if each["msg"] == "supervisor: a process is killed"}
    assert all(why[name] == "said nothing for too long" for name in ONE_OF_EACH), why
    works(it)


@case
def a_main_loop_that_hangs_is_noticed_though_its_other_threads_go_on():
    it = shared()
    before = {name: it.state(name) for name in ONE_OF_EACH}
    for each in before.values():  # a debugger's hold on the first thread alone
        if libc.ptrace(PTRACE_SEIZE, each["pid"], None, None) != 0:
            return f"no thread can be held here: {os.strerror(ctypes.get_errno())}"
        assert libc.ptrace(PTRACE_INTERRUPT, each["pid"], None, None) == 0
        states = {path.read_text().rsplit(")", 1)[1].split()[0] for path in
                  pathlib.Path(f"/proc/{each['pid']}/task").glob("*/stat")
                  if path.parent.name != str(each["pid"])}
        assert states and not states & {"T", "t"}, states

    def reaped(name, starts):
        for each in before.values():  # whoever holds a process hears of its end first
            with contextlib.suppress(ChildProcessError):
                os.waitpid(each["pid"], os.WNOHANG | WALL)
        state = it.state(name)
        return state and state["state"] == "ready" and state["starts"] > starts and state
    for name, each in before.items():
        after = wait_for(f"{name} to be ready again", lambda n=name, s=each["starts"]: reaped(n, s),
                         PATIENCE_S * 2)
        assert after["last_exit"] == "signal 9" and after["pid"] != each["pid"], after
    works(it)
    return None


# ---- storms --------------------------------------------------------------------------------------

@contextlib.contextmanager
def storm(it, name="relay/content", seed="content_relay"):
    """That process cannot start: its key is gone."""
    path, started = it.home / f"credentials/nats/{seed}.nk", it.state(name)["starts"]
    hidden = path.rename(path.with_suffix(".hidden"))
    os.kill(it.state(name)["pid"], signal.SIGKILL)
    wait_for("a storm of restarts", lambda: it.state(name)["starts"] >= started + 4)
    yield
    hidden.rename(path)


@case
def a_storm_of_restarts_backs_off_and_is_shown_in_status():
    it, name = shared(), "relay/content"
    first = len(supervisor_log(it))
    with storm(it):
        shown = wait_for("status to show the pause", lambda: next(
            (each for each in it.status()["processes"] if each["name"] == name and
             each["state"] == "waiting" and each["pause_ms"] >= 800), None))
        assert shown["starts"] >= 4 and shown["last_exit"] == "exit code 1", shown
        wait_for("status to say it in words", lambda: re.search(
            rf"{name} +waiting .*starts again after \d", it.nova("status", code=1).stdout))
        assert it.status()["good"] is False
    pauses = [each["pause_ms"] for each in supervisor_log(it)[first:]
              if each.get("name") == name and "pause_ms" in each]
    doubled = [later / sooner for sooner, later in zip(pauses, pauses[1:]) if later > sooner]
    assert len(pauses) >= 4 and len(doubled) >= 3, pauses
    assert max(pauses) <= 10000 and pauses == sorted(pauses), pauses
    it.ready_again(name, shown["starts"])
    works(it)


# ---- start order ---------------------------------------------------------------------------------

def how_it_runs(pid):
    """What starts the same process again: (words, environment, user, group)."""
    folder = pathlib.Path(f"/proc/{pid}")
    words = folder.joinpath("cmdline").read_bytes().decode().rstrip("\0").split("\0")
    environment = dict(each.split("=", 1) for each in
                       folder.joinpath("environ").read_bytes().decode().split("\0") if "=" in each)
    return words, environment, folder.stat().st_uid, folder.stat().st_gid


@contextlib.contextmanager
def started(commands, logs):
    """Processes that are told to end when the context is left."""
    running = []
    try:
        for name, words, more in commands:
            log = open(pathlib.Path(logs) / name.replace("/", "."), "wb")
            running.append(subprocess.Popen(words, stdout=log, stderr=log, **more))
        yield running
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait(PATIENCE_S)


def run_by_hand(it):
    names = [each["name"] for each in json.loads((it.home / "run/state.json").read_text()
                                                 )["processes"] if each["kind"] != "server"]
    return [(name, [str(NOVA), "run", *name.split("/", 1)], {"env": it.environment()})
            for name in names]


def servers_by_hand(it):
    found = []
    for name in ("nats-server", "postgres"):
        words, environment, user, group = how_it_runs(it.state(name)["pid"])
        as_user = {"user": user, "group": group, "extra_groups": []} if os.geteuid() == 0 else {}
        found.append((name, words, {"env": environment, "cwd": "/", **as_user}))
    return found


@case
def processes_started_before_their_servers_wait_and_then_work():
    it = shared()
    processes, servers = run_by_hand(it), servers_by_hand(it)
    it.nova("down")
    with tempfile.TemporaryDirectory(prefix="nova-order.") as logs:
        def said(name, text):
            return text in (pathlib.Path(logs) / name.replace("/", ".")).read_text()
        with started(processes, logs) as running:
            for name, *_ in processes:
                wait_for(f"{name} to say what it waits for",
                         lambda n=name: said(n, "waiting for a server"))
            with started(servers[:1], logs):  # one server alone is not enough
                for name in ("relay/content", "service/content"):
                    wait_for(f"{name} to wait for PostgreSQL",
                             lambda n=name: said(n, '"server":"PostgreSQL"'), PATIENCE_S * 2)
                assert all(each.poll() is None for each in running), "one of them gave up"
                with started(servers[1:], logs):
                    for name, *_ in processes:
                        wait_for(f"{name} to be ready", lambda n=name: said(n, "ready"),
                                 PATIENCE_S * 2)
                    works(it)
                    for each in running:
                        each.terminate()
                    assert [each.wait(PATIENCE_S) for each in running] == [0] * len(running)
        with started(processes, logs) as running:
            for name, *_ in processes:
                wait_for(f"{name} to wait", lambda n=name: said(n, "waiting for a server"))
            for each in running:
                each.terminate()  # and one that waits ends when it is told to
            assert [each.wait(PATIENCE_S) for each in running] == [0] * len(running)
    it.up()


# ---- down during anything ------------------------------------------------------------------------

def left_of(it):
    found, mark = [], f"NOVA_HOME={it.home}".encode()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes()
            if (mark in (folder / "environ").read_bytes().split(b"\0") or
                    str(it.home).encode() in words) and not is_dead(int(folder.name)):
                found.append((folder.name, words))
    return found


def is_locked(folder):
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(file)


def assert_nothing_is_left(it):
    with contextlib.suppress(AssertionError):
        wait_for("no process to be left", lambda: not left_of(it))
    assert not left_of(it), left_of(it)
    assert "does not run" in it.nova("down").stderr
    for port in (it.postgres_port, it.nats_port, it.monitor_port):
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))


@case
def down_during_a_first_up_waits_for_what_it_starts_and_leaves_nothing_behind():
    with Instance() as it:
        it.home.mkdir()
        up = subprocess.Popen([str(NOVA), "up", "--empty"], env=it.environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        wait_for("half a cluster, and no supervisor yet", lambda: (
            list(it.home.glob("pg.new.*/base")) and is_locked(it.home)) or up.poll())
        said = it.nova("down").stderr
        assert "waits for the ./nova up that is at work" in said and "stopped" in said, said
        up.communicate(timeout=PATIENCE_S * 2)
        assert_nothing_is_left(it)
        it.up()
        assert it.sql("select 1") == [(1,)]


@case
def down_during_up_an_import_a_rebuild_or_a_storm_leaves_nothing_behind():
    it = shared()

    def begin(*words, **more):
        return subprocess.Popen([str(NOVA), *words], env=it.environment(), text=True,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)

    def stop_during(running):
        it.nova("down")
        for each in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.communicate(timeout=PATIENCE_S)
            each.kill()
            each.communicate()
        assert_nothing_is_left(it)

    it.nova("down")
    up = begin("up", "--empty")
    wait_for("its servers to start", lambda: (it.state("postgres") or {}).get("pid"))
    stop_during([up])

    it.up()
    lines = "".join(json.dumps({"service": "identity", "method": "ImportUser", "request": {
        "user_id": str(uuid.uuid4()), "handle": f"d{number}.{os.getpid()}", "display_name": "D",
        "email": f"d{number}.{os.getpid()}@example.org"}}) + "\n" for number in range(20000))
    source = it.folder / "commands"
    source.write_text(lines)
    before = it.sql("select count(*) from identity.outbox")[0][0]
    importing = begin("import", "--give-up", "1", str(source))
    wait_for("the import to be under way", lambda: it.sql(
        "select count(*) from identity.outbox")[0][0] > before + 100)
    rebuilding = begin("projection", "rebuild", "message_sender_cache")
    stop_during([importing, rebuilding])

    it.up()
    with storm(it):
        stop_during([])
    it.up()
    wait_for("everything to be caught up", it.is_caught_up, PATIENCE_S * 2)
    works(it)


if __name__ == "__main__":
    failed = main()
    shared().__exit__()
    raise SystemExit(failed)
