-- The former generation of a projection may become the live one again; the one before is then the
-- higher number.
ALTER TABLE :"service".generation
    DROP CONSTRAINT generation_check,
    ADD CONSTRAINT generation_before_is_another CHECK (previous > 0 AND previous <> generation);
