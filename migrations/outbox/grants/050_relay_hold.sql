-- The relay tells what it does, and lets writers in once a restored outbox agrees with its stream. An
-- operator pauses and resumes. What a recovery does, the superuser does.
GRANT UPDATE (phase, why, n, position, told_at) ON :"service".relay_lease TO :"relay_role";
GRANT UPDATE (paused_at, paused_by) ON :"service".relay_lease TO operator;
REVOKE ALL ON FUNCTION :"service".outbox_refuse(), :"service".outbox_restored(),
    :"service".outbox_admit() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION :"service".outbox_admit() TO :"relay_role";
