"""Peers' programs: npm puts what they need into a folder of the bench's own, at the versions of
bench/peers/package-lock.json.
"""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

from measure import BenchError

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ROOT / "bench/peers"
FOLDER = ROOT / "build/peers"  # a program finds its packages beside itself, so it lies there as well
PACKAGES = FOLDER / "node_modules"


def version(package):
    """The one that is asked for, exactly."""
    return json.loads((SOURCES / "package.json").read_text())["dependencies"][package]


def _copy():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in SOURCES.iterdir():
        if path.suffix in (".json", ".mjs"):
            shutil.copy(path, FOLDER)


def _is_installed(digest):
    done = PACKAGES / ".of-lock"
    return done.exists() and done.read_text() == digest


def _first_errors(said):
    """Before the stack and the advice that npm prints behind them."""
    lines = re.findall(r"^npm (?:error|ERR!) (.+)", said, re.M)
    return "; ".join(lines[:4]) or said.strip()[-300:]


def install():
    """Once for each lock file; later runs need no registry. Nothing of a package is run for it."""
    digest = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()
    _copy()
    if _is_installed(digest):
        return
    if not shutil.which("npm"):
        raise BenchError("--peers wants Node with npm: the Debian packages nodejs and npm")
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER,
                          text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise BenchError(f"npm could not install the peers ({_first_errors(done.stderr)}): is its"
                         " registry reached (npm ping)?")
    (PACKAGES / ".of-lock").write_text(digest)


def node(script, *words):
    """The command of one of bench/peers' programs."""
    return ["node", str(FOLDER / script), *map(str, words)]
