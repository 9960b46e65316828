-- What the active relay says of itself with each renewal of its lease, and what holds it: an operator
-- who paused it, a recovery that is under way, a restored outbox that was not compared with its stream.
ALTER TABLE :"service".relay_lease
    ADD COLUMN phase text,               -- NULL: no relay has said anything yet
    ADD COLUMN why text,
    ADD COLUMN n bigint,                 -- events in the stream, as far as it knows
    ADD COLUMN position bigint,          -- settled up to here
    ADD COLUMN told_at timestamptz,
    ADD COLUMN paused_at timestamptz,    -- NULL: not paused
    ADD COLUMN paused_by text,
    ADD COLUMN recovery text,            -- 'import' or 'fork': begun and not ended; NULL: none
    ADD COLUMN restored_at timestamptz;  -- NULL: compared with the stream, or never restored
