-- What an operator needs to watch consumers and to rebuild a projection: fill checkpoints of the
-- next generation beside the live one, hold the consumer while switching, drop what is old.
GRANT SELECT, INSERT, UPDATE, DELETE ON :"service".checkpoint, :"service".dead_letter TO operator;
GRANT SELECT, INSERT, UPDATE ON :"service".consumer_lease, :"service".generation TO operator;
