-- What uniqueness and logging in need in the transaction of a command. E-mail address and handle
-- stand here as keyed hashes only. After a deletion the password's hash goes at once, and the row,
-- which keeps both taken, after free_after.
CREATE TABLE :"service".account (
    user_id       uuid PRIMARY KEY,
    email_digest  bytea NOT NULL CONSTRAINT account_email UNIQUE,
    handle_digest bytea NOT NULL CONSTRAINT account_handle UNIQUE,
    password_hash text,       -- Argon2id in PHC form; NULL: cannot log in with a password
    free_after    timestamptz -- NULL: not deleted
);
CREATE INDEX account_free_after ON :"service".account (free_after) WHERE free_after IS NOT NULL;
