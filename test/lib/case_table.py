"""Tables whose rows name the cases that show them (test/hazards_table.py, test/security_table.py): what
their pages and their checks share. A case is a program and its name, "program/case" in a table and
"**program**: case, case; **program**: case" on a page.
"""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Shown:
    """A row with `tests`: "program/case", one a line."""
    tests = ""

    def cases(self):
        return [tuple(line.strip().rsplit("/", 1)) for line in self.tests.split()]


def cell(row):
    """Its cases, as a page says them."""
    by_program = {}
    for program, case in row.cases():
        by_program.setdefault(program, []).append(case)
    return "; ".join(f"**{program}**: {', '.join(each)}" for program, each in by_program.items())


def cases_on(page):
    """(program, case) of everything that a page names in that form, in its tables and its text."""
    return [(program, case) for program, cases in re.findall(r"\*\*(\w+/\w+)\*\*:\s+(\w+(?:,\s+\w+)*)",
                                                             page)
            for case in re.split(r",\s+", cases)]


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
               re.findall(r'^(?:runs = \[| +)\("(\w+)", \[', text, re.M) +  # sim_test's runs
               [f"fuzz_{each}" for each in re.findall(r'"(\w+)": seeds_of_', text)])


def not_there(cases):
    """Of (program, case) those whose program has no such case, in words."""
    known = {program: cases_of(program) for program, _ in cases}
    return [f"{program} has no case {case}" for program, case in cases if case not in known[program]]


def differences(have, want):
    """The first lines of a page that are not those that its table makes."""
    return [f"have: {old}\n# want: {new}" for old, new in zip(have + [""], want + [""])
            if old != new][:3] or ([] if len(have) == len(want) else ["lines are missing"])


def more_than_once(names):
    return sorted({each for each in names if names.count(each) > 1})


def main(rules):
    """Each rule is a function that returns what is wrong, in lines; TAP, and the exit code."""
    bad = 0
    for place, rule in enumerate(rules, 1):
        found = rule()
        bad += bool(found)
        print(f"{'not ok' if found else 'ok'} {place} - {rule.__name__}")
        for line in found:
            print("#", line)
    return 1 if bad else 0
