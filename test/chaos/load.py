"""The load of the campaign, and its journal: what was sent, and what became of it.

    journal/sent.<writer>.log      "<command id> <service>.<Method>" before anything is sent
    journal/commands.<writer>.log  what `nova import --journal` writes, and our callers as well;
                                   "# run" where the same commands begin once more
    journal/raw.<writer>.log       "<event id> committed|rolled-back|unknown" of raw outbox writers
"""
import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
import uuid

import psycopg2

from appending import append
from caller import Caller
from instance import NOVA
from log_check import message_class

HOT_POSTS = 3
GIVE_UP_S, TIMEOUT_S = 20, 2
STATUS = {code: name for code, name in enumerate((
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"))}
# After these a command may have happened all the same.
OPEN = {"CANCELLED", "UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL",
        "UNAVAILABLE"}


def new_id(chance):
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


class Mixer:
    """The commands of a `nova sample`, and among them changes and deletions of what they made."""

    def __init__(self, chance, hot):
        self.chance, self.hot = chance, hot
        self.numbers = 0

    def _text(self):
        self.numbers += 1
        words = ["again", "changed", "#nova", "café", "number", str(self.numbers)]
        self.chance.shuffle(words)
        return " ".join(words)

    def _more(self, line):
        """What follows a command: (service, method, request, on whose behalf)."""
        request, author, roll = line["request"], line.get("on_behalf_of"), self.chance.random()
        method = line["method"]
        if method == "CreatePost" and roll < 0.15:
            yield ("content", "UpdatePost", {"post_id": request["post_id"], "title": self._text(),
                                             "text": self._text(), "tags": ["Chaos"]}, author)
        elif method == "CreatePost" and roll < 0.2:
            yield "content", "DeletePost", {"post_id": request["post_id"]}, author
        elif method == "CreateComment" and roll < 0.1:
            yield ("content", "UpdateComment", {"comment_id": request["comment_id"],
                                                "text": self._text()}, author)
        elif method == "CreateComment" and roll < 0.15:
            yield "content", "DeleteComment", {"comment_id": request["comment_id"]}, author
        elif method == "SendMessage" and roll < 0.15:
            yield ("communication", "EditMessage", {"message_id": request["message_id"],
                                                    "text": self._text()}, author)
        elif method == "SendMessage" and roll < 0.2:
            yield "communication", "DeleteMessage", {"message_id": request["message_id"]}, author
        elif method in ("ImportUser", "Register") and roll < 0.15:
            yield ("identity", "UpdateUser", {"user_id": request["user_id"],
                                              "display_name": self._text()}, request["user_id"])
        if self.chance.random() < 0.03:
            yield self.hot_update()

    def hot_update(self):
        post, author = self.chance.choice(self.hot)
        return ("content", "UpdatePost", {"post_id": post, "title": self._text(),
                                          "text": self._text()}, author)

    def lines(self, sample):
        users = []
        for text in sample:
            line = json.loads(text)
            yield line
            if line["method"] == "ImportUser":
                users.append(line["request"]["user_id"])
            more = list(self._more(line))
            if len(users) > 30 and self.chance.random() < 0.001:  # who is gone may have friends
                user = users.pop(self.chance.randrange(len(users)))
                more.append(("identity", "DeleteUser", {"user_id": user}, user))
            for service, method, request, author in more:
                yield {"service": service, "method": method, "request": request,
                       "command_id": new_id(self.chance), "occurred_at": line["occurred_at"],
                       "on_behalf_of": author}


class Importer(threading.Thread):
    """One `nova import` after the other; when one is killed its file begins again, or not."""

    def __init__(self, load, number, seed, users):
        super().__init__(daemon=True)
        self.load, self.number, self.users = load, number, users
        self.chance, self.making = random.Random(seed), random.Random(seed + 1)
        self.mixer = Mixer(self.making, load.hot)
        self.process = None

    def _file(self, place):
        return self.load.world.it.folder / f"import{self.number}-{place}.ndjson"

    def _make(self, place):
        seed = str(self.making.randrange(1 << 40))
        sample = self.load.world.it.nova("sample", "--users", str(self.users), "--seed", seed).stdout
        with self._file(place).open("w") as out, (
                self.load.journal / f"sent.import{self.number}-{place}.log").open("w") as sent:
            for line in self.mixer.lines(sample.splitlines()):
                out.write(json.dumps(line) + "\n")
                sent.write(f"{line['command_id']} {line['service']}.{line['method']}\n")

    def _import(self, file, place):
        journal = self.load.journal / f"commands.import{self.number}-{place}.log"
        with journal.open("a") as out:
            out.write("# run\n")
        with (self.load.world.it.folder / f"import{self.number}.log").open("a") as out:
            self.process = subprocess.Popen(
                [str(NOVA), "import", str(file), "--give-up", str(GIVE_UP_S), "--timeout",
                 str(TIMEOUT_S), "--journal", str(journal)], env=self.load.world.it.environment(), stdout=out, stderr=out)
            return self.process.wait()

    def run(self):
        place = 0
        self._make(place)
        while not self.load.ending.is_set():
            maker = threading.Thread(target=self._make, args=(place + 1,))
            maker.start()
            file = self._file(place)
            code = self._import(file, place)
            # Most of those that were killed begin again; so do some that were not.
            while not self.load.ending.is_set() and self.chance.random() < (
                    0.15 if code in (0, 1) else 0.8):
                code = self._import(file, place)
            file.unlink()
            maker.join()
            place += 1

    def pid(self):
        return self.process.pid if self.process and self.process.poll() is None else None


class HotWriter(threading.Thread):
    """Changes the hot posts, one command after the other; some unanswered ones are sent again."""

    def __init__(self, load, number, seed):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.chance = random.Random(seed)
        self.mixer = Mixer(self.chance, load.hot)
        self.caller = None

    def _ask(self, command_id, command):
        """(outcome, status); whatever breaks leaves it open."""
        service, method, request, author = command
        try:
            if self.caller is None:
                self.caller = Caller(self.load.world.it, seconds=4)
            data = message_class(self.caller.types[service, method][0])(
                **request).SerializeToString()
            code, _, _ = self.caller.ask(service, method, data, self.caller.headers(
                **{"Nova-Command-Id": command_id, "Nova-On-Behalf-Of": author}))
        except (OSError, AssertionError, ValueError, KeyError, IndexError):
            with contextlib.suppress(Exception):
                self.caller.close()
            self.caller = None
            return "unknown", "UNAVAILABLE"
        status = STATUS.get(code, "UNKNOWN")
        if code == 0:
            return "acknowledged", status
        return ("unknown" if status in OPEN else "refused"), status

    def run(self):
        with (self.load.journal / f"sent.hot{self.number}.log").open("a", 1) as sent, (
                self.load.journal / f"commands.hot{self.number}.log").open("a", 1) as told:
            while not self.load.ending.wait(0.05):
                command, command_id = self.mixer.hot_update(), new_id(self.chance)
                name = f"{command[0]}.{command[1]}"
                sent.write(f"{command_id} {name}\n")
                for attempt in range(1, 6):
                    outcome, status = self._ask(command_id, command)
                    told.write(f"{command_id} {outcome} {attempt} {status} {name}\n")
                    if outcome != "unknown" or self.chance.random() < 0.3:
                        break
                    self.load.ending.wait(0.3)


class RawWriter(threading.Thread):
    """Overlapping transactions past the services: holes, rollbacks, slow commits."""

    def __init__(self, load, number, seed):
        super().__init__(daemon=True)
        self.load, self.number = load, number
        self.chance = random.Random(seed)

    def _connect(self, service):
        it = self.load.world.it
        return psycopg2.connect(
            host="127.0.0.1", port=self.load.world.postgres_proxied, user=f"{service}_service",
            dbname="nova", password=it.password(f"{service}_service"), connect_timeout=3,
            options="-c statement_timeout=5000", tcp_user_timeout=8000)

    def _transaction(self, connection, service, note):
        ids, outcome = [], "rolled-back"
        try:
            with connection.cursor() as cursor:
                for _ in range(self.chance.randint(1, 5)):
                    ids.append(append(cursor, service, self.chance.randbytes(40)))
            if self.chance.random() < 0.3:
                self.load.ending.wait(self.chance.uniform(0, 0.08))
            if self.chance.random() < 0.3:
                connection.rollback()
            else:
                outcome = "unknown"  # until the server says that it is there
                connection.commit()
                outcome = "committed"
        finally:
            for each in ids:
                note.write(f"{each} {outcome}\n")

    def run(self):
        service = self.chance.choice(("identity", "content", "communication"))
        with (self.load.journal / f"raw.{self.number}.log").open("a", 1) as note:
            connection = None
            while not self.load.ending.wait(0.1):
                try:
                    connection = connection or self._connect(service)
                    self._transaction(connection, service, note)
                except psycopg2.Error:
                    with contextlib.suppress(Exception):
                        connection.close()
                    connection = None


class Load:
    """Everything that writes; `end` stops it and leaves the journal whole."""

    def __init__(self, world, seed, importers=3, users=1000):
        self.world, self.journal = world, world.journal
        self.ending = threading.Event()
        self.hot = self._make_hot_posts()
        chance = random.Random(seed)
        self.importers = [Importer(self, i, chance.getrandbits(64), users)
                          for i in range(importers)]
        self.writers = ([HotWriter(self, i, chance.getrandbits(64)) for i in range(2)] +
                        [RawWriter(self, i, chance.getrandbits(64)) for i in range(3)])

    def _make_hot_posts(self):
        hot, chance = [], random.Random(1)
        with Caller(self.world.it) as caller, (self.journal / "sent.first.log").open("w") as sent, (
                self.journal / "commands.first.log").open("w") as told:
            def command(service, method, author, **fields):
                command_id = new_id(chance)
                sent.write(f"{command_id} {service}.{method}\n")
                request, reply = caller.types[service, method]
                headers = {"Nova-Command-Id": command_id}
                if author:
                    headers["Nova-On-Behalf-Of"] = author
                code, text, data = caller.ask(
                    service, method, message_class(request)(**fields).SerializeToString(),
                    caller.headers(**headers))
                assert code == 0, text
                told.write(f"{command_id} acknowledged 1 OK {service}.{method}\n")
                return message_class(reply).FromString(data)
            for number in range(HOT_POSTS):
                author = command("identity", "ImportUser", None, handle=f"hot{number}",
                                 email=f"hot{number}@example.invalid", display_name="Hot").user_id
                post = command("content", "CreatePost", author, title="hot", text="#hot").post_id
                hot.append((post, author))
        return hot

    def start(self):
        for each in (*self.importers, *self.writers):
            each.start()

    def end(self):
        self.ending.set()
        time.sleep(0.2)
        for each in self.importers:
            with contextlib.suppress(OSError, TypeError):
                os.kill(each.pid(), signal.SIGTERM)
        for each in (*self.importers, *self.writers):
            each.join(120)
            assert not each.is_alive(), each
