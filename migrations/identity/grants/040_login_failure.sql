-- Failed logins are an inline table of the service, and nobody else's.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".login_failure TO :"service_role";
