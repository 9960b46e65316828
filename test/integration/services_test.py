#!/usr/bin/env python3
"""The services on real servers: starts a Nova and runs the cases of check_services.c,
check_runtime.c and check_together.c on it."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from instance import BUILD, Instance

if __name__ == "__main__":
    with Instance() as it:
        it.up()
        raise SystemExit(sum(subprocess.run([str(BUILD / "test" / check)], env=it.environment(),
                                            check=False).returncode
                             for check in ("check_services", "check_runtime",
                                           "check_together")))
