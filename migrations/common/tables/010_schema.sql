-- The service's schema. Nobody but its own roles may even look into it.
SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', :'service', :'service' || '_owner') \gexec
REVOKE ALL ON SCHEMA :"service" FROM PUBLIC;
