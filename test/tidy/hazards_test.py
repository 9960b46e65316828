#!/usr/bin/env python3
"""The table of hazards is true: every case that it names is there, every row has one, and
docs/hazards.md is what the table makes.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import hazards  # which finds test/lib/
from case_table import differences, main, more_than_once, not_there


def every_case_that_the_table_names_is_there():
    return not_there([each for row in hazards.rows() for each in row.cases()])


def every_row_has_a_case_or_says_what_is_not_there_yet():
    return [row.slug for row in hazards.rows() if not row.cases() and not row.missing]


def every_row_has_a_name_of_its_own():
    return more_than_once([row.slug for row in hazards.rows()])


def the_page_is_what_the_table_makes():
    have = hazards.without_results(hazards.PAGE.read_text().splitlines())
    want = hazards.without_results(hazards.page({}))
    return differences(have, want)


def no_result_on_the_page_is_a_failure():
    """A case that did not run yet is said to be so; a whole run fails with it."""
    return [line for line in hazards.PAGE.read_text().splitlines()
            if re.search(r"\| (failed|skipped): [^|]*\|$", line)]


RULES = [every_case_that_the_table_names_is_there, every_row_has_a_case_or_says_what_is_not_there_yet,
         every_row_has_a_name_of_its_own, the_page_is_what_the_table_makes,
         no_result_on_the_page_is_a_failure]

if __name__ == "__main__":
    raise SystemExit(main(RULES))
