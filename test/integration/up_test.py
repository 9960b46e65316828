#!/usr/bin/env python3
"""`nova up` and what it leaves behind: servers that come back, and clear words when it cannot.

Each instance has its own home and ports, so this test runs beside any other.
"""
import contextlib
import functools
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import psycopg2

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from damage import remove_at_once
from instance import NOVA, PATIENCE_S, ROOT, Instance, case, is_dead, main, wait_for


@functools.lru_cache
def shared():
    """The instance that most cases look at, running."""
    instance = Instance()
    try:
        instance.first_words = instance.up().stderr
    except Exception:
        instance.tell()
        raise
    return instance


@case
def up_brings_up_both_servers_and_says_where_they_are():
    it = shared()
    assert f"PostgreSQL on 127.0.0.1:{it.postgres_port}" in it.first_words, it.first_words
    assert f"nats-server on 127.0.0.1:{it.nats_port}" in it.first_words, it.first_words
    assert it.sql("select current_user")[0][0] == "nova"
    assert it.nats_is_healthy()


@case
def a_second_up_says_that_it_runs_and_changes_nothing():
    it = shared()
    before = it.supervisor(), it.state("postgres")["pid"]
    assert "runs already" in it.up().stderr
    assert before == (it.supervisor(), it.state("postgres")["pid"])


@case
def status_tells_each_process():
    it = shared()
    status = json.loads(it.nova("status", "--json").stdout)
    assert status["running"] and status["good"], status
    assert {"postgres", "nats-server"} <= {each["name"] for each in status["processes"]}
    assert "postgres" in it.nova("status").stdout


@case
def secrets_are_for_their_owner_only():
    it = shared()
    assert (it.home / "credentials").stat().st_mode & 0o777 == 0o700
    files = [path for path in (it.home / "credentials").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert path.stat().st_mode & 0o777 == 0o600, path


@case
def postgresql_listens_on_loopback_by_password_only():
    it = shared()
    assert it.sql("show listen_addresses")[0][0] == "127.0.0.1"
    assert it.sql("show unix_socket_directories")[0][0] == ""
    assert it.sql("show max_prepared_transactions")[0][0] == "0"
    assert it.sql("select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]
    assert it.sql("select datcollate, pg_encoding_to_char(encoding) from pg_database "
                  "where datname = 'nova'") == [("C.UTF-8", "UTF8")]
    try:
        psycopg2.connect(host="127.0.0.1", port=it.postgres_port, user="nova", dbname="nova",
                         password="wrong")
        raise AssertionError("a wrong password was taken")
    except psycopg2.OperationalError as error:
        assert "password authentication failed" in str(error)


@case
def psql_takes_arguments_and_input():
    it = shared()
    assert it.nova("psql", "superuser", "-qAtc", "select 6 * 7").stdout == "42\n"
    assert it.nova("psql", "superuser", "-qAt", "--set=x=5", input="select :x + 1;").stdout == "6\n"
    assert "did you mean 'auditor'" in it.nova("psql", "auditro", code=1).stderr


@case
def env_gives_what_a_tool_needs_to_connect():
    it = shared()
    lines = dict(line.split("=", 1) for line in it.nova("env", "superuser").stdout.splitlines())
    with contextlib.closing(psycopg2.connect(lines["DATABASE_URL"].strip("'"))) as connection:
        assert connection.server_version >= 150000
    assert "identity_relay" in it.nova("env").stdout.split()


@case
def a_postgresql_killed_by_9_comes_back_with_its_data():
    it = shared()
    it.sql("create table kept (n int); insert into kept values (7)")
    before = it.state("postgres")
    os.kill(before["pid"], signal.SIGKILL)
    after = it.ready_again("postgres", before["starts"])
    assert after["last_exit"] == "signal 9" and after["pid"] != before["pid"]
    assert it.sql("select n from kept") == [(7,)]


@case
def a_postgresql_killed_with_sessions_at_work_comes_back():
    it = shared()
    before = it.state("postgres")
    with contextlib.closing(psycopg2.connect(
            host="127.0.0.1", port=it.postgres_port, user="nova", dbname="nova",
            password=it.password("nova"))) as busy:
        backend = busy.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # an orphan that will not end by itself
        os.kill(before["pid"], signal.SIGKILL)
        it.ready_again("postgres", before["starts"])
    assert it.sql("select n from kept") == [(7,)]


@case
def a_postgresql_that_hangs_is_killed_and_started_again():
    it = shared()
    before = it.state("postgres")
    os.kill(before["pid"], signal.SIGSTOP)
    after = it.ready_again("postgres", before["starts"])
    assert after["last_exit"] == "signal 9"
    assert "does not answer" in (it.home / "logs/supervisor.log").read_text()


@case
def a_nats_server_killed_by_9_comes_back():
    it = shared()
    before = it.state("nats-server")
    os.kill(before["pid"], signal.SIGKILL)
    it.ready_again("nats-server", before["starts"])
    assert it.nats_is_healthy()


@case
def a_nats_server_that_hangs_is_killed_and_started_again():
    it = shared()
    before = it.state("nats-server")
    os.kill(before["pid"], signal.SIGSTOP)
    it.ready_again("nats-server", before["starts"])
    assert it.nats_is_healthy()


@case
def a_store_removed_under_nats_server_is_noticed_within_10_s():
    it = shared()
    for removed in ("nats/store", "nats/store/jetstream"):
        before = it.state("nats-server")
        began = time.monotonic()
        remove_at_once(it.home / removed)
        it.ready_again("nats-server", before["starts"])
        assert time.monotonic() - began < 10
        assert (it.home / "nats/store/jetstream").is_dir()
    assert "its store was removed" in (it.home / "logs/supervisor.log").read_text()


@case
def logs_are_shown_by_process():
    it = shared()
    assert "ready to accept connections" in it.nova("logs", "postgres", "-n", "100").stdout
    everything = it.nova("logs").stdout
    assert "==> nats-server <==" in everything and "==> supervisor <==" in everything
    assert it.nova("logs", "nobody", code=1)


@case
def no_secret_is_in_logs_state_or_process_list():
    it = shared()
    secrets = [path.read_text().strip() for path in (it.home / "credentials").rglob("*")
               if path.is_file() and path.name not in ("principals", ".made")]
    texts = [path.read_text() for folder in ("logs", "run") for path in
             (it.home / folder).rglob("*") if path.is_file() and path.suffix != ".prom"]
    texts += [path.read_text() for path in (it.home / "run/metrics").glob("*.prom")]
    texts.append(subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout)
    for secret in secrets:
        assert not any(secret in text for text in texts)


@case
def a_taken_port_is_named_with_who_has_it_and_a_way_out():
    for port, key in (("postgres_port", "POSTGRES_PORT"), ("nats_port", "NATS_PORT"),
                      ("monitor_port", "NATS_MONITOR_PORT")):
        with Instance() as it, socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = other.getsockname()[1]
            setattr(it, port, taken)
            said = it.up(code=1).stderr
            assert f"port {taken} (" in said and f"(process {os.getpid()})" in said, said
            assert f"choose another: NOVA_{key}=" in said, said
            assert not (it.home / "run/state.json").exists()


@case
def down_stops_everything_and_a_new_up_finds_the_data():
    it = shared()
    pids = [it.state("postgres")["pid"], it.state("nats-server")["pid"], it.supervisor()]
    it.nova("down")
    for pid in pids:
        wait_for(f"process {pid} to end", lambda: is_dead(pid))
    assert "does not run" in it.nova("status", code=1).stderr
    assert "does not run" in it.nova("down").stderr
    for words in (["call", "search", "GetIndexStats"], ["log", "query"], ["log", "tail"],
                  ["relay", "status"]):
        assert f"nothing runs in {it.home}, ./nova up" in it.nova(*words, code=1).stderr, words
    it.up()
    assert it.sql("select n from kept") == [(7,)]


@case
def what_a_killed_supervisor_leaves_behind_is_cleared_away():
    it = shared()
    postgres = it.state("postgres")["pid"]
    os.kill(postgres, signal.SIGSTOP)  # deaf to the signal that comes when its parent dies
    os.kill(it.supervisor(), signal.SIGKILL)
    wait_for("the lock to be free", lambda: "does not run" in it.nova("status", code=1).stderr)
    os.kill(postgres, signal.SIGCONT)
    it.up()
    assert it.sql("select n from kept") == [(7,)]


@case
def a_server_that_cannot_run_is_named_and_not_left_in_a_loop():
    with Instance() as it:
        it.up()
        it.nova("down")
        with (it.home / "pg/postgresql.conf").open("a") as conf:
            conf.write("shared_buffers = nonsense\n")
        said = it.up(code=1).stderr
        assert "postgres ends again and again: ./nova logs postgres" in said, said
        assert "does not run" in it.nova("status", code=1).stderr
        assert "nonsense" in it.nova("logs", "postgres").stdout


@case
def a_second_instance_is_spoken_to_by_its_home_alone():
    with Instance() as it:
        it.up()
        blind = {key: value for key, value in it.environment().items() if "_PORT" not in key}
        for words in (["status"], ["env", "auditor"], ["down"], ["up", "--empty"]):
            done = subprocess.run([str(NOVA), *words], env=blind, text=True, capture_output=True,
                                  timeout=PATIENCE_S * 3)
            assert done.returncode == 0, done
            assert words != ["env", "auditor"] or f":{it.postgres_port}/" in done.stdout, done
        said = it.up().stderr
        assert "runs already" in said, said


@case
def one_port_for_two_is_named():
    with Instance() as it:
        said = it.nova("up", "--empty", "--set", f"nats.port={it.postgres_port}", code=1).stderr
        assert "postgres.port and nats.port are the same port" in said, said


@case
def up_after_a_failed_one_takes_what_was_mended():
    """What the failed one started is not gone on with: it has the old settings."""
    with Instance(settings={"NOVA_POSTGRES_URL": "postgresql://x:y@127.0.0.1:1/db"}) as it:
        assert "127.0.0.1" in it.up(code=1).stderr
        del it.settings["NOVA_POSTGRES_URL"]
        assert "does not run" in it.nova("status", code=1).stderr
        it.up()


@case
def a_credential_that_was_removed_is_made_anew():
    with Instance() as it:
        it.up()
        (it.home / "credentials/postgres/operator").unlink()
        said = it.up().stderr
        assert "1 credentials were missing" in said, said
        it.nova("projection", "list")


@case
def a_supervisor_that_slept_kills_nobody():
    """Its children's words did not all fit into its socket's queue meanwhile."""
    with Instance() as it:
        it.up()
        names = [each["name"] for each in it.status()["processes"]]
        starts = {name: it.state(name)["starts"] for name in names}
        asleep = it.supervisor()
        os.kill(asleep, signal.SIGSTOP)
        time.sleep(12)  # longer than the silence that ends a process
        os.kill(asleep, signal.SIGCONT)
        victim = "relay/identity"
        os.kill(it.state(victim)["pid"], signal.SIGKILL)
        it.ready_again(victim, starts.pop(victim))  # it has long judged the others
        assert {name: it.state(name)["starts"] for name in starts} == starts


@case
def two_ups_at_once_start_one_supervisor():
    for _ in range(3):
        with Instance() as it:
            two_ups_at_once(it)


def two_ups_at_once(it):
    both = [subprocess.Popen([str(NOVA), "up", "--empty"], env=it.environment(),
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [each.communicate(timeout=PATIENCE_S * 3)[1] for each in both]
    assert 0 in [each.returncode for each in both], said
    assert it.sql("select 1") == [(1,)]
    supervisors = subprocess.run(["pgrep", "-f", f"^{NOVA} up"], capture_output=True,
                                 text=True).stdout.split()
    mine = []
    for pid in supervisors:
        with contextlib.suppress(OSError):  # of another test, and gone by now
            if str(it.home).encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes():
                mine.append(pid)
    assert len(mine) == 1, mine


@case
def an_interrupted_first_start_is_no_hindrance():
    with Instance() as it:
        first = subprocess.Popen([str(NOVA), "up", "--empty"], env=it.environment(),
                                 stderr=subprocess.DEVNULL)
        wait_for("half a cluster", lambda: list(it.home.glob("pg.new.*/base")) or first.poll())
        first.kill()
        first.wait()
        assert not (it.home / "pg").exists()
        it.up()
        assert it.sql("select 1") == [(1,)]


@case
def a_lost_superuser_password_is_made_anew():
    with Instance() as it:
        it.up()
        it.nova("down")
        before = it.password("nova")
        (it.home / "credentials/postgres/nova").unlink()
        it.up()
        assert it.password("nova") != before
        assert it.sql("select 1") == [(1,)]


@case
def a_lost_master_key_is_not_made_anew_in_silence():
    with Instance() as it:
        it.up()
        it.nova("down")
        (it.home / "credentials/seal/identity").unlink()
        said = it.up(code=1).stderr
        assert "credentials/seal/identity is missing" in said and "restore it" in said, said


@case
def servers_that_the_settings_name_elsewhere_are_not_started():
    shared_url = shared().nova("env", "superuser").stdout.split("DATABASE_URL='")[1].split("'")[0]
    with Instance() as it:
        # Whoever runs the servers hands out what they know their users by.
        shutil.copytree(shared().home / "credentials", it.home / "credentials")
        (it.folder / "nova.yaml").write_text(
            f"postgres:\n  url: {shared_url}\nnats:\n  url: nats://127.0.0.1:{shared().nats_port}\n")
        it.nova("--config", str(it.folder / "nova.yaml"), "up", "--empty")
        assert it.state("postgres") is None and it.state("nats-server") is None
        assert not (it.home / "pg").exists()
        assert it.nova("--config", str(it.folder / "nova.yaml"), "psql", "superuser", "-Atc",
                       "select inet_server_port()").stdout == f"{shared().postgres_port}\n"


@case
def a_bus_elsewhere_that_is_not_there_is_named_at_once():
    with Instance() as it:
        it.home.mkdir()
        (it.folder / "nova.yaml").write_text("nats:\n  url: nats://127.0.0.1:1\n")
        told = it.nova("--config", str(it.folder / "nova.yaml"), "up", "--empty", code=1).stderr
        assert "nats://127.0.0.1:1" in told and "change nats.url" in told, told
        assert "processes" not in told, told  # none was started to wait for it
        assert is_dead(it.supervisor()), told


def without_home(name, secrets):
    """The environment of one process on another machine: its own files and URLs, and no home."""
    folder = secrets / name.replace("/", ".")
    folder.mkdir(parents=True)
    kind, process = name.split("/", 1)
    service = process.split("/")[0]
    user = {"relay": f"{service}_relay", "service": f"{service}_service",
            "consumer": process.replace("/", "_")}[kind]
    credentials = shared().home / "credentials"
    shutil.copy(credentials / f"nats/{user}.nk", folder / "seed")
    role = f"{service}_{kind}"
    more = {"NOVA_HOME": "/nonexistent/home", "NOVA_NATS_SEED_FILE": str(folder / "seed"),
            "NOVA_NATS_URL": f"nats://127.0.0.1:{shared().nats_port}",
            "NOVA_POSTGRES_URL": f"postgresql://{role}:{shared().password(role)}"
                                 f"@127.0.0.1:{shared().postgres_port}/nova"}
    if kind == "service":
        shutil.copy(credentials / "nats/principals", folder / "principals")
        shutil.copy(credentials / f"seal/{service}", folder / "key")
        more |= {"NOVA_NATS_PRINCIPALS_FILE": str(folder / "principals"),
                 "NOVA_SEAL_KEY_FILE": str(folder / "key")}
    if name == "service/identity":
        shutil.copy(credentials / "refresh/identity", folder / "refresh")
        more["NOVA_IDENTITY_REFRESH_KEY_FILE"] = str(folder / "refresh")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NOVA_")}
    return dict(clean, NOVA_ROOT=str(ROOT), **more)


@case
def processes_without_a_home_do_the_whole_work():
    """A relay, two services and a consumer by settings alone, while those of the home are away."""
    names = ["relay/content", "service/identity", "service/content", "consumer/search/search_index"]
    it, supervisor = shared(), shared().supervisor()
    starts = {name: it.state(name)["starts"] for name in names}
    user = json.loads(it.nova("call", "identity", "Register", json.dumps(
        {"handle": "elsewhere", "email": "elsewhere@example.invalid", "display_name": "Elsewhere",
         "password": "correct horse battery"})).stdout)["userId"]
    os.kill(supervisor, signal.SIGSTOP)
    try:
        for name in names:
            os.kill(it.state(name)["pid"], signal.SIGKILL)
        with contextlib.ExitStack() as stack:
            running = [stack.enter_context(subprocess.Popen(
                [str(NOVA), "run", *name.split("/", 1)], stderr=subprocess.STDOUT, text=True,
                env=without_home(name, it.folder / "secrets"), stdout=subprocess.PIPE))
                for name in names]
            stack.callback(lambda: [each.kill() for each in running])
            post = wait_for("the service to answer", lambda: subprocess.run(
                [str(NOVA), "call", "content", "CreatePost", '{"text": "sunflower"}', "--as", user],
                env=it.environment(), capture_output=True, text=True, check=False).stdout)
            wait_for("the index", lambda: it.sql(
                "select 1 from search.post_index where post_id = %s and text = 'sunflower'",
                (json.loads(post)["postId"],)))
            assert all(each.poll() is None for each in running)
            for each in running:
                each.send_signal(signal.SIGTERM)
            for each in running:
                assert each.wait(60) == 0, each.stdout.read()
    finally:
        os.kill(supervisor, signal.SIGCONT)
    for name in names:
        it.ready_again(name, starts[name])


@case
def a_home_that_postgres_cannot_reach_is_no_hindrance():
    if os.geteuid() != 0:
        return "only root has another user run PostgreSQL"
    with Instance(mode=0o700) as it:
        it.up()
        data = os.readlink(it.home / "pg")
        assert data.startswith("/var/lib/nova/"), data
        it.sql("create table kept (n int)")
        it.nova("down")
        it.up()
        it.sql("select * from kept")
        it.nova("down")
        shutil.rmtree(it.home)  # and the next home of that name does not find the old data
        it.up()
        assert it.sql("select to_regclass('kept')") == [(None,)]
    return None


@case
def a_user_without_rights_runs_it_too():
    if os.geteuid() != 0:
        return "this whole test runs as such a user"
    with Instance(user="nobody") as it:
        it.up()
        assert it.sql("select 1") == [(1,)]
        nobody = pwd.getpwnam("nobody").pw_uid
        for name in ("postgres", "nats-server"):
            assert pathlib.Path(f"/proc/{it.state(name)['pid']}").stat().st_uid == nobody
        it.nova("down")
    return None


@case
def a_disk_without_space_is_said_before_anything_starts():
    with tempfile.TemporaryDirectory(prefix="nova-disk.") as disk:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m", "nova", disk],
                          capture_output=True).returncode != 0:
            return "no disk could be mounted here"
        try:
            with Instance(parent=disk) as it:
                said = it.up(code=1).stderr
                assert "MB free" in said and "--home" in said, said
                assert not (it.home / "credentials").exists()
        finally:
            subprocess.run(["umount", disk], check=True)
    return None


@case
def a_disk_that_fills_up_stops_nats_server_until_there_is_space():
    with tempfile.TemporaryDirectory(prefix="nova-disk.") as disk:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "nova", disk],
                          capture_output=True).returncode != 0:
            return "no disk could be mounted here"
        try:
            with Instance(parent=disk) as it:
                it.up()
                before = it.state("nats-server")
                filler = pathlib.Path(disk) / "filler"
                free = shutil.disk_usage(disk).free
                with filler.open("wb") as out:
                    os.posix_fallocate(out.fileno(), 0, free - (8 << 20))
                wait_for("nats-server to be stopped", lambda: (
                    it.state("nats-server")["state"] == "waiting" and
                    it.state("nats-server")["why"] == "the disk is full"))
                assert "the disk is full" in it.nova("status", code=1).stdout
                filler.unlink()
                it.ready_again("nats-server", before["starts"])
        finally:
            subprocess.run(["umount", disk], check=True)
    return None


if __name__ == "__main__":
    code = main()
    shared().__exit__()
    raise SystemExit(code)
