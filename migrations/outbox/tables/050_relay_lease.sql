-- Which relay is active; the others stand by. One row, that the active one renews while it works
-- (docs/decisions/0005).
CREATE TABLE :"service".relay_lease (
    service     text PRIMARY KEY CHECK (service = :'service'),
    owner       uuid, -- NULL: nobody yet
    owner_name  text,
    epoch       bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO :"service".relay_lease (service) VALUES (:'service');
