-- The ids this service's log has had. The newest is the one every new event carries.
CREATE TABLE :"service".log (
    log_id     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason     text NOT NULL
);
INSERT INTO :"service".log (reason) VALUES ('first');
