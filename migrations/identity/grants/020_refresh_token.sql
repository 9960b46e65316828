-- Refresh tokens are an inline table of the service, and nobody else's: not the auditor's either.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".refresh_token TO :"service_role";
