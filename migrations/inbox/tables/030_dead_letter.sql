-- Events that failed alone and permanently, and those of the same aggregate that wait behind them.
-- event: the CloudEvents message as it was received.
CREATE TABLE :"service".dead_letter (
    consumer     text NOT NULL,
    source       text NOT NULL,
    n            bigint NOT NULL CHECK (n > 0),
    position     bigint NOT NULL CHECK (position > 0),
    event_id     uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    type         text NOT NULL,
    event        bytea NOT NULL,
    error        text NOT NULL,
    attempts     integer NOT NULL CHECK (attempts >= 0),
    parked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, source, n)
);
CREATE INDEX dead_letter_aggregate ON :"service".dead_letter (consumer, aggregate_id);
