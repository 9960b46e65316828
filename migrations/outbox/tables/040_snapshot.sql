-- States of long aggregates, so that loading one stays flat. A cache: may be emptied at any time.
CREATE TABLE :"service".snapshot (
    aggregate_id   uuid PRIMARY KEY,
    aggregate_type text NOT NULL,
    version        bigint NOT NULL CHECK (version > 0),
    state_version  integer NOT NULL,
    state          bytea NOT NULL,
    digest         bytea NOT NULL
);
