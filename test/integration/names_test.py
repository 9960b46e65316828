#!/usr/bin/env python3
"""Names on a real Nova: unique in whatever letters, none that is reserved or looks so, and no other
every minute. Display names are whatever people call themselves."""
import concurrent.futures
import pathlib
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "datasets"))
from caller import Caller
from instance import ROOT, Instance, case, main
from log_check import message_class
import commands
import stackexchange

DATA = ROOT.parent / "shared/data"
RESERVED = DATA / "reserved-usernames/reserved-usernames.txt"
USERS = DATA / "stackexchange-quantumcomputing-2018/Users.xml"
OK, INVALID_ARGUMENT, ALREADY_EXISTS, FAILED_PRECONDITION = 0, 3, 6, 9
PASSWORD = "correct horse battery"
it = Instance(settings={"NOVA_IDENTITY_ARGON2_MEMORY_KIB": "8", "NOVA_IDENTITY_ARGON2_PASSES": "1"})


def ask(caller, method, **fields):
    headers = {"Nova-Command-Id": str(uuid.uuid4())}
    data = message_class(f"nova.identity.v2.{method}Request")(**fields).SerializeToString()
    code, text, reply = caller.ask("identity", method, data, headers)
    return code, text, message_class(f"nova.identity.v2.{method}Reply").FromString(reply)


def register(caller, handle, display_name="Somebody"):
    return ask(caller, "Register", handle=handle, display_name=display_name, password=PASSWORD,
               email=f"{uuid.uuid4().hex}@example.invalid")


def events():
    return it.sql("select count(*) from identity.outbox")[0][0]


@case
def every_reserved_name_is_refused_in_each_way_of_writing_it():
    if not RESERVED.exists():
        return f"no {RESERVED}"
    names = RESERVED.read_text().split()
    assert len(names) > 500
    before = events()
    with Caller(it) as caller:
        for name in names:
            for written in {name, name.upper(), f"{name}_", "-".join(name),
                            name.replace("o", "0").replace("i", "1").replace("m", "rn")}:
                code, text, _ = register(caller, written)
                why = "HANDLE_INVALID: " if len(written) < 2 else "HANDLE_RESERVED: "
                assert code == INVALID_ARGUMENT and text.startswith(why), (written, code, text)
    assert events() == before
    return None


@case
def display_names_of_stack_exchange_go_in_and_the_handles_made_of_them_are_unique():
    if not USERS.exists():
        return f"no {USERS}"
    rows = [(row["Id"], row["DisplayName"]) for row in stackexchange.rows(USERS)]
    names = [name for _, name in rows]
    assert len(names) == 3461 and sum(" " in name for name in names) == 1462
    assert sum(not name.isascii() for name in names) == 85

    def some(place):
        with Caller(it, seconds=60) as caller:
            return [(name, *register(caller, commands.handle_of(name, f"-{number}"), name))
                    for number, name in rows[place::4]]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = [each for part in pool.map(some, range(4)) for each in part]
    assert {code for _, code, *_ in made} == {OK}, next(each for each in made if each[1] != OK)
    handles = set()
    with Caller(it) as caller:
        for place in range(0, len(made), 500):
            chunk = {reply.user_id: name for name, _, _, reply in made[place:place + 500]}
            users = caller.call("identity", "GetUsers", user_ids=list(chunk)).users
            assert {each.user_id: each.display_name for each in users} == chunk
            handles |= {each.handle.lower() for each in users}
        number, name = rows[7]
        code, text, _ = register(caller, commands.handle_of(name, f"-{number}").upper(), name)
        assert (code, text.split(":")[0]) == (ALREADY_EXISTS, "HANDLE_TAKEN"), (code, text)
    assert len(handles) == 3461
    return None


@case
def a_handle_is_changed_once_and_then_not_for_days():
    with Caller(it) as caller:
        first, second, third = (f"n{uuid.uuid4().hex[:12]}" for _ in range(3))
        user = register(caller, first)[2].user_id
        token = ask(caller, "Login", login=first, password=PASSWORD)[2].access_token
    with Caller(it, token=token) as own:
        def change(**fields):
            data = message_class("nova.identity.v2.UpdateUserRequest")(
                user_id=user, **fields).SerializeToString()
            code, text, _ = own.ask("identity", "UpdateUser", data)
            return code, text.split(":")[0]
        assert change(handle=second) == (OK, "")
        assert change(handle=third) == (FAILED_PRECONDITION, "HANDLE_CHANGED_LATELY")
        assert change(handle=second.upper()) == (OK, "")  # the same one, in other letters
        assert change(display_name="Another") == (OK, "")
        assert change(handle="adm1n") == (INVALID_ARGUMENT, "HANDLE_RESERVED")
    it.nova("down")
    it.settings["NOVA_IDENTITY_HANDLE_CHANGE_DAYS"] = "0"
    it.up()
    with Caller(it, token=token) as own:
        data = message_class("nova.identity.v2.UpdateUserRequest")(
            user_id=user, handle=third).SerializeToString()
        code, text, _ = own.ask("identity", "UpdateUser", data)
        assert code == OK, text


if __name__ == "__main__":
    with it:
        it.up()
        sys.exit(main())
