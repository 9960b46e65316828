-- The reactor `forget` leaves an erased row for a deleted person, also for one who had no key yet:
-- no new key may be made for somebody who was forgotten.
GRANT INSERT (person_id, key_id, wrapped, erased_at) ON :"service".person_key TO :"consumer_role";
