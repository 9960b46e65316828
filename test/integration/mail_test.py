#!/usr/bin/env python3
"""E-mails of a real Nova at a real SMTP server: tokens are used once, nobody learns who exists, and no
replay sends anything again.

What at-least-once means here: an e-mail that the server took is sent again only when the mailer died
between the server's 250 and its own note of it, and then it is the same one, by its Message-ID.
"""
import collections
import hashlib
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from asking import ask, good, refused
from caller import Caller
from damage import server_killed, store
from instance import Instance, case, free_ports, main, wait_for
from log_check import assert_streams_equal_outboxes
from smtp import Mailbox, text_of

OK, INVALID_ARGUMENT, PERMISSION_DENIED, UNAUTHENTICATED = 0, 3, 7, 16
OLD, NEW = "correct horse battery", "another horse battery"
MAILER = "mailer/identity"
SEED = int(os.environ.get("NOVA_TEST_SEED", random.randrange(1 << 32)))
PORT, = free_ports(1)
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1",
                        "NOVA_MAIL_SMTP_URL": f"smtp://127.0.0.1:{PORT}",
                        "NOVA_MAIL_FROM": "no-reply@nova.invalid", "NOVA_MAIL_RETRY_S": "1"})
box = Mailbox(PORT)
secrets = set()  # every address and token of this run: in no log


def person(caller, address=None):
    """A user of their own for each case: (user id, login, address)."""
    name = f"u{uuid.uuid4().hex[:12]}"
    address = address or f"{name}@example.invalid"
    secrets.add(address)
    user = good(caller, "Register", handle=name, email=address, display_name=name,
                password=OLD).user_id
    return user, name, address


def token_of(message):
    found = re.search(r"^[A-Za-z0-9_-]{68}$", text_of(message), re.MULTILINE)
    assert found, text_of(message)
    secrets.add(found[0])
    return found[0]


def mails(address, count=1):
    return wait_for(f"{count} e-mails to one address",
                    lambda: len(box.to(address)) >= count and box.to(address))


def token_by_mail(caller, address, method="RequestPasswordReset"):
    before = len(box.to(address))
    good(caller, method, email=address)
    return token_of(mails(address, before + 1)[-1])


def waiting():
    return it.sql("select count(*) from identity.effect where done_at is null")[0][0]


def all_done():
    wait_for("no e-mail to wait", lambda: waiting() == 0)


def outcomes():
    return dict(it.sql("select outcome, count(*) from identity.effect group by 1"))


# ---- setting a password anew ---------------------------------------------------------------------

@case
def a_token_that_came_by_mail_sets_the_password_and_ends_every_session():
    with Caller(it) as caller:
        user, name, address = person(caller)
        login = good(caller, "Login", login=name, password=OLD)
        token = token_by_mail(caller, address)
        reply = good(caller, "ResetPassword", token=token, new_password=NEW)
        assert reply.user_id == user
        refused(ask(caller, "Login", login=name, password=OLD), UNAUTHENTICATED, "WRONG_LOGIN")
        refused(ask(caller, "RefreshToken", refresh_token=login.refresh_token), UNAUTHENTICATED,
                "REFRESH_REVOKED")
        assert ask(caller, "VerifyToken", access_token=login.access_token)[0] == UNAUTHENTICATED
        good(caller, "Login", login=name, password=NEW)
    types = [row[0] for row in it.sql("select type from identity.outbox where aggregate_id in (%s, %s)"
                                      " order by position", (user, login.session_id))]
    assert types == ["user.created", "session.started", "user.password_changed", "session.revoked"]


@case
def the_mail_is_whole():
    with Caller(it) as caller:
        address = person(caller)[2]
        token = token_by_mail(caller, address)
    message, = box.to(address)
    all_done()  # noted behind the server's answer
    effect, = it.sql("select effect_id::text from identity.effect where outcome = 'sent'"
                     " order by created_at desc limit 1")[0]
    assert message["Message-ID"] == f"<{effect}@nova.invalid>", message["Message-ID"]
    assert message["To"].addresses[0].addr_spec == address, message["To"]
    assert message["From"].addresses[0].addr_spec == "no-reply@nova.invalid", message["From"]
    assert message["Subject"] == "Set a new password for Nova", message["Subject"]
    assert message["Date"].datetime and message["Auto-Submitted"] == "auto-generated"
    assert "30 minutes" in text_of(message).replace("\n", " ")
    assert token in text_of(message)


@case
def a_token_is_used_once_and_its_command_answers_again():
    with Caller(it) as caller:
        _, name, address = person(caller)
        token, command = token_by_mail(caller, address), str(uuid.uuid4())
        first = ask(caller, "ResetPassword", command, token=token, new_password=NEW)
        assert first[0] == OK, first
        assert ask(caller, "ResetPassword", command, token=token, new_password=NEW) == first
        assert ask(caller, "ResetPassword", command, token=token, new_password=OLD)[0] != OK
        refused(ask(caller, "ResetPassword", token=token, new_password=OLD), UNAUTHENTICATED,
                "MAIL_TOKEN_UNKNOWN")
        good(caller, "Login", login=name, password=NEW)


@case
def a_new_token_voids_the_old_one():
    with Caller(it) as caller:
        address = person(caller)[2]
        tokens = [token_by_mail(caller, address) for _ in range(2)]
        refused(ask(caller, "ResetPassword", token=tokens[0], new_password=NEW), UNAUTHENTICATED,
                "MAIL_TOKEN_UNKNOWN")
        good(caller, "ResetPassword", token=tokens[1], new_password=NEW)


@case
def a_token_that_expired_or_is_none_sets_nothing():
    with Caller(it) as caller:
        _, name, address = person(caller)
        token = token_by_mail(caller, address)
        it.sql("update identity.mail_token set expires_at = now() where token_hash = %s",
               (hashlib.sha256(token.encode()).digest(),))
        # The mailer prunes what expired: then nobody knows it any more.
        code, text, _ = ask(caller, "ResetPassword", token=token, new_password=NEW)
        assert code == UNAUTHENTICATED and text.split(":")[0] in ("MAIL_TOKEN_EXPIRED",
                                                                 "MAIL_TOKEN_UNKNOWN"), text
        for wrong in ("", "x", token[:-1], token + "A", "A" * 68):
            refused(ask(caller, "ResetPassword", token=wrong, new_password=NEW), INVALID_ARGUMENT,
                    "MAIL_TOKEN_MALFORMED")
        made_up = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
        refused(ask(caller, "ResetPassword", token=made_up, new_password=NEW), UNAUTHENTICATED,
                "MAIL_TOKEN_UNKNOWN")
        good(caller, "Login", login=name, password=OLD)


@case
def a_token_is_bound_to_the_address_it_was_sent_to():
    with Caller(it) as caller:
        user, name, address = person(caller)
        token = token_by_mail(caller, address)
        bearer = good(caller, "Login", login=name, password=OLD).access_token
        secrets.add(f"new-{address}")
        good(caller, "UpdateUser", bearer=bearer, user_id=user, email=f"new-{address}")
        refused(ask(caller, "ResetPassword", token=token, new_password=NEW), UNAUTHENTICATED,
                "MAIL_TOKEN_UNKNOWN")


@case
def no_token_is_in_the_tables_only_its_hash():
    with Caller(it) as caller:
        token = token_by_mail(caller, person(caller)[2])
    rows = it.sql("select row_to_json(t)::text from identity.mail_token t union all"
                  " select row_to_json(e)::text from identity.effect e")
    assert not any(secret in row[0] for row in rows for secret in secrets)
    assert it.sql("select count(*) from identity.mail_token where token_hash = %s",
                  (hashlib.sha256(token.encode()).digest(),)) == [(1,)]


# ---- changing it ---------------------------------------------------------------------------------

@case
def a_changed_password_ends_all_other_sessions_and_voids_what_was_sent():
    with Caller(it) as caller:
        user, name, address = person(caller)
        mine, other = (good(caller, "Login", login=name, password=OLD) for _ in range(2))
        token = token_by_mail(caller, address)

        def change(old, new, bearer=mine.access_token, command=None):
            return ask(caller, "ChangePassword", command, bearer, user_id=user, old_password=old,
                       new_password=new, keep_session_id=mine.session_id)
        refused(change("some other password", NEW), UNAUTHENTICATED, "WRONG_PASSWORD")
        refused(change("short", NEW), UNAUTHENTICATED, "WRONG_PASSWORD")
        refused(change(OLD, "short"), INVALID_ARGUMENT, "PASSWORD_LENGTH")
        refused(change(OLD, NEW, bearer=None), PERMISSION_DENIED, "NOT_ALLOWED")
        stranger = good(caller, "Login", login=person(caller)[1], password=OLD).access_token
        refused(change(OLD, NEW, bearer=stranger), PERMISSION_DENIED, "NOT_ALLOWED")
        command = str(uuid.uuid4())
        first = change(OLD, NEW, command=command)
        assert first[0] == OK and change(OLD, NEW, command=command) == first, first
        assert change(OLD, "a third long password", command=command)[0] != OK
        assert ask(caller, "VerifyToken", access_token=other.access_token)[0] == UNAUTHENTICATED
        good(caller, "RefreshToken", refresh_token=mine.refresh_token)
        refused(ask(caller, "ResetPassword", token=token, new_password=OLD), UNAUTHENTICATED,
                "MAIL_TOKEN_UNKNOWN")
        refused(ask(caller, "Login", login=name, password=OLD), UNAUTHENTICATED, "WRONG_LOGIN")
        good(caller, "Login", login=name, password=NEW)


# ---- showing that an address is one's own --------------------------------------------------------

@case
def a_token_that_came_by_mail_verifies_the_address_until_it_changes():
    with Caller(it) as caller:
        user, name, address = person(caller)
        bearer = good(caller, "Login", login=name, password=OLD).access_token

        def verified():
            return good(caller, "GetUser", bearer=bearer, user_id=user).user.email_verified
        assert not verified()
        refused(ask(caller, "RequestEmailVerification", user_id=user), PERMISSION_DENIED,
                "NOT_ALLOWED")
        good(caller, "RequestEmailVerification", bearer=bearer, user_id=user)
        message = mails(address)[0]
        token = token_of(message)
        assert message["Subject"] == "Confirm your e-mail address for Nova", message["Subject"]
        # A token is for one purpose.
        refused(ask(caller, "ResetPassword", token=token, new_password=NEW), INVALID_ARGUMENT,
                "MAIL_TOKEN_MALFORMED")
        assert good(caller, "VerifyEmail", token=token).user_id == user
        refused(ask(caller, "VerifyEmail", token=token), UNAUTHENTICATED, "MAIL_TOKEN_UNKNOWN")
        assert verified()
        good(caller, "UpdateUser", bearer=bearer, user_id=user, display_name="Another name")
        assert verified()
        good(caller, "RequestEmailVerification", bearer=bearer, user_id=user)
        token = token_of(mails(address, 2)[1])
        secrets.add(f"newer-{address}")
        good(caller, "UpdateUser", bearer=bearer, user_id=user, email=f"newer-{address}")
        assert not verified()
        refused(ask(caller, "VerifyEmail", token=token), UNAUTHENTICATED, "MAIL_TOKEN_UNKNOWN")


# ---- addresses of all scripts --------------------------------------------------------------------

@case
def an_international_address_is_sent_to_and_known_in_every_spelling():
    mark = uuid.uuid4().hex[:8]
    with Caller(it) as caller:
        person(caller, f"{mark}@bücher.example")
        good(caller, "RequestPasswordReset", email=f"{mark.upper()}@XN--BCHER-KVA.example")
        token_of(mails(f"{mark}@xn--bcher-kva.example")[0])
        # Who has it hears of it.
        good(caller, "Register", handle=f"t{mark}", display_name="x", password=OLD,
             email=f"{mark}@BÜCHER.example")
        assert mails(f"{mark}@xn--bcher-kva.example", 2)[1]["Subject"].startswith("Somebody tried")
        person(caller, f"用户{mark}@例子.example")
        good(caller, "RequestPasswordReset", email=f"用户{mark}@例子.example")
        message, = mails(f"用户{mark}@xn--fsqu00a.example")
        token_of(message)


# ---- nobody learns who exists --------------------------------------------------------------------

@case
def an_unknown_address_gets_the_same_answer_and_the_same_work():
    before = len(box.taken)
    nobody = f"nobody-{uuid.uuid4().hex}@example.invalid"
    secrets.add(nobody)
    with Caller(it) as caller:
        address = person(caller)[2]
        all_done()
        rows = "select (select count(*) from identity.effect), (select count(*) from identity.mail_token)"
        counts = [it.sql(rows)[0]]
        answers = []
        for each in (address, nobody):
            answers.append(ask(caller, "RequestPasswordReset", email=each))
            counts.append(it.sql(rows)[0])
        assert answers[0] == answers[1] and answers[0][0] == OK, answers
        grown = [[b - a for a, b in zip(*pair)] for pair in zip(counts, counts[1:])]
        assert grown == [[1, 1], [1, 1]], grown
    mails(address)
    all_done()
    assert len(box.taken) == before + 1
    assert outcomes()["obsolete"] == 1, outcomes()


@case
def the_same_request_again_sends_nothing_again():
    with Caller(it) as caller:
        address, command = person(caller)[2], str(uuid.uuid4())
        for _ in range(3):
            assert ask(caller, "RequestPasswordReset", command, email=address)[0] == OK
        good(caller, "ResetPassword", token=token_of(mails(address)[0]), new_password=NEW)
        # Nor when its token was used: an old command makes no new one.
        assert ask(caller, "RequestPasswordReset", command, email=address)[0] == OK
    all_done()
    assert len(box.to(address)) == 1
    refused_text = "email wants"
    with Caller(it) as caller:
        code, text, _ = ask(caller, "RequestPasswordReset", email="no address")
        assert code == INVALID_ARGUMENT and refused_text in text, text


# ---- the SMTP server fails -----------------------------------------------------------------------

@case
def a_server_that_says_later_or_hangs_up_is_asked_again():
    with Caller(it) as caller:
        address = person(caller)[2]
        box.refuse, box.cut = ["450 later", "421 busy"], 1
        token_by_mail(caller, address)
    assert len(box.to(address)) == 1 and not box.refuse and not box.cut
    wait_for("the mailer's note of the fourth attempt", lambda: '"attempt":4' in it.log(MAILER))


@case
def what_a_server_refuses_for_good_is_not_tried_again():
    with Caller(it) as caller:
        address = person(caller)[2]
        all_done()
        attempts, box.refuse = box.attempts, ["550 no such mailbox"]
        good(caller, "RequestPasswordReset", email=address)
        all_done()
    assert outcomes()["refused"] == 1 and box.attempts == attempts + 1
    assert "refuses an e-mail for good" in it.log(MAILER)


@case
def a_server_that_is_away_is_waited_for():
    with Caller(it) as caller:
        address = person(caller)[2]
        box.stop()
        good(caller, "RequestPasswordReset", email=address)
        wait_for("an attempt that fails", lambda: it.sql(
            "select attempts > 0 from identity.effect where done_at is null") == [(True,)])
        assert it.status()["mail"][0]["waiting"] == 1, it.status()["mail"]
        box.start()
    mails(address)


# ---- what was sent is not sent again -------------------------------------------------------------

@case
def a_mailer_killed_again_and_again_sends_each_mail_once():
    """kill -9 at any moment. What the server took twice it took twice under one Message-ID, and at
    most once more for each kill: between its 250 and the mailer's note of it nobody can look."""
    draw = random.Random(SEED)
    print(f"# NOVA_TEST_SEED={SEED}", flush=True)
    all_done()
    before, kills = len(box.taken), 0
    with Caller(it) as caller:
        addresses = [person(caller)[2] for _ in range(12)]
        for address in addresses:
            good(caller, "RequestPasswordReset", email=address)
            if draw.random() < 0.5:
                state = it.state(MAILER)
                os.kill(state["pid"], signal.SIGKILL)
                kills += 1
                it.ready_again(MAILER, state["starts"])
    all_done()
    counts = collections.Counter(box.ids()[before:])
    assert len(counts) == len(addresses), counts
    assert sum(counts.values()) <= len(addresses) + kills, (counts, kills)
    assert all(box.to(address) for address in addresses)
    print(f"# {kills} kills, {sum(counts.values()) - len(addresses)} sent twice", flush=True)


@case
def killed_between_the_servers_answer_and_its_note_it_sends_the_same_mail_again():
    all_done()
    with Caller(it) as caller:
        address = person(caller)[2]
        box.held.clear()
        box.hold = True
        good(caller, "RequestPasswordReset", email=address)
        assert box.held.wait(60)
        state = it.state(MAILER)
        os.kill(state["pid"], signal.SIGKILL)
        box.hold = False
        it.ready_again(MAILER, state["starts"])
        first, second = mails(address, 2)
        all_done()
    assert first["Message-ID"] == second["Message-ID"] and first["Date"] == second["Date"]
    assert text_of(first) == text_of(second) and len(box.to(address)) == 2


@case
def rebuilds_and_replays_send_nothing():
    """Every read model rebuilt, every stream read again from its first event, every process started
    again: the server hears nothing."""
    all_done()
    before, attempts = list(box.ids()), box.attempts
    for name in ("message_sender_cache", "conversation_view", "post_view", "search_index"):
        it.nova("projection", "rebuild", name)
    with server_killed(it):
        shutil.rmtree(store(it))  # so that the relays publish every event again
    for process in it.status()["processes"]:
        if process["name"].split("/")[0] in ("relay", "consumer", "service", "mailer"):
            os.kill(process["pid"], signal.SIGKILL)
            it.ready_again(process["name"], process["starts"])
    wait_for("everything to be caught up", it.is_caught_up)
    assert_streams_equal_outboxes(it)
    with Caller(it) as caller:  # and the mailer does send
        token_by_mail(caller, person(caller)[2])
    assert box.ids()[:-1] == before and box.attempts == attempts + 1


@case
def no_log_holds_an_address_or_a_token():
    for path in (it.home / "logs").iterdir():
        text = path.read_text(errors="replace")
        found = [secret for secret in secrets if secret in text]
        assert not found, (path, found)
    assert len(secrets) > 20


if __name__ == "__main__":
    with it, box:
        it.up()
        status = main()
    sys.exit(status)
