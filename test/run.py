#!/usr/bin/env python3
"""Runs every test and ends with 'N passed, N failed'.

A test is a program: a cmocka program of the build, or a script under test/. Each prints TAP
("ok 1 - behaviour"); a program counts one case a line, and one failure more when it ends badly
without having said which case failed, or when it printed no case at all.

usage: run.py BUILD_DIRECTORY [PATTERN]
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIMEOUT_S = 600  # a hanging test is a failure, not a hanging run


def programs(build):
    for source in sorted((ROOT / "test/unit").glob("test_*.c")):
        yield f"unit/{source.stem}", [str(build / "test" / source.stem)]
    scripts = {".py": sys.executable, ".sh": "bash"}
    for folder, pattern in (("unit", "*_test.*"), ("integration", "*_test.*"), ("tidy", "*_test.*")):
        for script in sorted((ROOT / "test" / folder).glob(pattern)):
            if script.suffix in scripts:
                yield f"{folder}/{script.stem}", [scripts[script.suffix], str(script)]


def run(name, command):
    # Whoever runs the tests may have a Nova of their own in their environment.
    clean = {key: value for key, value in os.environ.items()
             if not key.startswith("NOVA_") or key == "NOVA_BUILD"}
    environment = dict(clean, CMOCKA_MESSAGE_OUTPUT="TAP", LC_ALL="C.UTF-8")
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
                              env=environment, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
        output, code = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        output += f"\nno end within {TIMEOUT_S} s\n"
        code = -1
    passed = len(re.findall(r"^ok \d+", output, re.M))
    failed = len(re.findall(r"^not ok \d+", output, re.M))
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
    print(f"{'ok  ' if failed == 0 else 'FAIL'} {name}: {passed} passed, {failed} failed", flush=True)
    if failed:
        print(output, flush=True)
    return passed, failed


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    pattern = sys.argv[2] if len(sys.argv) > 2 else ""
    chosen = [(name, command) for name, command in programs(build) if pattern in name]
    if not chosen:
        print(f"no test's name contains '{pattern}'")
        return 2
    results = [run(name, command) for name, command in chosen]
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
