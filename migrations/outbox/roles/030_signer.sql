-- The role of the process that keeps this service's tree of hashes and signs it
-- (docs/verifiable-log.md). One session; the others stand by, or are just being started.
SELECT set_config('nova.signer_role', :'signer_role', true);
DO $do$
BEGIN
    EXECUTE format('CREATE ROLE %I', current_setting('nova.signer_role'));
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- by another database of the cluster
END
$do$;
ALTER ROLE :"signer_role" SET statement_timeout = '60s';
ALTER ROLE :"signer_role" SET lock_timeout = '5s';
ALTER ROLE :"signer_role" SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE :"signer_role" CONNECTION LIMIT 8;
