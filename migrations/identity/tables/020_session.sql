-- Sessions, to be found by user when all of them end.
CREATE TABLE :"service".session (
    session_id uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz -- NULL: it goes on
);
CREATE INDEX session_user_id ON :"service".session (user_id);
