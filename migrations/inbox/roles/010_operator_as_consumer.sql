-- An operator who applies a parked event again does it as its consumer, with that role's rights and no
-- others, for the length of a transaction (SET LOCAL ROLE). Nothing of them is the operator's own
-- otherwise: this role between them does not inherit.
DO $do$
BEGIN
    CREATE ROLE operator_as_consumer NOINHERIT;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END
$do$;
GRANT :"consumer_role" TO operator_as_consumer;
GRANT operator_as_consumer TO operator;
