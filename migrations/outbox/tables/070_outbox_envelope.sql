-- What is around a payload is bounded as well, and a type is words of a subject, so that every event
-- that was appended can be published: the relay's encoder has room for 2,048 bytes, 512 for one
-- attribute, and 128 for the subject.
ALTER TABLE :"service".outbox ADD CONSTRAINT outbox_envelope CHECK (
    type ~ '^[a-z0-9_]+([.][a-z0-9_]+)*$' AND octet_length(type) <= 64
    AND octet_length(aggregate_type) <= 64 AND octet_length(actor) <= 256
    AND octet_length(command_digest) <= 64
    AND (traceparent IS NULL OR octet_length(traceparent) <= 64));
