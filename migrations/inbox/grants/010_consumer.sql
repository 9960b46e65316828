-- A consumer keeps its own books. The service reads how far its read models are (queries wait for a
-- position).
GRANT SELECT, INSERT, UPDATE ON :"service".checkpoint, :"service".consumer_lease,
    :"service".dead_letter, :"service".generation TO :"consumer_role";
GRANT DELETE ON :"service".dead_letter TO :"consumer_role";
GRANT SELECT ON :"service".checkpoint, :"service".generation TO :"service_role";
