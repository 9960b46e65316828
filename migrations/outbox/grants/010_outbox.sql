-- What each process may do with the log. Three columns only PostgreSQL fills: position,
-- recorded_at and log_id.
GRANT USAGE ON SCHEMA :"service" TO :"relay_role", auditor;
GRANT SELECT ON :"service".outbox, :"service".log
    TO :"service_role", :"relay_role", operator, auditor;
GRANT INSERT (event_id, type, aggregate_type, aggregate_id, version, actor, command_id,
              command_index, command_digest, correlation_id, causation_id, occurred_at,
              traceparent, payload)
    ON :"service".outbox TO :"service_role";
REVOKE ALL ON FUNCTION :"service".end_stuck_writer(integer), :"service".outbox_writers()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION :"service".end_stuck_writer(integer), :"service".outbox_writers()
    TO :"relay_role";
