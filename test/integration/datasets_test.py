#!/usr/bin/env python3
"""Real data through the services: Stack Exchange and IRC, converted, imported, and looked at.

Skipped where the data is missing: it is not part of the repository.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys
import uuid
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "datasets"))
from caller import Caller
from instance import ROOT, Instance, case, main, wait_for
import stackexchange

DATA = ROOT.parent / "shared/data"
STACKEXCHANGE = DATA / "stackexchange-quantumcomputing-2018"
IRC = DATA / "irc-ubuntu-dev"
IMPORT_S = 400  # on a machine that does much else
it = Instance()
found = {}


def call(service, method, request, *options):
    done = it.nova("call", service, method, json.dumps(request), *options)
    return json.loads(done.stdout)


def convert(script, folder):
    out = it.folder / f"{script}.ndjson"
    later = it.folder / f"{script}.later.ndjson"
    done = subprocess.run([sys.executable, str(ROOT / "test/datasets" / f"{script}.py"), str(folder),
                           "--commands", str(out), "--later", str(later)],
                          check=True, capture_output=True, text=True)
    found[f"{script} said"] = done.stderr
    found[f"{script} later"] = [json.loads(line) for line in later.read_text().splitlines()]
    counts = dict(reversed(line.split()[:2]) for line in done.stderr.splitlines())
    return out, {name: int(count.replace(",", "")) for name, count in counts.items()}


def events():
    return [it.sql(f"select count(*) from {service}.outbox")[0][0]
            for service in ("identity", "content", "communication")]


@case
def stack_exchange_is_imported_whole():
    found["se"], counts = convert("stackexchange", STACKEXCHANGE)
    assert counts["identity.ImportUser"] == 3461 and counts["content.CreatePost"] == 612, counts
    assert counts["content.CreateComment"] == 1060 + 3413, counts
    done = it.nova("import", str(found["se"]), seconds=IMPORT_S)
    assert "8546 commands carried out, 0 refused, 1 before" in done.stderr, done.stderr
    early = [line for line in done.stderr.splitlines() if "is registered only at line" in line]
    assert len(early) == 1, early
    wait_for("all read models", it.is_caught_up)


@case
def commands_of_later_services_go_to_a_file_of_their_own_and_are_counted():
    """Favourites of questions (vote type 5) and texts about oneself, counted here by other code."""
    def attributes(file):
        return [each.attrib for each in
                xml.etree.ElementTree.parse(STACKEXCHANGE / file).getroot().findall("row")]
    questions = {each["Id"] for each in attributes("Posts.xml") if each["PostTypeId"] == "1"}
    wanted = {
        "social.Like": sum(each["VoteTypeId"] == "5" and "UserId" in each and
                           each["PostId"] in questions for each in attributes("Votes.xml")),
        "user.UpdateProfile": sum("AboutMe" in each for each in attributes("Users.xml"))}
    later = found["stackexchange later"]
    counted = collections.Counter(f"{each['service']}.{each['method']}" for each in later)
    assert counted == wanted == {"social.Like": 706, "user.UpdateProfile": 1658}, (counted, wanted)
    assert len({each["command_id"] for each in later}) == len(later)
    users, posts = ({row[0] for row in it.sql(f"select {key}::text from {view}")} for key, view in
                    (("user_id", "search.user_index"), ("post_id", "search.post_index")))
    posts.add(None)  # a profile's
    assert all(each["on_behalf_of"] in users and each["request"].get("post_id") in posts
               for each in later)
    for name, count in wanted.items():
        assert re.search(rf"^ *{count:,} {name} \(of a service that is not there yet\)$",
                         found["stackexchange said"], re.M), found["stackexchange said"]
    assert {json.loads(line)["service"] for line in found["se"].read_text(encoding="utf-8")
            .splitlines()} == {"identity", "content"}


@case
def every_post_has_the_comments_that_its_source_counts():
    rows = list(stackexchange.rows(STACKEXCHANGE / "Posts.xml"))
    questions = [row for row in rows if row["PostTypeId"] == "1"]
    wanted = {stackexchange.post_id(row["Id"]): int(row["CommentCount"]) + int(row["AnswerCount"])
              for row in questions}
    counted = {str(uuid.UUID(post)): count for post, count in
               it.sql("select post_id::text, comment_count from content.post_view")}
    assert counted == wanted
    replies = {stackexchange.comment_id("answer", row["Id"]): int(row["CommentCount"])
               for row in rows if row["PostTypeId"] == "2"}
    counted = dict(it.sql("select comment_id::text, reply_count from content.comment_view"))
    assert {key: counted[key] for key in replies} == replies
    assert sum(wanted.values()) + sum(replies.values()) == 3413 + 1060


@case
def questions_are_found_by_their_words():
    rows = [row for row in stackexchange.rows(STACKEXCHANGE / "Posts.xml")
            if row["PostTypeId"] == "1"]
    missed = {}
    with Caller(it, seconds=30) as caller:
        for row in rows:
            words = re.findall(r"[a-z]{4,}", row["Title"].lower())[:5]
            hits = caller.call("search", "SearchPosts", query=" ".join(words), page={"size": 50})
            if stackexchange.post_id(row["Id"]) not in [hit.post_id for hit in hits.posts]:
                missed[row["Id"]] = words
    assert len(rows) == 612 and not missed, missed
    print(f"# {len(rows)} questions found by their titles' words", flush=True)


@case
def irc_is_imported_in_order_and_every_sender_is_named():
    found["irc"], counts = convert("irc", IRC)
    assert counts["communication.SendMessage"] == 5061, counts
    assert counts["communication.CreateConversation"] == 1838, counts
    done = it.nova("import", str(found["irc"]), seconds=IMPORT_S)
    assert "8113 commands carried out, 0 refused, 0 before" in done.stderr, done.stderr
    wait_for("all read models", it.is_caught_up)
    wanted, creators = {}, {}
    for line in found["irc"].read_text(encoding="utf-8").splitlines():
        command = json.loads(line)
        request = command["request"]
        if command["method"] == "SendMessage":
            wanted.setdefault(request["conversation_id"], []).append(request["message_id"])
            creators[request["conversation_id"]] = command["on_behalf_of"]
    assert len(wanted) == 1838
    stored = {}
    for conversation, message in it.sql("select conversation_id::text, message_id::text from"
                                        " communication.message_view order by position"):
        stored.setdefault(conversation, []).append(message)
    assert stored == wanted
    unnamed = it.sql("select count(*) from communication.message_view m left join"
                     " communication.message_sender_cache s on s.user_id = m.sender_id"
                     " where coalesce(nullif(s.display_name, ''), s.handle, '') = ''")
    assert unnamed == [(0,)]
    longest = max(wanted, key=lambda each: len(wanted[each]))
    reply = call("communication", "GetMessages",
                 {"conversation_id": longest, "page": {"size": 500}}, "--as", creators[longest])
    assert [each["messageId"] for each in reply["messages"]] == wanted[longest]
    assert all(each["senderName"] for each in reply["messages"])


@case
def the_same_files_again_change_nothing():
    before = events()
    it.nova("import", str(found["se"]), seconds=IMPORT_S)
    it.nova("import", str(found["irc"]), seconds=IMPORT_S)
    assert events() == before


@case
def a_rebuilt_projection_equals_the_live_one():
    tables = {"search_index": ("search_index", ("person", "post", "term")),
              "message_sender_cache": ("message_sender_cache", ("sender",)),
              "post_view": ("post_view", ("post", "comment")),
              "conversation_view": ("conversation_view", ("conversation", "message"))}
    for projection, (schema, names) in tables.items():
        it.nova("projection", "rebuild", projection)
        for name in names:
            old, new = f"{schema}_g1.{name}", f"{schema}_g2.{name}"
            differ = it.sql(f"select count(*) from ((table {old} except table {new}) union all"
                            f" (table {new} except table {old})) as d")
            assert differ == [(0,)], (name, differ)
            assert it.sql(f"select count(*) > 0 from {new}") == [(True,)], name


@case
def a_bad_line_is_told_with_its_number_and_stops_nothing():
    good = {"service": "identity", "method": "ImportUser",
            "request": {"handle": "good", "email": "g@example.invalid", "display_name": "Good"}}
    file = it.folder / "bad.ndjson"
    file.write_text("\n".join(["{", json.dumps(dict(good, method="ImportUsr")),
                               json.dumps(dict(good, request={"hndle": "x"})),
                               json.dumps(dict(good, occurred_at="yesterday")),
                               json.dumps(dict(good, request={"handle": "x"})), json.dumps(good)]))
    said = it.nova("import", str(file), code=1).stderr
    for number, words in enumerate(["no JSON", "did you mean 'ImportUser'?",
                                    "did you mean 'handle'?", "occurred_at is no time",
                                    "EMAIL_INVALID"], 1):
        assert any(line.startswith(f"line {number}:") and words in line
                   for line in said.splitlines()), (number, said)
    assert "1 commands carried out, 5 refused" in said, said


if __name__ == "__main__":
    if not DATA.is_dir():
        print("ok 1 - real_data_goes_through_the_services # SKIP ../shared/data is missing")
        raise SystemExit(0)
    with it:
        it.up()
        raise SystemExit(main())
