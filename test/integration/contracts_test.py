#!/usr/bin/env python3
"""The contracts as their users read them: what was written is read, and limits are exact."""
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import Instance, case, main, wait_for
from log_check import message_class

it = Instance()
users = {}
PASSWORD = "correct horse battery"
NAME = "Ünï çødé 🐘 漢字"
EVERYTHING = "Ünï çødé 🐘 'quotes\" <b> & \\ \t\n two lines #tag @name 漢字"


def fresh():
    return "u" + uuid.uuid4().hex[:12]


def user(name):
    if name not in users:
        with Caller(it) as caller:
            users[name] = caller.call(
                "identity", "Register", handle=name, display_name=name.upper(),
                email=f"{name}@example.invalid", password=PASSWORD).user_id
        wait_for(f"{name} in the sender cache", lambda: it.sql(
            "select 1 from communication.message_sender_cache where user_id = %s", (users[name],)))
    return users[name]


def login(caller, name):
    return caller.call("identity", "Login", login=name, password=PASSWORD).access_token


@case
def a_user_is_read_as_written():
    with Caller(it) as caller:
        made = caller.call("identity", "Register", handle="Ada.Lovelace", display_name=NAME,
                           email="Ada@Example.invalid", password=PASSWORD)
        read = caller.call("identity", "GetUser", user_id=made.user_id).user
        assert (read.handle, read.display_name) == ("Ada.Lovelace", NAME), read
        assert read.email.lower() == "ada@example.invalid" and read.version == 1, read
        assert read.created_at_us > 0 and read.updated_at_us == 0, read
        caller.call("identity", "UpdateUser", user_id=made.user_id, handle="countess",
                    email="countess@example.invalid", display_name="Countess")
        read = caller.call("identity", "GetUser", user_id=made.user_id).user
        assert (read.handle, read.display_name, read.email, read.version) == (
            "countess", "Countess", "countess@example.invalid", 2), read
        assert read.updated_at_us > read.created_at_us
        token = login(caller, user("bob") and "bob")
        with Caller(it, token=token) as bob:
            seen = bob.call("identity", "GetUser", user_id=made.user_id).user
        assert seen.handle == "countess" and seen.email == "", seen  # hers and the operator's only
        many = caller.call("identity", "GetUsers", user_ids=[made.user_id, user("bob")]).users
        assert [each.handle for each in many] == ["countess", "bob"], many


@case
def a_post_and_its_comments_are_read_as_written():
    ada, bob = user("ada"), user("bob")
    with Caller(it) as caller:
        post = caller.call("content", "CreatePost", ada, title="A title", text=EVERYTHING,
                           tags=["one", "zwei"]).post_id
        first = caller.call("content", "CreateComment", bob, post_id=post,
                            text=EVERYTHING).comment_id
        reply = caller.call("content", "CreateComment", ada, post_id=post, parent_id=first,
                            text="a reply").comment_id
        read = caller.call("content", "GetPost", post_id=post).post
        assert (read.title, read.text, list(read.tags)) == ("A title", EVERYTHING, ["one", "zwei"])
        assert (read.author_id, read.comment_count, read.thread_count) == (ada, 1, 2), read
        listed = caller.call("content", "ListComments", post_id=post).comments
        assert [(each.comment_id, each.text, each.author_id, each.reply_count) for each in listed
                if not each.parent_id] == [(first, EVERYTHING, bob, 1)], listed
        caller.call("content", "UpdatePost", ada, post_id=post, title="Other", text="text",
                    tags=["three"])
        caller.call("content", "UpdateComment", ada, comment_id=reply, text="changed")
        read = caller.call("content", "GetPost", post_id=post).post
        assert (read.title, read.text, list(read.tags)) == ("Other", "text", ["three"]), read
        assert read.updated_at_us > read.created_at_us
        below = caller.call("content", "ListComments", post_id=post, parent_id=first).comments
        assert [(each.comment_id, each.text) for each in below] == [(reply, "changed")], below
        caller.call("content", "DeleteComment", ada, comment_id=reply)
        assert caller.call("content", "GetPost", post_id=post).post.thread_count == 1
        own = caller.call("content", "ListPostsByAuthor", author_id=ada).posts
        assert [each.post_id for each in own] == [post], own
        caller.call("content", "DeletePost", ada, post_id=post)
        assert not caller.call("content", "ListPostsByAuthor", author_id=ada).posts


@case
def a_message_is_read_as_written():
    ada, bob = user("ada"), user("bob")
    with Caller(it) as caller:
        talk = caller.call("communication", "CreateConversation", ada, member_ids=[ada, bob],
                           title=EVERYTHING[:50]).conversation_id
        sent = [caller.call("communication", "SendMessage", who, conversation_id=talk,
                            text=f"{EVERYTHING} {number}").message_id
                for number, who in enumerate((ada, bob, ada))]
        read = caller.call("communication", "GetMessages", bob, conversation_id=talk).messages
        assert [each.message_id for each in read] == sent, read
        assert [each.text for each in read] == [f"{EVERYTHING} {each}" for each in range(3)]
        assert [each.sender_name for each in read] == ["ADA", "BOB", "ADA"], read
        about = caller.call("communication", "GetConversation", bob,
                            conversation_id=talk).conversation
        assert (about.title, about.message_count) == (EVERYTHING[:50], 3), about
        assert about.unread_count == 2, about
        assert sorted(about.member_ids) == sorted([ada, bob])
        caller.call("communication", "MarkRead", bob, conversation_id=talk, message_id=sent[-1])
        about = caller.call("communication", "GetConversation", bob,
                            conversation_id=talk).conversation
        assert about.unread_count == 0, about
        caller.call("communication", "EditMessage", ada, message_id=sent[0], text="edited")
        caller.call("communication", "DeleteMessage", bob, message_id=sent[1])
        read = caller.call("communication", "GetMessages", bob, conversation_id=talk).messages
        assert [each.text for each in read] == ["edited", "", f"{EVERYTHING} 2"], read
        assert [each.deleted for each in read] == [False, True, False]
        assert read[0].edited_at_us > read[0].sent_at_us


def exact(method, rejection, good, bad, on_behalf_of=None):
    """The last value that is allowed, and the first that is not."""
    service, name = method.split(".")
    with Caller(it) as caller:
        caller.call(service, name, on_behalf_of, **good)
        before = it.sql(f"select count(*) from {service}.outbox")
        more = {"Nova-On-Behalf-Of": on_behalf_of} if on_behalf_of else {}
        code, text, _ = caller.ask(service, name, message_class(caller.types[service, name][0])(
            **bad).SerializeToString(), caller.headers(**more))
        assert code != 0 and rejection in text, (method, bad, code, text)
        assert it.sql(f"select count(*) from {service}.outbox") == before


@case
def limits_of_texts_are_exact():
    ada, bob = user("ada"), user("bob")
    with Caller(it) as caller:
        post = caller.call("content", "CreatePost", ada, title="t").post_id
        comment = caller.call("content", "CreateComment", ada, post_id=post, text="c").comment_id
        talk = caller.call("communication", "CreateConversation", ada,
                           member_ids=[ada, bob]).conversation_id
        message = caller.call("communication", "SendMessage", ada, conversation_id=talk,
                              text="m").message_id
    for method, fixed, field, limit, rejection in (
            ("content.CreatePost", {}, "title", 300, "TITLE_TOO_LONG"),
            ("content.CreatePost", {}, "text", 65536, "TEXT_TOO_LONG"),
            ("content.UpdatePost", {"post_id": post}, "title", 300, "TITLE_TOO_LONG"),
            ("content.UpdatePost", {"post_id": post}, "text", 65536, "TEXT_TOO_LONG"),
            ("content.CreateComment", {"post_id": post}, "text", 65536, "TEXT_TOO_LONG"),
            ("content.UpdateComment", {"comment_id": comment}, "text", 65536, "TEXT_TOO_LONG"),
            ("communication.CreateConversation", {"member_ids": [ada, bob]}, "title", 300,
             "TITLE_TOO_LONG"),
            ("communication.SendMessage", {"conversation_id": talk}, "text", 16384, "TEXT_LENGTH"),
            ("communication.EditMessage", {"message_id": message}, "text", 16384, "TEXT_LENGTH")):
        exact(method, rejection, {**fixed, field: "x" * limit}, {**fixed, field: "x" * (limit + 1)},
              ada)
        exact(method, rejection, {**fixed, field: "é" * (limit // 2)},  # bytes, not characters
              {**fixed, field: "é" * (limit // 2) + "x"}, ada)


@case
def limits_of_lists_and_tags_are_exact():
    ada = user("ada")
    tags = [f"tag{each}" for each in range(33)]
    members = [ada] + [user(f"member{each}") for each in range(16)]
    exact("content.CreatePost", "TOO_MANY_TAGS", {"title": "t", "tags": tags[:32]},
          {"title": "t", "tags": tags}, ada)
    exact("content.CreatePost", "TAG_INVALID", {"title": "t", "tags": ["x" * 64]},
          {"title": "t", "tags": ["x" * 65]}, ada)
    for bad in ("", "two words"):
        exact("content.CreatePost", "TAG_INVALID", {"title": "t", "tags": ["x"]},
              {"title": "t", "tags": [bad]}, ada)
    exact("communication.CreateConversation", "MEMBER_COUNT", {"member_ids": members[:16]},
          {"member_ids": members}, ada)
    exact("communication.CreateConversation", "MEMBER_COUNT", {"member_ids": members[:2]},
          {"member_ids": members[:1]}, ada)


@case
def limits_of_a_user_are_exact():
    def person(**fields):
        name = fresh()
        return {"handle": name, "email": f"{name}@example.invalid", "display_name": "Name",
                "password": PASSWORD, **fields}
    local = fresh()
    email = f"{local}@{'a' * 60}.{'b' * 60}.{'c' * 60}."
    fits = email + "d" * (254 - len(email))
    exact("identity.Register", "EMAIL_INVALID", person(email=fits), person(email=fits + "d"))
    for bad in ("", "x", "@example.invalid", "x@", "a b@example.invalid", "a@b@example.invalid"):
        exact("identity.Register", "EMAIL_INVALID", person(), person(email=bad))
    handle = (fresh() * 6)[:64]
    exact("identity.Register", "HANDLE_INVALID", person(handle=handle),
          person(handle="y" + handle))
    exact("identity.Register", "HANDLE_INVALID", person(handle="q7"), person(handle="q"))
    for bad in ("", "a b", "a/b", "ä1", "a@b"):
        exact("identity.Register", "HANDLE_INVALID", person(), person(handle=bad))
    exact("identity.Register", "HANDLE_RESERVED", person(), person(handle="admin"))
    exact("identity.Register", "NAME_INVALID", person(display_name="n" * 200),
          person(display_name="n" * 201))
    exact("identity.Register", "PASSWORD_LENGTH", person(password="p7!o" * 2),
          person(password="p7!op7!"))
    exact("identity.Register", "PASSWORD_LENGTH", person(password="p" * 1024),
          person(password="p" * 1025))
    ada = user("ada")
    other = user("bob")
    for fields, rejection in (({"email": "x"}, "EMAIL_INVALID"), ({"handle": "q"}, "HANDLE_INVALID"),
                              ({"handle": "bob"}, "HANDLE_TAKEN"), ({"handle": "BOB"}, "HANDLE_TAKEN"),
                              ({"email": "BOB@example.invalid"}, "EMAIL_TAKEN"),
                              ({"display_name": "n" * 201}, "NAME_INVALID"),
                              ({}, "NOTHING_TO_UPDATE")):
        exact("identity.UpdateUser", rejection, {"user_id": ada, "display_name": fresh()},
              {"user_id": ada, **fields}, ada)
    with Caller(it) as caller:
        token = login(caller, "ada")
    with Caller(it, token=token) as own:  # an operator may give a reserved name away
        code, text, _ = own.ask("identity", "UpdateUser", message_class(
            "nova.identity.v2.UpdateUserRequest")(user_id=ada, handle="admin").SerializeToString())
        assert code != 0 and "HANDLE_RESERVED" in text, (code, text)
    exact("identity.UpdateUser", "NOT_ALLOWED", {"user_id": ada, "display_name": "Ada"},
          {"user_id": other, "display_name": "Mine now"}, ada)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
