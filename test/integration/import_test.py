#!/usr/bin/env python3
"""`./nova import` as its users have it: compressed, from a pipe, killed and run again, and its bar."""
import contextlib
import gzip
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from instance import NOVA, Instance, case, main, wait_for
from log_check import SERVICES

USERS = 60
it = Instance()


def sample(seed):
    return it.nova("sample", "--users", str(USERS), "--seed", str(seed)).stdout


def stored():
    return [row[0] for service in SERVICES for row in
            it.sql(f"select command_id::text from {service}.outbox")]


def ids_of(text, without=("MarkRead",)):
    """What must be stored: a message that was read before may be marked without an event."""
    lines = [json.loads(line) for line in text.splitlines()]
    return {each["command_id"] for each in lines if each["method"] not in without}


def all_carried_out(said, text):
    assert f"{len(text.splitlines())} commands carried out, 0 refused" in said, said
    found = stored()
    assert len(found) == len(set(found)) and ids_of(text) <= set(found)


@case
def a_compressed_file_is_read_as_it_is():
    text, file = sample(1), it.folder / "commands.ndjson.gz"
    file.write_bytes(gzip.compress(text.encode()))
    all_carried_out(it.nova("import", str(file)).stderr, text)


@case
def a_compressed_file_that_was_cut_is_told_with_its_place():
    text, file = sample(2), it.folder / "cut.ndjson.gz"
    whole = gzip.compress(text.encode())
    file.write_bytes(whole[:len(whole) // 2])
    said = it.nova("import", str(file), code=1).stderr
    place = int(re.search(r"is damaged behind line (\d+)", said)[1])
    assert 0 < place < len(text.splitlines()), said
    file.write_bytes(whole)
    all_carried_out(it.nova("import", str(file)).stderr, text)


@case
def standard_input_is_a_file_as_well():
    for seed, packed in ((3, False), (4, True)):
        text = sample(seed)
        data = gzip.compress(text.encode()) if packed else text.encode()
        done = subprocess.run([str(NOVA), "import", "-"], env=it.environment(), input=data,
                              capture_output=True, timeout=180, check=True)
        all_carried_out(done.stderr.decode(), text)


@case
def an_import_that_was_killed_goes_on_when_it_is_run_again():
    """At three places of the file; in the end every command happened once."""
    text, file = sample(5), it.folder / "resumed.ndjson"
    file.write_text(text)
    lines, wanted, killed_at = len(text.splitlines()), ids_of(text), []

    def done():
        return len(wanted & set(stored()))
    for share in (0.2, 0.45, 0.7):
        with subprocess.Popen([str(NOVA), "import", str(file)], env=it.environment(),
                              stderr=subprocess.PIPE) as running:
            wait_for(f"{share} of the commands", lambda share=share: done() >= share * lines)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL
        killed_at.append(done())
    assert killed_at == sorted(killed_at) and killed_at[-1] < len(wanted), (killed_at, len(wanted))
    all_carried_out(it.nova("import", str(file)).stderr, text)
    before = sorted(stored())
    all_carried_out(it.nova("import", str(file)).stderr, text)
    assert sorted(stored()) == before
    print(f"# killed with {killed_at} of {len(wanted)} commands done", flush=True)


def on_a_terminal(*words, **more):
    """What a person sees of its standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([str(NOVA), *words], env=it.environment(), stderr=theirs, **more) as run:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # the other side is closed
            while data := os.read(ours, 65536):
                seen += data
        assert run.wait(60) == 0, seen
    os.close(ours)
    return seen.decode()


@case
def a_person_sees_how_far_it_is():
    text = sample(6)
    files = it.folder / "plain.ndjson", it.folder / "packed.ndjson.gz"
    files[0].write_text(text)
    files[1].write_bytes(gzip.compress(sample(7).encode()))
    for file in files:
        said = on_a_terminal("import", str(file))
        shown = [(bar.count("#"), int(percent), int(count)) for bar, percent, count in re.findall(
            r"import \[([#.]{24})\] (\d+)%, (\d+) commands, \d+/s, 0 refused", said)]
        shares = [percent for _, percent, _ in shown]
        assert len(shown) >= 3 and shown == sorted(shown), shown
        assert shown[-1][:2] == (24, 100) and any(0 < share < 100 for share in shares), shown
        assert all(abs(marks - share * 0.24) <= 1
                   for marks, share, _ in shown), shown
    with subprocess.Popen(["cat", str(files[0])], stdout=subprocess.PIPE) as pipe:
        said = on_a_terminal("import", "-", stdin=pipe.stdout)  # nobody knows how long it is
    assert re.search(r"import \d+ commands, \d+/s", said) and "%" not in said, said


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
