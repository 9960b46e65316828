-- Drops what is left of a projection's generations that are neither live nor just being built: they
-- hold a person's data in plain text, and nobody removes it there any more. A consumer calls it when a
-- person is to be forgotten, in that batch's transaction (docs/erasure.md). One that is being built
-- reads the deletion itself.
SELECT set_config('nova.service', :'service', true);
DO $do$
BEGIN
    EXECUTE format($create$
CREATE FUNCTION %1$I.drop_former_generations(of_projection text, of_consumer text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $body$
DECLARE
    live    integer;
    former  record;
    dropped integer := 0;
BEGIN
    SELECT generation INTO live FROM %1$I.generation WHERE projection = of_projection;
    FOR former IN
        SELECT nspname, substring(nspname FROM '_g([0-9]+)$') AS number FROM pg_namespace
        WHERE nspname ~ ('^' || of_projection || '_g[0-9]+$')
          AND nspname <> of_projection || '_g' || live
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT FROM %1$I.consumer_lease
            WHERE consumer = of_consumer || '@' || former.number AND owner IS NOT NULL
              AND lease_until > clock_timestamp());
        EXECUTE format('DROP SCHEMA %%I CASCADE', former.nspname);
        DELETE FROM %1$I.checkpoint WHERE consumer = of_consumer || '@' || former.number;
        DELETE FROM %1$I.dead_letter WHERE consumer = of_consumer || '@' || former.number;
        dropped := dropped + 1;
    END LOOP;
    UPDATE %1$I.generation SET previous = NULL WHERE projection = of_projection AND dropped > 0;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    -- Somebody reads one of them. It is tried again for ever, and said: nothing stays by itself.
    RAISE EXCEPTION 'a session holds a former generation of %%', of_projection
        USING ERRCODE = 'query_canceled';
END
$body$
$create$, current_setting('nova.service'));
END
$do$;
