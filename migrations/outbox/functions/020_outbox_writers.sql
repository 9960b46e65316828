-- Who holds this outbox's lock, and since when: what a relay says of a stuck writer before it ends
-- it. Without this function it would see process numbers only.
CREATE FUNCTION :"service".outbox_writers()
RETURNS TABLE (pid integer, role text, application text, state text, started_at timestamptz,
               waits_for text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT activity.pid, activity.usename::text, activity.application_name, activity.state,
           activity.xact_start, activity.wait_event
    FROM pg_stat_activity AS activity
    WHERE activity.pid IN (
        SELECT lock.pid FROM pg_locks AS lock
        WHERE lock.locktype = 'relation' AND lock.mode = 'RowExclusiveLock' AND lock.granted
          AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND lock.relation = format('%I.outbox', :'service')::regclass);
END;
