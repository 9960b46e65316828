-- The roles of one service: an owner of its read models that cannot log in, and one role per kind
-- of process. They log in once the runner has given them a password. A role belongs to the whole
-- cluster, so another database of it may have made it already.
SELECT set_config('nova.service', :'service', true);
DO $do$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['owner', 'service', 'consumer'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I', current_setting('nova.service') || '_' || kind);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$do$;
