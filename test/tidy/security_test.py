#!/usr/bin/env python3
"""docs/security.md is true to its table: every line says how it stands, every case that the page names
is there, and its tables are what test/security_table.py makes.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import security  # which finds test/lib/
from case_table import cases_on, differences, main, more_than_once, not_there


def every_case_that_the_page_names_is_there():
    """In its text as well as in its tables; a program is named with its cases or not at all."""
    text = security.PAGE.read_text()
    bare = re.findall(r"\*\*\w+/\w+\*\*(?!:\s+\w{8})", text)
    return not_there(cases_on(text)) + [f"{each} is named without a case" for each in bare]


def every_case_of_the_table_is_on_the_page():
    """Else the rule before this one would look for fewer than there are."""
    found = set(cases_on(security.PAGE.read_text()))
    return [f"{program}/{case}" for line in security.lines() for program, case in line.cases()
            if (program, case) not in found]


def every_line_is_held_by_a_case_or_says_why_not():
    found = []
    for line in security.lines():
        if line.aside:
            good = not (line.held or line.tests or line.missing)
        else:
            good = bool(line.held) == bool(line.cases()) and bool(line.held or line.missing)
        found += [] if good and line.asks else [f"{line.place} {line.asks}"]
    return found


def every_line_is_there_once():
    return (more_than_once([line.place for _, section in security.ASVS for line in section]) +
            more_than_once([f"{title}: {line.place} {line.asks}" for title, section in security.OTHERS
                            for line in section]))


# OWASP ASVS 4.0.3: how many items of levels 1 and 2 each section has; 7.3.2 was struck out there.
ITEMS = {"2.1": 12, "2.2": 3, "2.3": 3, "2.4": 5, "2.5": 7, "2.6": 3, "2.7": 6, "2.8": 7, "2.9": 3,
         "2.10": 4, "3.1": 1, "3.2": 4, "3.3": 4, "3.4": 5, "3.5": 3, "3.7": 1, "6.1": 3, "6.2": 6,
         "6.3": 2, "6.4": 2, "7.1": 4, "7.2": 2, "7.3": 3, "7.4": 3, "8.1": 4, "8.2": 3, "8.3": 8}


def no_item_of_asvs_is_left_out():
    places = [line.place for _, section in security.ASVS for line in section]
    found = {section: sum(place.rpartition(".")[0] == section for place in places) for section in ITEMS}
    return [f"{section}: {found[section]} of {count} items" for section, count in ITEMS.items()
            if found[section] != count] + ([] if sum(ITEMS.values()) == len(places) else ["another"])


def the_page_is_what_the_table_makes():
    return differences(security.PAGE.read_text().splitlines(), security.page())


RULES = [every_case_that_the_page_names_is_there, every_case_of_the_table_is_on_the_page,
         every_line_is_held_by_a_case_or_says_why_not, every_line_is_there_once,
         no_item_of_asvs_is_left_out, the_page_is_what_the_table_makes]

if __name__ == "__main__":
    raise SystemExit(main(RULES))
