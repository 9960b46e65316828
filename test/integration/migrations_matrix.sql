-- Tries, as role :role of :service, every kind of access to every table, sequence and function in
-- every schema that is not the service's own (its read models' generations are) and not
-- PostgreSQL's. Prints what was not refused, the schemas that were tried, and how often.
SELECT set_config('test.service', :'service', false) \g /dev/null
SET client_min_messages = notice;
SET ROLE :"role";
CREATE TEMP TABLE result (line text);
CREATE TEMP VIEW others AS
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
      AND nspname <> current_setting('test.service') -- a generation's owner is the service's:
      AND pg_get_userbyid(nspowner) <> current_setting('test.service') || '_owner';
INSERT INTO result SELECT 'schema: ' || nspname FROM others;
DO $do$
DECLARE
    thing record;
    statement text;
    attempts int := 0;
BEGIN
    FOR thing IN
        SELECT n.nspname AS s, c.relname AS t, c.relkind AS kind,
               (SELECT quote_ident(attname) FROM pg_attribute
                WHERE attrelid = c.oid AND attnum = 1) AS col
        FROM pg_class AS c JOIN others AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
    LOOP
        FOREACH statement IN ARRAY CASE WHEN thing.kind = 'S' THEN ARRAY[
            'SELECT nextval(''%1$I.%2$I'')', 'SELECT setval(''%1$I.%2$I'', 99)',
            'SELECT last_value FROM %1$I.%2$I', 'DROP SEQUENCE %1$I.%2$I']
        ELSE ARRAY[
            'SELECT * FROM %1$I.%2$I', 'SELECT count(*) FROM %1$I.%2$I',
            'SELECT %3$s FROM %1$I.%2$I LIMIT 1', 'SELECT 1 FROM %1$I.%2$I FOR UPDATE',
            'TABLE %1$I.%2$I', 'INSERT INTO %1$I.%2$I DEFAULT VALUES',
            'INSERT INTO %1$I.%2$I SELECT * FROM %1$I.%2$I',
            'UPDATE %1$I.%2$I SET %3$s = %3$s', 'DELETE FROM %1$I.%2$I', 'TRUNCATE %1$I.%2$I',
            'LOCK TABLE %1$I.%2$I IN ACCESS SHARE MODE',
            'LOCK TABLE %1$I.%2$I IN ROW EXCLUSIVE MODE',
            'ALTER TABLE %1$I.%2$I ADD mine int', 'DROP TABLE %1$I.%2$I',
            'ALTER TABLE %1$I.%2$I OWNER TO CURRENT_USER',
            'GRANT SELECT ON %1$I.%2$I TO CURRENT_USER', 'CREATE INDEX ON %1$I.%2$I (%3$s)',
            'CREATE RULE mine AS ON INSERT TO %1$I.%2$I DO INSTEAD NOTHING',
            'CREATE TEMP TABLE mine (LIKE %1$I.%2$I)',
            'CREATE TEMP TABLE mine AS SELECT * FROM %1$I.%2$I',
            'CREATE TEMP VIEW mine AS SELECT * FROM %1$I.%2$I',
            'COPY %1$I.%2$I TO ''/dev/null''',
            'COMMENT ON TABLE %1$I.%2$I IS ''mine''']
        END LOOP
            attempts := attempts + 1;
            BEGIN
                EXECUTE format(statement, thing.s, thing.t, thing.col);
                RAISE EXCEPTION 'it was allowed' USING ERRCODE = 'NV001'; -- takes it back
            EXCEPTION
                WHEN insufficient_privilege THEN NULL;
                WHEN OTHERS THEN
                    INSERT INTO result
                    VALUES ('leak: ' || format(statement, thing.s, thing.t, thing.col) || ': ' ||
                            SQLERRM);
            END;
        END LOOP;
    END LOOP;
    FOR thing IN
        SELECT n.nspname AS s, p.proname AS t, pg_get_function_identity_arguments(p.oid) AS arguments
        FROM pg_proc AS p JOIN others AS n ON n.oid = p.pronamespace
        WHERE NOT EXISTS (SELECT FROM pg_depend -- an extension's are everybody's
                          WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
    LOOP
        attempts := attempts + 1;
        BEGIN
            EXECUTE format('SELECT * FROM %I.%I(%s)', thing.s, thing.t,
                           CASE WHEN thing.arguments = '' THEN '' ELSE '0' END);
            RAISE EXCEPTION 'it was allowed' USING ERRCODE = 'NV001';
        EXCEPTION
            WHEN insufficient_privilege THEN NULL;
            WHEN OTHERS THEN
                INSERT INTO result VALUES ('leak: ' || thing.s || '.' || thing.t || ': ' || SQLERRM);
        END;
    END LOOP;
    FOR thing IN SELECT nspname AS s FROM others LOOP
        attempts := attempts + 1;
        BEGIN
            EXECUTE format('CREATE TABLE %I.mine (id int)', thing.s);
            RAISE EXCEPTION 'it was allowed' USING ERRCODE = 'NV001';
        EXCEPTION
            WHEN insufficient_privilege THEN NULL;
            WHEN OTHERS THEN
                INSERT INTO result VALUES ('leak: a table in ' || thing.s || ': ' || SQLERRM);
        END;
    END LOOP;
    INSERT INTO result VALUES ('attempts: ' || attempts);
END
$do$;
SELECT line FROM result;
