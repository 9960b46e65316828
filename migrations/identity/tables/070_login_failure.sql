-- Logins that failed, by keyed digest: of a name, whether anybody has it or not, of an address or of a
-- device that is known. A leaky bucket in two times (services/identity/throttle.h); forgotten rows are
-- deleted by the failures that follow.
CREATE TABLE :"service".login_failure (
    digest       bytea PRIMARY KEY CONSTRAINT login_failure_digest CHECK (octet_length(digest) = 32),
    failed_at    timestamptz NOT NULL,
    forgotten_at timestamptz NOT NULL
);
CREATE INDEX login_failure_forgotten_at ON :"service".login_failure (forgotten_at);
