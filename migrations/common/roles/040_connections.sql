-- How many sessions a role may have, so that none takes the server's last one from all others. A
-- service: two processes of service.workers at most (64), so that the next one starts before the
-- last one ends. A consumer: one session for each source and one for its lease, for all consumers
-- of the service, those that stand by included. The sum over all services is below max_connections
-- of the embedded server (cli/server_postgres.c); whoever runs more processes raises a limit.
ALTER ROLE :"service_role" CONNECTION LIMIT 128;
ALTER ROLE :"consumer_role" CONNECTION LIMIT 40;
ALTER ROLE operator CONNECTION LIMIT 32;
ALTER ROLE auditor CONNECTION LIMIT 16;
