#!/usr/bin/env python3
"""docs/hazards.md from the table and the results of a run.

usage: hazards.py --write [RESULTS]   writes the page; RESULTS: build/test-results.json of test/run.py
       hazards.py --check [RESULTS]   says which rows did not pass in that run; 1 if there are any
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "lib")]
from case_table import ROOT, cell
from hazards_table import SECTIONS

PAGE = ROOT / "docs/hazards.md"
RESULTS = ROOT / "build/test-results.json"
HEAD = """# Hazards: what goes wrong in such systems, and the cases that show it does not here

Each row has bitten somebody. The cases provoke it with real servers and real signals; a row without
its cases, or a case that did not pass, fails `./nova test`. Made from `test/hazards_table.py`:

    python3 test/hazards.py --write build/test-results.json
"""


def rows():
    return [row for _, section in SECTIONS for row in section]


def result_of(row, results):
    """"ok", what did not pass, and what is not there yet."""
    found = []
    for result, words in (("not ok", "failed"), ("skip", "skipped"), (None, "did not run")):
        cases = [case for program, case in row.cases() if results.get((program, case)) == result]
        if cases:
            found.append(f"{words}: {', '.join(cases)}")
    if row.tests and not found:
        found.append("ok")
    if row.missing:
        found.append(row.missing if row.missing.startswith("pending")
                     else f"not there yet: {row.missing}")
    return "; ".join(found)


def bad_rows(results):
    return [f"{row.slug}: {result_of(row, results)}" for row in rows()
            if any(results.get(each) != "ok" for each in row.cases())]


def summary(results):
    def having(result):
        return sum(any(results.get(each) == result for each in row.cases()) for row in rows())
    whole = sum(result_of(row, results) == "ok" for row in rows())
    part = sum(result_of(row, results).startswith("ok; ") for row in rows())
    none = sum(not row.tests for row in rows())
    return (f"{len(rows())} rows: {whole} hold, {part} hold in what there is of them, {none} are not"
            f" there yet, {having(None)} did not run whole, {having('not ok') + having('skip')} failed"
            " or were skipped")


def page(results):
    """The lines of docs/hazards.md; the last cell of a row is its result."""
    yield from HEAD.splitlines()
    for title, section in SECTIONS:
        yield from ("", f"## {title}", "", "| hazard | what must hold | cases | result |",
                    "|---|---|---|---|")
        for row in section:
            yield f"| {row.hazard} | {row.holds} | {cell(row)} | {result_of(row, results)} |"
    yield from ("", summary(results) + ".")


def without_results(lines):
    """What must be the same whatever a run said."""
    return [re.sub(r"\| [^|]* \|$", "|", line) if line.startswith("| ") else line
            for line in lines if not re.match(r"\d+ rows: ", line)]


def read_results(path):
    return {(each["program"], each["case"]): each["result"]
            for each in json.loads(pathlib.Path(path).read_text())}


def main():
    path = sys.argv[2] if len(sys.argv) > 2 else RESULTS
    if sys.argv[1:2] == ["--write"]:
        PAGE.write_text("\n".join(page(read_results(path))) + "\n")
        return 0
    if sys.argv[1:2] == ["--check"]:
        found = bad_rows(read_results(path))
        print(*found, summary(read_results(path)), sep="\n")
        return 1 if found else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
