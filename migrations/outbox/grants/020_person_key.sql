-- Keys are made once and can only be erased. The consumer's reactor forgets who was deleted.
GRANT SELECT, INSERT ON :"service".person_key TO :"service_role";
GRANT UPDATE (wrapped, erased_at) ON :"service".person_key TO :"service_role";
GRANT SELECT ON :"service".person_key TO :"consumer_role";
GRANT UPDATE (wrapped, erased_at) ON :"service".person_key TO :"consumer_role";
