#!/usr/bin/env python3
"""What README.md and docs/ say, done: the example in another language, and every name they use."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, ROOT, Instance, case, main, wait_for
from log_check import SERVICES

EXAMPLE = ROOT / "docs/examples/subscribe"
LINES_MAX = 15
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")),
         *sorted(ROOT.glob("*/README.md"))]
PAGES = [page for page in PAGES if "node_modules" not in page.parts]
it = Instance()


def sources():
    """All code in one text, to look names up in."""
    found = []
    for folder in ("base", "audit", "proto", "pg", "bus", "migrations", "aggregates", "outbox-relay",
                   "signer", "inbox", "projections", "services", "cli", "test"):
        found += [each.read_text() for each in sorted((ROOT / folder).rglob("*.[ch]"))]
        found += [each.read_text() for each in sorted((ROOT / folder).rglob("*.def"))]
    return "\n".join(found)


@case
def the_readmes_example_is_the_one_that_is_run_and_short():
    code = re.search(r"```js\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    assert code == (EXAMPLE / "subscribe.mjs").read_text()
    assert len(code.splitlines()) <= LINES_MAX


@case
def a_program_in_another_language_hears_events():
    folder = it.folder / "subscribe"
    folder.mkdir()
    for file in ("package.json", "subscribe.mjs"):
        (folder / file).write_text((EXAMPLE / file).read_text())
    if subprocess.run(["npm", "ping"], cwd=folder, capture_output=True, timeout=120,
                      check=False).returncode != 0:
        return "npm's registry cannot be reached (npm ping)"
    done = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"],
                          cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    said = it.nova("env", "subscriber").stdout
    more = dict(re.findall(r"^(\w+)='(.*)'$", said, re.M))
    out = folder / "out"
    with out.open("w") as file, Caller(it) as caller, subprocess.Popen(
            ["node", "subscribe.mjs"], cwd=folder, stdout=file, stderr=subprocess.STDOUT,
            env=dict(os.environ, **more, NOVA_ROOT=str(ROOT))) as program:
        user = caller.call("identity", "Register", handle="reader", display_name="Reader",
                           email="reader@example.invalid", password="correct horse battery").user_id

        def heard():  # until it listens, its events pass by
            caller.call("content", "CreatePost", user, title="Hello", text="there")
            assert program.poll() is None, out.read_text()
            return "post.created PostCreated" in out.read_text()
        wait_for("the example to print a post", heard)
        program.kill()
    assert user in out.read_text(), out.read_text()
    events = {row[0] for row in it.sql("select event_id::text from content.outbox")}
    printed = set(re.findall(r"^([0-9a-f-]{36}) post.created", out.read_text(), re.M))
    assert printed and printed <= events, printed
    return None


@case
def every_path_that_the_docs_name_is_there():
    wrong = []
    for page in PAGES:
        text = page.read_text()
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in link and not (page.parent / link).exists():
                wrong.append(f"{page.relative_to(ROOT)}: link {link}")
        for name in re.findall(r"`([\w./-]+/[\w./-]*)`", text):
            invented = "tag_view" in name or "poll" in name
            if name.startswith((".nova", "build", "pg_wal", "/", "../")) or invented:
                continue
            if "." not in name.rsplit("/", 1)[1] and not name.endswith("/") and not (
                    ROOT / name.split("/")[0]).is_dir():
                continue  # content/forget: a consumer
            if not ((ROOT / name).exists() or (page.parent / name).exists() or
                    list(ROOT.glob(f"*/{name}"))):
                wrong.append(f"{page.relative_to(ROOT)}: {name}")
    assert not wrong, wrong


@case
def every_name_of_code_that_the_guides_use_is_there():
    code, wrong = sources() + " ".join(f"NOVA_{each.upper()}" for each in SERVICES), []
    for page in ("life-of-an-event", "adding-a-projection", "adding-an-aggregate", "erasure"):
        text = (ROOT / f"docs/{page}.md").read_text()
        for name in re.findall(r"`([A-Za-z]\w*_\w+)`", text) + re.findall(r"`([A-Z]{4,})`", text):
            invented = "tag_view" in name or "poll" in name
            if not invented and not re.search(rf"\b{name}\b", code) and name not in POSTGRES:
                wrong.append(f"docs/{page}.md: {name}")
    assert not wrong, wrong


POSTGRES = {"min_wal_size", "max_wal_size"}


@case
def every_command_that_the_docs_show_is_one():
    wrong = []
    for page in PAGES:
        for name in set(re.findall(r"\./nova ([a-z]+)\b", page.read_text())):
            done = subprocess.run([str(NOVA), name, "--help"], capture_output=True, check=False,
                                  env=it.environment())
            if done.returncode != 0 and name not in ("test", "build"):
                wrong.append(f"{page.relative_to(ROOT)}: ./nova {name}")
    assert not wrong, wrong


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
