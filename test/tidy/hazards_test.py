#!/usr/bin/env python3
"""The table of hazards is true: every case that it names is there, every row has one, and
docs/hazards.md is what the table makes.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "test"))
import hazards


def cases_of(program):
    """The names of a program's cases, by its source: @case, cmocka's lists, tap lines of a shell."""
    text = ""
    for path in [*(ROOT / "test").glob(f"{program}.*")]:
        text += path.read_text()
    for check in set(re.findall(r"\bcheck_\w+", text)):  # a script that runs a program of cmocka's
        source = ROOT / f"test/integration/{check}.c"
        text += source.read_text() if source.exists() else ""
    return set(re.findall(r"^@case\ndef (\w+)", text, re.M) +
               re.findall(r"(?:cmocka_unit_test\w*|\bCASE)\(\s*(\w+)", text) +
               re.findall(r"^\s*(?:allowed|refused|tap \S+) (\w+)", text, re.M) +
               re.findall(r'^(?:runs = \[| +)\("(\w+)", \[', text, re.M))  # sim_test's runs


def every_case_that_the_table_names_is_there():
    return [f"{row.slug}: {program} has no case {case}" for row in hazards.rows()
            for program, case in row.cases() if case not in cases_of(program)]


def every_row_has_a_case_or_says_what_is_not_there_yet():
    return [row.slug for row in hazards.rows() if not row.cases() and not row.missing]


def every_row_has_a_name_of_its_own():
    slugs = [row.slug for row in hazards.rows()]
    return sorted({each for each in slugs if slugs.count(each) > 1})


def the_page_is_what_the_table_makes():
    have = hazards.without_results(hazards.PAGE.read_text().splitlines())
    want = hazards.without_results(hazards.page({}))
    return [f"have: {old}\n# want: {new}" for old, new in zip(have + [""], want + [""])
            if old != new][:3] or ([] if len(have) == len(want) else ["lines are missing"])


def no_result_on_the_page_is_a_failure():
    """A case that did not run yet is said to be so; a whole run fails with it."""
    return [line for line in hazards.PAGE.read_text().splitlines()
            if re.search(r"\| (failed|skipped): [^|]*\|$", line)]


RULES = [every_case_that_the_table_names_is_there, every_row_has_a_case_or_says_what_is_not_there_yet,
         every_row_has_a_name_of_its_own, the_page_is_what_the_table_makes,
         no_result_on_the_page_is_a_failure]

if __name__ == "__main__":
    bad = 0
    for place, rule in enumerate(RULES, 1):
        found = rule()
        bad += bool(found)
        print(f"{'not ok' if found else 'ok'} {place} - {rule.__name__}")
        for line in found:
            print("#", line)
    raise SystemExit(1 if bad else 0)
