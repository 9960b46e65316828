-- Which instance of a consumer is active. A consumer makes its row at its first start
-- (docs/decisions/0005).
CREATE TABLE :"service".consumer_lease (
    consumer    text PRIMARY KEY,
    owner       uuid, -- NULL: nobody
    owner_name  text,
    epoch       bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
