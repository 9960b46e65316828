-- What is to be done outside PostgreSQL: an e-mail a row, written in its command's own transaction and
-- carried out by the mailer. No replay and no rebuild writes here, so none can send. A row says for
-- whom and which address, as its keyed hash, never the address or the token; user_id NULL: nobody has
-- that address, and the row is there so that both cost the same.
CREATE TABLE :"service".effect (
    effect_id    uuid PRIMARY KEY, -- of the command's id: repeated, it writes nothing again
    kind         text NOT NULL CONSTRAINT effect_kind CHECK (kind IN ('password_reset', 'email_verification')),
    user_id      uuid,
    email_digest bytea NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL, -- its token's: later nobody wants the e-mail
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL,
    done_at      timestamptz,          -- NULL: it waits
    outcome      text,                 -- sent, refused, given_up or obsolete
    CONSTRAINT effect_done CHECK ((done_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX effect_waiting ON :"service".effect (next_at) WHERE done_at IS NULL;
CREATE INDEX effect_waiting_for ON :"service".effect (email_digest, kind) WHERE done_at IS NULL;
CREATE INDEX effect_expires_at ON :"service".effect (expires_at);
