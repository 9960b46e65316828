#!/usr/bin/env python3
"""Sessions on a real Nova: a login goes on by refresh tokens, and nobody goes on who should not.

A refresh token is used once. The same command again is the same answer, also when the first was
never heard; an old token under another id is theft, and ends the session for both who have it.
"""
import concurrent.futures
import contextlib
import hashlib
import hmac
import base64
import os
import pathlib
import random
import signal
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import Instance, case, main, wait_for
from log_check import assert_streams_equal_outboxes, message_class

OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION = 0, 3, 5, 7, 9
UNAUTHENTICATED = 16
PASSWORD, DAY_S = "correct horse battery", 86400
OPEN_MAX = 100  # SESSIONS_OPEN_MAX of base/limits.h
SEED = int(os.environ.get("NOVA_TEST_SEED", random.randrange(1 << 32)))
# Passwords are not what is tried here.
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1"})
given_out = set()  # every refresh token that anybody ever got here


def ask(caller, method, command=None, bearer=None, at=None, operator=False, **fields):
    """(code, text, reply's message); as nobody, as who has that access token, or as the operator."""
    request, reply = caller.types["identity", method]
    headers = {"Nova-Command-Id": command or str(uuid.uuid4())}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    if operator:
        headers["Authorization"] = f"Bearer {caller.token()}"
    if at:
        headers["Nova-Occurred-At"] = str(int(at * 1e6))
    code, text, data = caller.ask("identity", method,
                                  message_class(request)(**fields).SerializeToString(), headers)
    message = message_class(reply).FromString(data)
    if code == OK and getattr(message, "refresh_token", ""):
        given_out.add(message.refresh_token)
    return code, text, message


def good(caller, method, **more):
    code, text, reply = ask(caller, method, **more)
    assert code == OK, (method, code, text)
    return reply


def person(caller):
    """A user of their own for each case: (user id, login)."""
    name = f"u{uuid.uuid4().hex[:12]}"
    return good(caller, "Register", handle=name, email=f"{name}@example.invalid", display_name=name,
                password=PASSWORD).user_id, name


def session(caller, name=None, **more):
    return good(caller, "Login", login=name or person(caller)[1], password=PASSWORD, **more)


def refresh(caller, token, command=None, **more):
    return ask(caller, "RefreshToken", command, refresh_token=token, **more)


def refused(answer, status, name):
    code, text, reply = answer
    assert code == status and text.startswith(f"{name}: "), (code, text)
    assert not reply.ListFields(), reply


def events(session_id):
    return [row[0] for row in it.sql("select type from identity.outbox where aggregate_id = %s"
                                     " order by version", (session_id,))]


def is_open(session_id):
    return it.sql("select ended_at is null from identity.session where session_id = %s",
                  (session_id,)) == [(True,)]


def reason(session_id):
    """Of the end, as the log says it."""
    payload, = it.sql("select payload from identity.outbox where aggregate_id = %s"
                      " and type = 'session.revoked'", (session_id,))
    return message_class("nova.identity.v2.SessionRevoked").FromString(bytes(payload[0])).reason


def at_once(count, one):
    """What each of `count` callers got who did it at the same moment."""
    barrier = threading.Barrier(count)

    def run(number):
        with Caller(it, seconds=30) as caller:
            barrier.wait()
            return one(caller, number)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


# ---- one after the other ------------------------------------------------------------------------

@case
def a_refresh_gives_new_tokens_and_takes_the_old_one():
    with Caller(it) as caller:
        user, name = person(caller)
        login = session(caller, name)
        assert abs(login.refresh_expires_at_us / 1e6 - time.time() - 14 * DAY_S) < 60, login
        token, seen = login.refresh_token, {login.refresh_token}
        for _ in range(3):
            code, text, reply = refresh(caller, token)
            assert code == OK, text
            assert (reply.user_id, reply.session_id) == (user, login.session_id), reply
            assert reply.refresh_token not in seen
            verified = good(caller, "VerifyToken", access_token=reply.access_token)
            assert (verified.user_id, verified.session_id) == (user, login.session_id)
            assert verified.expires_at_us == reply.expires_at_us // 1000000 * 1000000
            good(caller, "GetUser", bearer=reply.access_token, user_id=user)
            token = reply.refresh_token
            seen.add(token)
        # With its own access token as well, which need not be there.
        assert refresh(caller, token, bearer=reply.access_token)[0] == OK
    assert events(login.session_id) == ["session.started"] + ["session.refreshed"] * 4


@case
def the_same_command_within_a_minute_gets_the_same_tokens():
    with Caller(it) as caller:
        login, command = session(caller), str(uuid.uuid4())
        first = refresh(caller, login.refresh_token, command)
        assert first[0] == OK, first
        for _ in range(5):
            assert refresh(caller, login.refresh_token, command) == first
        # Also when the next one was used meanwhile: it is the same answer, and no theft.
        second = refresh(caller, first[2].refresh_token)
        assert refresh(caller, login.refresh_token, command) == first
        assert refresh(caller, second[2].refresh_token)[0] == OK
        # Under this id nothing else is asked for.
        refused(refresh(caller, second[2].refresh_token, command), FAILED_PRECONDITION,
                "COMMAND_ID_TAKEN")
    assert events(login.session_id) == ["session.started"] + ["session.refreshed"] * 3


@case
def a_reply_that_was_never_heard_is_asked_for_again():
    with Caller(it) as caller:
        login, command = session(caller), str(uuid.uuid4())
        data = message_class("nova.identity.v2.RefreshTokenRequest")(
            refresh_token=login.refresh_token).SerializeToString()
        with Caller(it) as cut:  # gone before the reply
            cut.publish("nova.rpc.identity.v2.RefreshToken", data, f"{cut.inbox}.lost",
                        {"Nova-Command-Id": command})
            cut.flush()
        wait_for("the refresh", lambda: len(events(login.session_id)) == 2)
        code, text, reply = refresh(caller, login.refresh_token, command)
        assert code == OK, text
        assert refresh(caller, reply.refresh_token)[0] == OK
    assert events(login.session_id) == ["session.started"] + ["session.refreshed"] * 2


@case
def an_old_token_under_another_id_ends_the_session():
    with Caller(it) as caller:
        login = session(caller)
        stolen, command = login.refresh_token, str(uuid.uuid4())
        newer = refresh(caller, stolen)[2]
        refused(refresh(caller, stolen, command), UNAUTHENTICATED, "REFRESH_REUSED")
        refused(refresh(caller, stolen, command), UNAUTHENTICATED, "REFRESH_REUSED")  # the same
        refused(refresh(caller, newer.refresh_token), UNAUTHENTICATED, "REFRESH_REVOKED")
        refused(refresh(caller, stolen), UNAUTHENTICATED, "REFRESH_REVOKED")
        for each in (login, newer):
            code, text, _ = ask(caller, "VerifyToken", access_token=each.access_token)
            assert code == UNAUTHENTICATED and "ended" in text, (code, text)
        wait_for("everybody to hear of it", it.is_caught_up)
    assert events(login.session_id) == ["session.started", "session.refreshed", "session.revoked"]
    assert reason(login.session_id) == "refresh_token_reused"
    assert not is_open(login.session_id)


@case
def a_repeat_after_an_end_gets_nothing():
    with Caller(it) as caller:
        login, command = session(caller), str(uuid.uuid4())
        newer = refresh(caller, login.refresh_token, command)[2]
        good(caller, "Logout", refresh_token=newer.refresh_token)
        refused(refresh(caller, login.refresh_token, command), UNAUTHENTICATED, "REFRESH_REVOKED")


@case
def a_repeat_after_more_than_a_minute_is_theft():
    with Caller(it) as caller:
        for seconds, late in ((50, False), (61, True)):
            login, command = session(caller), str(uuid.uuid4())
            past = {"at": time.time() - seconds, "operator": True}
            code, text, reply = refresh(caller, login.refresh_token, command, **past)
            assert code == OK, text
            again = refresh(caller, login.refresh_token, command, **past)
            if late:
                refused(again, UNAUTHENTICATED, "REFRESH_REUSED")
                refused(refresh(caller, login.refresh_token, command, **past), UNAUTHENTICATED,
                        "REFRESH_REUSED")
                assert reason(login.session_id) == "refresh_token_reused"
            else:
                assert again == (code, text, reply)
            assert is_open(login.session_id) != late
            assert (refresh(caller, reply.refresh_token)[0] == OK) != late


# ---- at the same moment -------------------------------------------------------------------------

def one_family_at_most(session_id, user):
    """Alive or not, it is one session, its log has no hole, and its tables are what the log says."""
    rows = it.sql("select type, version from identity.outbox where aggregate_id = %s order by"
                  " version", (session_id,))
    types = [each for each, _ in rows]
    assert [version for _, version in rows] == list(range(1, len(rows) + 1)), rows
    ended = types[-1] == "session.revoked"
    refreshes = types[1:-1] if ended else types[1:]
    assert types[0] == "session.started" and set(refreshes) <= {"session.refreshed"}, types
    assert it.sql("select session_id::text, ended_at is not null from identity.session where"
                  " user_id = %s", (user,)) == [(session_id, ended)]
    tokens = it.sql("select generation from identity.refresh_token where session_id = %s",
                    (session_id,))
    assert tokens == ([] if ended else [(len(refreshes),)]), (types, tokens)
    return not ended


@case
def twenty_refreshes_of_one_token_at_once_leave_one_family_at_most():
    for same_id in (False, True):
        command = str(uuid.uuid4())
        with Caller(it) as caller:
            user, name = person(caller)
            login = session(caller, name)
        answers = at_once(20, lambda caller, _, same=same_id, one=command, token=login.refresh_token:
                          refresh(caller, token, one if same else None))
        given = [reply for code, _, reply in answers if code == OK]
        alive = one_family_at_most(login.session_id, user)
        if same_id:
            assert alive and len(given) == 20, answers
            assert len({reply.refresh_token for reply in given}) == 1
            continue
        assert len(given) == 1 and not alive, answers
        assert {text.split(":")[0] for code, text, _ in answers if code != OK} <= {
            "REFRESH_REUSED", "REFRESH_REVOKED"}, answers
        assert events(login.session_id) == ["session.started", "session.refreshed",
                                            "session.revoked"]
        with Caller(it) as caller:
            refused(refresh(caller, given[0].refresh_token), UNAUTHENTICATED, "REFRESH_REVOKED")


@case
def the_old_token_and_the_new_one_at_once_never_leave_two_families():
    lived = 0
    for number in range(20):
        with Caller(it) as caller:
            user, name = person(caller)
            login, command = session(caller, name), str(uuid.uuid4())
            newer = refresh(caller, login.refresh_token, command)[2]
        repeated = number % 2 == 0  # the old one's own command, or a thief's
        old, new = at_once(2, lambda caller, place: refresh(
            caller, login.refresh_token, command if repeated else None) if place == 0 else refresh(
                caller, newer.refresh_token))
        alive = one_family_at_most(login.session_id, user)
        lived += alive
        if repeated:
            assert alive and old[2] == newer and new[0] == OK, (old, new)
        else:
            assert not alive and old[0] == UNAUTHENTICATED, (old, new)
    assert lived == 10, lived


@case
def a_refresh_whose_service_is_killed_happens_once():
    chance = random.Random(SEED)
    print(f"# seed {SEED}", flush=True)
    with Caller(it, seconds=30) as caller:
        user, name = person(caller)
        login = session(caller, name)
        token = login.refresh_token
        for _ in range(6):
            command, before = str(uuid.uuid4()), it.state("service/identity")
            data = message_class("nova.identity.v2.RefreshTokenRequest")(
                refresh_token=token).SerializeToString()
            caller.publish("nova.rpc.identity.v2.RefreshToken", data, f"{caller.inbox}.lost",
                           {"Nova-Command-Id": command})
            time.sleep(chance.uniform(0, 0.01))  # anywhere in it
            os.kill(before["pid"], signal.SIGKILL)
            it.ready_again("service/identity", before["starts"])
            code, text, reply = refresh(caller, token, command)
            assert code == OK, text
            token = reply.refresh_token
    assert events(login.session_id) == ["session.started"] + ["session.refreshed"] * 6
    assert one_family_at_most(login.session_id, user)


# ---- what is refused ----------------------------------------------------------------------------

def made_up(token):
    """Tokens that say what this one says, and that nobody was given."""
    data = base64.urlsafe_b64decode(token)
    for key in (b"", bytes(32), b"nova", data[:32]):
        head = data[:25]
        yield base64.urlsafe_b64encode(head + hmac.digest(key, head, "sha256")).decode()
    yield base64.urlsafe_b64encode(data[:24] + bytes([data[24] + 1]) + data[25:]).decode()
    yield base64.urlsafe_b64encode(data[:1] + uuid.uuid4().bytes + data[17:]).decode()
    for place in (25, 40, 56):
        yield base64.urlsafe_b64encode(data[:place] + bytes([data[place] ^ 1]) +
                                       data[place + 1:]).decode()


@case
def a_token_that_is_no_good_is_refused_by_name_and_changes_nothing():
    with Caller(it) as caller:
        user, name = person(caller)
        mine, _ = session(caller, name), refresh(caller, session(caller, name).refresh_token)
        other = session(caller)
        old = session(caller, name, at=time.time() - 14 * DAY_S - 1, operator=True)
        still = session(caller, name, at=time.time() - 14 * DAY_S + 60, operator=True)
        gone, gone_name = person(caller)
        of_gone = session(caller, gone_name)
        good(caller, "DeleteUser", bearer=of_gone.access_token, user_id=gone)
        before = it.sql("select count(*) from identity.outbox")
        for token in ("", "x", "Bearer x", mine.access_token, mine.refresh_token[:-1],
                      mine.refresh_token + "A", mine.refresh_token + "=",
                      mine.refresh_token.swapcase()[:10] + " " + mine.refresh_token[11:]):
            for method in ("RefreshToken", "Logout"):
                refused(ask(caller, method, refresh_token=token), INVALID_ARGUMENT,
                        "REFRESH_MALFORMED")
        for token in made_up(mine.refresh_token):
            for method in ("RefreshToken", "Logout"):
                refused(ask(caller, method, refresh_token=token), UNAUTHENTICATED,
                        "REFRESH_UNKNOWN")
        refused(refresh(caller, other.refresh_token, bearer=mine.access_token), PERMISSION_DENIED,
                "REFRESH_OF_ANOTHER")
        refused(refresh(caller, old.refresh_token), UNAUTHENTICATED, "REFRESH_EXPIRED")
        refused(refresh(caller, of_gone.refresh_token), UNAUTHENTICATED, "REFRESH_USER_DELETED")
        assert it.sql("select count(*) from identity.outbox") == before
        for each in (mine, other, still):
            assert refresh(caller, each.refresh_token)[0] == OK


# ---- the list, and ends -------------------------------------------------------------------------

@case
def the_list_shows_device_address_and_last_use_to_the_user_alone():
    device, address = f"phone {uuid.uuid4().hex}", "2001:db8::7"
    with Caller(it) as caller:
        user, name = person(caller)
        phone = session(caller, name, device=device, address=address)
        desk = session(caller, name, device="desk")
        listed = good(caller, "ListSessions", bearer=phone.access_token, user_id=user).sessions
        assert [each.session_id for each in listed] == [desk.session_id, phone.session_id], listed
        refreshed = refresh(caller, phone.refresh_token)[2]
        listed = good(caller, "ListSessions", bearer=phone.access_token, user_id=user).sessions
        assert [(each.session_id, each.device, each.address) for each in listed] == [
            (phone.session_id, device, address), (desk.session_id, "desk", "")], listed
        assert (listed[0].started_at_us, listed[0].last_used_at_us, listed[0].expires_at_us) == (
            phone.issued_at_us, refreshed.issued_at_us, refreshed.refresh_expires_at_us), listed
        assert listed[1].last_used_at_us == listed[1].started_at_us == desk.issued_at_us
        stranger = session(caller)
        code, text, _ = ask(caller, "ListSessions", bearer=stranger.access_token, user_id=user)
        assert code == PERMISSION_DENIED and text.startswith("NOT_ALLOWED: "), (code, text)
        assert ask(caller, "ListSessions", user_id=user)[0] == UNAUTHENTICATED
        # Sealed: in no row of the log, and erased with the user.
        held = it.sql("select count(*) from identity.outbox where position(%s::bytea in payload) > 0",
                      (device.encode(),))
        assert held == [(0,)]
        log = it.nova("log", "query", "--type", "session.started").stdout
        assert device in log
        good(caller, "DeleteUser", bearer=phone.access_token, user_id=user)
        assert device not in it.nova("log", "query", "--type", "session.started").stdout
        assert not good(caller, "ListSessions", operator=True, user_id=user).sessions


@case
def a_logout_ends_one_session_and_a_revocation_those_that_are_named():
    with Caller(it) as caller:
        user, name = person(caller)
        first, second, third, fourth = (session(caller, name) for _ in range(4))
        ended = good(caller, "Logout", refresh_token=first.refresh_token)
        assert ended.session_id == first.session_id and reason(first.session_id) == "logout"
        refused(ask(caller, "Logout", refresh_token=first.refresh_token), UNAUTHENTICATED,
                "REFRESH_REVOKED")
        refused(refresh(caller, first.refresh_token), UNAUTHENTICATED, "REFRESH_REVOKED")
        stranger = session(caller)
        for token in (None, stranger.access_token):
            refused(ask(caller, "RevokeSession", bearer=token, session_id=second.session_id),
                    NOT_FOUND, "SESSION_UNKNOWN")
        good(caller, "RevokeSession", bearer=third.access_token, session_id=second.session_id)
        refused(ask(caller, "RevokeSession", bearer=third.access_token,
                    session_id=second.session_id), FAILED_PRECONDITION, "SESSION_ENDED")
        assert reason(second.session_id) == "revoked"
        refused(ask(caller, "RevokeAllSessions", bearer=stranger.access_token, user_id=user),
                PERMISSION_DENIED, "NOT_ALLOWED")
        assert good(caller, "RevokeAllSessions", bearer=third.access_token, user_id=user,
                    keep_session_id=third.session_id).revoked == 1
        refused(refresh(caller, fourth.refresh_token), UNAUTHENTICATED, "REFRESH_REVOKED")
        listed = good(caller, "ListSessions", bearer=third.access_token, user_id=user).sessions
        assert [each.session_id for each in listed] == [third.session_id], listed
        assert refresh(caller, third.refresh_token)[0] == OK
        assert refresh(caller, stranger.refresh_token)[0] == OK


@case
def a_deletion_ends_every_session_also_of_those_who_refresh_meanwhile():
    with Caller(it) as caller:
        user, name = person(caller)
        sessions = [session(caller, name) for _ in range(8)]

    def one(caller, number):
        if number == 0:
            return ask(caller, "DeleteUser", bearer=sessions[0].access_token, user_id=user)
        return refresh(caller, sessions[number].refresh_token)
    answers = at_once(8, one)
    assert answers[0][0] == OK, answers[0]
    for code, text, _ in answers[1:]:  # before it or after it
        assert code == OK or text.startswith("REFRESH_USER_DELETED"), (code, text)
    assert it.sql("select count(*) from identity.session where user_id = %s and ended_at is null",
                  (user,)) == [(0,)]
    assert it.sql("select count(*) from identity.refresh_token join identity.session"
                  " using (session_id) where user_id = %s", (user,)) == [(0,)]
    with Caller(it) as caller:
        for each, (code, _, reply) in zip(sessions, answers):
            assert events(each.session_id)[-1] == "session.revoked"
            newest = reply.refresh_token if code == OK and each is not sessions[0] else (
                each.refresh_token)
            refused(refresh(caller, newest), UNAUTHENTICATED, "REFRESH_USER_DELETED")


@case
def one_session_too_many_ends_the_one_that_was_not_used_for_the_longest():
    with Caller(it) as caller:
        user, name = person(caller)
        sessions = [session(caller, name) for _ in range(OPEN_MAX)]
        assert refresh(caller, sessions[0].refresh_token)[0] == OK
        session(caller, name)
        listed = good(caller, "ListSessions", operator=True, user_id=user).sessions
        assert len(listed) == OPEN_MAX
        assert {each.session_id for each in sessions} - {each.session_id for each in listed} == {
            sessions[1].session_id}
        assert reason(sessions[1].session_id) == "too_many_sessions"


# ---- the key, and what is kept ------------------------------------------------------------------

@case
def a_new_key_takes_no_session_away():
    path = it.home / "credentials/refresh/identity"
    assert path.stat().st_mode & 0o777 == 0o600 and len(bytes.fromhex(path.read_text())) == 32
    with Caller(it) as caller:
        login = session(caller)
        newer = refresh(caller, login.refresh_token)[2]
        path.unlink()
        it.nova("down")
        said = it.up().stderr
        assert "credentials  1 made" in said, said
    with Caller(it) as caller:
        # Only that the older one was ever ours is not known any more.
        refused(refresh(caller, login.refresh_token), UNAUTHENTICATED, "REFRESH_UNKNOWN")
        code, text, newest = refresh(caller, newer.refresh_token)
        assert code == OK, text
        assert refresh(caller, newest.refresh_token)[0] == OK
    assert path.stat().st_mode & 0o777 == 0o600 and is_open(login.session_id)


@case
def nothing_that_is_kept_refreshes():
    """No token lies anywhere, and what the log holds is not even a token's hash."""
    wait_for("the relay", it.is_caught_up)
    assert_streams_equal_outboxes(it, ("identity",))
    assert len(given_out) > 200, len(given_out)
    raw = {base64.urlsafe_b64decode(each) for each in given_out}
    secret = {each.encode() for each in given_out} | raw | {each[25:] for each in raw}
    hashes = {hashlib.sha256(each.encode()).digest() for each in given_out}
    shown = {mark[:32] for mark in secret} | hashes | {each.hex().encode() for each in hashes}
    rows = it.sql("select payload, command_digest, row(o.*)::text from identity.outbox as o")
    held = b"\n".join(bytes(payload) + bytes(digest) + text.encode() for payload, digest, text in rows)
    assert not [mark for mark in shown if mark in held]
    it.sql("checkpoint")
    for path, _, files in os.walk(it.home):
        for file in files:
            found = pathlib.Path(path) / file
            with contextlib.suppress(FileNotFoundError):
                data = found.read_bytes()
                assert not [mark for mark in secret if mark in data], found
                if "/nats/" in str(found) or "/logs/" in str(found):
                    assert not [mark for mark in hashes if mark in data], found


if __name__ == "__main__":
    with it:
        it.up()
        raise SystemExit(main())
