#!/usr/bin/env python3
"""Every method of every contract answers a good request, over the bus, with what it should say.

Tokens and keys are checked by another library than ours (python3-nacl). A method without a good
request here fails the test.
"""
import base64
import contextlib
import json
import os
import pathlib
import signal
import sys
import threading
import time
import uuid

import nacl.pwhash
import nacl.signing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller, methods
from instance import Instance, case, free_ports, main, wait_for
from log_check import message_class
from smtp import Mailbox, text_of

DEADLINE_EXCEEDED, NOT_FOUND = 4, 5
PASSWORD = "correct horse battery"
CACHE = "consumer/communication/message_sender_cache"
PORT, = free_ports(1)
it = Instance(settings={"NOVA_MAIL_SMTP_URL": f"smtp://127.0.0.1:{PORT}",
                        "NOVA_MAIL_FROM": "no-reply@nova.invalid"})
box = Mailbox(PORT)
known = {}


class Noting(Caller):
    """Notes which methods were called with success."""
    answered = set()

    def call(self, service, method, on_behalf_of=None, **fields):
        reply = super().call(service, method, on_behalf_of, **fields)
        self.answered.add((service, method))
        return reply


def person(name):
    return {"handle": name, "email": f"{name}@example.invalid", "display_name": name.title()}


def key_ids(service):
    return [bytes.fromhex(row[0].replace("-", "")) for row in it.sql(
        f"select key_id::text from {service}.person_key where erased_at is null order by 1")]


# ---- one good request for each method -----------------------------------------------------------

def mailed_token(address, number):
    """The token of the n-th e-mail to somebody."""
    mails = wait_for("an e-mail", lambda: len(box.to(address)) > number and box.to(address))
    return next(line for line in text_of(mails[number]).splitlines() if len(line) == 68)


def password_answers(call):
    eve = call("Register", password=PASSWORD, **person("eve")).user_id
    call("RequestPasswordReset", email="eve@example.invalid")
    token = mailed_token("eve@example.invalid", 0)
    assert call("ResetPassword", token=token, new_password=f"new {PASSWORD}").user_id == eve
    assert call("ChangePassword", eve, user_id=eve, old_password=f"new {PASSWORD}",
                new_password=PASSWORD).changed_at_us > 0
    call("RequestEmailVerification", eve, user_id=eve)
    token = mailed_token("eve@example.invalid", 1)
    assert call("VerifyEmail", token=token).user_id == eve
    assert call("GetUser", eve, user_id=eve).user.email_verified


def identity_answers(caller):
    def call(method, *who, **fields):
        return caller.call("identity", method, *who, **fields)
    ada = call("Register", password=PASSWORD, **person("ada")).user_id
    bob = call("ImportUser", **person("bob")).user_id
    gone = call("ImportUser", **person("gone")).user_id
    login = call("Login", login="ada", password=PASSWORD)
    assert login.user_id == ada and login.expires_at_us > time.time() * 1e6
    verified = call("VerifyToken", access_token=login.access_token)
    assert (verified.user_id, verified.session_id) == (ada, login.session_id), verified
    refreshed = call("RefreshToken", refresh_token=login.refresh_token)
    assert (refreshed.user_id, refreshed.session_id) == (ada, login.session_id), refreshed
    assert refreshed.refresh_token not in ("", login.refresh_token)
    others = [call("Login", login="ada", password=PASSWORD, device=each) for each in "xyz"]
    sessions = call("ListSessions", ada, user_id=ada).sessions
    assert [each.device for each in sessions] == ["z", "y", "x", ""], sessions
    assert call("Logout", refresh_token=others[0].refresh_token).session_id == others[0].session_id
    assert call("RevokeSession", ada, session_id=others[1].session_id).ended_at_us > 0
    assert call("RevokeAllSessions", ada, user_id=ada, keep_session_id=login.session_id
                ).revoked == 1
    left = call("ListSessions", user_id=ada).sessions
    assert [each.session_id for each in left] == [login.session_id], left
    assert call("UpdateUser", ada, user_id=ada, display_name="Ada L.").version == 2
    assert call("GetUser", user_id=ada).user.display_name == "Ada L."
    assert [each.handle for each in call("GetUsers", user_ids=[bob, ada]).users] == ["bob", "ada"]
    assert call("DeleteUser", gone, user_id=gone).deleted_at_us > 0
    assert [each.user_id for each in call("GetUsers", user_ids=[gone, bob]).users] == [bob]
    assert [each.kty for each in call("GetJwks").keys] == ["OKP"]
    assert [each.state for each in call("ListSigningKeys").keys] == ["signs"]
    rotated = call("RotateSigningKey")
    assert rotated.signs_from_us > time.time() * 1e6
    assert rotated.kid in [each.kid for each in call("GetJwks").keys]
    password_answers(call)
    said = call("GetSecurityAudit", ada, user_id=ada, page={"size": 2})
    assert [each.action for each in said.entries] == ["session_revoked"] * 2, said
    assert said.next_token and said.entries[0].user_id == ada, said
    known.update(ada=ada, bob=bob, token=login.access_token, session=login.session_id)


def content_answers(caller):
    def call(method, *who, **fields):
        return caller.call("content", method, *who, **fields)
    ada, bob = known["ada"], known["bob"]
    posts = [call("CreatePost", ada, title=f"Quantum gardens {each}", text="about #moss",
                  tags=["ferns"]).post_id for each in range(3)]
    assert call("GetPost", post_id=posts[0]).post.title == "Quantum gardens 0"
    # Those that exist, in the order asked.
    asked = call("GetPosts", post_ids=[posts[2], str(uuid.uuid4()), posts[0]]).posts
    assert [(each.post_id, each.title, list(each.tags)) for each in asked] == [
        (posts[2], "Quantum gardens 2", ["ferns"]), (posts[0], "Quantum gardens 0", ["ferns"])]
    assert call("UpdatePost", ada, post_id=posts[1], title="Quantum meadows",
                text="about #grass").version == 2
    assert call("DeletePost", ada, post_id=posts[2]).deleted_at_us > 0
    listed = call("ListPostsByAuthor", author_id=ada).posts
    assert [each.post_id for each in listed] == [posts[1], posts[0]], listed
    comments = [call("CreateComment", bob, post_id=posts[0], text=f"comment {each}").comment_id
                for each in range(2)]
    assert call("UpdateComment", bob, comment_id=comments[0], text="changed").version == 2
    assert call("DeleteComment", bob, comment_id=comments[1]).deleted_at_us > 0
    listed = call("ListComments", post_id=posts[0]).comments
    assert [(each.comment_id, each.text) for each in listed] == [(comments[0], "changed")]
    known.update(posts=posts)


def communication_answers(caller):
    def call(method, *who, **fields):
        return caller.call("communication", method, *who, **fields)
    ada, bob = known["ada"], known["bob"]
    talks = [call("CreateConversation", ada, member_ids=[ada, bob], title=f"talk {each}"
                  ).conversation_id for each in range(2)]
    sent = [call("SendMessage", ada, conversation_id=talk, text=f"in {talk}").message_id
            for talk in (talks[1], talks[0], talks[0])]
    assert call("EditMessage", ada, message_id=sent[0], text="edited").version == 2
    assert call("DeleteMessage", ada, message_id=sent[2]).deleted_at_us > 0
    assert call("MarkRead", bob, conversation_id=talks[1], message_id=sent[0]).read_at_us > 0
    about = call("GetConversation", bob, conversation_id=talks[1]).conversation
    assert (about.title, about.unread_count, about.message_count) == ("talk 1", 0, 1), about
    listed = call("ListConversations", bob).conversations  # the one written to last comes first
    assert [each.conversation_id for each in listed] == talks, listed
    last = listed[1].last_message
    assert (last.text, last.sender_name) == ("edited", "Ada L."), last
    by_operator = call("ListConversations", user_id=bob).conversations
    assert [each.conversation_id for each in by_operator] == talks
    pages = [call("ListConversations", bob, page={"size": 1})]
    pages.append(call("ListConversations", bob, page={"size": 1, "token": pages[0].next_token}))
    assert [each.conversations[0].conversation_id for each in pages] == talks
    read = call("GetMessages", bob, conversation_id=talks[0]).messages
    assert [(each.message_id, each.deleted) for each in read] == [(sent[1], False), (sent[2], True)]


def search_answers(caller):
    def call(method, **fields):
        return caller.call("search", method, **fields)
    posts = known["posts"]
    wait_for("the index to hold all", it.is_caught_up)
    assert [each.post_id for each in call("SearchPosts", query="meadow or meadows").posts] == [
        posts[1]]
    assert [each.handle for each in call("SearchUsers", query="bo").users] == ["bob"]
    both = call("SearchAll", query="quantum")
    assert {each.post_id for each in both.posts} == set(posts[:2]) and not both.users, both
    assert [each.handle for each in call("SearchAll", query="ada").users] == ["ada"]
    found = call("SearchAll", query="#moss")
    assert [each.post_id for each in found.posts] == [posts[0]], found
    assert [each.tag for each in found.hashtags] == ["moss"], found
    tags = call("SearchHashtags", prefix="").hashtags  # the most used first, then by name
    assert {(each.tag, each.post_count) for each in tags} == {("ferns", 1), ("grass", 1),
                                                              ("moss", 1)}, tags
    assert [each.tag for each in call("SearchHashtags", prefix="#mo").hashtags] == ["moss"]
    assert not call("SearchHashtags", prefix="mossy").hashtags
    asked = call("Suggest", prefix="quan")
    assert asked.prefix == "quan" and list(asked.suggestions) == ["quantum"], asked
    assert list(call("Suggest", prefix="hello @ad").suggestions) == ["hello @ada"]
    stats = call("GetIndexStats")
    assert (stats.users, stats.posts, stats.hashtags, stats.generation) == (3, 2, 3, 1), stats


@case
def every_method_answers_a_good_request():
    with Noting(it) as caller:
        identity_answers(caller)
        content_answers(caller)
        communication_answers(caller)
        search_answers(caller)
    # Keys are for the consumers of the table, and not for the operator's rebuilds only.
    for service, consumer in (("identity", "search_search_index"), ("content", "content_post_view"),
                              ("communication", "communication_conversation_view")):
        with Noting(it, consumer) as caller:
            ids = key_ids(service)
            keys = caller.call(service, "GetPersonKeys", key_ids=[*ids, bytes(16)]).keys
            assert ids and sorted(each.key_id for each in keys) == ids, (service, keys)
            assert all(len(each.key) == 32 for each in keys)
    every = {(service, method) for service, method, _, _ in methods()}
    assert every == Noting.answered, every - Noting.answered
    print(f"# {len(every)} methods answered", flush=True)


@case
def words_are_found_whatever_stands_between_them():
    """PostgreSQL's parser sees paths, hosts, addresses and tags in these, and then no words."""
    text = "Pros/cons of trapped.Ions: hot<cold, left>right; R&D mail.example/tulips eve@example"
    words = "pros cons trapped ions hot cold left right mail tulips eve".split()
    with Caller(it) as caller:
        wanted = {field: caller.call("content", "CreatePost", known["ada"], **{field: text}).post_id
                  for field in ("title", "text")}
        named = caller.call("identity", "ImportUser", handle="slashed", email="s@example.invalid",
                            display_name="Wren/Finch").user_id
        wait_for("the index to hold them", it.is_caught_up)
        for query in [*words, " ".join(words), "pros/cons", "trapped.ions", '"left>right"',
                      "mail.example/tulips", "eve@example"]:
            found = caller.call("search", "SearchPosts", query=query).posts
            assert {each.post_id for each in found} == set(wanted.values()), (query, found)
        for query in ("finch", "wren", "wren/finch", "fin"):
            found = caller.call("search", "SearchUsers", query=query).users
            assert [each.user_id for each in found] == [named], (query, found)


# ---- tokens and passwords of other libraries ----------------------------------------------------

def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@case
def a_token_is_verified_by_others_with_the_published_key():
    with Caller(it) as caller:
        keys = caller.call("identity", "GetJwks").keys
    head, body, signature = known["token"].split(".")
    header, claims = json.loads(decoded(head)), json.loads(decoded(body))
    assert header["alg"] == "EdDSA" and header["typ"] == "JWT", header
    key, = [each for each in keys if each.kid == header["kid"]]
    assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig"), key
    verify = nacl.signing.VerifyKey(decoded(key.x))
    verify.verify(f"{head}.{body}".encode(), decoded(signature))
    assert (claims["sub"], claims["sid"], claims["aud"], claims["iss"]) == (
        known["ada"], known["session"], "nova", "identity"), claims
    assert claims["nbf"] == claims["iat"] <= time.time() + 60 and claims["exp"] > claims["iat"]
    assert set(claims) == {"iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti"}, claims
    try:
        verify.verify(f"{head}.{body}x".encode(), decoded(signature))
    except nacl.exceptions.BadSignatureError:
        return
    raise AssertionError("a changed token was verified")


@case
def an_imported_argon2id_hash_logs_in():
    hashed = nacl.pwhash.argon2id.str(PASSWORD.encode(), opslimit=2, memlimit=16 << 20).decode()
    assert hashed.startswith("$argon2id$v=19$m=16384,t=2,p=1$"), hashed
    login = message_class("nova.identity.v2.LoginRequest")
    with Caller(it) as caller:
        user = caller.call("identity", "ImportUser", password_hash=hashed,
                           **person("moved")).user_id
        for name in ("moved", "moved@example.invalid"):
            reply = caller.call("identity", "Login", login=name, password=PASSWORD)
            assert reply.user_id == user and reply.access_token
        code, text, _ = caller.ask("identity", "Login", login(
            login="moved", password=PASSWORD + "x").SerializeToString())
        assert code == 16, (code, text)
        for bad in ("x", hashed.replace("argon2id", "argon2i"), hashed[:hashed.rindex("$")],
                    hashed.replace("m=16384", "m=999999999")):
            code, text, _ = caller.ask("identity", "ImportUser", message_class(
                "nova.identity.v2.ImportUserRequest")(
                    password_hash=bad, **person("other")).SerializeToString())
            assert code == 3 and "HASH" in text.upper(), (bad, code, text)
    events = it.sql("select payload from identity.outbox where aggregate_id = %s", (user,))
    assert all(hashed.encode() not in bytes(row[0]) for row in events)


# ---- a sender that the cache does not know yet --------------------------------------------------

@contextlib.contextmanager
def stopped(*names):
    """Processes that sleep, and the supervisor, which would end what does not answer."""
    pids = [it.supervisor(), *(it.state(name)["pid"] for name in names)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: [os.kill(pid, signal.SIGCONT) for pid in reversed(pids)]
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def cached(user):
    return it.sql("select display_name from communication.message_sender_cache where user_id = %s",
                  (user,))


def ask(caller, method, on_behalf_of, headers=None, **fields):
    """(code, text, reply) of communication; Nova-Min-Position only where the headers say so."""
    request, reply = caller.types["communication", method]
    code, text, data = caller.ask(
        "communication", method, message_class(request)(**fields).SerializeToString(),
        caller.headers(**{"Nova-On-Behalf-Of": on_behalf_of, **(headers or {})}))
    return code, text, message_class(reply).FromString(data)


@case
def a_sender_that_the_cache_does_not_know_is_asked_from_identity():
    wait_for("the cache to be at rest", it.is_caught_up)
    ada = known["ada"]
    with stopped(CACHE), Caller(it) as caller:
        new = caller.call("identity", "Register", password=PASSWORD, **person("newcomer")).user_id
        code, text, made = ask(caller, "CreateConversation", new, member_ids=[new, ada])
        assert code == 0, (code, text)
        talk = made.conversation_id
        for text in ("first", "second"):
            code, said, _ = ask(caller, "SendMessage", new, conversation_id=talk, text=text)
            assert code == 0, (code, said)

        def read():
            code, said, reply = ask(caller, "GetMessages", ada, conversation_id=talk)
            assert code in (0, NOT_FOUND), (code, said)  # not in the view yet
            return len(reply.messages) == 2 and reply.messages
        messages = wait_for("the messages", read)
        assert [each.sender_name for each in messages] == ["Newcomer"] * 2, messages
        code, said, reply = ask(caller, "ListConversations", ada)
        assert code == 0 and reply.conversations[0].last_message.sender_name == "Newcomer", reply
        assert cached(new) == []  # so it was identity that said so
        code, said, _ = ask(caller, "CreateConversation", new, member_ids=[new, str(uuid.uuid4())])
        assert code != 0 and "MEMBER_UNKNOWN" in said, (code, said)
    wait_for("the cache to know the newcomer", lambda: cached(new) == [("Newcomer",)])


@case
def a_position_is_waited_for_until_the_deadline():
    wait_for("the cache to be at rest", it.is_caught_up)
    ada = known["ada"]
    with stopped(CACHE) as go_on, Caller(it, seconds=30) as caller:
        new = caller.call("identity", "Register", password=PASSWORD, **person("awaited")).user_id
        at_least = {"Nova-Min-Position": caller.position}
        soon = dict(at_least, **{"Nova-Deadline": str(int((time.time() + 1) * 1e6))})
        began = time.monotonic()
        code, text, _ = ask(caller, "CreateConversation", new, soon, member_ids=[new, ada])
        assert code == DEADLINE_EXCEEDED and time.monotonic() - began > 0.8, (code, text)
        assert it.sql("select 1 from communication.outbox where actor like %s", (f"%{new}",)) == []
        waker = threading.Timer(1, go_on)
        waker.start()
        code, text, _ = ask(caller, "CreateConversation", new, at_least, member_ids=[new, ada])
        waker.join()
        assert code == 0 and cached(new) == [("Awaited",)], (code, text)


if __name__ == "__main__":
    with it, box:
        it.up()
        raise SystemExit(main())
