-- The service's schema. Nobody but its own roles may even look into it. It belongs to the migrating
-- superuser: a schema's owner may drop whatever is in it, and nobody may drop an outbox.
CREATE SCHEMA :"service";
