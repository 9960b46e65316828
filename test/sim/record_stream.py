"""Seeded publishes, reads, kills and damage on a real nats-server's stream, and what it answered.

The stream is configured as bus/topology.c does, its durable as bus/reader.c, but for a short ack
wait. A history is a list of "question -> answer" (docs/simulation.md).
"""
import collections
import json
import os
import re
import shutil
import time

STREAM, DURABLE, SUBJECT = "NOVA_CONTENT", "reader", "nova.evt.content.post.created.00"
CONFIG = {"name": STREAM, "subjects": ["nova.evt.content.>"], "retention": "limits",
          "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
          "max_msgs_per_subject": -1, "max_msg_size": 1 << 20, "discard": "new", "storage": "file",
          "num_replicas": 1, "duplicate_window": 100_000_000, "deny_delete": True,
          "deny_purge": True, "allow_direct": True}
ACK_WAIT_S = 1.0
EXPIRY_S = 1.4  # by then it is over for all that was delivered
SURE_S = 0.5    # until then it is over for none
FETCH_S = 0.15
REST_S = 0.4
MESSAGES = 300  # the model ends at 480


class TooSlow(Exception):
    """What was delivered may have come again by itself: the history ends before this step."""


class Recorder:
    def __init__(self, server, chance, large):
        self.server, self.chance, self.large = server, chance, large
        self.steps, self.kinds = [], collections.Counter()
        self.events = self.last = self.delivered = self.floor = 0
        self.unread, self.replies = set(), {}
        self.trimmed = self.damaged = self.spoiled = False
        self.oldest = None  # when the oldest message was delivered that waits for its ack
        self.kills = self.expiries = self.inboxes = 0
        self.make()

    @property
    def client(self):
        return self.server.client

    def tell(self, asked, told):
        self.steps.append(f"{asked} -> {told}")
        self.kinds[f"{asked.split(' ')[0]} {told.split(' ')[0] if told[0].isalpha() else ''}"
                   .strip()] += 1

    def _api(self, verb, request=None):
        answer = self.client.api(verb, request)
        assert answer is not None, f"no answer to {verb}"
        return answer

    # ---- the stream

    def make(self):
        """A stream without a history; one that is there is deleted."""
        self.client.api(f"STREAM.DELETE.{STREAM}")
        assert "error" not in self._api(f"STREAM.CREATE.{STREAM}", CONFIG)
        self.last = 0
        self.unread.clear()
        self.trimmed = self.damaged = self.spoiled = False
        self._forget_durable()
        self.tell("make", "done")
        self.make_durable()

    def publish(self):
        self.events += 1
        drawn = self.chance.random()
        expected = None if drawn < 0.05 else self.last if drawn < 0.85 else max(
            0, self.last + self.chance.randint(-3, 3))
        size = 900_000 if self.large else self.chance.randint(0, 200)
        answer = self.client.request(
            SUBJECT, f"{self.events} ".encode() + b"x" * size,
            None if expected is None else {"Nats-Expected-Last-Sequence": expected})
        self.tell(f"publish event {self.events}" + ("" if expected is None else
                                                    f" expected {expected}"),
                  self._stored(json.loads(answer.data)))
        if self.spoiled:  # nothing can be relied on in there: a relay makes it again
            self.get(self.last)
            self.info()
            self.make()

    def _stored(self, answer):
        if "error" not in answer:
            self.last = answer["seq"]
            return f"stored as {self.last}"
        error = answer["error"]
        if error["err_code"] == 10071:  # "wrong last sequence: 6"
            return f"refused (last is {error['description'].rsplit(' ', 1)[1]})"
        assert error["err_code"] == 10077, error
        return {"maximum messages exceeded": "refused (full)",
                "malformed or corrupt message": "refused (corrupt)"}[error["description"]]

    def _state(self):
        state = self._api(f"STREAM.INFO.{STREAM}")["state"]
        if state["messages"] == 0:  # then the first one may be named or not
            state["first_seq"] = state["last_seq"] + 1
        return state

    def info(self, asked="info"):
        state = self._state()
        self.tell(asked, f"first {state['first_seq']} last {state['last_seq']} messages"
                  f" {state['messages']}" if state["last_seq"] else "empty")

    def _get(self, n):
        answer = self.client.request(f"$JS.API.DIRECT.GET.{STREAM}",
                                     json.dumps({"seq": n}).encode())
        assert answer is not None, f"no answer for message {n}"
        if answer.headers.get("Status") == "404":
            return None
        found = re.match(rb"(\d+) x*$", answer.data)
        return int(found.group(1)) if found else "garbage"

    def get(self, n=None):
        n = n or self.chance.randint(1, self.last + 2)
        event = self._get(n)
        self.tell(f"get {n}", "nothing" if event is None else
                  event if event == "garbage" else f"event {event}")

    def trim(self):
        """max_msgs by an administrator: older messages go, and nothing fits in any more."""
        keep = self.chance.randint(1, self.last)
        config = dict(CONFIG, max_msgs=keep)
        assert "error" not in self._api(f"STREAM.UPDATE.{STREAM}", config)
        self.trimmed = True
        self.info(f"trim {keep}")

    # ---- kills and damage

    def kill(self):
        if self.spoiled:  # a relay has seen it long before
            self.make()
        kinds = ["kill", "kill", "tail", "tail", "bit", "block", "all", "wipe"]
        # A smaller stream is made anew, and one that was trimmed shows its losses otherwise.
        kind = "kill" if self.trimmed or self.last < 4 else self.chance.choice(kinds)
        self.kills += 1
        if self.chance.random() < 0.5:
            time.sleep(self.chance.random() * 0.3)  # a durable is written now and then
        self.server.kill()
        if kind != "kill":
            getattr(self, f"_damage_{kind}")()
        self.server.start()
        if kind == "wipe":
            self.make()
            return
        self._tell_store("kill" if kind == "kill" else f"damage {kind}")
        self.info()
        self._durable_found()

    def _blocks(self):
        return self.server.blocks(STREAM)

    def _damage_tail(self):
        newest = self._blocks()[-1]
        size = newest.stat().st_size
        count = self.chance.randint(1, max(1, size * 2 // 3))
        with newest.open("r+b") as file:
            if self.chance.random() < 0.5:
                file.truncate(size - count)
            else:
                file.seek(size - count)
                file.write(bytes(count))

    def _damage_bit(self):
        block = self.chance.choice(self._blocks())
        with block.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            place = self.chance.randrange(size // 4, max(size * 3 // 4, size // 4 + 1))
            byte = os.pread(file.fileno(), 1, place)[0]
            os.pwrite(file.fileno(), bytes([byte ^ 1 << self.chance.randrange(8)]), place)

    def _damage_block(self):
        block = self.chance.choice(self._blocks())
        block.unlink()
        if self.chance.random() < 0.5:
            block.with_suffix(".idx").unlink(missing_ok=True)

    def _damage_all(self):
        shutil.rmtree(self.server.streams() / STREAM / "msgs")

    def _damage_wipe(self):
        shutil.rmtree(self.server.streams())

    def _tell_store(self, asked):
        """What is gone, and what is counted but cannot be read."""
        state, before = self._state(), self.last
        first, self.last = max(state["first_seq"], 1), state["last_seq"]
        first = min(first, self.last + 1)
        missing = {n for n in range(first, self.last + 1) if self._get(n) is None}
        counted = len(missing) - (self.last + 1 - first - state["messages"])
        known = self.unread & missing
        self.unread = missing if counted == len(missing) else known
        if len(known) < counted < len(missing):
            self.unread |= set(sorted(missing - known)[:counted - len(known)])
        cut = asked in ("damage tail", "damage bit") and self.last == 0 < before
        self.spoiled = self.last in missing or cut
        self.damaged |= first > 1 or bool(missing) or self.last < before
        self.tell(asked, " ".join(map(str, [
            "first", first if self.last else 0, "last", self.last, "lost",
            *sorted(missing - self.unread), "unread", *sorted(self.unread)])))

    # ---- the durable

    def _forget_durable(self):
        self.delivered = self.floor = 0
        self.replies.clear()
        self.oldest = None

    def make_durable(self):
        self.client.api(f"CONSUMER.DELETE.{STREAM}.{DURABLE}")
        start = self.chance.choice((1, self.chance.randint(1, self.last + 1), self.last + 3))
        place = {"deliver_policy": "all"} if start == 1 else {
            "deliver_policy": "by_start_sequence", "opt_start_seq": start}
        answer = self._api(f"CONSUMER.DURABLE.CREATE.{STREAM}.{DURABLE}", {
            "stream_name": STREAM, "config": dict(
                place, durable_name=DURABLE, ack_policy="all", replay_policy="instant",
                ack_wait=int(ACK_WAIT_S * 1e9), max_ack_pending=8000)})
        assert "error" not in answer, answer
        self._forget_durable()
        self.tell(f"durable {start}", "done")

    def rest(self):
        """At the end: everything that has not come yet must come now."""
        if not self.damaged and not self.trimmed:
            if self.oldest is not None:
                self.expire()
            self.fetch("rest", 2 * MESSAGES, REST_S)

    def fetch(self, asked="fetch", count=None, seconds=FETCH_S):
        self._be_sure()
        count = count or self.chance.randint(1, 8)
        self.inboxes += 1
        inbox = f"_INBOX.fetch.{self.inboxes}"
        sid = self.client.subscribe(inbox)
        begin = time.monotonic()
        # With no_wait, a server that counts messages as pending that are gone waits for ever.
        miscounts = self.damaged or self.trimmed
        end = {"expires": int(seconds * 1e9)} if miscounts or asked == "rest" else {"no_wait": True}
        self.client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{DURABLE}",
                            json.dumps({"batch": count, **end}).encode(), inbox)
        told = []
        while len(told) < count:
            message = self.client.next(sid, seconds + 1)
            if message is None:  # a request that expires between two deliveries ends in silence
                assert miscounts or asked == "rest", "a fetch without an end"
                raise TooSlow
            if "Status" in message.headers:
                assert message.headers["Status"] in ("404", "408"), message.headers
                break
            words = message.reply.split(".")  # $JS.ACK.stream.durable.times.n.delivery. ...
            told.append(f"{words[5]}/{words[6]}")
            self.replies[int(words[5])] = message.reply
        self.client.unsubscribe(sid)
        if told and self.oldest is None:
            self.oldest = begin
        self._check_time()
        self.tell(f"{asked} {count}", " ".join(told) or "nothing")

    def ack(self):
        n = self.chance.choice(sorted(self.replies))
        self._be_sure()
        if n not in self.replies:
            return
        reply = self.replies[n]
        self.client.request(reply, b"+ACK")  # is answered once it was taken
        for known in [known for known in self.replies if known <= n]:
            del self.replies[known]
        if self._durable()["num_ack_pending"] == 0:
            self.oldest = None
        self._check_time()
        self.tell(f"ack {n} delivery {reply.split('.')[6]}", "done")

    def _durable(self):
        return self._api(f"CONSUMER.INFO.{STREAM}.{DURABLE}")

    def state(self, asked="state"):
        self._be_sure()
        info = self._durable()
        self._check_time()
        self.tell(asked, f"delivered {info['delivered']['stream_seq']} floor"
                  f" {info['ack_floor']['stream_seq']} deliveries"
                  f" {info['delivered']['consumer_seq']}")
        return info

    def _durable_found(self):
        self.replies.clear()  # what is acknowledged later was delivered by this server
        self.oldest = None
        info = self.state("found")
        if info["num_ack_pending"] > 0:
            self.oldest = 0  # nobody knows when: it is over for them next
            self._be_sure()

    def _be_sure(self):
        """Either no ack wait is over, or all are."""
        if self.oldest is not None and time.monotonic() - self.oldest > SURE_S:
            self.expire()

    def _check_time(self):
        if self.oldest is not None and time.monotonic() - self.oldest > ACK_WAIT_S * 0.9:
            raise TooSlow

    def expire(self):
        self.expiries += 1
        time.sleep(EXPIRY_S)
        self.oldest = None
        self.tell("expire", "done")

    # ---- the history

    def step(self, kills, expiries):
        drawn = self.chance.random()
        if drawn < 0.015 and self.kills < kills:
            self.kill()
        elif drawn < 0.02 and self.expiries < expiries and self.replies:
            self.expire()
        elif drawn < 0.024 and self.last > 8:
            self.make()
        elif drawn < 0.027 and self.last > 8 and not self.damaged and not self.trimmed:
            self.trim()
        elif drawn < 0.04:
            self.make_durable()
        elif drawn < 0.1:
            self.info()
        elif drawn < 0.2:
            self.get()
        elif drawn < 0.3:
            self.state()
        elif drawn < 0.5:
            self.fetch()
        elif drawn < 0.58 and self.replies:
            self.ack()
        elif self.trimmed and drawn < 0.65:
            self.make()  # what a relay does about it
        elif self.last < (40 if self.large else MESSAGES):
            self.publish()


def record(server, chance, steps, kills, expiries, large):
    """(steps, counts by kind, whether the machine was too slow) of one history."""
    recorder = Recorder(server, chance, large)
    try:
        while len(recorder.steps) < steps:
            recorder.step(kills, expiries)
        recorder.rest()
    except TooSlow:
        return recorder.steps, recorder.kinds, True
    return recorder.steps, recorder.kinds, False
