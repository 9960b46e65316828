-- message-db: a hundred messages to a stream of their own in one transaction and one statement, each
-- with the version that it expects. Variable: data.
WITH stream AS MATERIALIZED (SELECT 'post-' || gen_random_uuid() AS name)
SELECT message_store.write_message(gen_random_uuid()::varchar, stream.name, 'PostCreated', :data,
    NULL, version)
FROM stream, generate_series(-1, 98) AS version;
