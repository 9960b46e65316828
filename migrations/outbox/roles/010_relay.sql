-- The role of the process that moves this service's outbox onto its stream.
SELECT set_config('nova.relay_role', :'relay_role', true);
DO $do$
BEGIN
    EXECUTE format('CREATE ROLE %I', current_setting('nova.relay_role'));
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- by another database of the cluster
END
$do$;
ALTER ROLE :"relay_role" SET statement_timeout = '60s';
ALTER ROLE :"relay_role" SET lock_timeout = '5s';
ALTER ROLE :"relay_role" SET idle_in_transaction_session_timeout = '60s';
