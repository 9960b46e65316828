#!/usr/bin/env python3
"""Runs every test and ends with 'N passed, N failed'.

A test is a program: a cmocka program of the build, or a script under test/. Each prints TAP
("ok 1 - behaviour"); a program counts one case a line, and one failure more when it ends badly
without having said which case failed, or when it printed no case at all. Each case's result goes
into build/test-results.json; a whole run counts one case more, that every row of docs/hazards.md
was provoked. Two programs run at a time (NOVA_TEST_LANES=1: one), since most wait most of the time.

usage: run.py BUILD_DIRECTORY TSAN_BUILD_DIRECTORY FUZZ_BUILD_DIRECTORY [PATTERN]
"""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import hazards

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build/test-results.json"  # what test/hazards.py reads
TIMEOUT_S = 900  # a hanging test is a failure, not a hanging run; but machines are shared
# Of bus/, outbox-relay/ and inbox/, and the processes made of them.
TSAN = ["unit/test_inbox_state", "unit/test_settle", "unit/test_keys", "unit/test_log",
        "unit/test_metrics", "integration/bus_test", "integration/services_test",
        "integration/projections_test", "integration/relay_lease_test"]

# `./nova test fault`: those that kill, stop, cut, wipe, damage and restore.
FAULT = [f"integration/{name}_test" for name in (
    "kill", "relay_gap", "relay_heal", "relay_lease", "signer", "restore", "recovery",
    "recovery_kill", "backup", "consumer", "up", "outbox_hazards", "inbox_hazards",
    "command_hazards")] + [
        "chaos/chaos_test"]

LANES = int(os.environ.get("NOVA_TEST_LANES", 2))
# What compares times or memory, or takes the machine itself: nothing runs beside these.
ALONE = {"integration/enumeration_test", "integration/bench_test", "integration/capacity_test",
         "chaos/chaos_test"}
ONE_AT_A_TIME = threading.Lock()  # what is printed of a program stands together

SCRIPTS = {".py": sys.executable, ".sh": "bash"}


def programs(build):
    """(name, command) of every test, with the binaries of this build."""
    for source in sorted((ROOT / "test/unit").glob("test_*.c")):
        yield f"unit/{source.stem}", [str(build / "test" / source.stem)]
    for folder, pattern in (("unit", "*_test.*"), ("integration", "*_test.*"), ("tidy", "*_test.*"),
                            ("sim", "*_test.*"), ("chaos", "*_test.*")):
        for script in sorted((ROOT / "test" / folder).glob(pattern)):
            if script.suffix in SCRIPTS:
                yield f"{folder}/{script.stem}", [SCRIPTS[script.suffix], str(script)]


def sanitizer_options(folder):
    """Reports go into files: a daemon that ends with one is only started again by its supervisor."""
    return {"ASAN_OPTIONS": f"log_path={folder}/asan", "UBSAN_OPTIONS": f"log_path={folder}/ubsan",
            "TSAN_OPTIONS": f"log_path={folder}/tsan halt_on_error=1 "
                            f"suppressions={ROOT}/test/tsan.supp",
            "LSAN_OPTIONS": f"suppressions={ROOT}/test/lsan.supp print_suppressions=0"}


def run_program(command, build, reports):
    """(output, exit code)"""
    # Whoever runs the tests may have a Nova of their own in their environment.
    clean = {key: value for key, value in os.environ.items()
             if not key.startswith("NOVA_") or key.startswith(("NOVA_TEST_", "NOVA_FUZZ_"))}
    environment = dict(clean, CMOCKA_MESSAGE_OUTPUT="TAP", LC_ALL="C.UTF-8", NOVA_BUILD=str(build.relative_to(ROOT)),
                       **sanitizer_options(reports))
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
                              env=environment, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
        return done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        return output + f"\nno end within {TIMEOUT_S} s\n", -1


def cases_of(output):
    """{case: "ok", "not ok" or "skip"} of the TAP lines that a program printed."""
    found = {}
    for line in re.findall(r"^(?:not )?ok \d+.*", output, re.M):
        case = re.search(r"(?: - |# SKIP )(\w+)", line)
        if case:
            found[case.group(1)] = ("not ok" if line.startswith("not") else
                                    "skip" if "# SKIP" in line else "ok")
    return found


def write_results(results, keep):
    """`keep`: a run of some tests; what is known of the others stays."""
    names = {each["name"] for each in results}
    lines = [each for each in json.loads(RESULTS.read_text()) if each["program"] not in names
             ] if keep and RESULTS.exists() else []
    lines += [{"program": each["name"], "case": case, "result": result}
              for each in results for case, result in each["cases"].items()]
    RESULTS.write_text(json.dumps(lines, indent=0) + "\n")


def every_hazard_was_provoked(results):
    """One case more of a whole run: no row of docs/hazards.md without its cases, all passed."""
    known = {(each["name"], case): result for each in results
             for case, result in each["cases"].items()}
    bad = hazards.bad_rows(known)
    print(f"{'FAIL' if bad else 'ok  '} hazards: {hazards.summary(known)}", *bad, sep="\n",
          flush=True)
    return {"name": "hazards", "passed": int(not bad), "failed": int(bool(bad)), "cases": {}}


def run(name, command, build):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nova-reports.") as reports:
        os.chmod(reports, 0o1777)  # some tests run processes as another user
        output, code = run_program(command, build, reports)
        found = [each.read_text(errors="replace") for each in pathlib.Path(reports).iterdir()]
    cases = cases_of(output)
    passed = len(re.findall(r"^ok \d+", output, re.M))
    failed = len(re.findall(r"^not ok \d+", output, re.M)) + len(found)
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
    said = [f"{'ok  ' if failed == 0 else 'FAIL'} {name}: {passed} passed, {failed} failed,"
            f" {time.monotonic() - began:.0f} s"]
    # Of a good one the seeds that were drawn, and how much was tried.
    said += [output, *found] if failed else [
        f"     {line}" for line in output.splitlines()
        if line.startswith("# ") and line != "# ok - tests"]
    with ONE_AT_A_TIME:
        print(*said, sep="\n", flush=True)
    return {"name": name, "passed": passed, "failed": failed, "cases": cases}


def every_test(build, tsan, fuzz):
    """(name, command, build): all with address and UB sanitizers, what has threads with TSan too."""
    plain = list(programs(build))
    yield from ((name, command, build) for name, command in plain)
    for name, command in programs(tsan):
        if name in TSAN:
            yield f"tsan/{name.split('/')[1]}", command, tsan
    yield "fuzz/fuzz_test", [sys.executable, str(ROOT / "test/fuzz/fuzz_test.py")], fuzz


def run_all(chosen):
    """Results in the order of `chosen`: most of them side by side, then each that must be alone."""
    with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
        running = {each[0]: lanes.submit(run, *each) for each in chosen if each[0] not in ALONE}
        try:
            concurrent.futures.wait(running.values())
        except KeyboardInterrupt:
            lanes.shutdown(wait=False, cancel_futures=True)
            raise
    return [running[each[0]].result() if each[0] in running else run(*each) for each in chosen]


def main():
    # A shell's background job ignores Ctrl-C, and so would every process that a test ends by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    builds = [pathlib.Path(each).resolve() for each in sys.argv[1:4]]
    pattern = sys.argv[4] if len(sys.argv) > 4 else ""
    chosen = [each for each in every_test(*builds)
              if pattern in each[0] or (pattern == "fault" and each[0] in FAULT)]
    if not chosen:
        print(f"no test's name contains '{pattern}'")
        return 2
    began = time.monotonic()
    results = run_all(chosen)
    print(f"{len(chosen)} programs in {(time.monotonic() - began) / 60:.1f} minutes")
    write_results(results, keep=bool(pattern))
    if not pattern:
        results.append(every_hazard_was_provoked(results))
    passed, failed = (sum(each[column] for each in results) for column in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
