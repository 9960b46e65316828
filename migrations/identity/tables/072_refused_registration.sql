-- Registrations whose e-mail address was taken, which nobody was told: what they were answered, so that
-- the same command is answered the same for a while. Their digest and password's hash are there to tell
-- it from another one under the same id, as an event's are.
CREATE TABLE :"service".refused_registration (
    actor          text NOT NULL,
    command_id     uuid NOT NULL,
    command_digest bytea NOT NULL,
    password_hash  text NOT NULL, -- Argon2id in PHC form
    user_id        uuid NOT NULL, -- nobody's
    created_at     timestamptz NOT NULL,
    position       bigint NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (actor, command_id)
);
CREATE INDEX refused_registration_expires_at ON :"service".refused_registration (expires_at);
