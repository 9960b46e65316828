-- The roles of one service: an owner that cannot log in, and one role per kind of process.
SELECT format('CREATE ROLE %I', :'service' || '_' || kind)
FROM unnest(ARRAY['owner', 'service', 'relay']) AS kind \gexec
