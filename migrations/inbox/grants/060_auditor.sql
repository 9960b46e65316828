-- An auditor sees how far each consumer has come with an event, and whether it was parked. What is
-- personal in a parked message is sealed, as in the outbox.
GRANT SELECT ON :"service".checkpoint, :"service".dead_letter TO auditor;
