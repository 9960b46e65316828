-- Read models belong to the service's owner role: schemas <projection>_g<N> and, in the service's
-- schema, the views that readers go through. An operator may act as that role, for a rebuild.
-- Whatever the owner makes, in whatever generation, the consumer fills and the service reads; it
-- reaches tables through views only, as it may not look into the generations' schemas.
GRANT USAGE, CREATE ON SCHEMA :"service" TO :"owner_role";
SELECT set_config('nova.owner_role', :'owner_role', true);
DO $do$
BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO %I', current_database(),
                   current_setting('nova.owner_role'));
END
$do$;
GRANT :"owner_role" TO operator;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner_role"
    GRANT USAGE ON SCHEMAS TO :"consumer_role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner_role"
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"consumer_role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner_role"
    GRANT USAGE ON SEQUENCES TO :"consumer_role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner_role"
    GRANT SELECT ON TABLES TO :"service_role";
