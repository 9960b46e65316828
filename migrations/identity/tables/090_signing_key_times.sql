-- From when on a signing key signs; the one before it verifies from then on, and is gone when its last
-- token has expired. NULL, as in rows of before: since created_at.
ALTER TABLE :"service".signing_key ADD COLUMN signs_from timestamptz;
