-- Accounts and sessions are the service's inline tables. A signing key is added, never changed.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".account, :"service".session TO :"service_role";
GRANT SELECT, INSERT ON :"service".signing_key TO :"service_role";
