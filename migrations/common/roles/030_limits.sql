-- What a session may hold up at most. A session can turn these off: the relay bounds stuck writers
-- by itself. Rebuilds and audits take their time, so people have no limit on statements.
ALTER ROLE :"service_role" SET statement_timeout = '15s';
ALTER ROLE :"service_role" SET lock_timeout = '5s';
ALTER ROLE :"service_role" SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE :"consumer_role" SET statement_timeout = '60s';
ALTER ROLE :"consumer_role" SET lock_timeout = '5s';
ALTER ROLE :"consumer_role" SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE operator SET lock_timeout = '5s';
ALTER ROLE operator SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE auditor SET lock_timeout = '5s';
ALTER ROLE auditor SET default_transaction_read_only = on;
