-- The service writes what happened, counts it, takes out what is personal of who is gone, and deletes
-- what is too old; it never changes what an entry says. An auditor reads all of it, but not where
-- somebody was.
GRANT SELECT, INSERT, DELETE ON :"service".security_audit TO :"service_role";
GRANT UPDATE (last_at, attempts, address_digest, sealed) ON :"service".security_audit TO :"service_role";
GRANT SELECT (audit_id, user_id, action, reason, actor, session_id, at, last_at, attempts)
    ON :"service".security_audit TO auditor;
