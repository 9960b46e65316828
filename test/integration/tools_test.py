#!/usr/bin/env python3
"""The tools of operators and auditors, on the sample that `./nova up` brings in."""
import collections
import csv
import datetime
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import methods
from damage import supervisor_held
from instance import NOVA, PATIENCE_S, Instance, case, main, wait_for
from log_check import SERVICES

it = Instance()
said = {}


def moment(text):
    """Times have as many digits as they need, so as texts they have no order."""
    return datetime.datetime.fromisoformat(text)


def events(*filters):
    return [json.loads(line) for line in it.nova("log", "query", "--json", *filters).stdout
            .splitlines()]


def refused(*arguments, words):
    done = subprocess.run([str(NOVA), *arguments], env=it.environment(), capture_output=True,
                          text=True, check=False)
    told = done.stderr
    assert done.returncode in (1, 2) and told.startswith("nova: "), done
    assert words in told and len(told.strip().splitlines()) <= 2, told
    return told


@case
def up_brings_a_sample_in_and_sums_up():
    told = it.nova("up")
    said["up"] = told.stdout + told.stderr
    for word in ("registered", "posts", "messages", "Try next:"):
        assert word in said["up"], (word, said["up"])
    assert it.sql("select count(*) from identity.outbox where type = 'user.created'") == [(300,)]
    for line in said["up"].splitlines():  # consumers' lags
        if re.match(r"^(content|search|communication)/\w+ ", line):
            assert line.split()[3] == "0", line
    assert it.is_caught_up()


@case
def every_example_of_the_summary_works():
    examples = re.findall(r"^ +\./nova (.+)$", said["up"].split("Try next:")[1], re.M)
    assert len(examples) >= 6, examples
    for line in examples:
        arguments = shlex.split(line)
        if arguments[0] == "down":
            continue
        if arguments[:2] == ["log", "tail"]:
            with subprocess.Popen([str(NOVA), *arguments], env=it.environment(),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as tail:
                assert tail.stderr.readline(), line
                tail.send_signal(signal.SIGINT)
                assert tail.wait(30) == 0, line
            continue
        assert it.nova(*arguments).stdout.strip() or "rebuild" in line, line


@case
def a_second_up_says_that_it_runs():
    assert "runs already" in it.nova("up").stderr + it.nova("up").stdout
    assert it.sql("select count(*) from identity.outbox where type = 'user.created'")[0][0] <= 301


@case
def a_sample_is_the_same_for_the_same_seed():
    one, same, other = (it.nova("sample", "--users", "400", "--seed", seed).stdout
                        for seed in ("5", "5", "6"))
    assert one == same and one != other
    commands = [json.loads(line) for line in one.splitlines()]
    assert sum(each["method"] in ("Register", "ImportUser") for each in commands) == 400
    authors = collections.Counter(each.get("on_behalf_of") for each in commands
                                  if each["method"] == "CreatePost")
    top = sum(count for _, count in authors.most_common(len(authors) // 10))
    assert top > 0.3 * sum(authors.values()), (top, sum(authors.values()))  # few write most
    text = " ".join(each["request"].get("text", "") for each in commands)
    assert "#" in text
    words = collections.Counter(re.findall(r"[a-z]+", text))
    assert words.most_common(1)[0][1] > 20 * words.most_common(len(words) // 2)[-1][1]
    assert any(each["request"].get("parent_id") for each in commands)  # threads
    refused("sample", "--users", "none", words="--users")


@case
def an_import_keeps_a_journal_of_what_became_of_each_command():
    def line(method, command_id, **request):
        return json.dumps({"service": "content", "method": method, "request": request,
                           "command_id": command_id, "on_behalf_of": str(uuid.uuid4())}) + "\n"
    journal, file = it.folder / "journal.log", it.folder / "journalled.ndjson"
    good, bad, open_one = (str(uuid.uuid4()) for _ in range(3))
    file.write_text(line("CreatePost", good, text="kept") +
                    line("DeletePost", bad, post_id=str(uuid.uuid4())))
    it.nova("import", str(file), "--journal", str(journal), code=1)
    assert sorted(journal.read_text().splitlines()) == sorted([
        f"{good} acknowledged 1 OK content.CreatePost",
        f"{bad} refused 1 NOT_FOUND content.DeletePost"])
    file.write_text(line("CreatePost", open_one, text="nobody is there"))
    before = it.state("service/content")
    with supervisor_held(it):
        os.kill(before["pid"], signal.SIGKILL)
        it.nova("import", str(file), "--give-up", "0", "--timeout", "2", "--journal", str(journal), code=1)
    it.ready_again("service/content", before["starts"])
    told = journal.read_text().splitlines()[2].split()
    assert told[:2] == [open_one, "unknown"] and told[3] in (
        "UNAVAILABLE", "DEADLINE_EXCEEDED"), told
    it.nova("import", str(file), "--journal", str(journal))  # the same id again settles it
    assert journal.read_text().splitlines()[3].startswith(f"{open_one} acknowledged")
    refused("import", str(file), "--timeout", "0", words="--timeout wants seconds from 1")
    refused("import", str(file), "--journal", "/nowhere/journal", words="cannot be written")


@case
def call_lists_and_does_every_method():
    listed = it.nova("call", "--list").stdout
    for service, method, _, _ in methods():
        assert re.search(rf"^{service}$", listed, re.M) and re.search(rf"^  {method}\b", listed,
                                                                      re.M), method


def login(handle):
    reply = json.loads(it.nova("call", "identity", "Login", json.dumps(
        {"login": handle, "password": "nova sample password"})).stdout)
    file = it.folder / f"{handle}.token"
    file.write_text(reply["accessToken"])
    return file, reply["userId"]


@case
def call_acts_as_operator_for_a_user_or_with_a_token():
    token, user = login("user0.1")
    post = json.loads(it.nova("call", "content", "CreatePost", '{"text": "by token"}', "--token",
                              str(token)).stdout)["postId"]
    assert events("--aggregate", post)[0]["actor"] == f"user:{user}"
    other = json.loads(it.nova("call", "content", "CreatePost", "-", "--as", user,
                               input='{"text": "on behalf"}').stdout)["postId"]
    assert events("--aggregate", other)[0]["actor"] == f"operator/user:{user}"
    _, stranger = login("user1.1")
    told = it.nova("call", "content", "UpdatePost", json.dumps({"post_id": post, "text": "stolen"}),
                   "--as", stranger, code=1).stderr
    assert "PERMISSION_DENIED" in told and "NOT_AUTHOR" in told, told
    nobody = "018f0000-0000-7000-8000-00000000000f"
    told = it.nova("call", "content", "CreatePost", '{"text": "lost"}', "--as", nobody, code=1).stderr
    assert f"--as {nobody}: there is no such user" in told, told
    same = ["call", "content", "CreatePost", '{"text": "once"}', "--as", user, "--command-id",
            "018f0000-0000-7000-8000-000000000001"]
    assert it.nova(*same).stdout == it.nova(*same).stdout
    said.update(user=user, post=post)


@case
def call_says_what_is_wrong_with_a_request():
    refused("call", "content", "CreatPost", "{}", words="did you mean 'CreatePost'?")
    refused("call", "contnt", "CreatePost", "{}", words="did you mean 'content'?")
    refused("call", "content", "CreatePost", '{"titel": 1}', words="did you mean 'title'?")
    for body in ("{", "[]", "nothing", '{"title": 5}', '{"tags": "x"}', '{"title": "\\ud800"}',
                 '{"title": "a", "title": "b"}'):
        refused("call", "content", "CreatePost", body, words="")
    refused("call", "content", "CreatePost", "{}", "--token", "/nowhere", words="/nowhere")
    refused("call", "content", "CreatePost", "{}", "--as", "me", words="--as")


def of_each_service(log):
    """What was appended at once to different services has no order that a filter must keep."""
    return {service: [each["event_id"] for each in log if each["service"] == service]
            for service in SERVICES}


@case
def the_log_is_asked_by_every_filter():
    every = events()
    assert len(every) == sum(it.sql(f"select count(*) from {each}.outbox")[0][0]
                             for each in SERVICES)
    for service in SERVICES:
        positions = [int(each["position"]) for each in every if each["service"] == service]
        assert positions == sorted(positions)
    # Of two that are appended at once the one with the later position may be recorded first.
    latest = moment(every[0]["recorded_at"])
    for each in every:
        assert moment(each["recorded_at"]) > latest - datetime.timedelta(seconds=1), each
        latest = max(latest, moment(each["recorded_at"]))
    middle = every[len(every) // 2]
    since = middle["recorded_at"]
    checks = {
        ("--service", "content"): lambda e: e["service"] == "content",
        ("--type", "post.created"): lambda e: e["type"] == "post.created",
        ("--type", "post"): lambda e: e["type"].startswith("post."),
        ("--aggregate", middle["aggregate_id"]): lambda e: e["aggregate_id"] ==
            middle["aggregate_id"],
        ("--actor", said["user"]): lambda e: e["actor"].endswith(f"user:{said['user']}"),
        ("--correlation", middle["correlation_id"]): lambda e: e["correlation_id"] ==
            middle["correlation_id"],
        ("--since", since): lambda e: moment(e["recorded_at"]) >= moment(since),
        ("--until", since): lambda e: moment(e["recorded_at"]) < moment(since),
        ("--occurred-since", middle["occurred_at"]): lambda e: moment(e["occurred_at"]) >=
            moment(middle["occurred_at"]),
    }
    for filters, belongs in checks.items():
        wanted = [each for each in every if belongs(each)]
        assert wanted and of_each_service(events(*filters)) == of_each_service(wanted), filters
    both = events("--service", "content", "--since", since, "--limit", "3")
    assert len(both) == 3 and all(each["service"] == "content" for each in both)


@case
def the_log_is_csv_as_well():
    rows = list(csv.DictReader(io.StringIO(it.nova("log", "query", "--csv").stdout)))
    plain = events()
    assert [row["event_id"] for row in rows] == [each["event_id"] for each in plain]
    assert [json.loads(row["payload"]) for row in rows] == [each["payload"] for each in plain]


@case
def what_is_sealed_is_opened_only_where_it_may():
    opened = events("--aggregate", said["post"])[0]["payload"]["sealed"]
    assert opened["text"] == "by token"
    closed = events("--aggregate", said["post"], "--sealed")[0]["payload"]["sealed"]
    assert closed == "<sealed>"


def home_with(name, *files):
    """Another home on the same servers that holds only these of the credentials."""
    home = it.folder / name
    for file in files:
        (home / "credentials" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(it.home / "credentials" / file, home / "credentials" / file)
    return dict(it.environment(), NOVA_HOME=str(home))


def queried(environment):
    """{service: what its sealed fields read} of the log as the owner of that home sees it."""
    done = subprocess.run([str(NOVA), "log", "query", "--json"], env=environment, check=True,
                          capture_output=True, text=True)
    found = collections.defaultdict(set)
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if "sealed" in event["payload"]:
            sealed = event["payload"]["sealed"]
            found[event["service"]].add("opened" if isinstance(sealed, dict) else sealed)
    assert set(found) == set(SERVICES), found
    return found


@case
def a_log_opens_only_with_the_master_key_and_the_services_role():
    """Each of them missing: everything of that service stays sealed, and the rest is answered."""
    auditor = ["postgres/auditor", "nats/auditor.nk"]
    roles = [f"postgres/{each}_service" for each in SERVICES]
    keys = [f"seal/{each}" for each in SERVICES]
    assert queried(home_with("auditors", *auditor)) == {each: {"<sealed>"} for each in SERVICES}
    assert queried(home_with("without-keys", *auditor, *roles)) == {
        each: {"<sealed>"} for each in SERVICES}
    assert queried(home_with("without-roles", *auditor, *keys)) == {
        each: {"<sealed>"} for each in SERVICES}
    one = queried(home_with("one", *auditor, *roles, "seal/content"))
    assert one == {"identity": {"<sealed>"}, "content": {"opened"},
                   "communication": {"<sealed>"}}, one
    assert queried(it.environment()) == {each: {"opened"} for each in SERVICES}
    environment = home_with("auditors")
    with subprocess.Popen([str(NOVA), "log", "tail", "nova.evt.content.>", "--json"],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as tail:
        tail.stderr.readline()
        it.nova("call", "content", "CreatePost", '{"text": "not for them"}', "--as", said["user"])
        event = json.loads(tail.stdout.readline())
        assert event["payload"]["sealed"] == "<sealed>", event
        tail.send_signal(signal.SIGINT)
        assert tail.wait(30) == 0


@case
def logs_are_followed():
    """What comes later, of one process or of all, each line once; a shorter file begins anew."""
    file = it.home / "logs/service.other.log"  # nobody else writes there and hides how short it was

    def line(number):
        return json.dumps({"ts": "2026-01-01T00:00:00Z", "level": "info", "msg": f"line {number}"})
    for words in (["service/other"], []):
        with file.open("a") as log:
            log.write(f"{line(0)}\n")
        with subprocess.Popen([str(NOVA), "logs", *words, "-f", "-n", "5"], env=it.environment(),
                              stdout=subprocess.PIPE, text=True, bufsize=1) as follow:
            patience = threading.Timer(PATIENCE_S, follow.kill)
            patience.start()

            def until(number, follow=follow):
                seen = [follow.stdout.readline()]
                while f"line {number}" not in seen[-1]:
                    assert seen[-1], "it ended"
                    seen.append(follow.stdout.readline())
                return [int(re.search(r"line (\d+)", each)[1]) for each in seen if '"line ' in each]
            assert until(0)[-1] == 0  # the end of what was there
            with file.open("a") as log:
                log.write(f"{line(1)}\n{line(2)}\n{line(3)[:20]}")
                log.flush()
                assert until(2) == [1, 2]
                log.write(f"{line(3)[20:]}\n")  # a line is shown when it is whole
                log.flush()
                assert until(3) == [3]
            os.truncate(file, 0)
            with file.open("a") as log:
                log.write(f"{line(4)}\n")
            assert until(4) == [4]
            follow.send_signal(signal.SIGINT)
            assert follow.wait(30) in (0, -signal.SIGINT)
            patience.cancel()
    refused("logs", "service/cntent", words="no process 'service/cntent'")


@case
def the_log_says_what_is_wrong_with_a_filter():
    refused("log", "query", "--since", "yesterday", words="--since wants a time")
    refused("log", "query", "--service", "contnt", words="no service 'contnt'")
    refused("log", "query", "--aggregate", "x", words="--aggregate")
    refused("log", "query", "--limit", "-1", words="--limit")
    refused("log", "query", "--colour", "red", words="--colour")
    refused("log", "tail", "nova.evt.nobody.>", words="nova.evt.nobody")


@case
def numbers_and_subjects_out_of_range_are_usage_errors():
    huge = "9" * 20
    for option in ("--since", "--until", "--occurred-since", "--occurred-until"):
        for value in ("9999999999999", huge, f"-{huge}", f"-{huge}d", "-99999999999d"):
            refused("log", "query", option, value, words=f"{option} wants a time")
    for value in (huge, "9223372036854775808", "0", "-1", "1x"):
        refused("log", "query", "--limit", value, words="--limit wants a number")
    for subject in ("a b", "nova.evt.content.a b", "nova.evt.content..x", "nova.evt.content.>.x",
                    "nova.evt.content.x*", "nova.evt.content.", "nova.evt.content.a\r\nPUB b 0"):
        refused("log", "tail", subject, words="is no subject")
    refused("status", "--json", "x", words="status takes no 'x'")
    refused("status", "x", "--json", words="status takes no 'x'")


@case
def blank_lines_are_passed_over_and_counted():
    file = it.folder / "blank.ndjson"
    file.write_bytes(b" " * 60 + b"x\n" + b" " * 10 + b"\n" + b"\t \r\n\n   x\n")
    done = subprocess.run([str(NOVA), "import", str(file)], env=it.environment(), text=True,
                          capture_output=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 1, done
    assert sorted(set(re.findall(r"line (\d+)", told))) == ["1", "5"], told


@case
def the_tail_shows_what_comes():
    with subprocess.Popen([str(NOVA), "log", "tail", "nova.evt.content.>", "--json"],
                          env=it.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as tail:
        tail.stderr.readline()
        post = json.loads(it.nova("call", "content", "CreatePost", '{"text": "tailed"}', "--as",
                                  said["user"]).stdout)["postId"]
        event = json.loads(tail.stdout.readline())
        assert event["aggregate_id"] == post and event["type"] == "post.created", event
        tail.send_signal(signal.SIGINT)
        assert tail.wait(30) == 0


@case
def projections_are_listed_and_rebuilt_by_name():
    listed = it.nova("projection", "list").stdout
    for name in ("message_sender_cache", "conversation_view", "post_view", "search_index"):
        assert name in listed
        it.nova("projection", "rebuild", name)
    wait_for("everything to be caught up", it.is_caught_up)
    refused("projection", "rebuild", "serch_index", words="did you mean 'search_index'?")
    refused("projection", "rebuild", words="projection")


@case
def every_role_gets_what_it_needs():
    roles = it.nova("env").stdout.split()
    for role in ("identity", "content", "communication", "search", "operator", "auditor",
                 "importer", "superuser", "subscriber"):
        assert role in roles, role
        given = dict(re.findall(r"^(\w+)='(.*)'$", it.nova("env", role).stdout, re.M))
        assert "NATS_URL" in given or "POSTGRES_URL" in given or "DATABASE_URL" in given, given
        for key, value in given.items():
            if key.endswith("_FILE"):
                assert pathlib.Path(value).stat().st_mode & 0o77 == 0, value
    assert it.nova("psql", "auditor", "-Atc", "select 1").stdout == "1\n"
    told = it.nova("psql", "auditor", "-c", "delete from content.outbox", code=1).stderr
    assert "read-only" in told or "permission denied" in told, told
    open_files = [file for file in (it.home / "credentials").rglob("*")
                  if file.is_file() and file.stat().st_mode & 0o77]
    assert not open_files, open_files


if __name__ == "__main__":
    with it:
        raise SystemExit(main())
