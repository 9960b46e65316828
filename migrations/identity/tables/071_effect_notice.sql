-- An e-mail that brings no token: who has an address hears that somebody tried to register with it.
ALTER TABLE :"service".effect DROP CONSTRAINT effect_kind;
ALTER TABLE :"service".effect ADD CONSTRAINT effect_kind
    CHECK (kind IN ('password_reset', 'email_verification', 'registration_attempt'));
