"""PostgreSQL and nats-server by themselves, for tests of what these do: killed, cut, set back.

Nobody supervises them; a context that ends them whatever happens. PostgreSQL holds the content
service's schema, as the product's migrations make it.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from instance import NOVA, PATIENCE_S, ROOT, free_ports, is_dead, wait_for
from nats import Nats

POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")


def children_of(parent):
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == parent:
                yield int(stat.parent.name)


class Server:
    """One process, started in a folder of its own."""

    def __init__(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"nova-{name}."))
        self.log = (self.folder / "log").open("w")
        self.process = None

    def run(self, *command):
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)

    def kill(self):
        """With SIGKILL, all at once: it can tell nobody, and finish nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)  # it starts no more children
        children = list(children_of(self.process.pid))
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        wait_for("its processes to end", lambda: all(is_dead(pid) for pid in children))

    def __enter__(self):
        return self

    def __exit__(self, failed=None, *_):
        if failed:
            print("".join(f"# {line}\n" for line in
                          (self.folder / "log").read_text().splitlines()[-20:]), end="")
        with contextlib.suppress(Exception):
            self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Server):
    # What is not flushed by a commit stays unflushed as long as possible: a crash loses whatever it
    # may lose. (Killed processes lose what PostgreSQL has not written; fsync is for machines.)
    SETTINGS = ("fsync=off", "wal_writer_delay=10s", "autovacuum=off", "listen_addresses=",
                "max_connections=24", "shared_buffers=16MB", "bgwriter_lru_maxpages=0")

    def __init__(self):
        super().__init__("postgres")
        self.as_user = ()
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "postgres")
            self.as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        subprocess.run([*self.as_user, POSTGRES_BIN / "initdb", "-D", self.folder / "data", "-U",
                        "nova", "-A", "trust", "-E", "UTF8", "--locale=C", "--wal-segsize=1",
                        "--no-sync"], cwd=self.folder, stdout=self.log, check=True)
        self.start()
        url = f"postgresql://nova@/postgres?host={self.folder}"
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("NOVA_")}
        subprocess.run([NOVA, "db", "migrate", "--home", self.folder / "home"], check=True,
                       stdout=self.log, stderr=self.log, timeout=PATIENCE_S,
                       env=dict(environment, NOVA_ROOT=str(ROOT), NOVA_POSTGRES_URL=url))
        with contextlib.closing(self.connect("nova")) as connection:
            connection.autocommit = True
            for role in ("content_service", "content_relay"):  # which a password would let in
                connection.cursor().execute(f"alter role {role} login")

    def start(self):
        settings = (*self.SETTINGS, f"unix_socket_directories={self.folder}")
        self.run(*self.as_user, str(POSTGRES_BIN / "postgres"), "-D", str(self.folder / "data"),
                 *(word for each in settings for word in ("-c", each)))
        wait_for("PostgreSQL", self._answers)

    def _answers(self):
        with contextlib.suppress(psycopg2.OperationalError):
            self.connect("nova").close()
            return True
        assert self.process.poll() is None, "PostgreSQL has ended"
        return False

    def connect(self, role, **more):
        return psycopg2.connect(host=str(self.folder), user=role, dbname="postgres", **more)

    def copy(self):
        """Of the data of one that was killed; the last copy is the one that counts."""
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        self._copy("data", "copy")

    def put_copy_back(self):
        shutil.rmtree(self.folder / "data")
        self._copy("copy", "data")

    def _copy(self, source, target):
        subprocess.run([*self.as_user, "cp", "-a", self.folder / source, self.folder / target],
                       cwd=self.folder, check=True)


class NatsServer(Server):
    """Without users: whoever connects may do everything."""

    def __init__(self):
        super().__init__("nats")
        self.nats_port = free_ports(1)[0]
        (self.folder / "conf").write_text(
            f"listen: 127.0.0.1:{self.nats_port}\nmax_payload: 1MB\n"
            f"jetstream {{ store_dir: {self.folder / 'store'} }}\n")
        self.client = None
        self.start()

    def start(self):
        self.run("nats-server", "-c", str(self.folder / "conf"))
        self.client = wait_for("nats-server", self._client)

    def _client(self):
        with contextlib.suppress(OSError, AssertionError):
            client = Nats(self, seconds=PATIENCE_S)
            if client.api("INFO") is not None:  # JetStream has read its store
                return client
        return None

    def kill(self):
        if self.client:
            self.client.close()
        super().kill()

    def streams(self):
        return self.folder / "store/jetstream/$G/streams"

    def blocks(self, stream):
        """The files of a stream's messages, the oldest first."""
        return sorted((self.streams() / stream / "msgs").glob("*.blk"),
                      key=lambda each: int(each.stem))
