-- What communication's service reads.
CREATE OR REPLACE VIEW communication.conversation_view AS
SELECT conversation_id, COALESCE(title, '') AS title, created_at, message_count, last_position
FROM conversation;
CREATE OR REPLACE VIEW communication.member_view AS
SELECT m.conversation_id, m.user_id, m.place, COALESCE(r.position, 0) AS read_position
FROM member m LEFT JOIN read_mark r USING (conversation_id, user_id);
CREATE OR REPLACE VIEW communication.message_view AS
SELECT message_id, conversation_id, sender_id, COALESCE(text, '') AS text, sent_at, edited_at,
    position, deleted, erased
FROM message;
