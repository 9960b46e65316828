#!/usr/bin/env python3
"""The search index is rebuilt under load: who searches sees a whole index all the time.

One client searches every 10 ms, another writes; the index is rebuilt, also after a rebuild that was
killed in the middle. Nobody gets an error, and nobody fewer hits than before.
"""
import collections
import json
import pathlib
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
    """Searches the same words again and again; hits may grow, never shrink."""

    def __init__(self, words):
        super().__init__()
        self.words, self.done, self.failure, self.searches = words, threading.Event(), None, 0
        self.most = collections.defaultdict(int)

    def run(self):
        try:
            with Caller(it) as caller:
                while not self.done.wait(EVERY_S):
                    self.search(caller, self.words[self.searches % len(self.words)])
                    self.searches += 1
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def search(self, caller, word):
        for method, name in (("SearchPosts", "posts"), ("SearchUsers", "users")):
            if name == "posts":
                hits = len(caller.call("search", method, query=word, page={"size": 500}).posts)
            else:
                hits = len(caller.call("search", method, query="a", page={"size": 500}).users)
            assert hits >= self.most[name, word], (name, word, hits, self.most[name, word])
            self.most[name, word] = hits

    def finish(self):
        self.done.set()
        self.join()
        if self.failure:
            raise self.failure
        return self.searches


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
    searches, posts = searcher.finish(), writer.finish()
    assert searches > 50 and posts > 50, (searches, posts)
    print(f"# {searches} searches and {posts} new posts during 3 rebuilds", flush=True)
    wait_for("the index to hold every post", it.is_caught_up)
    count = it.sql("select count(*) from search.post_index where title like 'post %'")
    assert count == [(posts,)], (count, posts)


@case
def both_generations_are_equal_after_the_switch():
    """At rest, so that the old one is not behind by what came after the switch."""
    before = generation()
    it.nova("projection", "rebuild", "search_index")
    after = generation()
    assert differences(before, after) == dict.fromkeys(TABLES, 0)
    assert all(it.sql(f"select count(*) > 0 from search_index_g{after}.{name}") == [(True,)]
               for name in TABLES)


@case
def a_rebuild_that_was_killed_can_be_run_again():
    before = generation()
    searcher = Searcher(common_words())
    searcher.start()
    for _ in range(3):
        with subprocess.Popen([str(NOVA), "projection", "rebuild", "search_index"],
                              env=it.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as rebuild:
            wait_for("the next generation to fill", lambda rebuild=rebuild:
                     rebuild.poll() is not None or it.sql(
                         "select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                         f" where n.nspname = 'search_index_g{before + 1}' and c.relname = 'post'"))
            rebuild.send_signal(signal.SIGKILL)
    now = generation()
    it.nova("projection", "rebuild", "search_index")
    searcher.finish()
    assert generation() > now
    assert differences(now, generation()) == dict.fromkeys(TABLES, 0)


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
        assert differences(before, before + 1) == dict.fromkeys(TABLES, 0) or sum(done) > 1
    assert it.sql("select consumer from search.checkpoint where consumer like '%@%'") == []
    assert it.sql("select count(*) from search.dead_letter") == [(0,)]


if __name__ == "__main__":
    with it:
        it.up()
        file = it.folder / "commands.ndjson"
        file.write_text(it.nova("sample", "--users", "200", "--seed", "4").stdout)
        it.nova("import", str(file))
        wait_for("all read models", it.is_caught_up)
        raise SystemExit(main())
