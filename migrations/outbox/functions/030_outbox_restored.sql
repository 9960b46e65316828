-- After a restore nobody may append before the outbox was compared with its stream: new events would
-- take positions that the stream has had before (docs/decisions/0009). The trigger is disabled all
-- the time but then, and costs an append nothing.
SELECT set_config('nova.service', :'service', true);
DO $do$
BEGIN
    EXECUTE format($make$
        CREATE FUNCTION %1$I.outbox_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            RAISE EXCEPTION '%1$s was restored from a backup and is not compared with its stream yet: '
                './nova relay status %1$s' USING ERRCODE = 'cannot_connect_now';
        END
        $body$;
        CREATE TRIGGER outbox_restored BEFORE INSERT ON %1$I.outbox
            FOR EACH STATEMENT EXECUTE FUNCTION %1$I.outbox_refuse();
        ALTER TABLE %1$I.outbox DISABLE TRIGGER outbox_restored;

        CREATE FUNCTION %1$I.outbox_restored() RETURNS void
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            ALTER TABLE %1$I.outbox ENABLE ALWAYS TRIGGER outbox_restored;
            UPDATE %1$I.relay_lease SET restored_at = clock_timestamp();
        END
        $body$;

        CREATE FUNCTION %1$I.outbox_admit() RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
        BEGIN
            ALTER TABLE %1$I.outbox DISABLE TRIGGER outbox_restored;
            UPDATE %1$I.relay_lease SET restored_at = NULL;
        END
        $body$;
    $make$, current_setting('nova.service'));
END
$do$;
