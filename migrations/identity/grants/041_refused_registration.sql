-- Refused registrations are an inline table of the service, and nobody else's.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".refused_registration TO :"service_role";
