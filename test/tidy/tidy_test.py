#!/usr/bin/env python3
"""House rules as tests: clang-format, lines, lengths of files and functions, and who may include what."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from case_table import ROOT, main

COLUMNS_MAX = 100
LINES_MAX = 800
# A folder may include its own headers and those of the folders named here.
MAY_INCLUDE = {
    "base": [],
    "audit": ["base"],
    "proto": ["base"],
    "pg": ["base"],
    "bus": ["base", "proto"],
    "migrations": ["base", "pg"],
    "aggregates": ["base", "proto", "pg"],
    "outbox-relay": ["base", "proto", "pg", "bus"],
    "signer": ["base", "audit", "proto", "pg", "bus", "outbox-relay"],
    "inbox": ["base", "proto", "pg", "bus", "aggregates"],
    "projections": ["base", "proto", "pg", "bus", "inbox"],
    "services": ["base", "proto", "pg", "bus", "aggregates", "inbox", "projections"],
    "cli": ["base", "audit", "proto", "pg", "bus", "migrations", "aggregates", "outbox-relay", "signer",
            "inbox", "projections", "services"],
    "bench": ["base", "proto", "pg", "bus", "aggregates"],
    "test": ["base", "audit", "proto", "pg", "bus", "migrations", "aggregates", "outbox-relay", "signer",
             "inbox", "projections", "services", "cli"],
}
# Pure files decide only; they include nothing that does I/O.
PURE = ["outbox-relay/settle.h", "outbox-relay/settle.c", "outbox-relay/relay_state.h",
        "outbox-relay/relay_state.c", "outbox-relay/recover_plan.h",
        "outbox-relay/recover_plan.c", "cli/supervise.h", "cli/supervise.c", "cli/waiting.h",
        "cli/waiting.c", "cli/check_rules.h", "cli/check_rules.c", "cli/projection_state.h",
        "cli/projection_state.c",
        "inbox/inbox_state.h", "inbox/inbox_state.c",
         "aggregates/runtime/group.h", "aggregates/runtime/group.c",
        "base/revocations.h", "base/revocations.c", "services/identity/key_schedule.h",
        "services/identity/key_schedule.c"]
PURE_FOLDERS = ["audit", "aggregates/core", "aggregates/identity", "aggregates/content",
                "aggregates/communication"]
IO_HEADERS = re.compile(
    r'#include\s+[<"](stdio|unistd|sys/|libpq|nats|pthread|time\.|fcntl|pg/|bus/|aggregates/runtime/(?!group\.h))')


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in listed if (ROOT / name).exists()]


def every_source_is_formatted():
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, sources())],
                          capture_output=True, text=True)
    return done.stderr.splitlines()[:10] if done.returncode else []


def no_line_is_over_100_columns_and_no_file_over_800_lines():
    found = []
    for path in sources():
        lines = path.read_text().splitlines()
        if len(lines) > LINES_MAX:
            found.append(f"{path.relative_to(ROOT)}: {len(lines)} lines")
        found += [f"{path.relative_to(ROOT)}:{number}" for number, line in enumerate(lines, 1)
                  if len(line) > COLUMNS_MAX]
    return found


def dependencies_point_one_way():
    found = []
    for path in sources():
        name = path.relative_to(ROOT)
        own = name.parts[0]
        for target in re.findall(r'#include "([^"/]+)/', path.read_text()):
            if target != own and (ROOT / target).is_dir() and target not in MAY_INCLUDE.get(own, []):
                found.append(f"{name} includes {target}/")
    return found


def pure_files_do_no_io():
    pure = [ROOT / name for name in PURE] + [path for path in sources() if str(
        path.relative_to(ROOT).parent) in PURE_FOLDERS]
    return [f"{path.relative_to(ROOT)} includes {match.group(1)}" for path in pure
            if (match := IO_HEADERS.search(path.read_text()))]


def every_file_opens_with_its_purpose():
    return [str(path.relative_to(ROOT)) for path in sources()
            if not path.read_text().startswith(("//", "/*"))]


# Bounds of what grows; a buffer's own size or a name's length is its file's affair.
BOUND = re.compile(r"^\s*(?:enum \{ )?(\w*(?:QUEUE|WINDOW|BATCH|FLYING|IN_FLIGHT|PENDING|PIPELINE|WORKERS|"
                   r"ATTEMPTS|WAITING|PARKED)\w*_MAX) = ", re.M)


def every_bound_of_a_queue_stands_in_limits_h():
    return [f"{name} defines {found.group(1)}: base/limits.h is the place" for path in sources()
            if (name := path.relative_to(ROOT)).parts[0] != "test" and str(name) != "base/limits.h"
            for found in BOUND.finditer(path.read_text())]


FUNCTION_LINES_MAX = 60


def no_function_is_over_60_lines():
    found = []
    for path in sources():
        name, began, before = path.relative_to(ROOT), None, ""
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line == "{":
                began, head = number, before
            elif line.startswith("}") and began:
                if number - began - 1 > FUNCTION_LINES_MAX:
                    found.append(f"{name}:{began} {head}: {number - began - 1} lines")
                began = None
            before = line
    return found


# No bound, a hidden state, a shell, or another's stack.
BANNED = re.compile(r"\b(gets|v?sprintf|strtok|strncpy|system|popen|tmpnam|s?rand|alloca|setjmp|longjmp|"
                    r"asctime|ctime|localtime|gmtime)\(")


def no_function_that_has_a_safer_sister_is_called():
    return [f"{name}: {found.group(1)}" for path in sources()
            if (name := path.relative_to(ROOT)).parts[0] != "test"
            for found in BANNED.finditer(path.read_text())]


RULES = [every_source_is_formatted, no_line_is_over_100_columns_and_no_file_over_800_lines,
         dependencies_point_one_way, pure_files_do_no_io, every_file_opens_with_its_purpose,
         every_bound_of_a_queue_stands_in_limits_h, no_function_is_over_60_lines,
         no_function_that_has_a_safer_sister_is_called]

if __name__ == "__main__":
    raise SystemExit(main(RULES))
