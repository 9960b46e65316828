#!/usr/bin/env python3
"""How many lines of each folder the tests ran: gcov's counts, merged over every program.

usage: ./nova test coverage, which builds with --coverage and runs the tests before
"""
import collections
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("aggregates", "inbox", "outbox-relay", "bus", "projections", "services", "base", "pg",
           "proto", "migrations", "cli")


def counts(build):
    """{source: {line: how often}} of what was built in that folder."""
    found = collections.defaultdict(collections.Counter)
    objects = [str(each) for each in build.rglob("*.gcno")]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcov", "--json-format", "--preserve-paths", *objects], cwd=folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        for each in pathlib.Path(folder).glob("*.gcov.json.gz"):
            for file in json.loads(gzip.decompress(each.read_bytes()))["files"]:
                for line in file["lines"]:
                    found[file["file"]][line["line_number"]] += line["count"]
    return found


def main():
    lines, ran = collections.Counter(), collections.Counter()
    for source, by_line in counts(pathlib.Path(sys.argv[1]).resolve()).items():
        path = pathlib.Path(source)
        if not path.is_relative_to(ROOT) or path.suffix != ".c":
            continue
        folder = path.relative_to(ROOT).parts[0]
        lines[folder] += len(by_line)
        ran[folder] += sum(count > 0 for count in by_line.values())
    for folder in FOLDERS:
        print(f"{folder:14} {ran[folder]:6} of {lines[folder]:6} lines, "
              f"{100 * ran[folder] / max(lines[folder], 1):5.1f} %")


if __name__ == "__main__":
    main()
