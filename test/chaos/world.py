"""The Nova that the campaign attacks: small disks under both servers, proxies before both, standbys.

Every process reaches nats-server and PostgreSQL through a chaos_proxy (proxy.c): nats-server's port
in its own file is changed behind the back of everybody else, PostgreSQL's is named by the settings
postgres.<service>.url. All processes but the proxies are the Release build's.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

from instance import NOVA, ROOT, Instance, free_ports, is_dead, wait_for

PROXY = ROOT / "build/test/test/chaos_proxy"
FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
SERVICES = ("identity", "content", "communication")
RELAYS = [f"relay/{each}" for each in SERVICES]
CONSUMERS = ["consumer/communication/message_sender_cache",
             "consumer/communication/conversation_view", "consumer/communication/forget",
             "consumer/content/post_view", "consumer/content/forget",
             "consumer/search/search_index"]
ANSWERING = ["service/identity", "service/content", "service/communication", "service/search"]
# Second ones of some names, started by us: they take over, or answer beside the supervised one.
STANDBYS = ["relay/identity", "relay/content", "consumer/communication/conversation_view",
            "consumer/content/post_view", "consumer/search/search_index", "service/content"]
# Those live in a time of their own.
CLOCKED = ["relay/communication", "consumer/communication/message_sender_cache",
           "service/communication"]
SETTINGS = {"NOVA_RELAY_LEASE_MS": "2000", "NOVA_INBOX_LEASE_MS": "2000",
            "NOVA_RELAY_CHECK_MS": "5000", "NOVA_RELAY_STUCK_WRITER_MS": "4000"}


class Proxy:
    """One chaos_proxy; orders as in proxy.c."""

    def __init__(self, port, target):
        self.lock = threading.Lock()
        self.process = subprocess.Popen([str(PROXY), str(port), str(target)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.order("open")  # answered: it listens

    def order(self, line):
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        assert answer == "ok", (line, answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Standby:
    """`nova run` of a name that the supervisor runs as well; started again when it ended."""

    def __init__(self, world, name, clocked):
        self.world, self.name = world, name
        label = name.replace("/", ".") + (".clocked" if clocked else ".second")
        self.log = world.it.folder / f"{label}.log"
        self.clock = world.it.folder / f"{label}.clock" if clocked else None
        self.process = None
        if self.clock:
            self.step("+0")

    def step(self, offset):
        """The wall clock of this process alone; its monotonic clock goes on."""
        part = self.clock.with_suffix(".part")
        part.write_text(offset + "\n")
        part.rename(self.clock)

    def start(self):
        environment = self.world.it.environment()
        if self.clock:
            environment.update(LD_PRELOAD=str(FAKETIME), FAKETIME_TIMESTAMP_FILE=str(self.clock),
                               FAKETIME_CACHE_DURATION="1", FAKETIME_DONT_FAKE_MONOTONIC="1")
        kind, name = self.name.split("/", 1)
        with self.log.open("a") as out:
            self.process = subprocess.Popen([str(NOVA), "run", kind, name], env=environment,
                                            stdout=out, stderr=out)

    def pid(self):
        return self.process.pid if self.process and self.process.poll() is None else None

    def keep(self):
        if self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self):
        if self.pid():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class World:
    """Everything above, as a context; `folder` holds the journals."""

    def __init__(self, postgres_disk="8g", nats_disk="4g"):
        self.it = Instance()
        self.disks, self.proxies, self.standbys = [], {}, []
        self.disk_sizes = {"postgres": postgres_disk, "nats": nats_disk}
        self.disk_folders = {"postgres": self.it.folder / "disk", "nats": self.it.home / "nats"}
        self.journal = self.it.folder / "journal"
        self.ending = threading.Event()
        self.keeper = None
        self.real_nats_port = None
        # One fault at a time that needs the same thing.
        self.locks = {name: threading.Lock() for name in (
            "supervisor", "nats-link", "postgres-link", "nats-disk", "postgres-disk", "clock")}

    # ---- start and end

    def _mount(self, name, mode):
        folder = self.disk_folders[name]
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.disk_sizes[name]},mode={mode}",
                        "nova-chaos", str(folder)], check=True)
        self.disks.append(folder)

    def resize_disk(self, name, size):
        return subprocess.run(["mount", "-o", f"remount,size={size}", str(self.disk_folders[name])],
                              capture_output=True, check=False).returncode == 0

    def _start(self):
        it = self.it
        self.journal.mkdir()
        it.home.mkdir(mode=0o755)
        self._mount("nats", "700")
        self._mount("postgres", "755")
        it.up()
        it.nova("down")
        subprocess.run(["cp", "-a", str(it.home / "pg"), str(self.disk_folders["postgres"] / "pg")],
                       check=True)
        shutil.rmtree(it.home / "pg")
        (it.home / "pg").symlink_to(self.disk_folders["postgres"] / "pg")
        proxied, self.real_nats_port = free_ports(2)
        self.proxies["postgres"] = Proxy(proxied, it.postgres_port)
        url = f"postgresql://nova:{it.password('nova')}@127.0.0.1:{proxied}/nova"
        it.settings = dict(SETTINGS, **{
            f"NOVA_POSTGRES_{each.upper()}_URL": url for each in (*SERVICES, "search")})
        self.postgres_proxied = proxied
        it.up()
        self._put_nats_behind_its_proxy()
        wait_for("everything to be ready behind the proxies", it.is_caught_up, 120)
        (it.folder / "chaos.json").write_text(json.dumps(
            {"folder": str(it.folder), "postgres_port": it.postgres_port,
             "nats_port": self.real_nats_port, "monitor_port": it.monitor_port}))
        self.standbys = ([Standby(self, name, False) for name in STANDBYS] +
                         [Standby(self, name, True) for name in CLOCKED])
        self.keeper = threading.Thread(target=self._keep, daemon=True)
        self.keeper.start()

    def _put_nats_behind_its_proxy(self):
        conf = self.it.home / "nats/nats.conf"
        text = conf.read_text()
        changed = text.replace("port: $NOVA_NATS_PORT\n", f"port: {self.real_nats_port}\n")
        assert changed != text
        conf.write_text(changed)
        before = self.it.state("nats-server")
        os.kill(before["pid"], signal.SIGKILL)
        wait_for("its end", lambda: is_dead(before["pid"]))
        self.proxies["nats"] = Proxy(self.it.nats_port, self.real_nats_port)
        self.it.ready_again("nats-server", before["starts"])

    def _keep(self):
        while not self.ending.wait(0.5):
            for each in self.standbys:
                each.keep()

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.it.tell()
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.it.supervisor(), signal.SIGCONT)
        self.end_standbys()
        self.it.__exit__()  # down, and its folder but for what is mounted
        for each in self.proxies.values():
            with contextlib.suppress(Exception):
                each.close()
        for folder in reversed(self.disks):
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(self.it.folder, ignore_errors=True)

    def end_standbys(self):
        self.ending.set()
        if self.keeper:
            self.keeper.join()
        for each in self.standbys:
            each.stop()

    # ---- what faults ask

    def pids(self, names):
        """The processes of those names that run now, standbys among them."""
        supervised = [(state := self.it.state(name)) and state["pid"] for name in names]
        standing = [each.pid() for each in self.standbys if each.name in names]
        return [pid for pid in (*supervised, *standing) if pid]

    def backends(self):
        """PostgreSQL's processes that serve a connection."""
        state = self.it.state("postgres")
        found = []
        with contextlib.suppress(OSError, TypeError):
            text = pathlib.Path(f"/proc/{state['pid']}/task/{state['pid']}/children").read_text()
            for pid in map(int, text.split()):
                with contextlib.suppress(OSError):
                    line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                    if b"127.0.0.1(" in line:
                        found.append(pid)
        return found

    # ---- after the campaign

    def is_at_rest(self):
        with contextlib.suppress(KeyError, TypeError, ValueError, subprocess.SubprocessError):
            return self.it.is_caught_up()
        return False

    def quiet(self, patience_s):
        """Nothing is done to it any more: until every process is ready and nothing lags."""
        began = time.monotonic()
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.it.supervisor(), signal.SIGCONT)
        for proxy in self.proxies.values():
            proxy.order("open")
        for pid in (*self.pids([*RELAYS, *CONSUMERS, *ANSWERING, "nats-server", "postgres"]),
                    *self.backends()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        for each in self.standbys:
            if each.clock:
                each.step("+0")
        self.end_standbys()
        wait_for("everything to be at rest", self.is_at_rest, patience_s)
        return time.monotonic() - began
