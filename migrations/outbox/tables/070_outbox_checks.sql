-- What a row may hold: only what a message of the stream can carry, so that no service's role can
-- stop its relay, or slip lines into what the relay says to NATS. The relay checks the same by
-- itself (bus/cloudevents.c, limits in base/event.h), for rows that were there before; NOT VALID,
-- because such a row must not stop this file: it is the relay that names it.
ALTER TABLE :"service".outbox
    ADD CONSTRAINT outbox_type
        CHECK (octet_length(type) <= 64 AND type ~ '^[a-z][a-z_]*\.[a-z][a-z_]*$') NOT VALID,
    ADD CONSTRAINT outbox_aggregate_type
        CHECK (octet_length(aggregate_type) <= 64 AND aggregate_type ~ '^[a-z][a-z_]*$') NOT VALID,
    ADD CONSTRAINT outbox_actor
        CHECK (octet_length(actor) <= 128 AND actor ~ '^[ -~]+$') NOT VALID,
    ADD CONSTRAINT outbox_command_digest
        CHECK (octet_length(command_digest) = 32) NOT VALID,
    ADD CONSTRAINT outbox_traceparent
        CHECK (octet_length(traceparent) <= 55 AND traceparent ~ '^[ -~]*$') NOT VALID,
    ADD CONSTRAINT outbox_occurred_at
        CHECK (occurred_at >= '0001-01-01 00:00:00+00' AND
               occurred_at < '10000-01-01 00:00:00+00') NOT VALID;
