#!/usr/bin/env python3
"""What an operator does with read models: look, verify row by row, go back to a kept generation, end
what is half made; `nova check`; and an `up` whose read models do not catch up.
"""
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, PATIENCE_S, Instance, case, main, wait_for
from nats import Nats

it = Instance(settings={"NOVA_INBOX_LEASE_MS": "2000"})
NAMES = ("message_sender_cache", "conversation_view", "post_view", "search_index")
INDEX = "search/search_index"
author = {}


def listed(name="search_index"):
    return next(each for each in json.loads(it.nova("projection", "list", "--json").stdout)
                if each["projection"] == name)


def generation():
    return it.sql("select generation from search.generation where projection = 'search_index'")[0][0]


def schemas():
    return [name for name, in it.sql(
        "select nspname from pg_namespace where nspname ~ '^search_index_g' order by 1")]


def books():
    """Consumers that keep books beside the live one, with the number of events they applied."""
    return dict(it.sql("select consumer, sum(n)::bigint from search.checkpoint"
                       " where consumer like %s group by 1", (f"{INDEX}@%",)))


def post(title):
    with Caller(it) as caller:
        return caller.call("content", "CreatePost", author["id"], title=title).post_id


def indexed(made, schema="search", table="post_index"):
    return it.sql(f"select 1 from {schema}.{table} where post_id = %s", (made,)) != []


def rebuild(*more):
    it.nova("projection", "rebuild", "search_index", *more)
    return generation()


def verify(name="search_index", *more, code=0):
    done = it.nova("projection", "verify", name, *more, code=code)
    return done.stdout.splitlines(), done.stderr


def assert_equal():
    lines, said = verify()
    assert lines == [] and "are what the log says as of identity:" in said, said


def assert_nothing_half_made():
    assert listed()["half_made"] is None
    kept = listed()["kept"]
    assert set(books()) == ({f"{INDEX}@{kept}"} if kept else set()), books()
    assert len(schemas()) == 1 + bool(kept), schemas()
    with Nats(it, "provisioner") as admin:
        for stream in ("NOVA_IDENTITY", "NOVA_CONTENT"):
            names = admin.api(f"CONSUMER.NAMES.{stream}")["consumers"]
            assert "search-search_index-rebuild" not in names, names


@contextlib.contextmanager
def consumer_held():
    """The index's consumer cannot commit meanwhile: somebody has its rows."""
    with contextlib.closing(it.connect()) as gate:
        gate.cursor().execute("select from search.checkpoint where consumer = %s for update", (INDEX,))
        yield


@contextlib.contextmanager
def at_work(*words):
    """A command that applies event by event, so that it can be met in the middle."""
    number = books()
    with subprocess.Popen([str(NOVA), "projection", *words],
                          env=dict(it.environment(), NOVA_INBOX_BATCH="1"), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        wait_for(f"{words} to be in the middle",
                 lambda: command.poll() is not None or books() != number and sum(books().values()))
        assert command.poll() is None, command.communicate()
        yield command


def sessions_have_ended():
    return it.sql("select 1 from pg_stat_activity where application_name in ('nova rebuild',"
                  " 'nova verify')") == []


# ---- looking ------------------------------------------------------------------------------------

@case
def a_projection_is_listed_with_a_position_against_each_source_s_head():
    heads = {each: it.sql(f"select max(position) from {each}.outbox")[0][0]
             for each in ("identity", "content", "communication")}
    every = json.loads(it.nova("projection", "list", "--json").stdout)
    assert [each["projection"] for each in every] == list(NAMES)
    for each in every:
        assert each["state"] == "live" and each["kept"] is each["half_made"] is None, each
        for source in each["sources"]:
            assert source["position"] == source["head"] == heads[source["source"]], each
            assert source["rate"] is None and source["lag_events"] == source["parked"] == 0, each
    assert [each["source"] for each in listed()["sources"]] == ["identity", "content"]
    told = it.nova("projection", "list").stdout.splitlines()
    assert told[0].split()[:4] == ["PROJECTION", "GEN", "STATE", "SOURCE"] and len(told) == 8, told


@case
def a_projection_that_is_behind_says_of_which_source_how_far_and_how_fast():
    with consumer_held():
        post("held")
        now = listed()
        assert now["state"] == "behind", now
        identity, content = now["sources"]
        assert identity["lag_events"] == 0 and content["lag_events"] == 1, now
        assert content["position"] < content["head"] and content["rate"] == 0, now
        assert content["lag_seconds"] > 0, now
    wait_for("the index to catch up", lambda: listed()["state"] == "live")


@case
def what_is_wrong_with_a_command_is_said_before_anything_begins():
    for words, text in ((["rebuilt"], "did you mean 'rebuild'"),
                        (["verify"], "wants the NAME"), (["verify", "post_veiw"], "'post_view'"),
                        (["switch", "post_view"], "--generation N"),
                        (["switch", "post_view", "--generation", "0"], "a generation's number"),
                        (["rebuild", "post_view", "--until", "soon"], "--until wants a time"),
                        (["rebuild", "post_view", "--until", "-1h", "--drop-old"], "switches nothing"),
                        (["rebuild", "post_view", "--json"], "takes no '--json'"),
                        (["rebuild", "post_view", "--from", "tape"], "--from wants stream or outbox"),
                        (["switch", "post_view", "--from", "outbox"], "takes no '--from'"),
                        (["abort", "post_view", "search_index"], "one NAME"),
                        (["list", "--generation"], "only --json")):
        assert text in it.nova("projection", *words, code=2).stderr, words


# ---- verifying ----------------------------------------------------------------------------------

@case
def an_honest_read_model_is_what_the_log_says():
    for name in NAMES:
        lines, said = verify(name)
        assert lines == [], (name, lines)
        rows = int(re.search(r"nova: (\d+) rows in \d+ tables of " + name, said)[1])
        assert rows > 10, said
    assert_nothing_half_made()


@case
def each_row_that_was_changed_removed_or_added_is_named():
    schema, stranger = f"search_index_g{generation()}", str(uuid.uuid4())
    person, name = it.sql(f"select user_id::text, display_name from {schema}.person limit 1")[0]
    kind, term = it.sql(f"select kind, term from {schema}.term where term ~ '^[a-z]+$' limit 1")[0]
    it.sql(f"update {schema}.person set display_name = 'Mallory' where user_id = '{person}';"
           f"delete from {schema}.term where kind = '{kind}' and term = '{term}';"
           f"insert into {schema}.gone values ('{stranger}')")
    lines, said = verify(code=1)
    assert sorted(lines) == [f"gone ({stranger}) is not in the log",
                             f"person ({person}) differs: display_name",
                             f"term ({kind},{term}) is missing"], lines
    assert re.search(r"nova: 3 of \d+ rows in 4 tables of search_index, generation \d+, are not", said)
    found = {each["table"]: each for each in map(json.loads, verify("search_index", "--json", code=1)[0])}
    assert found["person"]["read_model"]["display_name"] == "Mallory", found
    assert found["person"]["log"]["display_name"] == name, found
    assert found["term"]["read_model"] is None and found["gone"]["log"] is None, found
    rebuild("--drop-old")
    assert_equal()
    assert_nothing_half_made()


class Writer(threading.Thread):
    """Posts, one after the other."""

    def __init__(self):
        super().__init__()
        self.done, self.failure, self.posts = threading.Event(), None, 0

    def run(self):
        try:
            with Caller(it) as caller:
                while not self.done.is_set():
                    caller.call("content", "CreatePost", author["id"], title=f"written {self.posts}")
                    self.posts += 1
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def finish(self):
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure


@case
def a_read_model_is_verified_while_it_goes_on():
    writer, consumer = Writer(), it.state(f"consumer/{INDEX}")
    writer.start()
    for name in ("search_index", "post_view"):
        before, said = writer.posts, verify(name)
        assert said[0] == [], said
        assert writer.posts > before
    writer.finish()
    assert it.state(f"consumer/{INDEX}")["starts"] == consumer["starts"]
    wait_for("the last post", lambda: it.sql("select count(*) from search.post_index where title like"
                                             " 'written %%'") == [(writer.posts,)])
    assert it.sql("select count(*) from search.dead_letter") == [(0,)]
    print(f"# {writer.posts} posts meanwhile", flush=True)


@case
def a_verification_that_is_ended_leaves_nothing_or_says_what_it_left():
    with at_work("verify", "search_index") as command:
        command.send_signal(signal.SIGINT)
        assert command.wait(PATIENCE_S) == 3 and "interrupted" in command.stderr.read()
    assert_nothing_half_made()
    with at_work("verify", "search_index") as command:
        command.send_signal(signal.SIGKILL)
    wait_for("its sessions to end", sessions_have_ended)
    left = listed()["half_made"]
    assert left["applied"] > 0 and left["generation"] > generation(), left
    said = verify(code=3)[1]
    assert f"generation {left['generation']} of search_index is half made" in said, said
    shown = f"  half made: generation {left['generation']}, {left['applied']} events applied, "
    assert shown in it.nova("projection", "list").stdout
    it.nova("projection", "abort", "search_index")
    assert_nothing_half_made()


# ---- rebuilding ---------------------------------------------------------------------------------

@case
def a_rebuild_is_discarded_by_abort_and_not_while_it_is_at_work():
    before = generation()
    with consumer_held(), at_work("rebuild", "search_index") as command:  # so it cannot switch
        said = it.nova("projection", "abort", "search_index", code=1).stderr
        assert "another rebuild of search_index is at work" in said, said
        assert listed()["half_made"]["at_work"], listed()
        command.send_signal(signal.SIGKILL)
    wait_for("its sessions to end", sessions_have_ended)
    said = it.nova("projection", "abort", "search_index").stderr
    assert f"generation {before + 1} of search_index, which was half made, is gone" in said, said
    assert_nothing_half_made()
    said = it.nova("projection", "abort", "search_index").stderr
    assert "nothing of search_index is half made" in said, said
    assert generation() == before


@case
def a_rebuild_until_a_time_holds_what_was_recorded_before_and_goes_on_later():
    before = [post(f"before {number}") for number in range(3)]
    moment = it.sql("select clock_timestamp()")[0][0].isoformat()
    after = [post(f"after {number}") for number in range(3)]
    live = generation()
    said = it.nova("projection", "rebuild", "search_index", "--until", moment).stderr
    half = listed()["half_made"]
    assert f"schema search_index_g{half['generation']} holds what was recorded before" in said, said
    assert generation() == live and not half["at_work"], (live, half)
    there = [indexed(each, f"search_index_g{half['generation']}", "post") for each in before + after]
    assert there == [True] * 3 + [False] * 3, there
    said = it.nova("projection", "rebuild", "search_index", "--until", "2020-01-01", code=1).stderr
    assert "is half made, is at position" in said and "abort" in said, said
    assert rebuild() == half["generation"]
    assert all(map(indexed, before + after))
    assert_equal()


@case
def a_rebuild_and_a_verification_rest_on_the_outboxes_alone_where_they_are_told_to():
    """One event is another one in the outbox than in the stream: each says what it has read."""
    made = post("twice told")
    wait_for("the post", lambda: indexed(made))
    event, = it.sql("select position, occurred_at from content.outbox where aggregate_id = %s", (made,))
    lines, said = verify("search_index", "--from", "outbox")
    assert lines == [] and "are what the log says" in said, lines
    it.sql("update content.outbox set occurred_at = '2020-01-01Z' where position = %s", event[:1])
    try:
        assert_equal()  # with the stream
        lines, said = verify("search_index", "--from", "outbox", code=1)
        assert lines == [f"post ({made}) differs: created_at"], (lines, said)
        before = generation()
        assert rebuild("--from", "outbox") == before + 1
        assert it.sql("select created_at = '2020-01-01Z' from search.post_index where post_id = %s",
                      (made,)) == [(True,)]
        assert_nothing_half_made()
    finally:
        it.sql("update content.outbox set occurred_at = %s where position = %s", event[::-1])
    rebuild("--from", "outbox")
    made = post("after that")
    wait_for("live updates to go on", lambda: indexed(made))


# ---- going back ---------------------------------------------------------------------------------

@case
def a_kept_generation_catches_up_before_it_is_live_again():
    first, second = generation(), rebuild()
    assert listed()["kept"] == first and second != first
    made = post("while another is live")
    wait_for("the post", lambda: indexed(made))
    assert not indexed(made, f"search_index_g{first}", "post")  # kept as it was left
    for to, other in ((first, second), (second, first)):
        it.nova("projection", "switch", "search_index", "--generation", str(to))
        assert generation() == to and listed()["kept"] == other
        assert indexed(made)  # at once: it was nowhere behind when it took over
        made = post(f"written to {to}")
        wait_for("a live update", lambda made=made: indexed(made, f"search_index_g{to}", "post"))
    assert_equal()
    for number, words in ((second, "is live"), (99, f"is gone; {first} is kept")):
        said = it.nova("projection", "switch", "search_index", "--generation", str(number), code=1)
        assert words in said.stderr, said


@case
def a_way_back_that_was_killed_goes_on_where_it_was():
    first = generation()
    second = rebuild()
    with Caller(it) as caller:
        for number in range(100):
            caller.call("content", "CreatePost", author["id"], title=f"missed {number}")
    wait_for("everything to be at rest", it.is_caught_up)
    start = books()[f"{INDEX}@{first}"]
    with consumer_held(), at_work("switch", "search_index", "--generation",
                                  str(first)) as command:
        command.send_signal(signal.SIGKILL)
    wait_for("its sessions to end", sessions_have_ended)
    assert generation() == second and listed()["kept"] == first
    assert books()[f"{INDEX}@{first}"] > start
    it.nova("projection", "switch", "search_index", "--generation", str(first))
    assert generation() == first
    assert_equal()


@case
def parked_events_stay_with_their_generation():
    first = generation()
    it.sql(f"alter table search_index_g{first}.post add constraint fault check (title <> 'refused')"
           " not valid")
    refused = post("refused")
    wait_for("the event to be parked", lambda: listed()["sources"][1]["parked"] == 1)
    rebuild()
    assert indexed(refused) and listed()["sources"][1]["parked"] == 0
    it.nova("projection", "switch", "search_index", "--generation", str(first))
    assert not indexed(refused) and listed()["sources"][1]["parked"] == 1
    lines, said = verify(code=1)
    assert f"post ({refused}) is missing" in lines and "1 events are parked (0 when" in said, lines
    it.sql(f"alter table search_index_g{first}.post drop constraint fault")
    it.nova("dlq", "retry", "--all", "--yes")
    assert_equal()


@case
def a_kept_generation_goes_with_a_deleted_person_and_the_way_back_is_refused():
    first = generation()
    second = rebuild()
    user = json.loads(it.nova("call", "identity", "Register", json.dumps(
        {"handle": "leaving", "email": "leaving@example.invalid", "display_name": "Leaving",
         "password": "correct horse battery"})).stdout)["userId"]
    it.nova("call", "identity", "DeleteUser", json.dumps({"user_id": user}), "--as", user)
    wait_for("the kept generation to go", lambda: schemas() == [f"search_index_g{second}"])
    said = it.nova("projection", "switch", "search_index", "--generation", str(first), code=1).stderr
    assert f"no generation of search_index but the live one, {second}, is left" in said, said
    assert_nothing_half_made()


# ---- nova check ---------------------------------------------------------------------------------

def check(*words, code=0):
    done = it.nova("check", *words, code=code)
    return done.stdout


def levels(*words, code=0):
    told = json.loads(check("--format", "json", *words, code=code))
    return told["level"], {(each["check"], each["of"]): each["level"] for each in told["checks"]}


@case
def what_is_well_is_told_in_four_formats():
    wait_for("everything to be at rest", it.is_caught_up)
    disks = ["--set", "check.disk_warn_mib=1", "--set", "check.disk_critical_mib=0"]
    level, found = levels(*disks)
    assert level == "OK" and set(found.values()) == {"OK"}, found
    assert {each for each, _ in found} == {"lag", "unpublished", "stream", "dead letters", "disk",
                                           "clock"}, found
    assert ("lag", f"{INDEX} of content") in found and ("clock", "search") in found, found
    assert check(*disks).splitlines()[-1] == "OK"
    line, = check("--format", "nagios", *disks).splitlines()
    assert re.match(rf"NOVA OK - {len(found)} checks are well \| '", line), line
    assert f" 'lag {INDEX} of content'=0s;30;300" in line, line
    assert re.search(r" 'disk home'=\d+;1:;0:", line), line
    samples = [each for each in check("--format", "prometheus", *disks).splitlines() if each[0] != "#"]
    assert all(re.fullmatch(r'nova_check_(level|value)\{check="[a-z ]+",of="[\w/ ]*"(,unit="\w*")?\}'
                            r' -?[\d.]+', each) for each in samples), samples
    assert f'nova_check_level{{check="lag",of="{INDEX} of content"}} 0' in samples, samples
    for words, text in ((["--format", "xml"], "no format 'xml'"), (["--all"], "takes no '--all'")):
        assert text in it.nova("check", *words, code=3).stderr, words


@case
def limits_decide_between_a_warning_and_critical():
    with consumer_held():
        post("late")
        wait_for("a second of lag", lambda: listed()["sources"][1]["lag_seconds"] > 1)
        for warn, critical, level, code in ((1, 9999, "WARNING", 1), (1, 1, "CRITICAL", 2),
                                            (9999, 9999, "OK", 0), (2, 1, "UNKNOWN", 3)):
            told, found = levels("--set", f"check.lag_warn_s={warn}", "--set",
                                 f"check.lag_critical_s={critical}", "--set",
                                 "check.disk_warn_mib=1", "--set", "check.disk_critical_mib=0",
                                 code=code)
            assert told == found["lag", f"{INDEX} of content"] == level, (warn, critical, found)
        line = check("--format", "nagios", "--set", "check.lag_warn_s=2", "--set",
                     "check.lag_critical_s=1", code=3)
        assert "check.lag_warn_s is beyond check.lag_critical_s" in line, line
    assert it.nova("check", "--set", "check.lag_warn_s=soon", code=3).stderr


@case
def a_relay_that_stands_and_an_outbox_that_is_not_its_stream_s_are_critical():
    it.nova("relay", "pause", "content")
    try:
        made = post("not published")
        tight = ["--set", "check.unpublished_warn_s=1", "--set", "check.unpublished_critical_s=1"]
        wait_for("a second", lambda: levels(*tight, code=None)[1][
            "unpublished", "content"] == "CRITICAL")
        last = it.sql("select position, event_id from content.outbox where position <"
                      " (select max(position) from content.outbox) order by 1 desc limit 1")[0]
        it.sql("update content.outbox set event_id = gen_random_uuid() where position = %s", last[:1])
        found = check(code=2)
        it.sql("update content.outbox set event_id = %s where position = %s", (last[1], last[0]))
        assert re.search(r"^CRITICAL stream +content +NOVA_CONTENT: \d+ messages; the outbox does not"
                         r" hold its last event: ./nova relay recover$", found, re.M), found
    finally:
        it.nova("relay", "resume", "content")
    wait_for("the post", lambda: indexed(made))


@case
def streams_and_consumers_are_shown_in_the_words_of_the_nats_tool():
    count = it.sql("select count(*) from content.outbox")[0][0]
    lines = it.nova("stream", "ls").stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "CREATED", "MESSAGES"] and len(lines) == 5, lines
    assert re.search(rf"^NOVA_CONTENT +\S+Z +{count} ", "\n".join(lines), re.M), lines
    state = json.loads(it.nova("stream", "info", "content", "--json").stdout)["state"]
    assert state["messages"] == state["last_seq"] == count, state
    told = it.nova("stream", "info", "NOVA_CONTENT").stdout
    assert told.startswith("Information for Stream NOVA_CONTENT created 2"), told
    for line in ("Subjects: nova.evt.content.>", "Allows Purge: false", f"Messages: {count}"):
        assert re.search(rf"^ +{re.escape(line)}$", told, re.M), (line, told)
    durable = "search-search_index"
    names = [line.split()[0] for line in it.nova("consumer", "ls", "content").stdout.splitlines()]
    assert names[0] == "NAME" and durable in names, names
    told = it.nova("consumer", "info", "NOVA_CONTENT", durable).stdout
    for line in (f"Durable Name: {durable}", "Unprocessed Messages: 0"):
        assert re.search(rf"^ +{line}$", told, re.M), (line, told)
    delivered = json.loads(it.nova("consumer", "info", "content", durable, "--json").stdout)
    assert delivered["delivered"]["stream_seq"] == count, delivered
    for words, code, text in ((["stream", "info", "contnt"], 2, "no stream 'contnt'"),
                              (["stream", "list"], 2, "no stream command 'list'"),
                              (["stream", "ls", "content"], 2, "only --json"),
                              (["consumer", "ls"], 2, "one STREAM"),
                              (["consumer", "info", "content", "a.b"], 2, "is no consumer's name"),
                              (["consumer", "info", "content", "nobody"], 1, "consumer not found")):
        assert text in it.nova(*words, code=code).stderr, words


# ---- nova up ------------------------------------------------------------------------------------

@case
def an_up_whose_read_model_stands_still_says_so_and_ends():
    """By the clock: once each look took longer than the pause that was counted."""
    (it.home / "sample.ndjson").unlink()  # so that it goes through its last steps again
    with consumer_held():
        post("stuck")
        said = it.nova("up", "--empty", "--set", "up.patience_s=6", code=1).stderr
    waits = f"  read models: waiting for {INDEX}, 1 events behind content\n"
    assert waits in said, said  # no terminal is there
    assert (f"nova: {INDEX} is 1 events behind content and applied none for 6 s (up.patience_s):"
            f" ./nova logs consumer/{INDEX}\n") in said, said
    (it.home / "sample.ndjson").unlink()
    assert "caught up" in it.up().stderr


@case
def what_does_not_answer_is_critical_and_hides_nothing_else():
    it.nova("down")
    told = json.loads(check("--format", "json", code=2))["checks"]
    found = {(each["check"], each["of"]): each for each in told}
    for key in (("nats", ""), ("postgres", "identity"), ("postgres", "search")):
        assert found[key]["level"] == "CRITICAL", (key, found)
        assert f"nothing runs in {it.home}, ./nova up" in found[key]["text"], found
    assert found["lag", f"{INDEX} of content"]["level"] == "UNKNOWN", found
    assert ("disk", "home") in found, found


if __name__ == "__main__":
    with it:
        it.up()
        file = it.folder / "commands.ndjson"
        file.write_text(it.nova("sample", "--users", "60", "--seed", "4").stdout)
        it.nova("import", str(file))
        wait_for("all read models", it.is_caught_up)
        author["id"] = it.sql("select user_id::text from search.user_index limit 1")[0][0]
        raise SystemExit(main())
