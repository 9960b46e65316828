#!/usr/bin/env python3
"""libFuzzer over everything that reads what comes from outside, with sanitizers.

Each fuzzer starts from seeds made here of real data and from test/fuzz/corpus/<subject>/, which keeps
what was once found. A fixed number of runs from a fixed seed, so that a run can be repeated;
NOVA_FUZZ_RUNS and NOVA_FUZZ_SEED ask for more and others.
"""
import base64
import hmac
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from caller import methods
from instance import BUILD, NOVA, ROOT
from log_check import message_class

RUNS = int(os.environ.get("NOVA_FUZZ_RUNS", 150_000))
SEED = int(os.environ.get("NOVA_FUZZ_SEED", 1))
BYTES_MAX = 4096
FOLDER = BUILD / "test/fuzz"


def filled(message):
    """Every field of a request with something in it."""
    for field in message.DESCRIPTOR.fields:
        value = {field.CPPTYPE_STRING: "text", field.CPPTYPE_INT64: 7, field.CPPTYPE_UINT32: 3,
                 field.CPPTYPE_INT32: 3, field.CPPTYPE_UINT64: 7, field.CPPTYPE_BOOL: True,
                 field.CPPTYPE_DOUBLE: 0.5}.get(field.cpp_type)
        if field.cpp_type == field.CPPTYPE_STRING and field.type == field.TYPE_BYTES:
            value = bytes(16)
        elif field.name.endswith(("_id", "_ids")):
            value = str(uuid.UUID(int=5))
        if field.cpp_type == field.CPPTYPE_MESSAGE:
            if field.label != field.LABEL_REPEATED:
                getattr(message, field.name).SetInParent()
                filled(getattr(message, field.name))
        elif field.label == field.LABEL_REPEATED:
            getattr(message, field.name).extend([value, value])
        elif value is not None:
            setattr(message, field.name, value)
    return message


def seeds_of_check():
    for place, (_, _, request, _) in enumerate(methods()):
        yield bytes([place]) + filled(message_class(request)()).SerializeToString()


def seeds_of_cloudevents():
    event = message_class("io.cloudevents.v1.CloudEvent")(
        id=str(uuid.UUID(int=1)), source="/nova/identity", spec_version="1.0", type="user.created",
        binary_data=b"payload")
    for name in ("subject", "logid", "commandid", "correlationid", "causationid"):
        event.attributes[name].ce_string = str(uuid.UUID(int=2))
    for name in ("sequence", "position", "aggregateversion", "commandindex"):
        event.attributes[name].ce_string = "1"
    event.attributes["aggregatetype"].ce_string = "user"
    event.attributes["actor"].ce_string = "test"
    event.attributes["commanddigest"].ce_bytes = bytes(32)
    for name in ("time", "recordedtime"):
        event.attributes[name].ce_timestamp.seconds = 1700000000
    yield event.SerializeToString(deterministic=True)


def seeds_of_import_line():
    sample = subprocess.run([str(NOVA), "sample", "--users", "30"], capture_output=True, check=True,
                            env=dict(os.environ, NOVA_ROOT=str(ROOT)))
    yield from {json.loads(line)["method"]: line for line in sample.stdout.splitlines()}.values()


def seeds_of_jwt():
    yield b"eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJpZGVudGl0eSIsInN1YiI6InUi" \
          b"LCJhdWQiOiJub3ZhIiwiaWF0Ijo5MDAsImV4cCI6MjAwMH0." + b"A" * 86


NEUMANN = ("If you think cryptography is the answer to your problem,\n"
           "then you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBti"
           "FupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n")


def seeds_of_note():
    yield NEUMANN.encode()
    yield b"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n"
    yield b"PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"


def seeds_of_proof():
    root = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="
    leaves = json.loads((ROOT / "test/vectors/leaf_v1.json").read_text())
    yield f"PeterNeumann/{uuid.UUID(int=5)}\n5\n{root}\n".encode()
    for leaf in (bytes.fromhex(each["leaf"]) for each in leaves):
        yield leaf
        yield json.dumps({"format": "nova-log-proof/v1", "kind": "inclusion", "hashes": [root],
                          "leaf": base64.b64encode(leaf).decode(), "checkpoint": NEUMANN}).encode()
    yield json.dumps({"format": "nova-log-proof/v1", "kind": "consistency", "hashes": [root],
                      "old_checkpoint": NEUMANN, "checkpoint": NEUMANN}).encode()


def seeds_of_password():
    with tempfile.TemporaryDirectory() as work:
        words, made = pathlib.Path(work) / "words", pathlib.Path(work) / "filter"
        words.write_text("one password\n")
        subprocess.run([str(NOVA), "passwords", str(words), str(made), "--one-in", "8"], check=True,
                       capture_output=True, env=dict(os.environ, NOVA_ROOT=str(ROOT)))
        yield made.read_bytes()
    yield "caf\u00e9 noir \ufdfa".encode()


def seeds_of_refresh_token():
    head = b"\1" + uuid.UUID(int=5).bytes + (7).to_bytes(8, "big")
    for key in (b"\7" + bytes(31), b"x"):  # the fuzzer's, and another's
        yield base64.urlsafe_b64encode(head + hmac.digest(key, b"nova refresh token\0" + head, "sha256"))


def seeds_of_settings():
    yield (ROOT / "docs/nova.yaml").read_bytes()


def run(name, seeds):
    with tempfile.TemporaryDirectory(prefix="nova-fuzz.") as work:
        corpus = pathlib.Path(work) / "corpus"
        corpus.mkdir()
        for place, seed in enumerate(seeds()):
            (corpus / f"seed{place}").write_bytes(seed)
        kept = ROOT / "test/fuzz/corpus" / name
        done = subprocess.run(
            [str(FOLDER / f"fuzz_{name}"), f"-runs={RUNS}", f"-seed={SEED}", f"-max_len={BYTES_MAX}",
             "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={work}/", str(corpus),
             *([str(kept)] if kept.is_dir() else [])],
            capture_output=True, text=True, check=False, errors="replace")
        found = [each for each in pathlib.Path(work).iterdir() if each.is_file()]
        lines = done.stderr.splitlines()
        last = next((line for line in reversed(lines) if " cov: " in line), "")
        print(f"# {name}: {' '.join(last.split()[:8])}")
        for each in found:
            print(f"# {each.name}: {each.read_bytes()[:500]!r}")
        if done.returncode != 0:
            print("\n".join(f"# {line}" for line in lines[-40:]))
        return done.returncode == 0


if __name__ == "__main__":
    FUZZERS = {"check": seeds_of_check, "cloudevents": seeds_of_cloudevents,
               "import_line": seeds_of_import_line, "jwt": seeds_of_jwt, "note": seeds_of_note,
               "password": seeds_of_password, "proof": seeds_of_proof,
               "refresh_token": seeds_of_refresh_token, "settings": seeds_of_settings}
    SOURCES = {each.stem[5:] for each in (ROOT / "test/fuzz").glob("fuzz_*.c")}
    assert SOURCES == set(FUZZERS), SOURCES ^ set(FUZZERS)
    FAILED = 0
    for number, (subject, made) in enumerate(FUZZERS.items(), 1):
        good = run(subject, made)
        FAILED += not good
        print(f"{'ok' if good else 'not ok'} {number} - fuzz_{subject}", flush=True)
    raise SystemExit(1 if FAILED else 0)
