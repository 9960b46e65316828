#!/usr/bin/env python3
"""The borders: what communication's, the auditor's and the operator's credentials are refused.

What a user may do is read from the generated accounts.conf; everything else that a curious or
hostile process would try must be refused by nats-server, and leave nothing behind. The same for
PostgreSQL, whose tables, sequences and functions are read from its catalogue.
"""
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from instance import BUILD, ROOT, Instance, case, main, wait_for
from log_check import SERVICES, assert_streams_equal_outboxes, contracts
from nats import Nats

USERS = ["communication_service", "communication_message_sender_cache",
         "communication_conversation_view", "communication_forget"]
RELAY = "communication_relay"
WATCHING = ["auditor", "operator"]
REVOKED = "session.revoked.*"
it = Instance(settings={"NOVA_RELAY_CHECK_MS": "1000"})
attempts = {"publish": 0, "subscribe": 0, "injection": 0}


def permissions(user):
    """(publish, subscribe) as accounts.conf allows them, with the server's wildcards."""
    text = (it.home / "nats/accounts.conf").read_text()
    line = text.split(f"# {user}\n")[1].splitlines()[0]
    return [re.findall(r'"([^"]*)"', re.search(rf"{kind}: {{allow: \[([^]]*)\]", line).group(1))
            for kind in ("publish", "subscribe")]


def matches(pattern, subject):
    parts, words = pattern.split("."), subject.split(".")
    for place, part in enumerate(parts):
        if part == ">":
            return len(words) > place
        if place >= len(words) or part not in ("*", words[place]):
            return False
    return len(parts) == len(words)


def durables():
    return [re.search(r"INFO\.(NOVA_\w+)\.([\w-]+)", each).groups() for each in
            (it.home / "nats/accounts.conf").read_text().split("\n") if
            re.search(r'service: "\$JS\.API\.CONSUMER\.INFO\.NOVA_\w+\.\w', each)]


def verifiers():
    """The durables that are pushed to services: exported with their filter."""
    return re.findall(r'service: "\$JS\.API\.CONSUMER\.CREATE\.NOVA_IDENTITY\.([\w-]+)\.nova\.evt',
                      (it.home / "nats/accounts.conf").read_text())


def api_subjects():
    """Every request of JetStream's API on a stream, its messages and its consumers."""
    yield from ("INFO", "STREAM.NAMES", "STREAM.LIST", "ACCOUNT.PURGE.BUS", "SERVER.REMOVE",
                "META.LEADER.STEPDOWN", "STREAM.TEMPLATE.NAMES", "ACCOUNT.STREAM.MOVE.BUS.x")
    for service in (*SERVICES, "audit"):
        stream = f"NOVA_{service.upper()}"
        for verb in ("INFO", "CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "MSG.GET",
                     "MSG.DELETE", "LEADER.STEPDOWN", "PEER.REMOVE"):
            yield f"STREAM.{verb}.{stream}"
        yield f"DIRECT.GET.{stream}"
        yield f"DIRECT.GET.{stream}.nova.evt.{service}.user.created.07"
        for verb in ("CREATE", "NAMES", "LIST"):
            yield f"CONSUMER.{verb}.{stream}"
        yield f"CONSUMER.CREATE.{stream}.spy"
        yield f"CONSUMER.CREATE.{stream}.spy.nova.evt.{service}.>"
        yield f"CONSUMER.DURABLE.CREATE.{stream}.spy"
    for stream, name in durables():
        for verb in ("CREATE", "DURABLE.CREATE", "INFO", "DELETE", "MSG.NEXT", "LEADER.STEPDOWN"):
            yield f"CONSUMER.{verb}.{stream}.{name}"
    assert len(verifiers()) == 4, verifiers()
    for name in verifiers():
        for verb in ("CREATE", "DURABLE.CREATE", "INFO", "DELETE", "MSG.NEXT"):
            yield f"CONSUMER.{verb}.NOVA_IDENTITY.{name}"
        for what in (">", "user.>", "session.>", "session.started.*", REVOKED):
            yield f"CONSUMER.CREATE.NOVA_IDENTITY.{name}.nova.evt.identity.{what}"


def publish_subjects():
    for service in SERVICES:
        yield f"nova.audit.checkpoint.{service}"
        for kind in ("user.created", "post.created", "message.sent"):
            yield f"nova.evt.{service}.{kind}.07"
        yield f"nova.bell.{service}"
    for verb in api_subjects():
        yield f"$JS.API.{verb}"
        yield f"JS.BUS.API.{verb}"
    for stream, name in durables():
        yield f"$JS.ACK.{stream}.{name}.1.1.1.1.0"
        yield f"$JS.FC.{stream}.{name}.x"
    for file in contracts()[1].file:
        for service in file.service:
            for method in service.method:
                yield f"nova.rpc.{file.package.split('.')[1]}.v2.{method.name}"
    yield from ("nova.rpc.identity.v2.Unknown", "nova.rpc.identity.v1.Register", "$SRV.PING",
                "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.BUS.CONNZ", "_INBOX.importer.x",
                "_INBOX.identity_service.x", "_INBOX.operator.x", "_R_.x", "nova", ">", "*")


def subscribe_subjects():
    yield from (">", "*", "_INBOX.>", "_INBOX.*.>", "_R_.>", "$JS.>", "$JS.API.>", "$JS.EVENT.>",
                "$SYS.>", "$SRV.>", "nova.>", "nova.*.>", "nova.evt.>", "nova.bell.>", "nova.rpc.>",
                "JS.BUS.API.>")
    for service in SERVICES + ("search",):
        yield f"nova.evt.{service}.>"
        yield f"nova.bell.{service}"
        yield f"nova.audit.checkpoint.{service}"
        yield f"nova.revoked.{service}.*"
        for queue in ("", service, "communication", "spy"):
            yield f"nova.rpc.{service}.v2.> {queue}".strip()
            yield f"nova.rpc.{service}.> {queue}".strip()
            yield f"nova.rpc.{service}.v2.GetUsers {queue}".strip()
        if service != "communication":
            yield f"$SRV.PING.{service}"
    for user in re.findall(r"# (\w+)\n", (it.home / "nats/accounts.conf").read_text()):
        yield f"_INBOX.{user}.>"
        yield f"_INBOX.{user}.*"


def may_subscribe(allowed, wanted):
    subject, _, queue = wanted.partition(" ")
    for each in allowed:
        pattern, _, its_queue = each.partition(" ")
        if matches(pattern, subject) and (not its_queue or its_queue == queue):
            return True
    return False


def state():
    """What must not change: streams, outboxes, the durables of others."""
    with Nats(it, "provisioner") as admin:
        streams = {}
        for service in SERVICES:
            info = admin.api(f"STREAM.INFO.NOVA_{service.upper()}")
            found = admin.api(f"CONSUMER.LIST.NOVA_{service.upper()}")["consumers"]
            # One that is just going is told of without what it is.
            names = [each["name"] for each in found if "durable_name" in (each["config"] or {})]
            streams[service] = (info["config"], info["created"], info["state"]["messages"],
                                info["state"]["last_seq"], sorted(names))
        every = sorted(admin.api("STREAM.NAMES")["streams"])
    rows = [it.sql(f"select count(*), max(position) from {each}.outbox") for each in SERVICES]
    return streams, every, rows


def durables_there(of_state):
    return {service: stream[-1] for service, stream in of_state[0].items()}


def refused(client, kind, subject):
    """Nothing but this subject's own violation counts."""
    told = f"permissions violation for {kind} to \"{subject.split(' ')[0].lower()}\""
    return any(error.strip("'").lower().startswith(told) for error in client.errors)


@case
def every_connection_is_let_in():
    done = subprocess.run([str(BUILD / "test/check_bus")], env=it.environment(),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


# What communication needs, written a second time: a wider permission is a finding, not a given.
NEEDED = {
    "communication_service": r"nova\.rpc\.identity\.v2\.(GetJwks|GetUsers|GetPersonKeys)|"
                             r"nova\.bell\.communication|JS\.BUS\.API\.CONSUMER\.(DELETE\."
                             r"NOVA_IDENTITY\.communication-verifier|CREATE\.NOVA_IDENTITY\."
                             r"communication-verifier\.nova\.evt\.identity\.session\.revoked\.\*)",
    "auditor": r"JS\.BUS\.API\.(STREAM\.(INFO|MSG\.GET)|DIRECT\.GET)\.NOVA_[A-Z]+(\.>)?",
    "operator": r"JS\.BUS\.API\.(INFO|STREAM\.(NAMES|LIST)|(STREAM\.(INFO|MSG\.GET)|DIRECT\.GET)\."
                r"NOVA_[A-Z]+(\.>)?|CONSUMER\.((NAMES|LIST)\.NOVA_[A-Z]+|(INFO|DURABLE\.CREATE|"
                r"DELETE|MSG\.NEXT)\.NOVA_[A-Z]+\.\*))|\$JS\.ACK\.NOVA_[A-Z]+\.>",
    RELAY: r"nova\.evt\.communication\.>|\$JS\.FC\.NOVA_COMMUNICATION\.>|\$JS\.API\.(STREAM\."
           r"(INFO|CREATE|DELETE|MSG\.GET)|CONSUMER\.(CREATE|DELETE))\."
           r"NOVA_COMMUNICATION(\.>|\.\*)?",
}
CONSUMER = (r"nova\.rpc\.(identity|communication)\.v2\.GetPersonKeys|JS\.BUS\.API\.(STREAM\.INFO\."
            r"NOVA_(IDENTITY|COMMUNICATION)|CONSUMER\.(MSG\.NEXT|INFO|DURABLE\.CREATE|DELETE)\."
            r"NOVA_(IDENTITY|COMMUNICATION)\.communication-NAME)|"
            r"\$JS\.ACK\.NOVA_(IDENTITY|COMMUNICATION)\.communication-NAME\.>")
HEARD = (r"_INBOX\.USER\.>|nova\.(rpc\.communication\.v2\.> communication|bell\.communication)|"
         r"nova\.revoked\.communication\.\*|\$SRV\.(PING|INFO|STATS|\*\.communication(\.\*)?)")
HEARD_BY = {"auditor": r"_INBOX\.auditor\.>|nova\.audit\.checkpoint\.>",
            "operator": r"_INBOX\.operator\.>|\$JS\.EVENT\.ADVISORY\.>"}


@case
def each_is_allowed_what_it_needs_and_no_more():
    for user in USERS + [RELAY] + WATCHING:
        publish, subscribe = permissions(user)
        name = user.partition("_")[2]
        for each in publish:
            pattern = NEEDED.get(user, CONSUMER.replace("NAME", name))
            assert re.fullmatch(pattern, each), (user, each)
        for each in subscribe:
            heard = HEARD_BY.get(user, HEARD.replace("USER", user))
            assert re.fullmatch(heard, each), (user, each)


@case
def what_may_not_be_published_is_refused():
    before = state()
    for user in USERS + [RELAY] + WATCHING:
        allowed = permissions(user)[0]
        assert allowed, user
        for subject in publish_subjects():
            if any(matches(pattern, subject) for pattern in allowed):
                continue
            with Nats(it, user) as client:
                client.publish(subject, b"{}", f"{client.inbox}.1")
                client.flush()
                assert refused(client, "publish", subject), (user, subject, client.errors)
                assert client.next(client.answers, 0) is None, (user, subject)
            attempts["publish"] += 1
    assert state() == before


@case
def what_may_not_be_heard_is_refused():
    for user in USERS + [RELAY] + WATCHING:
        allowed = permissions(user)[1]
        for wanted in subscribe_subjects():
            if may_subscribe(allowed, wanted):
                continue
            with Nats(it, user) as client:
                client.subscribe(*wanted.split(" "))
                client.flush()
                assert refused(client, "subscription", wanted), (user, wanted, client.errors)
            attempts["subscribe"] += 1


TARGETS = ["nova.evt.identity.user.created.07", "nova.evt.content.post.created.07",
           "nova.evt.communication.message.sent.07", "$JS.API.STREAM.PURGE.NOVA_IDENTITY",
           "$JS.API.STREAM.DELETE.NOVA_IDENTITY", "$JS.API.CONSUMER.DELETE.NOVA_IDENTITY."
           "search-search_index", "nova.rpc.identity.v2.Register", "nova.rpc.content.v2.CreatePost",
           "nova.bell.identity", "nova.audit.checkpoint.identity"]
BODIES = [b"", b"{}", b'{"seq":1}', b'{"batch":10,"expires":1000000000}', b"+NXT", b"\x0a\x00"]


def one_of(subject):
    """A subject that the permission allows; of all durables on a stream, one that is there."""
    if subject.endswith(".*"):
        stream = subject.split(".")[-2]
        subject = subject[:-1] + next(name for where, name in durables() if where == stream)
    if ".DIRECT.GET." in subject and subject.endswith(".>"):
        service = subject.split(".")[-2][len("NOVA_"):].lower()
        return subject[:-1] + f"nova.evt.{service}.user.created.07"
    return subject.replace(">", "1.1.1.1.0")


@case
def a_stored_message_would_be_noticed():
    """What the next cases stand on: state() of a stream into which something was written."""
    before = state()
    with Nats(it, RELAY) as relay:
        answer = relay.request("nova.evt.communication.message.sent.07", b"{}")
        assert b'"seq"' in answer.data and not relay.errors, (answer.data, relay.errors)
    assert state() != before  # also once its relay has made the stream again
    wait_for("the stream to be whole again", it.is_caught_up)
    wait_for("its readers to have made their durables again",
             lambda: durables_there(state()) == durables_there(before))
    assert_streams_equal_outboxes(it)


@case
def a_reply_subject_writes_into_nobodys_stream():
    """Whoever answers does so with its own rights: each permitted request, answered elsewhere."""
    before = state()
    for user in USERS + WATCHING:
        for subject in permissions(user)[0]:
            if "CREATE" in subject or "CONSUMER.DELETE" in subject:
                continue  # a durable of one's own: below
            subject = one_of(subject)
            with Nats(it, user) as client:
                for target in TARGETS:
                    for body in BODIES:
                        client.publish(subject, body, target)
                        attempts["injection"] += 1
                client.flush()
                assert client.errors == [], (user, subject, client.errors)
    wait_for("consumers to be idle again", it.is_caught_up)
    assert state() == before, (before, state())
    with Nats(it, "auditor") as auditor:  # whose newest message is what the signer continues
        for sequence, message in auditor.stream("NOVA_AUDIT"):
            assert message.data.startswith(b"nova/"), (sequence, message.data)


def a_durable_delivers_to(client, stream, name, target, in_subject="", in_body=""):
    """Makes a durable that pushes to a foreign subject; True when it was accepted."""
    verb = "CREATE" if in_subject else "DURABLE.CREATE"
    body = {"stream_name": stream, "config": {
        "durable_name": name, "deliver_subject": target, "ack_policy": "none",
        "deliver_policy": "all", "replay_policy": "instant"}}
    if in_subject:
        body["config"] |= {"name": name, "filter_subject": in_body or in_subject}
    client.request(f"JS.BUS.API.CONSUMER.DELETE.{stream}.{name}", seconds=2)
    answer = client.request(f"JS.BUS.API.CONSUMER.{verb}.{stream}.{name}" +
                            (f".{in_subject}" if in_subject else ""),
                            json.dumps(body).encode(), seconds=2)
    assert answer is not None and client.errors == [], (target, client.errors)
    attempts["injection"] += 1
    answer = json.loads(answer.data)
    return "error" not in answer and answer["config"]["deliver_subject"] == target


@case
def a_durable_of_ones_own_delivers_into_nobodys_stream():
    before = state()
    for user, name in (("communication_forget", "communication-forget"), ("operator", "spy")):
        stream, accepted = "NOVA_IDENTITY", 0
        with Nats(it, user) as client:
            for target in TARGETS:
                accepted += a_durable_delivers_to(client, stream, name, target)
            client.request(f"JS.BUS.API.CONSUMER.DELETE.{stream}.{name}", seconds=2)
        assert accepted > 0, f"{user}: every durable was refused, so nothing was tried"
    user, name = "communication_service", "communication-verifier"
    own, accepted = f"nova.evt.identity.{REVOKED}", 0
    with Nats(it, user) as client:
        for target in TARGETS:
            accepted += a_durable_delivers_to(client, "NOVA_IDENTITY", name, target, own)
            for other in ("nova.evt.identity.>", "nova.evt.identity.user.created.*", ">"):
                assert not a_durable_delivers_to(client, "NOVA_IDENTITY", name, target, own, other)
        client.request(f"JS.BUS.API.CONSUMER.DELETE.NOVA_IDENTITY.{name}", seconds=2)
    assert accepted > 0, "every durable of the verifier was refused, so nothing was tried"
    wait_for("the consumers to have made their durables again", lambda: state() == before)
    print(f"# attempts, all refused: {attempts['publish']} publishes, {attempts['subscribe']} "
          f"subscriptions, {attempts['injection']} injections", flush=True)


@case
def with_its_password_communication_reaches_no_table_of_others():
    """migrations_test tries every role; here one logs in, on a Nova with read models."""
    role = "communication_service"
    done = it.nova("psql", role, "-qAtX", "-v", "ON_ERROR_STOP=1", "-v", f"role={role}", "-v",
                   "service=communication", "-f", str(ROOT / "test/integration/migrations_matrix.sql"))
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("leak")], lines
    tried = {line.partition(": ")[2] for line in lines if line.startswith("schema: ")}
    assert tried >= {"identity", "content", "search", "nova_migrations", "public", "post_view_g1",
                     "search_index_g1"}, tried
    assert not tried & {"communication", "message_sender_cache_g1", "conversation_view_g1"}, tried
    count = int(lines[-1].removeprefix("attempts: "))
    assert count > 500, count
    print(f"# attempts, all refused: {count} statements in {len(tried)} schemas", flush=True)


@case
def what_it_may_do_works():
    with Nats(it, "communication_service") as client:
        answer = client.request("nova.rpc.identity.v2.GetUsers")
        assert answer is not None and not client.errors, client.errors
        assert "Nats-Service-Error-Code" in answer.headers or answer.data == b"", answer.headers


if __name__ == "__main__":
    with it:
        it.up()
        file = it.folder / "commands.ndjson"
        file.write_text(it.nova("sample", "--users", "20", "--seed", "5").stdout)
        it.nova("import", str(file))
        raise SystemExit(main())
