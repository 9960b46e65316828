-- The security audit log: what happened to an account, written in the command's own transaction. What
-- is an event stands in the outbox as well; what is none, a login that failed above all, only here.
-- What can be tried again and again is one row for each account, address and hour, and counts.
CREATE TABLE :"service".security_audit (
    audit_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id        uuid NOT NULL, -- nil: nobody's account
    action         text NOT NULL,
    reason         text,
    actor          text NOT NULL,
    session_id     uuid,
    at             timestamptz NOT NULL DEFAULT now(),
    last_at        timestamptz NOT NULL DEFAULT now(),
    attempts       bigint NOT NULL DEFAULT 1 CONSTRAINT security_audit_attempts CHECK (attempts > 0),
    hour           bigint, -- since 1970, of what counts; NULL: it does not
    address_digest bytea,  -- keyed, of what counts; something else when the user is gone
    sealed         bytea,  -- device and address: a nonce and XChaCha20-Poly1305; NULL: none, or gone
    CONSTRAINT security_audit_counted CHECK ((hour IS NULL) = (address_digest IS NULL))
);
CREATE UNIQUE INDEX security_audit_hour ON :"service".security_audit (user_id, action, hour, address_digest)
    WHERE hour IS NOT NULL;
CREATE INDEX security_audit_user_id ON :"service".security_audit (user_id, audit_id);
CREATE INDEX security_audit_last_at ON :"service".security_audit (last_at);
