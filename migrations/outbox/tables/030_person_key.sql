-- The keys that open what this service's events hold of a person, each wrapped by the service's
-- master key. An erased person's row stays without its key: a tombstone, so that no new key is made
-- for somebody who was forgotten.
CREATE TABLE :"service".person_key (
    person_id  uuid PRIMARY KEY,
    key_id     uuid NOT NULL UNIQUE,
    wrapped    bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased_at  timestamptz,
    CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);
