"""Events written straight into an outbox, as a service's role: what a relay must cope with."""
import contextlib
import hashlib
import uuid

SQL = """insert into {service}.outbox (event_id, type, aggregate_type, aggregate_id, version, actor,
 command_id, command_index, command_digest, correlation_id, causation_id, occurred_at, payload)
 values (%s, 'test.happened', 'test', %s, 1, 'test', %s, 0, %s, %s, %s, clock_timestamp(), %s)"""


def append(cursor, service="content", payload=b""):
    """One event of a kind that no consumer knows; returns its id."""
    ids = [str(uuid.uuid4()) for _ in range(5)]
    cursor.execute(SQL.format(service=service), (
        ids[0], ids[1], ids[2], hashlib.sha256(payload).digest(), ids[3], ids[4], payload))
    return ids[0]


def append_and_commit(it, service="content", payload=b"", count=1):
    with contextlib.closing(it.connect(f"{service}_service")) as connection:
        with connection.cursor() as cursor:
            ids = [append(cursor, service, payload) for _ in range(count)]
        connection.commit()
    return ids
