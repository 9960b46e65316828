#!/usr/bin/env python3
"""Access tokens on a real Nova: good while their session goes on and their key is published.

A session that ends is refused by every service at once, though no service asks about a token; keys
are changed under load, and nobody notices.
"""
import base64
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import NOVA, Instance, case, main, wait_for
from log_check import message_class
from nats import Nats

OK, PERMISSION_DENIED, UNAVAILABLE, UNAUTHENTICATED = 0, 7, 14, 16
PASSWORD = "correct horse battery"
LEAD_S, KEYS_AGE_S, STALE_S = 3, 2, 5
SEED = int(os.environ.get("NOVA_TEST_SEED", random.randrange(1 << 32)))
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1",
                        "NOVA_IDENTITY_KEY_LEAD_S": str(LEAD_S),
                        "NOVA_SERVICE_KEYS_REFRESH_S": str(KEYS_AGE_S),
                        "NOVA_SERVICE_REVOCATIONS_STALE_S": str(STALE_S)})
# A question of each service that a user may ask.
QUESTIONS = {"identity": ("GetUsers", {}), "content": ("GetPosts", {}),
             "communication": ("ListConversations", {}),
             "search": ("SearchPosts", {"query": "x"})}


def ask(caller, service, method, bearer=None, operator=False, **fields):
    """(code, text, reply's message)."""
    request, reply = caller.types[service, method]
    headers = {"Nova-Command-Id": str(uuid.uuid4())}
    if operator or bearer:
        headers["Authorization"] = f"Bearer {caller.token() if operator else bearer}"
    code, text, data = caller.ask(service, method,
                                  message_class(request)(**fields).SerializeToString(), headers)
    return code, text, message_class(reply).FromString(data)


def good(caller, method, service="identity", **more):
    code, text, reply = ask(caller, service, method, **more)
    assert code == OK, (method, code, text)
    return reply


def person(caller):
    name = f"u{uuid.uuid4().hex[:12]}"
    return good(caller, "Register", handle=name, email=f"{name}@example.invalid", display_name=name,
                password=PASSWORD).user_id, name


def login(caller, name):
    return good(caller, "Login", login=name, password=PASSWORD)


def judge(caller, service, token):
    """(code, text) of a question with this token."""
    method, fields = QUESTIONS[service]
    return ask(caller, service, method, bearer=token, **fields)[:2]


def is_taken_everywhere(caller, token):
    for service in QUESTIONS:
        wait_for(f"{service} to take a good token", lambda each=service: judge(
            caller, each, token)[0] == OK)


def refused_by(caller, service, token, word):
    """Waits until the token is refused with this word; (seconds, how often it was taken)."""
    start, taken = time.monotonic(), 0

    def is_refused():
        nonlocal taken
        code, text = judge(caller, service, token)
        taken += code == OK
        assert code in (OK, UNAVAILABLE) or (code == UNAUTHENTICATED and word in text), (code, text)
        return code == UNAUTHENTICATED
    wait_for(f"{service} to refuse it", is_refused)
    return time.monotonic() - start, taken


def kid_of(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def key_list():
    return [json.loads(line) for line in it.nova("keys", "list", "--json").stdout.splitlines()]


def kids(caller):
    return [each.kid for each in good(caller, "GetJwks").keys]


def stats(caller, service):
    """How often each method was asked, over all processes of the service that answer."""
    answer = json.loads(caller.request(f"$SRV.STATS.{service}").data)
    return {each["name"]: each["num_requests"] for each in answer["endpoints"]}


# ---- sessions that end --------------------------------------------------------------------------

def endings(caller, name, user, mine, other):
    """Each way by which `mine` ends, asked with `other` where somebody must ask."""
    asking = {"bearer": other.access_token}
    yield "Logout", lambda: good(caller, "Logout", refresh_token=mine.refresh_token)
    yield "RevokeSession", lambda: good(caller, "RevokeSession", session_id=mine.session_id, **asking)
    yield "RevokeAllSessions", lambda: good(caller, "RevokeAllSessions", user_id=user,
                                            keep_session_id=other.session_id, **asking)
    yield "ChangePassword", lambda: good(caller, "ChangePassword", user_id=user,
                                         old_password=PASSWORD, new_password=f"new {PASSWORD}",
                                         keep_session_id=other.session_id, **asking)
    yield "DeleteUser", lambda: good(caller, "DeleteUser", user_id=user, **asking)
    yield "a reused refresh token", lambda: reuse(caller, mine.refresh_token)


def reuse(caller, token):
    good(caller, "RefreshToken", refresh_token=token)
    code, text, _ = ask(caller, "identity", "RefreshToken", refresh_token=token)
    assert code == UNAUTHENTICATED and text.startswith("REFRESH_REUSED"), (code, text)


@case
def a_session_that_ended_is_refused_by_every_service_whatever_ended_it():
    with Caller(it) as caller:
        for number in range(6):
            user, name = person(caller)
            mine, other = login(caller, name), login(caller, name)
            is_taken_everywhere(caller, mine.access_token)
            what, end = list(endings(caller, name, user, mine, other))[number]
            end()
            first, taken = refused_by(caller, "content", mine.access_token, "has ended")
            print(f"# {what}: content refused the token {first * 1000:.0f} ms after the answer, "
                  f"having taken it {taken} times", flush=True)
            for service in QUESTIONS:
                refused_by(caller, service, mine.access_token, "has ended")
            for service in QUESTIONS if what != "DeleteUser" else ():  # the other goes on
                code, text = judge(caller, service, other.access_token)
                assert code == OK, (what, service, code, text)


@case
def no_service_asks_identity_about_a_token():
    count = 300
    with Caller(it) as caller:
        token = login(caller, person(caller)[1]).access_token
        is_taken_everywhere(caller, token)
        before, start = stats(caller, "identity"), time.monotonic()
        for _ in range(count):
            assert judge(caller, "content", token)[0] == OK
        seconds, after = time.monotonic() - start, stats(caller, "identity")
    asked = {name: after[name] - before[name] for name in after}
    # Keys are asked for by age: once in KEYS_AGE_S by each of the three.
    renewals = 3 * (seconds / KEYS_AGE_S + 2)
    print(f"# {count} requests in {seconds:.1f} s, GetJwks {asked['GetJwks']} times", flush=True)
    assert asked["GetJwks"] <= renewals, (asked, renewals)
    assert asked["VerifyToken"] == 0 and asked["GetUser"] == 0, asked


@case
def what_ended_before_a_service_started_it_never_takes():
    with Caller(it) as caller:
        name = person(caller)[1]
        mine, other = login(caller, name), login(caller, name)
        is_taken_everywhere(caller, mine.access_token)
        before = it.state("service/content")
        os.kill(before["pid"], signal.SIGKILL)
        good(caller, "Logout", refresh_token=mine.refresh_token)
        wait_for("the event to be in the stream", lambda: all(
            each["events"] == each["outbox"] for each in it.status().get("streams", [{}])
            if "events" in each))
        it.ready_again("service/content", before["starts"])
        seconds, taken = refused_by(caller, "content", mine.access_token, "has ended")
        assert taken == 0, (seconds, taken)
        wait_for("content to take the other", lambda: judge(
            caller, "content", other.access_token)[0] == OK)


@contextlib.contextmanager
def second_content():
    """One more process of the service, beside the supervised one."""
    with open(it.folder / "second.log", "wb") as log:
        process = subprocess.Popen([str(NOVA), "run", "service", "content"], stderr=log,
                                   stdout=log, env=it.environment())
    try:
        wait_for("a second content", lambda: b"service: ready" in
                 (it.folder / "second.log").read_bytes())
        yield process
    finally:
        process.terminate()
        assert process.wait(60) == 0, (it.folder / "second.log").read_text()[-2000:]


@case
def each_process_of_a_service_hears_of_every_end():
    with Caller(it) as caller, second_content():
        for _ in range(3):
            name = person(caller)[1]
            mine, other = login(caller, name), login(caller, name)
            is_taken_everywhere(caller, mine.access_token)
            good(caller, "Logout", refresh_token=mine.refresh_token)
            in_a_row = 0

            def refused_for_good():
                nonlocal in_a_row
                code, _ = judge(caller, "content", mine.access_token)
                in_a_row = in_a_row + 1 if code == UNAUTHENTICATED else 0
                return in_a_row >= 30  # by both: requests go to either
            wait_for("both to refuse it", refused_for_good)
            assert judge(caller, "content", other.access_token)[0] == OK


@case
def a_durable_that_somebody_removes_is_made_again():
    with Caller(it) as caller, Nats(it, "provisioner") as admin:
        name = person(caller)[1]
        mine, other = login(caller, name), login(caller, name)
        is_taken_everywhere(caller, mine.access_token)
        answer = admin.api("CONSUMER.DELETE.NOVA_IDENTITY.content-verifier")
        assert answer.get("success"), answer
        good(caller, "Logout", refresh_token=mine.refresh_token)
        seconds, _ = refused_by(caller, "content", mine.access_token, "has ended")
        print(f"# noticed and made again in {seconds:.1f} s", flush=True)
        wait_for("content to take the other", lambda: judge(
            caller, "content", other.access_token)[0] == OK)
        info = admin.api("CONSUMER.INFO.NOVA_IDENTITY.content-verifier")
        assert info["config"]["filter_subject"] == "nova.evt.identity.session.revoked.*", info


@case
def a_feed_that_another_service_makes_up_is_not_listened_to():
    """Its durable may deliver to any subject, here even to the one of content's own feed, which
    nobody but content and an operator knows: it goes on."""
    with (Caller(it) as caller, Nats(it, "communication_service") as thief,
          Nats(it, "provisioner") as admin):
        name = person(caller)[1]
        mine, other = login(caller, name), login(caller, name)
        is_taken_everywhere(caller, mine.access_token)
        filter_subject, durable = "nova.evt.identity.session.revoked.*", "communication-verifier"
        own = admin.api("CONSUMER.INFO.NOVA_IDENTITY.content-verifier")["config"]["deliver_subject"]
        for number in (int((time.time() + 86400) * 1e6), int((time.time() + 1) * 1e6)):
            for target in (f"{number}", f"{number}-{'0' * 32}", own.rpartition(".")[2]):
                config = {"name": durable, "durable_name": durable, "ack_policy": "none",
                          "filter_subject": filter_subject, "deliver_policy": "all",
                          "deliver_subject": f"nova.revoked.content.{target}",
                          "idle_heartbeat": 100000000, "replay_policy": "instant"}
                thief.request(f"JS.BUS.API.CONSUMER.DELETE.NOVA_IDENTITY.{durable}", seconds=2)
                answer = thief.request(
                    f"JS.BUS.API.CONSUMER.CREATE.NOVA_IDENTITY.{durable}.{filter_subject}",
                    json.dumps({"stream_name": "NOVA_IDENTITY", "config": config}).encode())
                assert b"deliver_subject" in answer.data and not thief.errors, (answer.data,
                                                                                thief.errors)
        good(caller, "Logout", refresh_token=mine.refresh_token)
        refused_by(caller, "content", mine.access_token, "has ended")
        code, text = judge(caller, "content", other.access_token)
        assert code == OK, (code, text)
        is_taken_everywhere(caller, other.access_token)  # communication has its own again, too


@case
def a_stream_that_stays_away_shuts_users_out_and_lets_them_in_again():
    with Caller(it) as caller, Nats(it, "provisioner") as admin:
        name = person(caller)[1]
        mine, other = login(caller, name), login(caller, name)
        good(caller, "Logout", refresh_token=mine.refresh_token)
        refused_by(caller, "content", mine.access_token, "has ended")
        wait_for("the log to be in its streams", it.is_caught_up)
        it.nova("relay", "pause", "identity")
        assert admin.api("STREAM.DELETE.NOVA_IDENTITY").get("success")
        start = time.monotonic()
        wait_for("users to be shut out", lambda: judge(
            caller, "content", other.access_token)[0] == UNAVAILABLE)
        print(f"# shut out after {time.monotonic() - start:.1f} s (stale after {STALE_S})",
              flush=True)
        # Who has ended is known all the same; a process is no user.
        code, text = judge(caller, "content", mine.access_token)
        assert code == UNAUTHENTICATED and "has ended" in text, (code, text)
        assert ask(caller, "content", "GetPosts", operator=True)[0] == OK
        it.nova("relay", "resume", "identity")
        is_taken_everywhere(caller, other.access_token)
        refused_by(caller, "content", mine.access_token, "has ended")
        wait_for("everybody to have caught up", it.is_caught_up)


# ---- keys that change ---------------------------------------------------------------------------

class Users:
    """Asks all services with good tokens all the time; every refusal is kept."""

    def __init__(self):
        self.refused, self.asked, self.tokens, self.ends = [], 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with Caller(it, seconds=30) as caller:
            while not self.ends:
                for token in list(self.tokens):
                    for service in QUESTIONS:
                        code, text = judge(caller, service, token)
                        self.asked += 1
                        if code != OK:
                            self.refused.append((service, kid_of(token), code, text))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()


@case
def a_key_is_changed_under_load_and_nobody_notices():
    with Caller(it) as caller:
        name = person(caller)[1]
        old = login(caller, name).access_token
        before = kids(caller)
        assert kid_of(old) in before
        is_taken_everywhere(caller, old)
        with Users() as users:
            users.tokens.append(old)
            wait_for("load", lambda: users.asked > 20)
            said = it.nova("keys", "rotate", "jwt")
            assert "signs from" in said.stderr and "waits" in said.stdout, said
            new_kid, = set(kids(caller)) - set(before)  # published,
            assert kid_of(login(caller, name).access_token) == kid_of(old)  # before it signs
            new = wait_for("the new key to sign", lambda: (
                token := login(caller, name).access_token) and kid_of(token) == new_kid and token)
            users.tokens.append(new)
            asked = users.asked
            wait_for("more load", lambda: users.asked > asked + 100)
            assert {kid_of(old), new_kid} <= set(kids(caller))
        assert users.refused == [], users.refused[:5]
        print(f"# {users.asked} requests with both keys, none refused", flush=True)
        states = {each["kid"]: each["state"] for each in key_list()}
        assert states[kid_of(old)] == "verifies" and states[new_kid] == "signs", states
        # Who did it stands in the log.
        row = json.loads(it.nova("log", "query", "--type", "keyring.rotated", "--json"
                                 ).stdout.splitlines()[-1])
        assert row["actor"] == "operator" and row["payload"]["kid"] == new_kid, row


@case
def a_key_whose_last_token_expired_is_gone_and_refused():
    with Caller(it) as caller:
        name = person(caller)[1]
        new = login(caller, name).access_token
        gone = next(each["kid"] for each in key_list() if each["state"] == "verifies")
        # A token of it that is as good as it can be, but for its key.
        seed_row = it.sql("select wrapped from identity.signing_key where kid = %s", (gone,))
        assert len(seed_row) == 1
        old = known_tokens[gone]
        assert judge(caller, "content", old)[0] == OK
        it.sql("update identity.signing_key set signs_from = coalesce(signs_from, created_at) -"
               " interval '1 day'")
        wait_for("the key to be gone", lambda: gone not in kids(caller))
        for service in QUESTIONS:
            seconds, _ = refused_by(caller, service, old, "nobody knows its key")
        assert all(judge(caller, service, new)[0] == OK for service in QUESTIONS)
        assert {each["kid"]: each["state"] for each in key_list()}[gone] == "gone"
        it.nova("keys", "rotate", "jwt")  # which deletes it, and what could sign with it
        assert it.sql("select kid from identity.signing_key where kid = %s", (gone,)) == []


known_tokens = {}


def remember_a_token():
    """One of the first key, whose session goes on, for the case of a key that is gone."""
    with Caller(it) as caller:
        token = login(caller, person(caller)[1]).access_token
        known_tokens[kid_of(token)] = token


@case
def a_rotation_that_is_killed_can_be_run_again():
    chance = random.Random(SEED)
    print(f"# seed {SEED}", flush=True)
    with Caller(it) as caller:
        token = login(caller, person(caller)[1]).access_token
        for number in range(3):
            wait_for("no key to wait", lambda: "waits" not in [each["state"] for each in key_list()])
            before = len(key_list())
            killed = subprocess.Popen([str(NOVA), "keys", "rotate", "jwt"], env=it.environment(),
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0, 0.15))  # anywhere in it
            if number % 2:
                service = it.state("service/identity")
                os.kill(service["pid"], signal.SIGKILL)
                it.ready_again("service/identity", service["starts"])
            killed.kill()
            killed.wait()
            it.nova("keys", "rotate", "jwt")
            again = it.nova("keys", "rotate", "jwt")
            assert "under way" in again.stderr or "signs from" in again.stderr, again
            states = [each["state"] for each in key_list()]
            assert states.count("signs") == 1 and states.count("waits") <= 1, states
            assert before < len(states) <= before + 3, (before, states)
            wait_for("the old token to be taken", lambda: judge(caller, "content", token)[0] == OK)
        rotations = it.sql("select count(*) from identity.outbox where type = 'keyring.rotated'")
        rows = it.sql("select count(*) from identity.signing_key where signs_from is not null")
        assert rotations[0][0] >= rows[0][0] >= 3, (rotations, rows)


@case
def only_an_operator_sees_and_rotates_keys():
    with Caller(it) as caller, Caller(it, "importer") as importer:
        before = key_list()
        token = login(caller, person(caller)[1]).access_token
        for method in ("RotateSigningKey", "ListSigningKeys"):
            for code, text, reply in (ask(caller, "identity", method, bearer=token),
                                      ask(importer, "identity", method, operator=True)):
                assert code == PERMISSION_DENIED and text.startswith("OPERATOR_ONLY"), (code, text)
                assert not reply.ListFields()
        assert ask(caller, "identity", "RotateSigningKey")[0] == PERMISSION_DENIED
        assert len(key_list()) == len(before)
        for words, told in ((["keys"], "'list' or 'rotate'"), (["keys", "lst"], "list"),
                            (["keys", "rotate"], "jwt"), (["keys", "rotate", "tls"], "jwt"),
                            (["keys", "list", "x"], "'x'")):
            assert told in it.nova(*words, code=2).stderr, words


if __name__ == "__main__":
    with it:
        it.up()
        remember_a_token()
        raise SystemExit(main())
