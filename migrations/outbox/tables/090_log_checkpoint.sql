-- What was signed, for ever: one root for a size. The note is the whole signed checkpoint.
CREATE TABLE :"service".log_checkpoint (
    log_id    uuid NOT NULL,
    size      bigint NOT NULL CHECK (size > 0),
    root      bytea NOT NULL CHECK (octet_length(root) = 32),
    note      text NOT NULL,
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (log_id, size)
);
