-- The Merkle tree over this service's log, one for each log id it has had: how many events are in it
-- (the position is the last one's), and its hashes, 256 leaves and what is above them in a row
-- (audit/tile.h). Both grow in one transaction a batch; a hash that is written never changes.
--
-- position: of a tile of leaves, its first event's, by which an event's number is found.
-- EXTERNAL: hashes do not compress, and one of them is read without the others.
CREATE TABLE :"service".log_tree (
    log_id   uuid PRIMARY KEY,
    size     bigint NOT NULL CHECK (size > 0),
    position bigint NOT NULL CHECK (position >= size)
);
CREATE TABLE :"service".log_tile (
    log_id   uuid NOT NULL,
    level    integer NOT NULL CHECK (level >= 0),
    index    bigint NOT NULL CHECK (index >= 0),
    position bigint CHECK ((position IS NULL) = (level > 0)),
    hashes   bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 510 * 32),
    PRIMARY KEY (log_id, level, index)
);
ALTER TABLE :"service".log_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX log_tile_position ON :"service".log_tile (log_id, position) WHERE level = 0;
