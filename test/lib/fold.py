"""Read models as an independent fold of the log: Python over `./nova log query --json`.

Shares nothing with the projections: words and hashtags are found by expressions of its own. They
know what the tests write (letters, digits, #tags), not every text that PostgreSQL takes apart.
"""
import collections
import datetime
import json
import re
import unicodedata


def plain(text):
    """As a tag is compared: NFKC, without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def hashtags(post):
    """Given tags first, then those of title and text, each once."""
    found = [plain(tag.removeprefix("#")) for tag in post.get("tags", [])]
    for text in (post.get("title", ""), post.get("text", "")):
        found += [plain(tag) for tag in re.findall(r"(?<![\w#&])#(\w*[^\W\d_]\w*)", text)]
    return list(dict.fromkeys(found))


def title_words(post):
    """Folded as search folds: accents do not matter."""
    bare = "".join(each for each in unicodedata.normalize("NFKD", post.get("title", ""))
                   if not unicodedata.combining(each))
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", bare).casefold())
    return {word for word in words if 2 <= len(word) <= 64}


class Fold:
    """users: id -> {handle, displayName}; posts: id -> {author, created_at, title, text, tags}."""

    def __init__(self, events):
        self.users, self.posts, gone = {}, {}, set()
        for event in events:
            apply = getattr(self, "_" + event["type"].replace(".", "_"), None)
            if apply:
                apply(event["aggregate_id"], event)
            if event["type"] == "user.deleted":
                gone.add(event["aggregate_id"])
        # Services have no common order: what belongs to a deleted user goes, whenever it came.
        self.posts = {key: post for key, post in self.posts.items() if post["author"] not in gone}

    def _user_created(self, user, event):
        self._user_updated(user, event, self.users.setdefault(user, {}))

    def _user_updated(self, user, event, known=None):
        known = self.users[user] if known is None else known
        if isinstance(event["payload"]["sealed"], dict):  # else erased
            known.update({key: value for key, value in event["payload"]["sealed"].items() if value})

    def _user_deleted(self, user, _):
        del self.users[user]

    def _post_created(self, post, event):
        self.posts[post] = {"author": event["payload"]["authorId"],
                            "created_at": datetime.datetime.fromisoformat(event["occurred_at"])}
        self._post_updated(post, event)

    def _post_updated(self, post, event):
        sealed = event["payload"]["sealed"]
        if isinstance(sealed, dict):
            self.posts[post].update({key: sealed.get(key, empty) for key, empty in
                                     (("title", ""), ("text", ""), ("tags", []))})

    def _post_deleted(self, post, _):
        del self.posts[post]

    def names(self):
        return {user: (known["handle"], known["displayName"]) for user, known in self.users.items()}

    def index(self):
        return {key: (post["author"], post["title"], post["text"], post["tags"], hashtags(post),
                      post["created_at"]) for key, post in self.posts.items()}

    def terms(self):
        counts = collections.Counter(("hashtag", tag) for post in self.posts.values()
                                     for tag in hashtags(post))
        counts.update(("word", word) for post in self.posts.values() for word in title_words(post))
        return dict(counts)


def fold_of(it):
    return Fold(json.loads(line) for line in it.nova("log", "query", "--json").stdout.splitlines())


def assert_read_models_equal_the_fold(it):
    """Sender cache and search index, column by column. Returns the fold."""
    fold = fold_of(it)
    assert fold.users and fold.posts
    for view in ("communication.message_sender_cache", "search.user_index"):
        rows = it.sql(f"select user_id::text, handle, display_name from {view}")
        same({row[0]: row[1:] for row in rows}, fold.names(), view)
    rows = it.sql("select post_id::text, author_id::text, title, text, tags, hashtags, created_at"
                  " from search.post_index")
    same({row[0]: row[1:] for row in rows}, fold.index(), "search.post_index")
    rows = it.sql("select kind, term, post_count from search.term_index")
    same({row[:2]: row[2] for row in rows}, fold.terms(), "search.term_index")
    return fold


def same(stored, wanted, what):
    """Says what differs first, not both in full."""
    for key in stored.keys() | wanted.keys():
        assert stored.get(key) == wanted.get(key), (
            f"{what}: {key}: {stored.get(key)!r}, by the log {wanted.get(key)!r}")
