"""What the tests of recoveries share: commands, and what `relay status` says."""
import json
import subprocess

from instance import NOVA, wait_for
from log_check import assert_streams_equal_outboxes

PASSWORD = "correct horse battery"


def register(it, handle):
    return json.loads(it.nova("call", "identity", "Register", json.dumps(
        {"handle": handle, "email": f"{handle}@example.invalid", "display_name": handle,
         "password": PASSWORD})).stdout)["userId"]


def post(it, author, text="a post", code=0):
    return it.nova("call", "content", "CreatePost", json.dumps({"text": text}), "--as", author,
                   code=code)


def login(it, handle, code=0):
    return it.nova("call", "identity", "Login",
                   json.dumps({"login": handle, "password": PASSWORD}), code=code)


def refreshed(it, token):
    """The next refresh token."""
    return json.loads(it.nova("call", "identity", "RefreshToken", json.dumps(
        {"refreshToken": token})).stdout)["refreshToken"]


def relay(it, service):
    return json.loads(it.nova("relay", "status", service, "--json").stdout)[0]


def wait_for_phase(it, service, phase):
    return wait_for(f"{service}'s relay to be {phase}",
                    lambda: relay(it, service)["phase"] == phase)


def rows(it, service):
    return it.sql(f"select position, event_id::text, log_id::text from {service}.outbox order by 1")


def whole(it):
    wait_for("every read model", it.is_caught_up)
    return assert_streams_equal_outboxes(it)


def recover(it, *arguments, code=0):
    done = it.nova("relay", "recover", *arguments, code=code)
    return done.stdout + done.stderr


def killed_when(it, arguments, condition):
    """Runs a recovery and kills it once the condition holds. False: it had ended before."""
    with subprocess.Popen([str(NOVA), "relay", "recover", *arguments], env=it.environment(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for("the moment to kill it", lambda: condition() or process.poll() is not None)
        killed = process.poll() is None
        process.kill()
    return killed
