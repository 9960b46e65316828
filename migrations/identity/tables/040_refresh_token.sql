-- The one refresh token of each session that goes on: which it is, and its hash, never itself.
-- Older ones are not kept: whether one was ever given out, the key that derives them tells.
CREATE TABLE :"service".refresh_token (
    session_id   uuid PRIMARY KEY REFERENCES :"service".session ON DELETE CASCADE,
    generation   bigint NOT NULL CONSTRAINT refresh_token_generation CHECK (generation >= 0),
    -- SHA-256; NULL: the log brought the session back, and the log holds no hash.
    token_hash   bytea CONSTRAINT refresh_token_hash CHECK (octet_length(token_hash) = 32),
    last_used_at timestamptz NOT NULL -- when it was given out: at the login or a refresh
);
