"""What the read models must hold, folded from the outboxes by code that shares nothing with ours.

One fold for each source. `take` is given every event in order; afterwards `views` gives
(view, key columns, other columns, {key: values}) for everything that is readable. Identity is folded
first: the others need who is gone and what everybody is called.
"""
import re
import unicodedata

from log_check import message_class
from sealed import message_name

HASHTAG = re.compile(r"(?<![\w#&])#(\w+)")


def fold_tag(tag):
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())
    return folded if len(folded.encode()) <= 64 else ""


def hashtags(tags, *texts):
    """Those given and those found, folded, each once, in order."""
    found = [fold_tag(tag.removeprefix("#")) for tag in tags]
    for text in texts:
        found += [fold_tag(word) for word in HASHTAG.findall(text)
                  if any(letter.isalpha() for letter in word)]
    return list(dict.fromkeys(tag for tag in found if tag))


class Fold:
    """Dispatches by type to `on_<aggregate>_<event>(event, payload, personal)`."""

    service = None

    def __init__(self, opener):
        self.opener = opener
        self.handlers = {}

    def take(self, event):
        type_name = event["type"]
        handler = getattr(self, "on_" + type_name.replace(".", "_"), None)
        if handler is None:
            return
        payload = message_class(message_name(self.service, type_name)).FromString(
            bytes.fromhex(event["payload"]))
        sealed = "sealed" in payload.DESCRIPTOR.fields_by_name and payload.HasField("sealed")
        handler(event, payload, self.opener.open(event, payload) if sealed else None)


class IdentityFold(Fold):
    service = "identity"

    def __init__(self, opener):
        super().__init__(opener)
        self.users = {}  # id -> [handle, display name, position]
        self.gone = {}  # id -> position

    def on_user_created(self, event, _payload, personal):
        self.users[event["aggregate_id"]] = [personal.handle if personal else None,
                                             personal.display_name if personal else None,
                                             event["position"]]

    def on_user_updated(self, event, _payload, personal):
        user = self.users[event["aggregate_id"]]
        user[2] = event["position"]
        if personal:
            user[0] = personal.handle or user[0]
            user[1] = personal.display_name or user[1]

    def on_user_deleted(self, event, _payload, _personal):
        self.gone[event["aggregate_id"]] = event["position"]
        del self.users[event["aggregate_id"]]

    def handles(self):
        return {user: known[0] for user, known in self.users.items()}

    def views(self):
        cache = {user: tuple(known) for user, known in self.users.items()}
        yield ("communication.message_sender_cache", ["user_id"],
               ["handle", "display_name", "position"], cache)
        yield ("communication.message_sender_gone", ["user_id"], ["position"],
               {user: (position,) for user, position in self.gone.items()})
        yield ("search.user_index", ["user_id"], ["handle", "display_name"],
               {user: known[:2] for user, known in cache.items()})


class ContentFold(Fold):
    service = "content"

    def __init__(self, opener, handles, gone):
        super().__init__(opener)
        self.handles, self.gone = handles, gone
        self.posts, self.comments = {}, {}

    def on_post_created(self, event, payload, personal):
        self.posts[event["aggregate_id"]] = {
            "author": payload.author_id, "personal": personal, "position": event["position"],
            "created": event["occurred_at_us"], "updated": None, "deleted": False}

    def on_post_updated(self, event, _payload, personal):
        self.posts[event["aggregate_id"]].update(personal=personal,
                                                 updated=event["occurred_at_us"])

    def on_post_deleted(self, event, _payload, _personal):
        self.posts[event["aggregate_id"]].update(deleted=True, personal=None)

    def on_comment_created(self, event, payload, personal):
        self.comments[event["aggregate_id"]] = {
            "post": payload.post_id, "parent": payload.parent_id or None,
            "author": payload.author_id, "text": personal.text if personal else None,
            "position": event["position"], "created": event["occurred_at_us"], "updated": None,
            "deleted": False}

    def on_comment_updated(self, event, _payload, personal):
        self.comments[event["aggregate_id"]].update(text=personal.text if personal else None,
                                                    updated=event["occurred_at_us"])

    def on_comment_deleted(self, event, _payload, _personal):
        self.comments[event["aggregate_id"]].update(deleted=True, text=None)

    def _counts(self):
        direct, thread, replies = {}, {}, {}
        for each in self.comments.values():
            if each["deleted"]:
                continue
            thread[each["post"]] = thread.get(each["post"], 0) + 1
            below = direct if each["parent"] is None else replies
            key = each["post"] if each["parent"] is None else each["parent"]
            below[key] = below.get(key, 0) + 1
        return direct, thread, replies

    def views(self):
        direct, thread, replies = self._counts()
        shown = {key: post for key, post in self.posts.items()
                 if not post["deleted"] and post["author"] not in self.gone and post["personal"]}
        yield ("content.post_view", ["post_id"],
               ["author_id::text", "author_handle", "title", "text", "tags", "created_at",
                "updated_at", "comment_count", "thread_count", "position"],
               {key: (post["author"], self.handles.get(post["author"]) or "",
                      post["personal"].title, post["personal"].text,
                      list(post["personal"].tags), post["created"], post["updated"],
                      direct.get(key, 0), thread.get(key, 0), post["position"])
                for key, post in shown.items()})
        yield ("content.comment_view", ["comment_id"],
               ["post_id::text", "parent_id::text", "author_id::text", "author_handle", "text",
                "created_at", "updated_at", "reply_count", "position"],
               {key: (each["post"], each["parent"], each["author"],
                      self.handles.get(each["author"]) or "",
                      "" if each["author"] in self.gone else each["text"] or "",
                      each["created"], each["updated"], replies.get(key, 0), each["position"])
                for key, each in self.comments.items()
                if not each["deleted"] and each["post"] in shown})
        found = {key: hashtags(post["personal"].tags, post["personal"].title,
                               post["personal"].text) for key, post in shown.items()}
        yield ("search.post_index", ["post_id"],
               ["author_id::text", "title", "text", "tags", "hashtags", "created_at"],
               {key: (post["author"], post["personal"].title, post["personal"].text,
                      list(post["personal"].tags), found[key], post["created"])
                for key, post in shown.items()})
        terms = {}
        for each in found.values():
            for tag in each:
                terms[tag] = terms.get(tag, 0) + 1
        yield ("search.term_index where kind = 'hashtag'", ["term"], ["post_count"],
               {tag: (count,) for tag, count in terms.items()})


class CommunicationFold(Fold):
    service = "communication"

    def __init__(self, opener, gone):
        super().__init__(opener)
        self.gone = gone
        self.conversations, self.messages, self.marks = {}, {}, {}

    def on_conversation_created(self, event, payload, personal):
        self.conversations[event["aggregate_id"]] = {
            "creator": payload.creator_id, "members": list(payload.member_ids),
            "title": personal.title if personal else "", "created": event["occurred_at_us"],
            "count": 0, "last": event["position"]}

    def on_message_sent(self, event, payload, personal):
        self.messages[event["aggregate_id"]] = {
            "conversation": payload.conversation_id, "sender": payload.sender_id,
            "text": personal.text if personal else None, "sent": event["occurred_at_us"],
            "edited": None, "position": event["position"], "deleted": False}
        conversation = self.conversations[payload.conversation_id]
        conversation["count"] += 1
        conversation["last"] = event["position"]

    def on_message_edited(self, event, _payload, personal):
        self.messages[event["aggregate_id"]].update(text=personal.text if personal else None,
                                                    edited=event["occurred_at_us"])

    def on_message_deleted(self, event, _payload, _personal):
        message = self.messages[event["aggregate_id"]]
        message.update(deleted=True, text=None)
        self.conversations[message["conversation"]]["count"] -= 1

    def on_message_read(self, event, payload, _personal):
        message = self.messages[event["aggregate_id"]]
        key = (message["conversation"], payload.reader_id)
        self.marks[key] = max(self.marks.get(key, 0), message["position"])

    def views(self):
        yield ("communication.conversation_view", ["conversation_id"],
               ["title", "created_at", "message_count", "last_position"],
               {key: ("" if each["creator"] in self.gone else each["title"], each["created"],
                      each["count"], each["last"]) for key, each in self.conversations.items()})
        yield ("communication.member_view", ["conversation_id", "user_id"],
               ["place", "read_position"],
               {f"{key}/{user}": (place, self.marks.get((key, user), 0))
                for key, each in self.conversations.items()
                for place, user in enumerate(each["members"])})
        yield ("communication.message_view", ["message_id"],
               ["conversation_id::text", "sender_id::text", "text", "sent_at", "edited_at",
                "position", "deleted", "erased"],
               {key: (each["conversation"], each["sender"],
                      "" if each["sender"] in self.gone else each["text"] or "", each["sent"],
                      each["edited"], each["position"], each["deleted"],
                      each["sender"] in self.gone) for key, each in self.messages.items()})
