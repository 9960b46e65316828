#!/usr/bin/env python3
"""Proofs of audit/ before a verifier that shares no code with it (test/lib/log_proof.py), and both
before the same mutations; `nova log check-proof` offline, without home, database or bus."""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import log_proof
from instance import BUILD, NOVA, ROOT, case, main

SIZES = 24
MUTATIONS = 10_000
SEED = int(os.environ.get("NOVA_TEST_SEED", random.randrange(2**32)))

LINES = subprocess.run([str(BUILD / "test/check_proofs"), str(SIZES)], capture_output=True, text=True,
                       check=True).stdout.splitlines()
LOG_KEY, WITNESS_KEY = LINES[:2]
LOG, WITNESS = log_proof.Key(LOG_KEY), log_proof.Key(WITNESS_KEY)
PROOFS = [(int(size), int(other), text) for size, other, text in
          (line.split(" ", 2) for line in LINES[2:])]


def refused(text, log=LOG):
    try:
        log_proof.check(text, log, [WITNESS])
    except (log_proof.Refused, KeyError, ValueError, TypeError, AttributeError):
        return True
    return False


@case
def every_proof_of_every_size_passes_the_independent_verifier():
    for size, other, text in PROOFS:
        shown, of = log_proof.check(text, LOG, [WITNESS])
        assert (shown.size, shown.cosigned) == (size, 1)
        assert of["n"] == other + 1 if isinstance(of, dict) else of.size == other
    assert len(PROOFS) == SIZES * (SIZES + 1)


@case
def the_roots_are_those_of_the_recursive_definition():
    leaves = {other: log_proof.unbase64(json.loads(text)["leaf"]) for _, other, text in PROOFS
              if "leaf" in json.loads(text)}
    hashes = [log_proof.leaf_hash(leaves[index]) for index in range(SIZES)]
    for size, _, text in PROOFS:
        shown, _ = log_proof.check(text, LOG)
        assert shown.root == log_proof.root_of(hashes[:size])


@case
def the_golden_vectors_of_the_leaf_are_read():
    for vector in json.loads((ROOT / "test/vectors/leaf_v1.json").read_text()):
        leaf = bytes.fromhex(vector["leaf"])
        event = log_proof.read_leaf(leaf)
        assert (event["n"], event["log_id"], event["type"].decode(), event["recorded_at"]) == (
            vector["n"], vector["log_id"], vector["type"], vector["recorded_at_us"])
        assert log_proof.leaf_hash(leaf).hex() == vector["hash"]


@case
def the_probes_of_transparency_dev_are_answered_by_the_independent_verifier_too():
    probes = json.loads((ROOT / "test/vectors/merkle.json").read_text())
    b64 = log_proof.base64.b64decode
    for probe in probes["inclusion"]:
        index, size = int(probe["leafIdx"]), int(probe["treeSize"])
        path = [b64(each) for each in probe["proof"]]
        try:
            good = index < size and probe["leafHash"] and log_proof.path_to_root(
                index, size, b64(probe["leafHash"]), path) == b64(probe["root"])
        except log_proof.Refused:
            good = False
        assert bool(good) != probe["wantErr"], probe
    for probe in probes["consistency"]:
        old, size = int(probe["size1"]), int(probe["size2"])
        roots = b64(probe["root1"]), b64(probe["root2"])
        path = [b64(each) for each in probe["proof"]]
        try:
            good = 0 < old <= size and log_proof.roots_of_growth(old, size, path, roots[0]) == roots
        except log_proof.Refused:
            good = False
        assert good != probe["wantErr"], probe


@case
def of_ten_thousand_mutated_proofs_the_independent_verifier_accepts_none():
    print(f"# seed {SEED}")
    dice = random.Random(SEED)
    for _ in range(MUTATIONS):
        _, _, text = dice.choice(PROOFS)
        proof = json.loads(text)
        key = dice.choice([each for each in proof if proof[each]])
        value = proof[key]
        at = dice.randrange(len(value)) if isinstance(value, list) else None
        old = value[at] if at is not None else value
        place = dice.randrange(len(old))
        if key.endswith("checkpoint"):  # a cosignature that names nobody known is not looked at
            place = dice.randrange(old.index("— witness"))
        new = old[:place] + dice.choice([each for each in "ABCabc019+/= -\n" if each != old[place]])
        new += old[place + 1:]
        if at is None:
            proof[key] = new
        else:
            value[at] = new
        assert refused(json.dumps(proof)), f"seed {SEED}: {key} {place}: {json.dumps(proof)}"


@case
def a_proof_before_another_logs_key_is_refused():
    other = subprocess.run([str(BUILD / "test/check_proofs"), "1"], capture_output=True, text=True,
                           check=True).stdout.splitlines()
    assert refused(PROOFS[0][2], log_proof.Key(other[0]))


def check_proof(text, *keys, options=()):
    """(exit code, output) of `nova log check-proof`, in an empty home, with no server anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "proof.json").write_text(text)
        arguments = []
        for place, (option, key) in enumerate(keys):
            (work / f"key{place}").write_text(key + "\n")
            arguments += [option, str(work / f"key{place}")]
        done = subprocess.run([str(NOVA), "--home", str(work / "home"), "log", "check-proof",
                               str(work / "proof.json"), *arguments, *options], text=True,
                              capture_output=True, check=False, cwd=folder)
        return done.returncode, done.stdout + done.stderr


@case
def check_proof_says_what_is_proven_offline():
    inclusion, consistency = PROOFS[-2][2], PROOFS[-3][2]
    code, said = check_proof(inclusion, ("--key", LOG_KEY), ("--witness", WITNESS_KEY))
    assert code == 0 and f"event {SIZES} of {SIZES}" in said and "witnessed" in said, said
    code, said = check_proof(consistency, ("--key", LOG_KEY))
    assert code == 0 and "extends" in said and "unwitnessed" in said, said


@case
def check_proof_without_the_required_cosignatures_says_unwitnessed():
    code, said = check_proof(PROOFS[-2][2], ("--key", LOG_KEY), ("--witness", WITNESS_KEY),
                             options=("--required", "2"))
    assert code == 2 and "--required" in said, said  # more than there are witnesses: a mistake
    note = json.loads(PROOFS[-2][2])
    note["checkpoint"] = note["checkpoint"][:note["checkpoint"].index("— witness")]
    code, said = check_proof(json.dumps(note), ("--key", LOG_KEY), ("--witness", WITNESS_KEY))
    assert code == 1 and "unwitnessed" in said, said


@case
def check_proof_refuses_what_is_forged_or_anothers():
    proof = json.loads(PROOFS[-2][2])
    proof["hashes"][0] = proof["hashes"][1]
    code, said = check_proof(json.dumps(proof), ("--key", LOG_KEY))
    assert code == 1 and "does not hold this event" in said, said
    code, said = check_proof(PROOFS[-2][2], ("--key", WITNESS_KEY))
    assert code == 1 and "witness's key" in said, said
    code, said = check_proof("{}", ("--key", LOG_KEY))
    assert code == 1 and "it is no proof" in said, said
    code, said = check_proof("{}", ("--key", "nonsense"))
    assert code == 1 and "verifier key" in said, said
    code, said = check_proof("{}")
    assert code == 2 and "--key" in said, said


if __name__ == "__main__":
    raise SystemExit(main())
