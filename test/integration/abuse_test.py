#!/usr/bin/env python3
"""What somebody who means harm tries on the services, each with no more than its own rights.

The log gives nothing to guess passwords on, and no single caller keeps the others from being
answered: not by deadlines, not by positions, not by logins, not by made-up tokens, not by length.
"""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import Instance, case, main, wait_for
from log_check import SERVICES, event_of, message_class
from nats import Nats

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION = 0, 3, 4, 8, 9
UNAVAILABLE, UNAUTHENTICATED = 14, 16
PASSWORD = "correct horse battery"
WORKERS = 4  # service.workers' own value
it = Instance(settings={"NOVA_IDENTITY_LOGIN_ATTEMPTS": "1000000"})  # a storm that does not wait
known = {}


def request(caller, service, method, **fields):
    return message_class(caller.types[service, method][0])(**fields).SerializeToString()


def as_nobody(**more):
    return {"Nova-Command-Id": str(uuid.uuid4()), **more}


def as_user(**more):
    return as_nobody(Authorization=f"Bearer {known['token']}", **more)


def send(caller, name, service, method, data, headers):
    """Without waiting; answers() has it by its name."""
    caller.publish(f"nova.rpc.{service}.v2.{method}", data, f"{caller.inbox}.{name}", headers)


def answers(caller, seconds=0):
    """Those that came until now, in their order: (name, code, text). Waits only for the first."""
    found = []
    caller.flush()  # what the server has sent until now is here then
    while (message := caller.next(caller.answers, 0 if found else seconds)) is not None:
        found.append((message.subject.rsplit(".", 1)[1],
                      int(message.headers.get("Nats-Service-Error-Code", 0)),
                      message.headers.get("Nats-Service-Error", "")))
    return found


def collect(caller, count, seconds=120):
    end, found = time.monotonic() + seconds, []
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} answers of {count}"
        found += answers(caller, 1)
    return found


def register(caller, handle, headers, password=PASSWORD):
    data = request(caller, "identity", "Register", handle=handle, password=password,
                   email=f"{handle}@example.invalid", display_name="Ada")
    return data, caller.ask("identity", "Register", data, headers)


# ---- the log ------------------------------------------------------------------------------------

def guesses(method, data):
    """What anybody could compute from a guessed request."""
    for text in (data, f"{method}\0".encode() + data, method.encode() + data, PASSWORD.encode()):
        for name in ("sha256", "sha512", "sha3_256", "blake2s", "sha1", "md5"):
            yield hashlib.new(name, text).digest()[:32]
        yield hashlib.blake2b(text, digest_size=32).digest()
        yield hashlib.blake2b(text).digest()[:32]


def published_digests(service):
    with Nats(it, "auditor") as auditor:
        for _, message in auditor.stream(f"NOVA_{service.upper()}"):
            yield event_of(message)[1]["commanddigest"]


@case
def no_digest_of_the_log_is_a_hash_that_a_guess_can_be_tried_on():
    with Caller(it) as caller:
        handle, guessed = f"u{uuid.uuid4().hex[:12]}", set()
        data, answer = register(caller, handle, as_nobody())
        assert answer[0] == OK, answer
        guessed.update(guesses("Register", data))
        known["handle"] = handle
        known["user"] = message_class("nova.identity.v2.RegisterReply").FromString(answer[2]).user_id
        data = request(caller, "identity", "Login", login=handle, password=PASSWORD)
        code, text, reply = caller.ask("identity", "Login", data, as_nobody())
        assert code == OK, text
        known["token"] = message_class("nova.identity.v2.LoginReply").FromString(reply).access_token
        guessed.update(guesses("Login", data))
        data = request(caller, "content", "CreatePost", text="a short secret", title="t")
        code, text, _ = caller.ask("content", "CreatePost", data, as_user())
        assert code == OK, text
        guessed.update(guesses("CreatePost", data))
    wait_for("the relay", it.is_caught_up)
    seen = 0
    for service in SERVICES:
        stored = [bytes(row[0]) for row in it.sql(
            f"select command_digest from {service}.outbox order by position")]
        assert list(published_digests(service)) == stored, service
        assert not guessed & set(stored), service
        seen += len(stored)
    assert seen >= 3, seen


@case
def a_known_command_id_and_a_wrong_password_open_no_session():
    """Everybody who reads the log knows the ids."""
    headers = as_nobody()
    with Caller(it) as caller:
        def login(password):
            return caller.ask("identity", "Login", request(
                caller, "identity", "Login", login=known["handle"], password=password), headers)
        first, again = login(PASSWORD), login(PASSWORD)
        assert first[0] == OK and again == first, (first, again)
        for password in ("correct horse batterx", "x"):
            code, text, data = login(password)
            assert (code, data) == (UNAUTHENTICATED, b"") and "WRONG_LOGIN" in text, text
        assert login(PASSWORD) == first
        # And such a guess counts as any other.
        assert it.sql("select sum(attempts) from identity.security_audit where user_id = %s and"
                      " action = 'login_failed'", (known["user"],)) == [(2,)]


@case
def a_repeated_registration_wants_the_same_password_and_keeps_the_first():
    handle, headers = f"r{uuid.uuid4().hex[:12]}", as_nobody()
    with Caller(it) as caller:
        first = register(caller, handle, headers)[1]
        assert first[0] == OK, first
        assert register(caller, handle, headers)[1] == first
        for other in ("another password", "x"):
            code, text, data = register(caller, handle, headers, other)[1]
            assert (code, data) == (FAILED_PRECONDITION, b"") and "COMMAND_ID_TAKEN" in text, text
        for password, expected in ((PASSWORD, OK), ("another password", UNAUTHENTICATED)):
            code, text, _ = caller.ask("identity", "Login", request(
                caller, "identity", "Login", login=handle, password=password), as_nobody())
            assert code == expected, (password, code, text)


@case
def an_importer_repeats_without_the_password_of_then():
    handle = f"i{uuid.uuid4().hex[:12]}"
    with Caller(it, "importer") as importer:
        headers = importer.headers()
        first = register(importer, handle, headers)[1]
        assert first[0] == OK, first
        assert register(importer, handle, headers, "another password")[1] == first


# ---- waiting ------------------------------------------------------------------------------------

@case
def an_endless_deadline_and_a_far_position_hold_no_service():
    far = {"Nova-Deadline": "9223372036854775000", "Nova-Min-Position": "identity:999999999999"}
    with Caller(it) as caller, Caller(it, "importer") as attacker:
        data = request(caller, "search", "SearchUsers", query="ada")
        starts = it.state("service/search")["starts"]
        for number in range(2 * WORKERS):
            send(attacker, f"far{number}", "search", "SearchUsers", data, as_user(**far))
        attacker.flush()
        caller.seconds = 60
        code, text, _ = caller.ask("search", "SearchUsers", data, as_user())
        assert code == OK, text
        early = answers(attacker)
        # The plain question was asked last, and those that wait for a position still do.
        assert len(early) <= 2 * WORKERS - 1, early
        found = early + collect(attacker, 2 * WORKERS - len(early))
        codes = [code for _, code, _ in found]
        assert sorted(set(codes)) == [DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED], found
        assert codes.count(DEADLINE_EXCEEDED) >= 1, found
        assert it.state("service/search")["starts"] == starts  # nobody had to kill it


@case
def a_position_that_no_log_reaches_is_refused_at_once():
    with Caller(it) as caller:
        data = request(caller, "search", "SearchUsers", query="ada")
        for position in ((1 << 53) + 1, 9000000000000000000):
            code, text, _ = caller.ask("search", "SearchUsers", data, as_user(
                **{"Nova-Min-Position": f"identity:{position}"}))
            assert code == INVALID_ARGUMENT and "Nova-Min-Position" in text, (code, text)


# ---- length -------------------------------------------------------------------------------------

SEARCHES = {"SearchUsers": "query", "SearchPosts": "query", "SearchAll": "query",
            "SearchHashtags": "prefix", "Suggest": "prefix"}


@case
def a_search_takes_500_bytes_and_no_more():
    with Caller(it) as caller:
        for method, field in SEARCHES.items():
            for text in ("a " * 250, "x" * 500, "\ufdfa" * 166, "#a" * 250, "' " * 250):
                code, words, _ = caller.ask("search", method, request(
                    caller, "search", method, **{field: text}), as_user())
                assert code == OK, (method, text, words)
            for text in ("a " * 250 + "a", "x" * 501, "a " * 200000):
                code, words, _ = caller.ask("search", method, request(
                    caller, "search", method, **{field: text}), as_user())
                assert code == INVALID_ARGUMENT and field in words and "500" in words, (
                    method, len(text), code, words)


# ---- logins -------------------------------------------------------------------------------------

@case
def a_storm_of_logins_does_not_keep_tokens_from_being_checked():
    storm = 200
    soon = {"Nova-Deadline": str(int((time.time() + 30) * 1e6))}  # a slow machine has not hashed all
    with Caller(it) as caller, Caller(it, "importer") as attacker:
        for number in range(storm):
            send(attacker, f"login{number}", "identity", "Login", request(
                attacker, "identity", "Login", login=known["handle"],
                password=f"wrong password {number}"), as_nobody(**soon))
        attacker.flush()
        caller.seconds = 60
        done, hashed = [], []  # hashed: logins whose password was looked at, by each check
        verify = request(caller, "identity", "VerifyToken", access_token=known["token"])
        while len(hashed) < 3:
            code, text, _ = caller.ask("identity", "VerifyToken", verify, as_nobody())
            assert code == OK, text
            done += answers(attacker)
            hashed.append(sum(code == UNAUTHENTICATED for _, code, _ in done))
        codes = [code for _, code, _ in done + collect(attacker, storm - len(done))]
        assert set(codes) <= {UNAUTHENTICATED, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED}, set(codes)
        assert codes.count(RESOURCE_EXHAUSTED) > 0 and codes.count(UNAUTHENTICATED) > 0, codes
        print(f"# of {codes.count(UNAUTHENTICATED)} logins {hashed} were done at each check of a"
              " token", flush=True)
        assert hashed[0] <= codes.count(UNAUTHENTICATED) // 2, hashed
        assert hashed[-1] < codes.count(UNAUTHENTICATED), hashed
        code, text, _ = caller.ask("identity", "Login", request(
            caller, "identity", "Login", login=known["handle"], password=PASSWORD), as_nobody())
        assert code == OK, text  # and it is over


# ---- tokens -------------------------------------------------------------------------------------

def made_up_token():
    def part(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    head = {"alg": "EdDSA", "typ": "JWT", "kid": f"nobody-{uuid.uuid4()}"}
    return ".".join([part(json.dumps(head).encode()), part(b"{}"), part(b"x" * 64)])


@case
def a_made_up_key_keeps_no_known_one_waiting_while_identity_sleeps():
    """The known one is answered while the made-up ones still wait for identity."""
    pid = it.state("service/identity")["pid"]
    with Caller(it) as caller, Caller(it, "importer") as attacker:
        caller.seconds = 60
        data = request(caller, "search", "SearchUsers", query="ada")
        assert caller.ask("search", "SearchUsers", data, as_user())[0] == OK  # its key is known now
        def ask_made_up(name):
            send(attacker, name, "search", "SearchUsers", data,
                 as_nobody(Authorization=f"Bearer {made_up_token()}"))
        overtaken, rounds = 0, 5
        for number in range(rounds):
            time.sleep(1.1)  # a refresh is due again
            os.kill(pid, signal.SIGSTOP)
            try:
                for each in range(2 * WORKERS):
                    ask_made_up(f"made{number}-{each}")
                attacker.flush()
                code, text, _ = caller.ask("search", "SearchUsers", data, as_user())
                assert code == OK, text
                done = answers(attacker)
                overtaken += len(done) < 2 * WORKERS
            finally:
                os.kill(pid, signal.SIGCONT)
            done += collect(attacker, 2 * WORKERS - len(done))
            # Unknown for now, or, when identity answered after all, for good.
            assert {code for _, code, _ in done} <= {UNAVAILABLE, UNAUTHENTICATED}, done
        print(f"# the known key overtook made-up ones in {overtaken} of {rounds} rounds", flush=True)
        assert overtaken >= 3, overtaken
        time.sleep(1.1)
        ask_made_up("last")
        assert [code for _, code, _ in collect(attacker, 1)] == [UNAUTHENTICATED]


@case
def a_made_up_key_keeps_no_command_waiting_that_came_with_it():
    """Commands that wait are taken together; half of these have made-up tokens, and identity sleeps."""
    pid, count, overtaken, rounds = it.state("service/identity")["pid"], 20, 0, 3
    with Caller(it) as caller, contextlib.closing(it.connect()) as admin:
        caller.seconds = 60
        data = request(caller, "content", "CreatePost", title="one of many")
        author = str(uuid.uuid4())

        def ask_known(name):
            send(caller, name, "content", "CreatePost", data,
                 caller.headers(**{"Nova-On-Behalf-Of": author}))
        for number in range(rounds):
            time.sleep(1.1)  # a refresh is due again
            done = []
            os.kill(pid, signal.SIGSTOP)
            try:
                with admin.cursor() as cursor:
                    cursor.execute("lock table content.outbox in exclusive mode")
                    for each in range(WORKERS):
                        ask_known(f"known{number}-first{each}")
                    wait_for("the workers to wait", lambda: it.sql(
                        "select count(*) from pg_stat_activity where usename = 'content_service'"
                        " and wait_event_type = 'Lock'") == [(WORKERS,)])
                    for each in range(count):
                        send(caller, f"made{number}-{each}", "content", "CreatePost", data,
                             as_nobody(Authorization=f"Bearer {made_up_token()}"))
                        ask_known(f"known{number}-{each}")
                    caller.flush()
                admin.rollback()
                wait_for("the known ones", lambda done=done: done.extend(answers(caller, 0.1)) or sum(
                    name.startswith("known") for name, _, _ in done) == WORKERS + count)
                overtaken += len(done) < WORKERS + 2 * count
            finally:
                os.kill(pid, signal.SIGCONT)
            done += collect(caller, WORKERS + 2 * count - len(done))
            assert {code for name, code, _ in done if name.startswith("known")} == {OK}, done
            assert {code for name, code, _ in done if name.startswith("made")} <= {
                UNAVAILABLE, UNAUTHENTICATED}, done
    print(f"# the known keys overtook made-up ones in {overtaken} of {rounds} rounds", flush=True)
    assert overtaken >= 2, overtaken


# ---- times --------------------------------------------------------------------------------------

@case
def what_happened_in_1970_or_before_is_stored_as_of_then():
    times = {"1970-01-01T00:00:00Z": 0, "1969-12-31T23:59:59.999999Z": -1,
             "1066-10-14T09:00:00Z": -28502722800000000, "0001-01-01T00:00:00Z": -62135596800000000}
    lines, users = [], {}
    for moment in times:
        users[moment] = str(uuid.uuid4())
        handle = f"t{uuid.uuid4().hex[:12]}"
        lines.append(json.dumps({
            "service": "identity", "method": "ImportUser", "occurred_at": moment,
            "request": {"user_id": users[moment], "handle": handle, "display_name": "Old",
                        "email": f"{handle}@example.invalid"}}))
    file = it.folder / "old.ndjson"
    file.write_text("\n".join(lines))
    it.nova("import", str(file))
    with Caller(it) as caller:
        for moment, expected in times.items():
            assert it.sql("select (extract(epoch from occurred_at) * 1000000)::bigint from"
                          " identity.outbox where aggregate_id = %s", (users[moment],)) == [
                              (expected,)], moment
            user = caller.call("identity", "GetUser", user_id=users[moment]).user
            assert user.created_at_us == expected, (moment, user)
    wait_for("the relay", it.is_caught_up)


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
