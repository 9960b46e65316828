-- message-db: one message to a stream of its own, which must not be there. Variable: data.
SELECT message_store.write_message(gen_random_uuid()::varchar, 'post-' || gen_random_uuid(),
    'PostCreated', :data, NULL, -1);
