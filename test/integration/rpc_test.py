#!/usr/bin/env python3
"""Requests and replies as other programs see them: discovery, queue groups, positions, traces, keys.

All is spoken by hand over NATS (lib/caller.py): no client of ours stands in between.
"""
import contextlib
import datetime
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import time
import uuid

import nacl.bindings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller, methods
from instance import NOVA, Instance, case, main, wait_for
from log_check import SERVICES, event_of, message_class
from nats import Nats

ALL = sorted((*SERVICES, "search"))
PASSWORD = "correct horse battery"
INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED = 3, 4, 7
KEY_IDS_MAX = 1000
it = Instance()


def register(caller, name=None):
    name = name or "u" + uuid.uuid4().hex[:12]
    return caller.call("identity", "Register", handle=name, display_name=name.upper(),
                       email=f"{name}@example.invalid", password=PASSWORD).user_id


def current(service):
    return it.sql(f"select max(position) from {service}.outbox")[0][0]


def at_rest():
    wait_for("everything to be caught up", it.is_caught_up)


# ---- discovery ----------------------------------------------------------------------------------

def discovered(subject, count):
    """The answers to one question of ADR-32; exactly so many come."""
    with Nats(it, "operator_rpc", seconds=60) as client:
        inbox = f"{client.inbox}.found"
        client.publish(subject, b"", inbox)
        found = [client.next(client.answers) for _ in range(count)]
        assert all(found), (subject, len([each for each in found if each]))
        assert client.next(client.answers, 0.2) is None, f"{subject}: more than {count} answer"
    return sorted((json.loads(each.data) for each in found), key=lambda each: each["name"])


def has_fields(answer, kind, more):
    """Exactly ADR-32's fields, with their types (design/conventions.md 1.3)."""
    types = {"type": str, "name": str, "id": str, "version": str, "metadata": dict, **more}
    assert {key: type(value) for key, value in answer.items()} == types, answer
    assert answer["type"] == f"io.nats.micro.v1.{kind}_response"
    assert re.fullmatch(r"[A-Za-z0-9_-]+", answer["name"])
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer["version"])
    assert re.fullmatch(r"[^.*> ]+", answer["id"])  # it is a token of a subject


def endpoints_of(answer, types):
    """Every method of the contract, once."""
    wanted = sorted(method for service, method, _, _ in methods() if service == answer["name"])
    assert sorted(each["name"] for each in answer["endpoints"]) == wanted, answer["name"]
    for each in answer["endpoints"]:
        assert {key: type(value) for key, value in each.items()} == types, each
        assert each["subject"] == f"nova.rpc.{answer['name']}.v2.{each['name']}"
        assert each["queue_group"] == answer["name"]
    return {each["name"]: each for each in answer["endpoints"]}


ENDPOINT = {"name": str, "subject": str, "queue_group": str}
COUNTED = {**ENDPOINT, "num_requests": int, "num_errors": int, "last_error": str,
           "processing_time": int, "average_processing_time": int}


@case
def every_service_is_found_by_all_its_names():
    for verb, kind, more in (("PING", "ping", {}),
                             ("INFO", "info", {"description": str, "endpoints": list}),
                             ("STATS", "stats", {"started": str, "endpoints": list})):
        every = discovered(f"$SRV.{verb}", len(ALL))
        assert [each["name"] for each in every] == ALL
        assert len({each["id"] for each in every}) == len(ALL)
        for answer in every:
            has_fields(answer, kind, more)
            for name in (answer["name"], f"{answer['name']}.{answer['id']}"):
                one = discovered(f"$SRV.{verb}.{name}", 1)[0]
                assert (one["name"], one["id"]) == (answer["name"], answer["id"]), (name, one)
    with Nats(it, "operator_rpc") as client:
        for name in ("nobody", "identity.nobody"):
            assert client.request(f"$SRV.PING.{name}").no_responders


@case
def info_names_every_method_and_stats_count_what_was_asked():
    for answer in discovered("$SRV.INFO", len(ALL)):
        endpoints_of(answer, {**ENDPOINT, "metadata": dict})
    for answer in discovered("$SRV.STATS", len(ALL)):
        endpoints_of(answer, COUNTED)
        started = datetime.datetime.fromisoformat(answer["started"].replace("Z", "+00:00"))
        assert started < datetime.datetime.now(datetime.timezone.utc), answer["started"]
    before = endpoints_of(discovered("$SRV.STATS.identity", 1)[0], COUNTED)["GetUser"]
    with Caller(it) as caller:
        user = register(caller)
        for _ in range(3):
            caller.call("identity", "GetUser", user_id=user)
        code, words, _ = caller.ask("identity", "GetUser", b"\xff")
    assert code == INVALID_ARGUMENT
    # The count follows the answer: it is there once the next question was handled.
    after = wait_for("it to be counted", lambda: (
        stats := endpoints_of(discovered("$SRV.STATS.identity", 1)[0], COUNTED)["GetUser"]) and
        stats["num_requests"] == before["num_requests"] + 4 and stats)
    assert after["num_errors"] == before["num_errors"] + 1, after
    assert after["last_error"] == f"{INVALID_ARGUMENT}:{words}"[:len(after["last_error"])], after
    assert len(after["last_error"]) > 10 and after["processing_time"] > before["processing_time"]
    assert after["average_processing_time"] == after["processing_time"] // after["num_requests"]


# ---- queue groups -------------------------------------------------------------------------------

@contextlib.contextmanager
def second_of(service):
    log = it.folder / f"second.{service}.log"
    with log.open("w") as out:
        second = subprocess.Popen([str(NOVA), "run", "service", service], env=it.environment(),
                                  stdout=out, stderr=out)
    try:
        wait_for("the second to answer", lambda: len(every_id(service)) == 2)
        yield second
    finally:
        second.kill()
        second.wait()


def every_id(service):
    with Nats(it, "operator_rpc") as client:
        client.publish(f"$SRV.PING.{service}", b"", f"{client.inbox}.found")
        found = set()
        while (answer := client.next(client.answers, 0.3)) is not None:
            found.add(json.loads(answer.data)["id"])
    return found


def handled():
    return {answer["id"]: endpoints_of(answer, COUNTED)["GetUsers"]["num_requests"]
            for answer in discovered("$SRV.STATS.identity", 2)}


def ask_many(caller, count, data):
    for number in range(count):
        caller.publish("nova.rpc.identity.v2.GetUsers", data, f"{caller.inbox}.many{number}",
                       caller.headers())
    caller.flush()


def answers_of(caller, count):
    """Which of the questions were answered, how often; none with an error."""
    found = []
    while len(found) < count and (answer := caller.next(caller.answers)) is not None:
        assert "Nats-Service-Error-Code" not in answer.headers, answer.headers
        found.append(answer.subject.rpartition(".")[2])
    assert caller.next(caller.answers, 0.2) is None, "a question was answered twice"
    return sorted(found)


@case
def two_of_one_service_share_the_requests_and_one_that_ends_finishes_its_own():
    asked = 200
    wanted = sorted(f"many{number}" for number in range(asked))
    with second_of("identity") as second, Caller(it, seconds=60) as caller:
        data = message_class("nova.identity.v2.GetUsersRequest")(
            user_ids=[register(caller)]).SerializeToString()
        before = handled()
        ask_many(caller, asked, data)
        assert answers_of(caller, asked) == wanted
        done = wait_for("all to be counted", lambda: (
            now := handled()) and sum(now.values()) == sum(before.values()) + asked and now)
        assert all(done[each] > before[each] for each in before), (before, done)
        ask_many(caller, asked // 2, data)
        second.send_signal(signal.SIGTERM)
        assert answers_of(caller, asked // 2) == sorted(
            f"many{number}" for number in range(asked // 2))
        assert second.wait(60) == 0
        ask_many(caller, asked, data)
        assert answers_of(caller, asked) == wanted


# ---- positions ----------------------------------------------------------------------------------

def search_code(caller, positions, seconds):
    deadline = str(int((time.time() + seconds) * 1e6))
    return caller.ask("search", "SearchPosts", message_class(
        "nova.search.v2.SearchPostsRequest")(query="position").SerializeToString(),
        caller.headers(**{"Nova-Min-Position": positions, "Nova-Deadline": deadline}))[0]


@case
def a_query_waits_for_each_of_several_positions():
    with Caller(it, seconds=60) as caller:
        user = register(caller)
        caller.call("content", "CreatePost", user, title="position")
        identity, content = current("identity"), current("content")
        both = f"identity:{identity},content:{content}"
        assert search_code(caller, both, 60) == 0
        assert search_code(caller, ",".join([both] * 4), 60) == 0
        for late in (f"identity:{identity},content:{content + 1000}",
                     f"identity:{identity + 1000},content:{content}",
                     f"content:{content + 1000},identity:{identity}",
                     f"{both},{both},{both},identity:1,content:{content + 1000}"):
            assert search_code(caller, late, 1) == DEADLINE_EXCEEDED, late


@case
def a_query_that_waits_is_answered_once_both_positions_are_there():
    index = "consumer/search/search_index"
    os.kill(it.supervisor(), signal.SIGSTOP)  # it would end what does not answer
    os.kill(it.state(index)["pid"], signal.SIGSTOP)
    try:
        with Caller(it, seconds=60) as caller:
            word = "w" + secrets.token_hex(8)
            user = register(caller)
            identity = caller.position
            caller.position = None
            post = caller.call("content", "CreatePost", user, title=word).post_id
            request = message_class("nova.search.v2.SearchPostsRequest")(query=word)
            caller.publish("nova.rpc.search.v2.SearchPosts", request.SerializeToString(),
                           f"{caller.inbox}.late", caller.headers(
                               **{"Nova-Min-Position": f"{identity},{caller.position}"}))
            assert caller.next(caller.answers, 0.5) is None
            os.kill(it.state(index)["pid"], signal.SIGCONT)
            answer = caller.next(caller.answers)
            assert answer and "Nats-Service-Error-Code" not in answer.headers, answer
            reply = message_class(caller.types["search", "SearchPosts"][1]).FromString(answer.data)
            assert [each.post_id for each in reply.posts] == [post], reply
    finally:
        os.kill(it.state(index)["pid"], signal.SIGCONT)
        os.kill(it.supervisor(), signal.SIGCONT)


# ---- traces -------------------------------------------------------------------------------------

def trace():
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def newest(service):
    with Nats(it, "auditor") as auditor:
        last = auditor.last_n(service)
        return event_of(auditor.request(f"{auditor.js}.DIRECT.GET.NOVA_{service.upper()}",
                                        json.dumps({"seq": last}).encode()))


@case
def a_traceparent_goes_with_the_event_into_the_stream():
    for given, stored in ((given := trace(), given), (None, None), ("00-not-a-trace-01", None)):
        with Caller(it) as caller:
            name = "u" + uuid.uuid4().hex[:12]
            headers = caller.headers(**({"traceparent": given} if given else {}))
            request = message_class("nova.identity.v2.RegisterRequest")(
                handle=name, display_name=name, email=f"{name}@example.invalid", password=PASSWORD)
            assert caller.ask("identity", "Register", request.SerializeToString(), headers)[0] == 0
        at_rest()
        cloud, more = newest("identity")
        assert cloud.type == "user.created" and more["commandid"] == headers["Nova-Command-Id"]
        assert more.get("traceparent") == stored, (given, more)


@case
def a_traceparent_goes_from_communication_to_identity():
    """identity's requests are heard by somebody in its place: its own process is stopped."""
    cache = "consumer/communication/message_sender_cache"
    given = trace()
    os.kill(it.supervisor(), signal.SIGSTOP)
    pids = [it.state(cache)["pid"], it.state("service/identity")["pid"]]
    try:
        with Caller(it) as caller, Nats(it, "identity_service", seconds=30) as identity:
            os.kill(pids[0], signal.SIGSTOP)  # so that the new one is not known
            members = [register(caller), register(caller)]
            heard = identity.subscribe("nova.rpc.identity.v2.>", "identity")
            identity.flush()
            os.kill(pids[1], signal.SIGSTOP)
            request = message_class("nova.communication.v2.CreateConversationRequest")(
                member_ids=members).SerializeToString()
            for number in range(64):  # one of two in the queue group gets each
                caller.publish("nova.rpc.communication.v2.CreateConversation", request,
                               f"{caller.inbox}.trace{number}", caller.headers(
                                   **{"traceparent": given, "Nova-On-Behalf-Of": members[0]}))
                asked = identity.next(heard, 1)
                if asked is not None and asked.subject.endswith(".GetUsers"):
                    break  # not a consumer's question for keys
            assert asked is not None and asked.subject == "nova.rpc.identity.v2.GetUsers", asked
            assert asked.headers.get("traceparent") == given, asked.headers
            assert asked.headers.get("Nova-Deadline"), asked.headers
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        os.kill(it.supervisor(), signal.SIGCONT)
    at_rest()


# ---- keys of persons ----------------------------------------------------------------------------

def key_id(user, service="identity"):
    return uuid.UUID(str(it.sql(f"select key_id from {service}.person_key where person_id = %s",
                                (user,))[0][0])).bytes


def keys_asked(caller, ids, service="identity", token=None):
    request = message_class("nova.common.v1.GetPersonKeysRequest")(key_ids=ids)
    headers = caller.headers(**({"Authorization": f"Bearer {token}"} if token else {}))
    code, words, data = caller.ask(service, "GetPersonKeys", request.SerializeToString(), headers)
    return code, words, message_class("nova.common.v1.GetPersonKeysReply").FromString(data)


def opened(user, key):
    """What the person's first event holds, opened by libsodium's own binding."""
    event_id, payload = it.sql("select event_id::text, payload from identity.outbox where"
                               " aggregate_id = %s order by version limit 1", (user,))[0]
    sealed = message_class("nova.identity.v2.UserCreated").FromString(bytes(payload)).sealed
    bound = uuid.UUID(event_id).bytes + b"user.created"
    plain = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
        sealed.ciphertext, bound, sealed.nonce, key)
    return message_class("nova.identity.v2.UserCreatedPersonal").FromString(plain)


@case
def keys_of_many_persons_come_in_one_answer_and_open_what_they_wrote():
    with Caller(it, "communication_message_sender_cache") as consumer, Caller(it) as operator:
        names = ["k" + uuid.uuid4().hex[:12] for _ in range(20)]
        users = [register(operator, name) for name in names]
        ids = [key_id(user) for user in users]
        fill = [secrets.token_bytes(16) for _ in range(KEY_IDS_MAX - len(ids))]
        code, words, reply = keys_asked(consumer, [*ids, *fill])
        assert code == 0, (code, words)
        keys = {key.key_id: key.key for key in reply.keys}
        assert len(reply.keys) == len(keys) and set(keys) == set(ids)  # unknown ones are left out
        assert len(set(keys.values())) == len(ids)
        for name, user, own in zip(names, users, ids):
            assert opened(user, keys[own]).email == f"{name}@example.invalid"
        operator.call("identity", "DeleteUser", users[0], user_id=users[0])
        code, _, reply = keys_asked(consumer, ids)
        assert code == 0 and {key.key_id for key in reply.keys} == set(ids[1:])  # she is forgotten
        for bad in ([*ids, b"x" * 15], [b""], [*fill, *ids, b"x" * 16]):
            code, words, reply = keys_asked(consumer, bad)
            assert code == INVALID_ARGUMENT and "key_ids" in words and not reply.keys, (code, words)


def token_of(name):
    with Caller(it, name) as process:
        return process.token()


@case
def keys_of_persons_are_refused_to_all_that_the_table_does_not_name():
    with Caller(it) as operator:
        name = "k" + uuid.uuid4().hex[:12]
        user = register(operator, name)
        own = [key_id(user)]
        login = operator.call("identity", "Login", login=name, password=PASSWORD).access_token
        assert len(keys_asked(operator, own)[2].keys) == 1
        # The second lock, behind NATS's own: a token decides, whoever's connection carries it.
        for who, token in (("the importer", token_of("importer")), ("a user", login),
                           ("another service", token_of("search_service")),
                           ("a consumer that reads no identity", token_of("content_forget"))):
            code, words, reply = keys_asked(operator, own, token=token)
            assert code == PERMISSION_DENIED and not reply.keys, (who, code, words)
        code, words, reply = keys_asked(operator, own, "communication",
                                        token_of("communication_message_sender_cache"))
        assert code == PERMISSION_DENIED and not reply.keys, (code, words)  # identity's only
        headers = operator.headers()
        del headers["Authorization"]
        request = message_class("nova.common.v1.GetPersonKeysRequest")(key_ids=own)
        code, words, data = operator.ask("identity", "GetPersonKeys", request.SerializeToString(),
                                         headers)
        assert code in (PERMISSION_DENIED, 16) and not data, (code, words)
    for user, subject in (("search_service", "nova.rpc.identity.v2.GetPersonKeys"),
                          ("content_forget", "nova.rpc.identity.v2.GetPersonKeys"),
                          ("communication_message_sender_cache",
                           "nova.rpc.content.v2.GetPersonKeys")):
        with Nats(it, user) as client:  # the first lock
            client.publish(subject, b"", f"{client.inbox}.1")
            client.flush()
            assert client.errors and subject in client.errors[0], (user, client.errors)


@case
def a_rebuild_asks_for_keys_by_the_batch():
    at_rest()
    users = it.sql("select count(*) from search.user_index")[0][0]

    def asked():
        answer = discovered("$SRV.STATS.identity", 1)[0]
        return next(each["num_requests"] for each in answer["endpoints"]
                    if each["name"] == "GetPersonKeys")
    before = asked()
    it.nova("projection", "rebuild", "search_index")
    count = asked() - before
    assert users > 20 and 1 <= count <= users // 5, (users, count)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
