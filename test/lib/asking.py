"""identity's methods, asked as nobody, as a user or as the operator, and what a good answer is."""
import uuid

from log_check import message_class


def ask(caller, method, command=None, bearer=None, operator=False, **fields):
    """(code, text, reply's message); as nobody, as who has that access token, or as the operator."""
    request, reply = caller.types["identity", method]
    headers = {"Nova-Command-Id": command or str(uuid.uuid4())}
    if bearer or operator:
        headers["Authorization"] = f"Bearer {bearer or caller.token()}"
    code, text, data = caller.ask("identity", method,
                                  message_class(request)(**fields).SerializeToString(), headers)
    return code, text, message_class(reply).FromString(data)


def good(caller, method, **more):
    code, text, reply = ask(caller, method, **more)
    assert code == 0, (method, code, text)
    return reply


def refused(answer, status, name):
    code, text, reply = answer
    assert code == status and text.startswith(f"{name}: "), (code, text)
    assert not reply.ListFields(), reply
