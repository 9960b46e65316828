"""How much memory the processes of an Instance take, sampled while something happens.

Of PostgreSQL it is what its processes have for themselves (RssAnon) taken together, because each
counts the shared buffers it touched; of every other process its whole resident set.
"""
import contextlib
import pathlib
import threading

KIB = 1024
MIB = 1024 * KIB


def _rss(pid, key="VmRSS"):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * KIB
    return 0


def _children(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return []


class Memory:
    """A context; `grown` tells by how much each process grew at most since it was entered."""

    def __init__(self, it, every_s=0.05):
        self.pids = {each["name"]: each["pid"] for each in it.status()["processes"]}
        self.every_s, self.stop = every_s, threading.Event()
        self.first, self.most = self._look(), {}
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _look(self):
        found = {name: _rss(pid) for name, pid in self.pids.items() if name != "postgres"}
        server = self.pids["postgres"]
        found["postgres"] = sum(_rss(each, "RssAnon") for each in [server, *_children(server)])
        return found

    def _watch(self):
        while not self.stop.wait(self.every_s):
            for name, size in self._look().items():
                self.most[name] = max(size, self.most.get(name, 0))

    @property
    def grown(self):
        return {name: max(size - self.first[name], 0) for name, size in self.most.items()}

    def tell(self, what):
        for name, size in sorted(self.grown.items()):
            print(f"# {what}: {name} {self.first[name] // MIB} MiB, at most +{size // MIB} MiB",
                  flush=True)

    def assert_flat(self, what, most, **more):
        """No process grew by more than `most`; nats_server=, postgres=: those by more than that."""
        self.tell(what)
        for name, size in self.grown.items():
            bound = more.get(name.replace("-", "_"), most)
            assert size <= bound, f"{what}: {name} grew by {size // MIB} MiB, over {bound // MIB}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
