"""Outbox and stream compared leaf by leaf, by code that shares nothing with ours.

The leaf bytes come from test/unit/leaf_v1.py, the CloudEvent is decoded by python3-protobuf, the
stream read by lib/nats.py and the outbox by psycopg2.
"""
import functools
import itertools
import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from instance import ROOT
from nats import Nats

sys.path.insert(0, str(ROOT / "test/unit"))
import leaf_v1

SERVICES = ("identity", "content", "communication")


@functools.cache
def contracts():
    """Every message and service of proto/, by descriptors that protoc wrote."""
    with tempfile.NamedTemporaryFile() as out:
        files = sorted(str(each.relative_to(ROOT / "proto"))
                       for each in (ROOT / "proto").rglob("*.proto"))
        subprocess.run(["protoc", "-I", str(ROOT / "proto"), "--include_imports",
                        f"--descriptor_set_out={out.name}", *files], check=True)
        described = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in described.file:
        pool.Add(file)
    return pool, described


@functools.cache
def message_class(name):
    return message_factory.MessageFactory(contracts()[0]).GetPrototype(
        contracts()[0].FindMessageTypeByName(name))


def outbox_events(it, service):
    """The leaf's fields of every row in order, a few thousand at a time; n counts the rows."""
    rows = it.rows(
        "select row_number() over (order by position) as n, position, log_id::text,"
        " event_id::text, type, aggregate_type, aggregate_id::text, version, actor,"
        " command_id::text, correlation_id::text, causation_id::text,"
        " (extract(epoch from occurred_at) * 1000000)::bigint,"
        " (extract(epoch from recorded_at) * 1000000)::bigint,"
        f" payload from {service}.outbox order by position")
    names = [name for name, _ in leaf_v1.FIELDS]
    for row in rows:
        event = dict(zip(names, row))
        event["payload"] = bytes(event["payload"]).hex()
        yield event


def outbox_leaves(it, service):
    for event in outbox_events(it, service):
        yield leaf_v1.leaf_bytes(event)


def _attribute(value):
    kind = value.WhichOneof("attr")
    if kind == "ce_timestamp":
        return value.ce_timestamp.seconds * 1000000 + value.ce_timestamp.nanos // 1000
    return getattr(value, kind)


def event_of(message):
    """The leaf's fields as a stream's message names them."""
    cloud = message_class("io.cloudevents.v1.CloudEvent").FromString(message.data)
    return cloud, {key: _attribute(value) for key, value in cloud.attributes.items()}


def stream_leaves(it, service):
    with Nats(it, "auditor") as auditor:
        for sequence, message in auditor.stream(f"NOVA_{service.upper()}"):
            cloud, more = event_of(message)
            assert cloud.source == f"/nova/{service}", cloud.source
            assert int(more["sequence"]) == sequence, (sequence, more["sequence"])
            yield leaf_v1.leaf_bytes({
                "n": sequence, "position": int(more["position"]), "log_id": more["logid"],
                "event_id": cloud.id, "type": cloud.type,
                "aggregate_type": more["aggregatetype"], "aggregate_id": more["subject"],
                "version": int(more["aggregateversion"]), "actor": more["actor"],
                "command_id": more["commandid"], "correlation_id": more["correlationid"],
                "causation_id": more["causationid"], "occurred_at_us": more["time"],
                "recorded_at_us": more["recordedtime"], "payload": cloud.binary_data.hex()})


def assert_streams_equal_outboxes(it, services=SERVICES):
    """Returns how many events were compared."""
    count = 0
    for service in services:
        both = itertools.zip_longest(outbox_leaves(it, service), stream_leaves(it, service))
        for n, (stored, published) in enumerate(both, 1):
            assert stored == published, (f"{service}: event {n} differs" if stored and published
                                         else f"{service}: event {n} is in one of them only")
            count += 1
    return count
