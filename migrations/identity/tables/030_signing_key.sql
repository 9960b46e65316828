-- The Ed25519 keys that access tokens are signed with, wrapped by the service's master key.
CREATE TABLE :"service".signing_key (
    kid        text PRIMARY KEY,
    public     bytea NOT NULL,
    wrapped    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz -- NULL: signs
);
