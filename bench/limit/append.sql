-- The limit of an append, for pgbench: the same row into the same table by the service's own role,
-- with no command looked up, nothing loaded, decided or sealed. Variables: actor, digest, payload.
INSERT INTO content.outbox (event_id, type, aggregate_type, aggregate_id, version, actor, command_id,
    command_index, command_digest, correlation_id, causation_id, occurred_at, traceparent, payload)
VALUES (gen_random_uuid(), 'post.created', 'post', gen_random_uuid(), 1, :actor, gen_random_uuid(), 0,
    :digest, gen_random_uuid(), gen_random_uuid(), clock_timestamp(), NULL, :payload)
RETURNING position;
