#!/usr/bin/env python3
"""Accounts of a real Nova under attack: who guesses waits, who is at home gets in, nobody learns who is
there, and what happened is kept.

Time is moved by hand: what a failure's row says is set back, as if it were longer ago.
"""
import concurrent.futures
import pathlib
import re
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from asking import ask, good, refused
from caller import Caller
from instance import Instance, case, free_ports, main, wait_for
from log_check import assert_streams_equal_outboxes
from smtp import Mailbox, text_of

OK, INVALID_ARGUMENT, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 0, 3, 6, 7, 8
FAILED_PRECONDITION, UNAUTHENTICATED = 9, 16
PASSWORD, WRONG, OTHER = "correct horse battery", "wrong horse battery", "another horse battery"
# 3 logins fail before one waits: 100 s, 200 s, and at most 300 s. The 6th locks.
ATTEMPTS, ATTEMPTS_ADDRESS, FORGET_S, LOCKED = 3, 12, 400, 6
PORT, = free_ports(1)
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1",
                        "NOVA_IDENTITY_LOGIN_ATTEMPTS": str(ATTEMPTS),
                        "NOVA_IDENTITY_LOGIN_ATTEMPTS_ADDRESS": str(ATTEMPTS_ADDRESS),
                        "NOVA_IDENTITY_LOGIN_DELAY_S": "100", "NOVA_IDENTITY_LOGIN_DELAY_MAX_S": "300",
                        "NOVA_IDENTITY_LOGIN_FORGET_S": str(FORGET_S),
                        "NOVA_MAIL_SMTP_URL": f"smtp://127.0.0.1:{PORT}",
                        "NOVA_MAIL_FROM": "no-reply@nova.invalid", "NOVA_MAIL_RETRY_S": "1"})
box = Mailbox(PORT)
secrets = set()  # every address and token of this run: in no log


def fresh():
    return f"u{uuid.uuid4().hex[:12]}"


def register(caller, name, address=None, **more):
    address = address or f"{name}@example.invalid"
    secrets.add(address)
    return ask(caller, "Register", **{"handle": name, "email": address, "display_name": name,
                                      "password": PASSWORD, **more})


def person(caller):
    """A user of their own for each case: (user id, login)."""
    name = fresh()
    code, text, reply = register(caller, name)
    assert code == OK, text
    return reply.user_id, name


def login(caller, name, password=PASSWORD, **more):
    return ask(caller, "Login", login=name, password=password, **more)


def fail(caller, name, times, **more):
    """So many logins that are answered as wrong ones are."""
    for _ in range(times):
        refused(login(caller, name, WRONG, **more), UNAUTHENTICATED, "WRONG_LOGIN")


def wait_of(answer):
    """How many seconds a refusal says to wait."""
    refused(answer, RESOURCE_EXHAUSTED, "TOO_MANY_ATTEMPTS")
    return int(re.search(r"try again in (\d+) s$", answer[1])[1])


def later(seconds):
    """As if everything had happened so much longer ago."""
    it.sql("update identity.login_failure set failed_at = failed_at - %s * interval '1 second',"
           " forgotten_at = forgotten_at - %s * interval '1 second'", (seconds, seconds))


def waited_out(caller, name, times, **more):
    """So many failures of somebody who waits each time."""
    for _ in range(times):
        fail(caller, name, 1, **more)
        later(300)
        it.sql("update identity.login_failure set forgotten_at = forgotten_at + interval '300 s'")


def events_of(user):
    return [row[0] for row in it.sql(
        "select type from identity.outbox where aggregate_id = %s order by position", (user,))]


def audit(caller, user="", **more):
    """What GetSecurityAudit says, oldest first; the operator's own reading left out."""
    reply = good(caller, "GetSecurityAudit", operator=True, user_id=user, page={"size": 500}, **more)
    return [each for each in reversed(reply.entries) if each.action != "audit_read"]


def actions(caller, user):
    return [each.action for each in audit(caller, user)]


# ---- who guesses waits ---------------------------------------------------------------------------

@case
def who_fails_waits_longer_each_time_whether_the_name_is_somebodys_or_not():
    said = []
    with Caller(it) as caller:
        for name in (person(caller)[1], fresh(), f"{fresh()}@example.invalid"):
            waits = []
            fail(caller, name, ATTEMPTS + 1)
            for pause in (100, 200, 300, 300):
                waits.append(wait_of(login(caller, name, WRONG)))
                assert pause - 30 <= waits[-1] <= pause, waits
                # The right password is not even looked at, and nothing is counted meanwhile.
                assert wait_of(login(caller, name)) <= pause
                later(pause)
                fail(caller, name, 1)
            said.append(len(waits))
    assert said == [4, 4, 4]


@case
def a_name_in_other_letters_is_the_same_and_another_name_of_the_user_is_not():
    """Else who delays one would learn that the other is the same person's."""
    with Caller(it) as caller:
        _, name = person(caller)
        fail(caller, name, ATTEMPTS)
        fail(caller, name.upper(), 1)
        wait_of(login(caller, name))
        assert login(caller, f"{name}@example.invalid")[0] == OK
        assert login(caller, name)[0] == OK  # who came in by one is not kept out by the other


@case
def a_success_forgets_and_so_does_time_but_slowly():
    with Caller(it) as caller:
        _, name = person(caller)
        fail(caller, name, ATTEMPTS)
        assert login(caller, name)[0] == OK
        fail(caller, name, ATTEMPTS)  # all of them again
        later(2 * FORGET_S)           # two are forgotten
        fail(caller, name, 3)
        wait_of(login(caller, name))
        later(10 * FORGET_S)
        fail(caller, name, ATTEMPTS)
        assert login(caller, name)[0] == OK


@case
def one_address_that_tries_many_names_waits_and_others_do_not():
    """Also when it logs in as itself in between, and whichever address of its network it takes."""
    with Caller(it) as caller:
        _, own = person(caller)
        for number in range(ATTEMPTS_ADDRESS + 1):
            fail(caller, fresh(), 1, address=f"2001:db8:1:2::{number + 1:x}")
            if number % 5 == 0:
                assert login(caller, own, address="2001:db8:1:2::9")[0] == OK
        wait_of(login(caller, fresh(), WRONG, address="2001:db8:1:2:ffff::1"))
        wait_of(login(caller, own, address="2001:db8:1:2::9"))
        assert login(caller, own, address="2001:db8:1:3::9")[0] == OK
        assert login(caller, own, address="192.0.2.1")[0] == OK
        assert login(caller, own)[0] == OK
        # An IPv4 address is one, in either writing.
        for number in range(ATTEMPTS_ADDRESS + 1):
            fail(caller, fresh(), 1, address=("192.0.2.7", "::ffff:192.0.2.7")[number % 2])
        wait_of(login(caller, own, address="192.0.2.7"))
        assert login(caller, own, address="192.0.2.8")[0] == OK


@case
def many_addresses_that_try_one_name_wait_together():
    with Caller(it) as caller:
        _, name = person(caller)
        for number in range(ATTEMPTS + 1):
            fail(caller, name, 1, address=f"198.51.100.{number}")
        wait_of(login(caller, name, address="198.51.100.200"))


@case
def of_many_failures_at_the_same_moment_all_count():
    with Caller(it) as caller:
        _, name = person(caller)

    def guess(_):
        with Caller(it) as own:
            return login(own, name, WRONG)[0]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(guess, range(24)))
    assert set(codes) == {UNAUTHENTICATED, RESOURCE_EXHAUSTED}, codes
    # Those that were being hashed when the last free one failed: as many as are hashed at once.
    assert codes.count(UNAUTHENTICATED) <= ATTEMPTS + 1 + 2, codes
    held, = it.sql("select extract(epoch from forgotten_at - failed_at) from identity.login_failure"
                   " order by failed_at desc limit 1")[0]
    assert (codes.count(UNAUTHENTICATED) - 1) * FORGET_S < float(held), (held, codes)


@case
def a_clock_that_steps_keeps_nobody_out():
    with Caller(it) as caller:
        _, name = person(caller)
        fail(caller, name, ATTEMPTS + 1)
        later(-86400 * 365)  # PostgreSQL's clock was set back by a year
        fail(caller, name, 1)
        assert 170 <= wait_of(login(caller, name)) <= 200  # counted on, and timed anew
        later(86400 * 365)
        assert login(caller, name)[0] == OK


@case
def what_is_forgotten_leaves_no_row():
    with Caller(it) as caller:
        later(86400)
        fail(caller, fresh(), 1)
        assert it.sql("select count(*) from identity.login_failure") == [(1,)]


# ---- who is at home gets in ----------------------------------------------------------------------

@case
def a_stranger_locks_a_user_for_strangers_and_a_known_device_gets_in():
    with Caller(it) as caller:
        user, name = person(caller)
        device = good(caller, "Login", login=name, password=PASSWORD).device_token
        assert len(device) == 76, device
        secrets.add(device)
        waited_out(caller, name, LOCKED + 2)
        fail(caller, name, 1)
        wait_of(login(caller, name))
        assert events_of(user) == ["user.created", "user.locked"], events_of(user)
        reply = good(caller, "Login", login=name, password=PASSWORD, device_token=device)
        secrets.add(reply.device_token)
        known = good(caller, "GetUser", bearer=reply.access_token, user_id=user).user
        assert known.handle == name and known.email == f"{name}@example.invalid", known
        again = good(caller, "Login", login=name, password=PASSWORD,
                     device_token=reply.device_token)
        secrets.add(again.device_token)
        # Strangers stay locked out, and a guessed, another's or a changed token is a stranger's.
        wait_of(login(caller, name))
        others = good(caller, "Login", login=person(caller)[1], password=PASSWORD).device_token
        for token in (others, device[:-4] + "AAAA", device + "AAAA", "", "x" * 5000):
            wait_of(login(caller, name, device_token=token))
        assert events_of(user) == ["user.created", "user.locked"]
        later(300)
        assert login(caller, name)[0] == OK  # who waited, too
        assert events_of(user) == ["user.created", "user.locked", "user.unlocked"]


@case
def a_device_has_attempts_of_its_own_and_waits_for_them():
    with Caller(it) as caller:
        user, name = person(caller)
        device = good(caller, "Login", login=name, password=PASSWORD).device_token
        fail(caller, name, ATTEMPTS + 1, device_token=device, address="203.0.113.5")
        wait_of(login(caller, name, device_token=device))
        assert login(caller, name, address="203.0.113.5")[0] == OK  # nobody else waits for it
        later(300)
        for _ in range(LOCKED):
            fail(caller, name, 1, device_token=device)
            later(300)
        assert events_of(user) == ["user.created"], events_of(user)
        assert login(caller, name, device_token=device)[0] == OK


@case
def a_reset_gets_in_and_unlocks():
    with Caller(it) as caller:
        user, name = person(caller)
        waited_out(caller, name, LOCKED)
        fail(caller, f"{name}@example.invalid", ATTEMPTS + 1)
        good(caller, "RequestPasswordReset", email=f"{name}@example.invalid")
        message = wait_for("the e-mail", lambda: box.to(f"{name}@example.invalid"))[0]
        token = re.search(r"^[A-Za-z0-9_-]{68}$", text_of(message), re.MULTILINE)[0]
        secrets.add(token)
        good(caller, "ResetPassword", token=token, new_password=OTHER)
        assert login(caller, name, OTHER)[0] == OK
        assert login(caller, f"{name}@example.invalid", OTHER)[0] == OK
        assert events_of(user) == ["user.created", "user.locked", "user.password_changed",
                                   "user.unlocked"]


@case
def a_repeated_login_answers_the_same_device():
    with Caller(it) as caller:
        _, name = person(caller)
        command = str(uuid.uuid4())
        first = login(caller, name, command=command)
        assert first[0] == OK and login(caller, name, command=command) == first
        more = login(caller, name, device_token=first[2].device_token)
        assert more[2].device_token not in ("", first[2].device_token)  # renewed


@case
def who_has_a_session_cannot_guess_the_password_with_it():
    with Caller(it) as caller:
        user, name = person(caller)
        bearer = good(caller, "Login", login=name, password=PASSWORD).access_token

        def change(old, bearer=bearer):
            return ask(caller, "ChangePassword", bearer=bearer, user_id=user, old_password=old,
                       new_password=OTHER)
        stranger = good(caller, "Login", login=person(caller)[1], password=PASSWORD).access_token
        for _ in range(ATTEMPTS + 2):  # what others try counts for nobody
            refused(change(WRONG, stranger), PERMISSION_DENIED, "NOT_ALLOWED")
        for _ in range(ATTEMPTS + 1):
            refused(change(WRONG), UNAUTHENTICATED, "WRONG_PASSWORD")
        wait_of(change(PASSWORD))
        assert login(caller, name)[0] == OK  # and it keeps nobody from logging in
        later(300)
        assert change(PASSWORD)[0] == OK
        failed = audit(caller, user)[2]
        assert (failed.action, failed.attempts) == ("password_change_failed", ATTEMPTS + 1), failed


# ---- what happened is kept -----------------------------------------------------------------------

@case
def what_happened_to_an_account_is_kept_in_order():
    with Caller(it) as caller:
        user, name = person(caller)
        first = good(caller, "Login", login=name, password=PASSWORD, device="phone",
                     address="192.0.2.33")
        fail(caller, name, 2, device="laptop", address="192.0.2.34")
        fail(caller, f"{name}@example.invalid", 1, address="192.0.2.35")
        good(caller, "RefreshToken", refresh_token=first.refresh_token)
        refused(ask(caller, "RefreshToken", refresh_token=first.refresh_token), UNAUTHENTICATED,
                "REFRESH_REUSED")
        bearer = good(caller, "Login", login=name, password=PASSWORD).access_token
        good(caller, "UpdateUser", bearer=bearer, user_id=user, display_name="Somebody")
        good(caller, "UpdateUser", bearer=bearer, user_id=user, email=f"new{name}@example.invalid",
             handle=f"new{name}")
        good(caller, "ChangePassword", bearer=bearer, user_id=user, old_password=PASSWORD,
             new_password=OTHER)
        good(caller, "RequestPasswordReset", email=f"new{name}@example.invalid")
        secrets.add(f"new{name}@example.invalid")
        said = audit(caller, user)
        assert [each.action for each in said] == [
            "registered", "login", "login_failed", "login_failed", "refresh_reused", "login",
            "email_changed", "handle_changed", "password_changed", "session_revoked",
            "reset_requested"], said
        assert all(each.user_id == user and each.at_us <= each.last_at_us for each in said)
        login_said, failed = said[1], said[2]
        assert (login_said.session_id, login_said.device, login_said.address) == (
            first.session_id, "phone", "192.0.2.33"), login_said
        assert (failed.attempts, failed.device, failed.address, failed.session_id) == (
            2, "laptop", "192.0.2.34", ""), failed
        assert said[3].attempts == 1 and said[3].address == "192.0.2.35", said[3]
        assert said[6].actor == f"user:{user}", said[6]
        assert (said[9].reason, said[9].session_id == "") == ("password_changed", False), said[9]


@case
def only_the_user_and_operators_read_it_and_a_look_is_kept():
    with Caller(it) as caller:
        user, name = person(caller)
        mine = good(caller, "Login", login=name, password=PASSWORD).access_token
        other, stranger = person(caller)
        others = good(caller, "Login", login=stranger, password=PASSWORD).access_token
        fail(caller, fresh(), 1)
        own = good(caller, "GetSecurityAudit", bearer=mine, user_id=user).entries
        assert [each.action for each in own] == ["login", "registered"], own
        for bearer, whose in ((others, user), (others, ""), (mine, other)):
            refused(ask(caller, "GetSecurityAudit", bearer=bearer, user_id=whose), PERMISSION_DENIED,
                    "NOT_ALLOWED")
        assert ask(caller, "GetSecurityAudit", user_id=user)[0] == UNAUTHENTICATED
        everybodys = audit(caller)
        assert {user, other, ""} <= {each.user_id for each in everybodys}
        good(caller, "GetSecurityAudit", operator=True, user_id=user)
        own = good(caller, "GetSecurityAudit", bearer=mine, user_id=user).entries
        assert [each.action for each in own] == ["audit_read", "login", "registered"], own
        assert own[0].actor == "operator", own[0]


@case
def it_is_read_page_by_page():
    with Caller(it) as caller:
        user, name = person(caller)
        bearer = good(caller, "Login", login=name, password=PASSWORD).access_token
        for _ in range(6):
            good(caller, "Login", login=name, password=PASSWORD)
        pages, token = [], ""
        while not pages or token:
            reply = good(caller, "GetSecurityAudit", bearer=bearer, user_id=user,
                         page={"size": 3, "token": token})
            pages.append([each.at_us for each in reply.entries])
            token = reply.next_token
            good(caller, "Login", login=name, password=PASSWORD)  # what is new moves no page
        assert [len(each) for each in pages] == [3, 3, 2], pages
        times = sum(pages, [])
        assert times == sorted(times, reverse=True) and len(set(times)) == 8
        code, text, _ = ask(caller, "GetSecurityAudit", bearer=bearer, user_id=user,
                            page={"token": "x"})
        assert code == INVALID_ARGUMENT and "token" in text, (code, text)


@case
def where_somebody_was_is_sealed_and_goes_with_them():
    address, device = "198.51.100.77", f"device {uuid.uuid4().hex}"
    with Caller(it) as caller:
        user, name = person(caller)
        bearer = good(caller, "Login", login=name, password=PASSWORD, device=device,
                      address=address).access_token
        fail(caller, name, 1, device=device, address=address)
        rows = it.sql("select row_to_json(a)::text, sealed from identity.security_audit a")
        assert not any(device in row[0] or address in row[0] for row in rows)
        assert not any(device.encode() in bytes(row[1] or b"") for row in rows)
        assert audit(caller, user)[-1].address == address
        good(caller, "DeleteUser", bearer=bearer, user_id=user)
        said = audit(caller, user)
        assert [each.action for each in said] == ["registered", "login", "login_failed", "deleted",
                                                  "session_revoked"], said
        assert not any(each.device or each.address for each in said), said
    assert it.sql("select count(*) from identity.security_audit where user_id = %s and (sealed is"
                  " not null or length(address_digest) = 32)", (user,)) == [(0,)]


@case
def an_entry_that_was_damaged_hides_no_other():
    with Caller(it) as caller:
        user, name = person(caller)
        for place in ("192.0.2.51", "192.0.2.52"):
            good(caller, "Login", login=name, password=PASSWORD, address=place)
        rows = it.sql("select audit_id from identity.security_audit where user_id = %s and sealed is"
                      " not null order by 1", (user,))
        for damage in ("set_byte(sealed, 30, get_byte(sealed, 30) # 1)", "sealed || 'x'", "'short'"):
            it.sql(f"update identity.security_audit set sealed = {damage} where audit_id = %s", rows[0])
            assert [each.address for each in audit(caller, user)] == ["", "", "192.0.2.52"], damage
        # Nor is it another entry's: it is bound to its account and action.
        it.sql("update identity.security_audit set action = 'logout' where audit_id = %s", rows[1])
        assert [each.address for each in audit(caller, user)] == ["", "", ""]
    assert "an entry of the security audit log does not open" in it.log("service/identity")


@case
def what_is_too_old_is_not_kept():
    with Caller(it) as caller:
        user, _ = person(caller)
        it.sql("update identity.security_audit set at = at - interval '366 days',"
               " last_at = last_at - interval '366 days' where user_id = %s", (user,))
        person(caller)
        assert actions(caller, user) == []


# ---- nobody learns whose address it is -----------------------------------------------------------

@case
def an_address_that_is_taken_is_answered_like_one_that_is_free():
    with Caller(it) as caller:
        user, holder = person(caller)
        address = f"{holder}@example.invalid"
        for _ in range(2):
            handle, command = fresh(), str(uuid.uuid4())
            position = caller.position
            before = it.sql("select count(*) from identity.outbox")
            code, text, reply = register(caller, handle, address.upper(), command=command)
            assert code == OK and reply.user_id and reply.created_at_us, (code, text, reply)
            assert caller.position == position  # it says one, as if there were an event
            assert it.sql("select count(*) from identity.outbox") == before
            assert it.sql("select count(*) from identity.account where user_id = %s",
                          (reply.user_id,)) == [(0,)]
            # The same again is the same; another one under its id is refused.
            assert register(caller, handle, address.upper(), command=command)[2] == reply
            for more in ({"password": OTHER}, {"display_name": "Another"}, {"password": "short"}):
                refused(register(caller, handle, address.upper(), command=command, **more),
                        FAILED_PRECONDITION, "COMMAND_ID_TAKEN")
        # What is public is said, whatever the address is.
        for mail in (address, f"{fresh()}@example.invalid"):
            refused(register(caller, holder.upper(), mail), ALREADY_EXISTS, "HANDLE_TAKEN")
        # Who may know is told.
        refused(ask(caller, "Register", operator=True, handle=fresh(), email=address,
                    display_name="x", password=PASSWORD), ALREADY_EXISTS, "EMAIL_TAKEN")
        refused(ask(caller, "ImportUser", operator=True, handle=fresh(), email=address,
                    display_name="x"), ALREADY_EXISTS, "EMAIL_TAKEN")
        assert login(caller, holder)[0] == OK
        attempted = audit(caller, user)[1]
        assert (attempted.action, attempted.attempts) == ("registration_attempted", 2), attempted


@case
def who_has_the_address_hears_of_it_once_in_a_while():
    with Caller(it) as caller:
        _, holder = person(caller)
        address = f"{holder}@example.invalid"
        for _ in range(3):
            assert register(caller, fresh(), address)[0] == OK
        message = wait_for("the e-mail", lambda: box.to(address))[0]
        wait_for("no e-mail to wait", lambda: it.sql(
            "select count(*) from identity.effect where done_at is null") == [(0,)])
        assert 1 <= len(box.to(address)) <= 2  # the hour may have begun anew
        assert message["Subject"] == "Somebody tried to register with your e-mail address"
        assert "{" not in text_of(message) and not re.search(r"[A-Za-z0-9_-]{60}", text_of(message))


@case
def of_a_hundred_registrations_of_one_address_one_wins_and_the_others_leave_no_event():
    address, names = f"{fresh()}@example.invalid", [fresh() for _ in range(100)]
    secrets.add(address)

    def all_at_once(one):
        def some(numbers):
            with Caller(it, seconds=60) as caller:
                return [one(caller, number) for number in numbers]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            return sum(pool.map(some, [range(i, 100, 10) for i in range(10)]), [])
    before = it.sql("select max(position) from identity.outbox")[0][0]
    answers = all_at_once(lambda caller, number: register(caller, names[number], address))
    assert {code for code, _, _ in answers} == {OK}, answers
    assert len({reply.user_id for _, _, reply in answers}) == 100
    made = it.sql("select aggregate_id::text from identity.outbox where position > %s", (before,))
    assert len(made) == 1 and made[0][0] in {reply.user_id for _, _, reply in answers}, made
    # A handle is public: all others hear that it is taken.
    handle, before = fresh(), it.sql("select max(position) from identity.outbox")[0][0]
    answers = all_at_once(lambda caller, number: register(
        caller, handle, f"{names[number]}@example.invalid"))
    assert sorted(code for code, _, _ in answers) == [OK] + [ALREADY_EXISTS] * 99, answers
    assert it.sql("select count(*) from identity.outbox where position > %s", (before,)) == [(1,)]


@case
def a_refused_registration_is_not_kept_for_long():
    with Caller(it) as caller:
        _, holder = person(caller)
        register(caller, fresh(), f"{holder}@example.invalid")
        it.sql("update identity.refused_registration set expires_at = now() - interval '1 s'")
        for _ in range(2):  # each deletes a hundred
            register(caller, fresh(), f"{holder}@example.invalid")
    assert it.sql("select count(*) from identity.refused_registration") == [(2,)]


@case
def streams_and_logs_hold_nothing_of_it():
    wait_for("everything to be caught up", it.is_caught_up)
    assert_streams_equal_outboxes(it)
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
