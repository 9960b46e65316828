#!/usr/bin/env python3
"""Passwords on a real Nova: which are taken, what is kept of them, and that all of one counts."""
import concurrent.futures
import pathlib
import sys
import threading
import unicodedata
import uuid

import nacl.pwhash

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import Caller
from instance import Instance, case, main
from log_check import message_class

OK, INVALID_ARGUMENT, UNAUTHENTICATED = 0, 3, 16
CHEAP = "$argon2id$v=19$m=8,t=1,p=1$"
# What it costs is not what is tried here.
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1",
                        "NOVA_IDENTITY_LOGIN_ATTEMPTS": "1000000"})


def ask(caller, method, operator=False, **fields):
    headers = {"Nova-Command-Id": str(uuid.uuid4())}
    if operator:
        headers["Authorization"] = f"Bearer {caller.token()}"
    data = message_class(f"nova.identity.v2.{method}Request")(**fields).SerializeToString()
    code, text, reply = caller.ask("identity", method, data, headers)
    return code, text, message_class(f"nova.identity.v2.{method}Reply").FromString(reply)


def register(caller, password, name=None):
    name = name or f"u{uuid.uuid4().hex[:12]}"
    code, text, reply = ask(caller, "Register", handle=name, email=f"{name}@example.invalid",
                            display_name=name, password=password)
    return code, text, reply.user_id, name


def login(caller, name, password):
    return ask(caller, "Login", login=name, password=password)[0]


def hash_of(user):
    return it.sql("select password_hash from identity.account where user_id = %s", (user,))[0][0]


def events():
    return it.sql("select count(*) from identity.outbox")[0][0]


@case
def all_of_a_password_counts_in_whatever_form_it_is_typed():
    with Caller(it) as caller:
        for password in ("caf\u00e9 noir", "\uac00\uac01 hangul", "\uff11\uff12\uff13 full width",
                         "x" * 1024, "\ufb01" * 512, "e\u0301" * 512, "\U0001f511" * 2):
            code, text, user, name = register(caller, password)
            assert code == OK, (password[:20], text)
            assert hash_of(user).startswith(CHEAP), hash_of(user)
            for form in ("NFC", "NFD", "NFKC", "NFKD"):
                assert login(caller, name, unicodedata.normalize(form, password)) == OK, form
            for other in (password[:-1], password + "x", password[:72], password.upper() + "1"):
                if other != password:
                    assert login(caller, name, other) == UNAUTHENTICATED, other


@case
def a_password_of_no_length_with_a_nul_or_that_leaked_is_refused_and_leaves_nothing():
    with Caller(it) as caller:
        before = events()
        for password, why in (("", "PASSWORD_LENGTH: "), ("7 bytes", "PASSWORD_LENGTH: "),
                              ("e\u0301" * 3, "PASSWORD_LENGTH: "),
                              ("x" * 1025, "PASSWORD_LENGTH: "), ("\ufdfa" * 32, "PASSWORD_LENGTH: "),
                              ("x" * 5000, "PASSWORD_LENGTH: "),
                              ("long enough\0and a tail", "password"),
                              ("iloveyou", "PASSWORD_LEAKED: "), ("12345678", "PASSWORD_LEAKED: "),
                              ("\uff50\uff41ssword", "PASSWORD_LEAKED: ")):  # full width
            code, text, _, name = register(caller, password)
            assert code == INVALID_ARGUMENT and why in text, (password[:20], code, text)
            assert login(caller, name, password.split("\0", maxsplit=1)[0]) in (
                INVALID_ARGUMENT, UNAUTHENTICATED)
        assert events() == before


def imported(caller, password):
    """A user whose hash was made elsewhere, at another cost."""
    phc = nacl.pwhash.argon2id.str(password.encode(), opslimit=2, memlimit=65536).decode().rstrip("\0")
    name = f"u{uuid.uuid4().hex[:12]}"
    code, text, reply = ask(caller, "ImportUser", operator=True, handle=name, display_name=name,
                            email=f"{name}@example.invalid", password_hash=phc)
    assert code == OK, text
    assert hash_of(reply.user_id) == phc
    return reply.user_id, name, phc


@case
def a_login_makes_a_hash_of_another_cost_anew():
    with Caller(it, "importer") as caller:
        user, name, phc = imported(caller, "correct horse battery")
        assert login(caller, name, "correct horse batterx") == UNAUTHENTICATED
        assert hash_of(user) == phc
        before = events()
        assert login(caller, name, "correct horse battery") == OK
        new = hash_of(user)
        assert new.startswith(CHEAP) and new != phc, new
        assert events() == before + 1  # session.started: what is kept of a password is no event
        assert login(caller, name, "correct horse battery") == OK
        assert hash_of(user) == new
        assert login(caller, name, "correct horse batterx") == UNAUTHENTICATED


@case
def of_many_logins_while_the_hash_changes_all_get_in():
    count, rounds = 8, 5
    for _ in range(rounds):
        with Caller(it, "importer") as caller:
            user, name, _ = imported(caller, "correct horse battery")
        barrier = threading.Barrier(count)

        def one(_, barrier=barrier, name=name):
            with Caller(it) as caller:
                barrier.wait()
                return login(caller, name, "correct horse battery")
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            assert set(pool.map(one, range(count))) == {OK}
        with Caller(it) as caller:
            assert login(caller, name, "correct horse battery") == OK
        assert hash_of(user).startswith(CHEAP)


@case
def a_list_of_ones_own_becomes_a_filter_that_the_service_asks():
    words, filter_file = it.folder / "words", it.folder / "words.filter"
    words.write_text("our own company name\nshort\n")
    said = it.nova("passwords", str(words), str(filter_file), "--one-in", "1000").stdout
    assert "1 passwords in" in said and "1 lines skipped" in said, said
    it.nova("down")
    it.settings["NOVA_IDENTITY_LEAKED_PASSWORDS_FILE"] = str(filter_file)
    it.up()
    with Caller(it) as caller:
        code, text, *_ = register(caller, "our own company name")
        assert code == INVALID_ARGUMENT and text.startswith("PASSWORD_LEAKED: "), (code, text)
        code, text, *_ = register(caller, "another company's name")
        assert code == OK, text


@case
def a_filter_that_is_damaged_or_away_stops_the_start_and_is_named():
    good = it.settings["NOVA_IDENTITY_LEAKED_PASSWORDS_FILE"]
    damaged = it.folder / "damaged.filter"
    data = bytearray(pathlib.Path(good).read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    for path, why in ((damaged, "is damaged"), (it.folder / "away", "No such file")):
        it.settings["NOVA_IDENTITY_LEAKED_PASSWORDS_FILE"] = str(path)
        done = it.nova("run", "service", "identity", code=1)
        assert str(path) in done.stderr and why in done.stderr, done.stderr
    it.settings["NOVA_IDENTITY_LEAKED_PASSWORDS_FILE"] = good


@case
def the_tool_says_what_is_wrong_and_writes_nothing():
    empty, out = it.folder / "empty", it.folder / "out.filter"
    empty.write_text("short\n")
    for arguments, code, why in (
            ((str(empty), str(out)), 1, "no password of 8 to 1024 bytes"),
            ((str(it.folder / "away"), str(out)), 1, "cannot be read"),
            ((str(empty), "/nowhere/out"), 1, "cannot be written"),
            ((str(empty),), 2, "wants a LIST"),
            ((str(empty), str(out), "--one-in", "1"), 2, "from 2 to"),
            ((str(empty), str(out), "--one-in", "12x"), 2, "from 2 to"),
            ((str(empty), str(out), "--other"), 2, "not expected"),
            ((str(empty), str(out), "third"), 2, "not expected")):
        done = it.nova("passwords", *arguments, code=code)
        assert why in done.stderr, (arguments, done.stderr)
        assert not out.exists() and not list(it.folder.glob("*.part"))


if __name__ == "__main__":
    with it:
        it.up()
        sys.exit(main())
