"""PostgreSQL put back to an older copy, while the streams go on from where they are."""
import os
import pathlib
import shutil
import subprocess

from instance import wait_for


def data(it):
    return pathlib.Path(os.path.realpath(it.home / "pg"))


def copy(it):
    """A copy of the data at rest, with everything stopped for it."""
    wait_for("everything to be at rest", it.is_caught_up)
    it.nova("down")
    older = data(it).parent / "older"
    subprocess.run(["cp", "-a", str(data(it)), str(older)], check=True)
    it.up()
    return older


def put_back(it, older):
    it.nova("down")
    shutil.rmtree(data(it))
    older.rename(data(it))
    return it.up(code=None)  # which fails when a relay stops for it


def restored(it, work):
    """What happens between the copy and its restore is known to the stream only."""
    older = copy(it)
    work()
    wait_for("everything to be at rest", it.is_caught_up)
    return put_back(it, older)
