-- How far each consumer has come in each source, per range of partitions. Moves in the transaction
-- of the read model.
CREATE TABLE :"service".checkpoint (
    consumer       text NOT NULL,
    source         text NOT NULL,
    log_id         uuid NOT NULL,
    partition_from integer NOT NULL CHECK (partition_from >= 0),
    partition_to   integer NOT NULL CHECK (partition_to >= partition_from),
    position       bigint NOT NULL CHECK (position >= 0),
    n              bigint NOT NULL CHECK (n >= 0),
    generation     integer NOT NULL,
    PRIMARY KEY (consumer, source, partition_from)
);
