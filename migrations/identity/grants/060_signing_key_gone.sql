-- A signing key whose last token has expired is deleted, and with it what could still sign. It is never
-- changed: when it signs stands in its first row.
GRANT DELETE ON :"service".signing_key TO :"service_role";
