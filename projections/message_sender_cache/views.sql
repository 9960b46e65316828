-- What communication's service reads.
CREATE OR REPLACE VIEW communication.message_sender_cache AS
SELECT user_id, COALESCE(handle, '') AS handle, COALESCE(display_name, '') AS display_name, position
FROM sender;
CREATE OR REPLACE VIEW communication.message_sender_gone AS SELECT user_id, position FROM sender_gone;
