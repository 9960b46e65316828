#!/usr/bin/env python3
"""The search index is rebuilt under load: who searches sees a whole index all the time.

One client searches every 10 ms, another writes; the index is rebuilt, also after rebuilds that were
killed at drawn moments and inside the switch. Nobody gets an error, and nobody fewer hits than
before. NOVA_TEST_SEED repeats the moments.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, Instance, case, main, wait_for

EVERY_S = 0.01
# A client on a machine that does much else: most searches are near EVERY_S, no pause is long.
RATE_MIN, PAUSE_S_MAX = 5, 5
KILLS = 10
SEARCH = "search/search_index"
TABLES = ("person", "post", "term")
it = Instance()


def common_words():
    """Words that some posts hold, so that a search has hits to lose."""
    counts = collections.Counter(word for (text,) in it.sql("select text from search.post_index")
                                 for word in set(re.findall(r"[a-z]{5,}", text.lower())))
    words = [word for word, count in counts.most_common(60) if 3 <= count <= 40]
    assert len(words) >= 5, counts.most_common(5)
    return words[:8]


class Searcher(threading.Thread):
    """A search every 10 ms, the same ones again and again; hits may grow, never shrink."""

    def __init__(self, words):
        super().__init__()
        self.words, self.done, self.failure = words, threading.Event(), None
        self.times, self.most = [], collections.defaultdict(int)

    def run(self):
        try:
            with Caller(it) as caller:
                due = time.monotonic()
                while not self.done.wait(max(due - time.monotonic(), 0)):
                    self.times.append(time.monotonic())
                    due = max(due + EVERY_S, self.times[-1])  # what was missed is not made up for
                    self.search(caller, len(self.times))
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def search(self, caller, number):
        page = {"size": 500}
        users = number % 5 == 0
        if users:
            word, hits = "a", caller.call("search", "SearchUsers", query="a", page=page).users
        else:
            word = self.words[number % len(self.words)]
            hits = caller.call("search", "SearchPosts", query=word, page=page).posts
        key = (users, word)
        assert len(hits) >= self.most[key], (key, len(hits), self.most[key])
        self.most[key] = len(hits)

    def finish(self):
        """(searches, longest time between two)"""
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure
        pauses = [after - before for before, after in zip(self.times, self.times[1:])]
        rate = len(pauses) / (self.times[-1] - self.times[0])
        assert rate >= RATE_MIN and max(pauses) < PAUSE_S_MAX, (rate, max(pauses))
        assert len(self.most) == len(self.words) + 1 and min(self.most.values()) > 0, self.most
        return f"{len(self.times)} searches, {rate:.0f}/s, longest pause {max(pauses):.2f} s"


class Writer(threading.Thread):
    """Posts that hold the words searched for."""

    def __init__(self, author, words):
        super().__init__()
        self.author, self.words = author, words
        self.done, self.failure, self.posts = threading.Event(), None, 0

    def run(self):
        try:
            with Caller(it) as caller:
                while not self.done.wait(EVERY_S):
                    caller.call("content", "CreatePost", self.author, title=f"post {self.posts}",
                                text=self.words[self.posts % len(self.words)])
                    self.posts += 1
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def finish(self):
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure
        return self.posts


def generation():
    return next(each["generation"] for each in it.status()["projections"]
                if each["projection"].endswith("search_index"))


def differences(old, new):
    return {name: it.sql(f"select count(*) from ((table search_index_g{old}.{name} except table"
                         f" search_index_g{new}.{name}) union all (table search_index_g{new}.{name}"
                         f" except table search_index_g{old}.{name})) as d")[0][0]
            for name in TABLES}


def assert_equal_up_to_the_switch(old, new):
    """The old generation stands where the new one took over; all that came before is in both."""
    placed = (f"select p.*, o.position from search_index_g{{}}.post p join content.outbox o on"
              " o.aggregate_id = p.post_id and o.type = 'post.created'")
    last = it.sql(f"select max(position) from ({placed.format(old)}) as p")[0][0]
    for one, other in ((old, new), (new, old)):
        lacks = it.sql(f"select post_id from ({placed.format(one)}) as p where position <= {last}"
                       f" except select post_id from search_index_g{other}.post")
        assert lacks == [], (other, lacks)
    differ = it.sql(f"select count(*) from (table search_index_g{old}.post except"
                    f" table search_index_g{new}.post) as d")
    assert differ == [(0,)], differ
    for name in (old, new):  # its terms are those of its posts
        held = ("(select 'hashtag' as kind, unnest(hashtags) as term from search_index_g{0}.post"
                " union all select 'word', unnest(title_words) from search_index_g{0}.post) as t"
                ).format(name)
        terms = f"table search_index_g{name}.term"
        counted = f"select kind, term, count(*) from {held} group by 1, 2"
        for one, other in ((terms, counted), (counted, terms)):
            assert it.sql(f"{one} except {other}") == [], (name, one)
    assert differences(old, new)["person"] == 0
    before, after = (it.sql(f"select count(*) from search_index_g{each}.post")[0][0]
                     for each in (old, new))
    assert 0 < before < after, (before, after)  # the writer wrote on behind the switch
    return before


@case
def who_searches_during_rebuilds_sees_a_whole_index():
    words = common_words()
    author = it.sql("select user_id::text from search.user_index limit 1")[0][0]
    searcher, writer = Searcher(words), Writer(author, words)
    searcher.start()
    writer.start()
    for _ in range(3):
        before = generation()
        it.nova("projection", "rebuild", "search_index")
        assert generation() > before
    posts = writer.posts
    wait_for("some posts behind the switch", lambda: writer.posts > posts + 5 or writer.failure)
    told, posts = searcher.finish(), writer.finish()
    assert posts > 50, posts
    wait_for("the index to hold every post", it.is_caught_up)
    count = it.sql("select count(*) from search.post_index where title like 'post %'")
    assert count == [(posts,)], (count, posts)
    equal = assert_equal_up_to_the_switch(before, generation())
    print(f"# {told}; {posts} new posts during 3 rebuilds; up to the last switch {equal} are equal",
          flush=True)


@case
def both_generations_are_equal_after_the_switch():
    """At rest: whole tables."""
    before = generation()
    it.nova("projection", "rebuild", "search_index")
    after = generation()
    assert differences(before, after) == dict.fromkeys(TABLES, 0)
    assert all(it.sql(f"select count(*) > 0 from search_index_g{after}.{name}") == [(True,)]
               for name in TABLES)


# ---- killed -------------------------------------------------------------------------------------

@contextlib.contextmanager
def rebuilding():
    """A rebuild in small steps, so that there are many moments; killed at the end."""
    with subprocess.Popen([str(NOVA), "projection", "rebuild", "search_index"],
                          env=dict(it.environment(), NOVA_INBOX_BATCH="5"),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as rebuild:
        yield rebuild
        assert rebuild.poll() is None, rebuild.communicate()
        rebuild.send_signal(signal.SIGKILL)


def rebuilt(number):
    """How many events the generation that is being built has applied."""
    return int(it.sql("select coalesce(sum(n), 0) from search.checkpoint where consumer = %s",
                      (f"{SEARCH}@{number}",))[0][0])


def all_events():
    return int(it.sql("select sum(n) from search.checkpoint where consumer = %s", (SEARCH,))[0][0])


@case
def a_rebuild_that_was_killed_can_be_run_again():
    seed = int(os.environ.get("NOVA_TEST_SEED", time.time_ns() % 1000000))
    chance = random.Random(seed)
    before = generation()
    searcher = Searcher(common_words())
    searcher.start()
    killed_at = []
    for share in (0.7 * (number + chance.random()) / KILLS for number in range(KILLS)):
        with rebuilding() as rebuild:
            wait_for(f"{share:.2f} of the rebuild", lambda rebuild=rebuild, share=share:
                     rebuild.poll() is not None or rebuilt(before + 1) > share * all_events())
        killed_at.append(rebuilt(before + 1))
    assert generation() == before
    assert 0 < killed_at[0] and killed_at == sorted(killed_at), killed_at
    assert killed_at[-1] < all_events() and len(set(killed_at)) >= KILLS // 2, killed_at
    it.nova("projection", "rebuild", "search_index")
    told = searcher.finish()
    assert generation() == before + 1
    assert differences(before, generation()) == dict.fromkeys(TABLES, 0)
    print(f"# seed {seed}: killed at events {killed_at} of {all_events()}; {told}", flush=True)


@case
def a_rebuild_that_is_killed_inside_its_switch_changes_nothing():
    """Views and checkpoint are switched, the transaction is not at its end: all of it is undone."""
    before = generation()
    books = "select consumer, source, position, n, generation from search.checkpoint order by 1, 2"
    searcher = Searcher(common_words())
    searcher.start()
    with contextlib.closing(it.connect()) as gate, rebuilding():
        wait_for("the rebuild to be at work", lambda: rebuilt(before + 1))
        gate.cursor().execute("lock table search.dead_letter in share mode")
        wait_for("the switch's last steps", lambda: it.sql(
            "select 1 from pg_stat_activity where application_name = 'nova rebuild' and"
            " wait_event_type = 'Lock' and query like 'DELETE FROM search.dead_letter%'"))
        live = [row for row in it.sql(books) if row[0] == SEARCH]
        assert live and all(row[4] == before for row in live), live
    wait_for("its session to end", lambda: not it.sql(
        "select 1 from pg_stat_activity where application_name = 'nova rebuild'"))
    searcher.finish()
    assert generation() == before
    assert [row for row in it.sql(books) if row[0] == SEARCH] == live
    assert rebuilt(before + 1) == all_events()
    it.nova("projection", "rebuild", "search_index")
    assert generation() == before + 1
    assert differences(before, before + 1) == dict.fromkeys(TABLES, 0)


@case
def of_two_rebuilds_at_once_one_is_refused_and_nothing_is_left_of_it():
    """A second one that came late once filled the generation that had just gone live, again."""
    for _ in range(3):
        before = generation()
        started = [subprocess.Popen([str(NOVA), "projection", "rebuild", "search_index"],
                                    env=it.environment(), stderr=subprocess.PIPE, text=True)
                   for _ in range(3)]
        said = [each.communicate(timeout=120)[1] for each in started]
        done = [each.returncode == 0 for each in started]
        assert any(done), said
        assert all("another rebuild of search_index is at work" in text
                   for good, text in zip(done, said) if not good), said
        assert generation() == before + sum(done), said
        # Of several that were done one after the other the first generation is gone.
        assert sum(done) > 1 or differences(before, before + 1) == dict.fromkeys(TABLES, 0)
    kept = generation() - 1  # and the books that it was left with
    assert it.sql("select consumer, source from search.checkpoint where consumer like '%@%'"
                  " order by 2") == [(f"{SEARCH}@{kept}", each) for each in ("content", "identity")]
    assert it.sql("select count(*) from search.dead_letter") == [(0,)]


if __name__ == "__main__":
    with it:
        it.up()
        file = it.folder / "commands.ndjson"
        file.write_text(it.nova("sample", "--users", "200", "--seed", "4").stdout)
        it.nova("import", str(file))
        wait_for("all read models", it.is_caught_up)
        raise SystemExit(main())
