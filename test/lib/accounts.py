"""nats-server's accounts and permissions changed while it runs, and put back."""
import contextlib
import os
import signal

from instance import wait_for


def _reload(it, text):
    before = it.log("nats-server").count("Reloaded server configuration")
    (it.home / "nats/accounts.conf").write_text(text)
    os.kill(it.state("nats-server")["pid"], signal.SIGHUP)
    wait_for("nats-server to take the new permissions", lambda: it.log("nats-server").count(
        "Reloaded server configuration") > before)


@contextlib.contextmanager
def changed_accounts(it, old, new):
    """Who asks for something just when it reloads may get no answer: nobody asks meanwhile."""
    good = (it.home / "nats/accounts.conf").read_text()
    assert old in good, old
    _reload(it, good.replace(old, new))
    try:
        yield
    finally:
        _reload(it, good)
