-- The one token for each purpose and address that was sent by e-mail and may still be used: its hash,
-- never itself. A newer one takes its row, its use deletes it.
CREATE TABLE :"service".mail_token (
    purpose      text NOT NULL CONSTRAINT mail_token_purpose CHECK (purpose IN ('password_reset', 'email_verification')),
    email_digest bytea NOT NULL,
    token_id     uuid NOT NULL CONSTRAINT mail_token_id UNIQUE, -- its e-mail's effect_id
    user_id      uuid, -- NULL: nobody has that address
    token_hash   bytea NOT NULL CONSTRAINT mail_token_hash CHECK (octet_length(token_hash) = 32),
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (purpose, email_digest)
);
CREATE INDEX mail_token_expires_at ON :"service".mail_token (expires_at);
CREATE INDEX mail_token_user_id ON :"service".mail_token (user_id);
