-- An operator adds to what operators did; when, and as which role, PostgreSQL says. Nobody changes it.
GRANT USAGE ON SCHEMA :"service" TO auditor;
GRANT SELECT ON :"service".audit_event TO operator, auditor;
GRANT INSERT (person, action, consumer, source, n, position, event_id, aggregate_id, type, attempts,
              reason, why)
    ON :"service".audit_event TO operator;
