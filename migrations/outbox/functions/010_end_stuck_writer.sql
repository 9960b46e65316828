-- Ends a session that holds this outbox's lock, and no other: all a relay may do to a stuck writer.
-- Returns false when that process holds no such lock.
CREATE FUNCTION :"service".end_stuck_writer(writer_pid integer) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (
    SELECT coalesce(bool_or(pg_terminate_backend(pid)), false)
    FROM (SELECT DISTINCT pid FROM pg_locks
          WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND relation = format('%I.outbox', :'service')::regclass AND pid = writer_pid) AS holder
);
