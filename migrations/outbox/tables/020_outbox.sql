-- The outbox: the service's event store, append-only.
--
-- position: settlement needs CACHE 1, INCREMENT 1, NO CYCLE and one unpartitioned table.
-- command_index: the event's place in its command, from 0. (actor, command_id) is unique with it, so
-- a repeated command meets its own events, years later or at the same moment.
-- payload: below the server's max_payload of 1 MiB with its envelope, so nothing sticks in the relay.
CREATE TABLE :"service".outbox (
    position       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1 INCREMENT 1 NO CYCLE) PRIMARY KEY,
    log_id         uuid NOT NULL,
    event_id       uuid NOT NULL,
    type           text NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id   uuid NOT NULL,
    version        bigint NOT NULL CHECK (version > 0),
    actor          text NOT NULL,
    command_id     uuid NOT NULL,
    command_index  integer NOT NULL CHECK (command_index >= 0),
    command_digest bytea NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id   uuid NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    traceparent    text,
    payload        bytea NOT NULL CHECK (octet_length(payload) <= 1000000),
    UNIQUE (aggregate_id, version)
);
CREATE UNIQUE INDEX outbox_command_id
    ON :"service".outbox (actor, command_id, command_index);
-- The log id is a literal default that no service may write (docs/decisions/0002).
SELECT set_config('nova.service', :'service', true);
SELECT set_config('nova.log_id', log_id::text, true) FROM :"service".log;
DO $do$
BEGIN
    EXECUTE format('ALTER TABLE %I.outbox ALTER COLUMN log_id SET DEFAULT %L',
                   current_setting('nova.service'), current_setting('nova.log_id'));
END
$do$;
