#!/usr/bin/env python3
"""The tables of docs/security.md, made from test/security_table.py; the text above them is written by hand.

usage: security.py --write
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "lib")]
from case_table import ROOT, cell
from security_table import ASVS, OTHERS, SECTIONS

PAGE = ROOT / "docs/security.md"
MARK = "<!-- From here on made by test/security.py: change test/security_table.py -->"


def lines():
    return [line for _, section in SECTIONS for line in section]


def here(line):
    """How it stands with a line: held, not applicable, not there yet, or held in part."""
    if line.aside:
        return f"**Not applicable**: {line.aside}"
    absent = line.missing and f"**Not there yet**: {line.missing}"
    return ". ".join(each for each in (line.held, absent) if each)


def summary(some):
    count = {
        "are held": sum(bool(each.held and not each.missing) for each in some),
        "are held in part": sum(bool(each.held and each.missing) for each in some),
        "are not there yet": sum(bool(each.missing and not each.held) for each in some),
        "do not apply": sum(bool(each.aside) for each in some)}
    return f"{len(some)} lines: " + ", ".join(f"{number} {what}" for what, number in count.items()) + "."


def table(title, section, numbered):
    level = "| level " if numbered else ""
    yield from ("", f"### {title}", "", f"| {'item' if numbered else 'section'} {level}| asks | here | cases |",
                "|---|---|---|---|" + ("---|" if numbered else ""))
    for line in section:
        level = f"| {line.level} " if numbered else ""
        yield f"| {line.place} {level}| {line.asks} | {here(line)} | {cell(line)} |"


def made():
    """The lines below the mark."""
    yield from ("", "## OWASP ASVS 4.0.3, levels 1 and 2", "",
                summary([line for _, section in ASVS for line in section]))
    for title, section in ASVS:
        yield from table(title, section, True)
    yield from ("", "## RFC 8725, RFC 9106, RFC 9700 and NIST SP 800-63B", "",
                summary([line for _, section in OTHERS for line in section]))
    for title, section in OTHERS:
        yield from table(title, section, False)


def page():
    """The lines of the whole page."""
    text = PAGE.read_text().splitlines()
    return text[:text.index(MARK) + 1] + list(made())


def main():
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text("\n".join(page()) + "\n")
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main())
