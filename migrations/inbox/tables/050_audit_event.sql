-- What operators did with parked events, for ever: written in the transaction of the deed
-- (docs/decisions/0037). The event itself stays in the log; this says who put what aside, and why.
CREATE TABLE :"service".audit_event (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    role         text NOT NULL DEFAULT session_user,
    person       text NOT NULL, -- whom the command's machine says it was
    action       text NOT NULL CHECK (action IN ('retried', 'refused again', 'discarded')),
    consumer     text NOT NULL,
    source       text NOT NULL,
    n            bigint NOT NULL,
    position     bigint NOT NULL,
    event_id     uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    type         text NOT NULL,
    attempts     integer NOT NULL, -- those made before, and this one
    reason       text NOT NULL,    -- why it was parked; of one refused again, why this time
    why          text CHECK ((why IS NOT NULL) = (action = 'discarded')) -- the operator's own words
);
