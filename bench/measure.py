"""CPU seconds and peak memory of processes, and programs that print one JSON object."""
import contextlib
import json
import os
import pathlib
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_EVERY_S = 0.2  # seldom enough to cost nothing


class BenchError(Exception):
    """A figure that cannot be measured; its text is for people."""


def _stat(pid):
    """[state, parent, ...] of a process, from the third field on; None when it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return None


def _children(pid):
    """Those of its first thread: PostgreSQL's server has no other."""
    with contextlib.suppress(OSError):
        return [int(each) for each in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _cpu_s(pid):
    """Its own, its living children's, and that of the children that ended."""
    stat = _stat(pid)
    if stat is None:
        return 0.0
    own = sum(int(each) for each in stat[11:15])
    for child in _children(pid):
        if (other := _stat(child)) is not None:
            own += int(other[11]) + int(other[12])
    return own / TICKS


def _peak_mib(pid):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _forget_peak(pid):
    with contextlib.suppress(OSError):  # another user's process: then it is its peak so far
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


class Meter:
    """What processes used between enter and exit: {name: [cpu seconds, peak MiB]}.

    PostgreSQL is its server process with all sessions; its memory is that of the largest of them,
    shared buffers included.
    """

    def __init__(self, **pids):
        self.pids, self.used = pids, {}
        self.began, self.peaks, self.done = {}, {}, threading.Event()

    def add(self, name, pid):
        """One that was only just started."""
        self.began[name] = 0.0
        self.pids[name] = pid

    def ended(self, name, cpu_s, peak_mib):
        """One that ended meanwhile: what it used, by who waited for it.

        Its greatest size as the system tells is at least that of the Python that started it; so
        what was seen while it ran goes before that.
        """
        del self.pids[name]
        self.used[name] = [cpu_s, round(self.peaks.get(name) or peak_mib, 1)]

    def _look(self):
        for name, pid in list(self.pids.items()):
            peak = max(_peak_mib(each) for each in [pid, *_children(pid)])
            self.peaks[name] = max(self.peaks.get(name, 0.0), peak)

    def _watch(self):
        while not self.done.wait(LOOK_EVERY_S):
            self._look()

    def __enter__(self):
        for name, pid in self.pids.items():
            for each in [pid, *_children(pid)]:
                _forget_peak(each)
            self.began[name] = _cpu_s(pid)
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self._look()
        for name, pid in self.pids.items():
            self.used[name] = [round(_cpu_s(pid) - self.began[name], 3), round(self.peaks[name], 1)]


class Program:
    """A program of bench/: started, and asked for what it printed and used."""

    def __init__(self, command, environment, stays=False):
        self.command = command
        self.process = subprocess.Popen(command, env=environment, text=True,
                                        stdin=subprocess.PIPE if stays else subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if stays and not self.process.stdout.readline():  # says that it is ready
            self.end()

    def end(self):
        """What it printed, its seconds, and [cpu seconds, peak MiB]."""
        if self.process.stdin:
            self.process.stdin.close()
        began = time.monotonic()
        error = []
        reader = threading.Thread(target=lambda: error.append(self.process.stderr.read()))
        reader.start()
        printed = self.process.stdout.read()
        _, status, used = os.wait4(self.process.pid, 0)
        seconds = time.monotonic() - began
        reader.join()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            name = pathlib.Path(self.command[0]).name
            raise BenchError(f"{name} ended with {self.process.returncode}: {error[0].strip()}")
        return printed, seconds, [round(used.ru_utime + used.ru_stime, 3),
                                  round(used.ru_maxrss / 1024, 1)]


def last_json(printed):
    return json.loads(printed.strip().splitlines()[-1])
