#!/usr/bin/env python3
"""`nova log witness`: what extends the last checkpoint is cosigned, what does not is refused and kept.

No server: the witness has files only, and runs where no operator of Nova can change its state.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import log_proof
from instance import BUILD, NOVA, case, main

SIZES, COMMON = 12, 5
FOLDER = tempfile.TemporaryDirectory(prefix="nova-witness.")
WORK = pathlib.Path(FOLDER.name)


def histories():
    """(log's key, [{old size: consistency proof to each size}] of both histories, forked at COMMON)"""
    lines = subprocess.run([str(BUILD / "test/check_proofs"), str(SIZES), str(COMMON)], text=True,
                           capture_output=True, check=True).stdout.splitlines()
    both, fork = [{}, {}], lines.index("fork")
    for place, line in enumerate(lines[2:], 2):
        if line.startswith("fork"):
            continue
        size, other, text = line.split(" ", 2)
        if '"consistency"' in text:
            both[place > fork][int(other), int(size)] = text
    return lines[0], both


LOG_KEY, (OURS, THEIRS) = histories()


def checkpoint(history, size):
    return json.loads(history[size, size])["checkpoint"]


def nova(*arguments):
    return subprocess.run([str(NOVA), "--home", str(WORK / "none"), "log", *map(str, arguments)],
                          text=True, capture_output=True, check=False, cwd=WORK)


class Witness:
    """A key, the state, and what is shown to them."""

    def __init__(self, name):
        self.state, self.key = WORK / f"{name}.state", WORK / f"{name}.key"
        made = nova("key", f"{name}.example/w", "-o", self.key)
        assert made.returncode == 0, made.stderr
        self.public = made.stdout
        (WORK / "log.pub").write_text(LOG_KEY + "\n")

    def show(self, note, proof=None, log_key="log.pub"):
        (WORK / "shown").write_text(note)
        options = ["--key", self.key, "--log-key", WORK / log_key, "--state", self.state]
        if proof is not None:
            (WORK / "proof").write_text(proof)
            options += ["--proof", WORK / "proof"]
        return nova("witness", *options, WORK / "shown")

    def cosigns(self, note, proof=None):
        done = self.show(note, proof)
        assert done.returncode == 0, done.stderr
        opened = log_proof.Checkpoint(done.stdout, log_proof.Key(LOG_KEY),
                                      [log_proof.Key(self.public)])
        assert opened.cosigned == 1  # by the independent verifier
        return done.stdout

    def refuses(self, why, note, proof=None):
        done = self.show(note, proof)
        assert done.returncode == 1 and done.stdout == "" and why in done.stderr, done
        return done.stderr

    def evidence(self):
        return sorted((each.read_text() for each in (self.state / "evidence").iterdir()))


@case
def a_checkpoint_that_extends_the_last_one_is_cosigned():
    witness = Witness("extends")
    witness.cosigns(checkpoint(OURS, 3))
    witness.refuses("give the proof of consistency", checkpoint(OURS, 7))
    witness.cosigns(checkpoint(OURS, 7), OURS[3, 7])
    witness.cosigns(checkpoint(OURS, 7))
    assert not witness.evidence()


@case
def a_cosigned_checkpoint_is_witnessed_and_one_without_is_shown_as_unwitnessed():
    witness = Witness("shown")
    (WORK / "witness.pub").write_text(witness.public)
    proof = json.loads(OURS[3, 7])
    for note, code, word in ((proof["checkpoint"], 1, "unwitnessed"),
                             (witness.cosigns(proof["checkpoint"]), 0, "witnessed by 1 of 1")):
        (WORK / "proof.json").write_text(json.dumps(dict(proof, checkpoint=note)))
        done = nova("check-proof", "proof.json", "--key", "log.pub", "--witness", "witness.pub")
        assert done.returncode == code and f"; {word}" in done.stdout, done


@case
def a_forked_log_of_the_same_size_is_refused_and_both_are_kept():
    witness = Witness("forked")
    witness.cosigns(checkpoint(OURS, 7))
    said = witness.refuses("forked, another root for the same size", checkpoint(THEIRS, 7))
    assert "nova/content/" in said and "7 events" in said
    assert witness.evidence() == sorted([checkpoint(OURS, 7), checkpoint(THEIRS, 7)])
    for note in witness.evidence():  # the log's own key convicts it
        log_proof.Checkpoint(note, log_proof.Key(LOG_KEY))
    witness.cosigns(checkpoint(OURS, 9), OURS[7, 9])  # the history that was seen goes on


@case
def a_forked_log_of_another_size_has_no_proof():
    witness = Witness("longer")
    witness.cosigns(checkpoint(OURS, 7))
    for proof in (THEIRS[7, 9], OURS[7, 9], THEIRS[COMMON, 9]):
        witness.refuses("does not show that it extends", checkpoint(THEIRS, 9), proof)
    assert len(witness.evidence()) == 2


@case
def what_two_histories_have_in_common_is_no_fork():
    witness = Witness("common")
    witness.cosigns(checkpoint(OURS, COMMON))
    witness.cosigns(checkpoint(THEIRS, COMMON))
    witness.cosigns(checkpoint(THEIRS, 9), THEIRS[COMMON, 9])
    witness.refuses("forked", checkpoint(OURS, 9))


@case
def a_rewound_checkpoint_is_refused_and_both_are_kept():
    witness = Witness("rewound")
    witness.cosigns(checkpoint(OURS, 9))
    witness.refuses("rewound, it had more", checkpoint(OURS, 8))
    assert witness.evidence() == sorted([checkpoint(OURS, 9), checkpoint(OURS, 8)])


@case
def what_the_logs_key_has_not_signed_is_not_looked_at():
    witness, other = Witness("unsigned"), histories()
    witness.cosigns(checkpoint(OURS, 7))
    witness.refuses("it is not signed by the key nova/content", checkpoint(other[1][0], 7))
    witness.refuses("the signature of nova/content is wrong",
                    checkpoint(OURS, 8).replace("\n8\n", "\n9\n"))
    assert not witness.evidence()


@case
def another_log_id_is_another_log():
    witness, other = Witness("ids"), histories()
    witness.cosigns(checkpoint(OURS, 9))
    (WORK / "other.pub").write_text(other[0] + "\n")
    assert witness.show(checkpoint(other[1][0], 2), log_key="other.pub").returncode == 0
    assert len(list(witness.state.glob("*.checkpoint"))) == 2


@case
def of_two_histories_shown_at_once_one_is_cosigned():
    witness = Witness("race")
    notes = {name: checkpoint(history, 9) for name, history in (("a", OURS), ("b", THEIRS))}
    codes = {}

    def show(name):
        (WORK / name).write_text(notes[name])
        codes[name] = nova("witness", "--key", witness.key, "--log-key", "log.pub", "--state",
                           witness.state, WORK / name).returncode
    threads = [threading.Thread(target=show, args=name) for name in notes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(codes.values()) == [0, 1], codes
    assert witness.evidence() == sorted(notes.values())


@case
def a_witness_whose_key_others_may_read_signs_nothing():
    witness = Witness("mode")
    witness.key.chmod(0o640)
    witness.refuses("chmod 600", checkpoint(OURS, 7))


@case
def a_key_is_never_overwritten_and_never_printed():
    witness = Witness("kept")
    secret = witness.key.read_text()
    assert (witness.key.stat().st_mode & 0o777) == 0o600
    assert secret.startswith("PRIVATE+KEY+") and "PRIVATE" not in witness.public
    again = nova("key", "kept.example/w", "-o", witness.key)
    assert again.returncode == 1 and "stays as it is" in again.stderr
    assert witness.key.read_text() == secret
    (WORK / "secret").write_text(secret)
    done = witness.show(checkpoint(OURS, 7), log_key="secret")
    assert done.returncode == 1 and "secret one" in done.stderr and secret.strip() not in done.stderr


@case
def a_state_that_cannot_be_read_or_written_cosigns_nothing():
    witness = Witness("state")
    witness.cosigns(checkpoint(OURS, 7))
    kept = next(witness.state.glob("*.checkpoint"))
    kept.write_text(kept.read_text().replace("\n7\n", "\n6\n"))
    witness.refuses(str(kept), checkpoint(OURS, 7))
    os.unlink(kept)
    kept.mkdir()  # a full or broken disk is one that cannot be written
    witness.refuses(kept.name, checkpoint(OURS, 7))


@case
def what_is_missing_is_said():
    witness = Witness("usage")
    for arguments, word in ((["witness"], "--key"), (["witness", "--key"], "--key wants a value"),
                            (["witness", "--what"], "'--what'"), (["key", "x"], "NAME -o FILE"),
                            (["witness", "a", "b"], "'b'")):
        done = nova(*arguments)
        assert done.returncode == 2 and word in done.stderr, done
    witness.key.unlink()
    witness.refuses("No such file", checkpoint(OURS, 7))


if __name__ == "__main__":
    with FOLDER:
        raise SystemExit(main())
