-- What communication's service reads.
DROP VIEW IF EXISTS communication.conversation_view, communication.member_view,
    communication.message_view;
CREATE VIEW communication.conversation_view AS
SELECT conversation_id, COALESCE(title, '') AS title, created_at, message_count, last_position
FROM conversation;
CREATE VIEW communication.member_view AS
SELECT m.conversation_id, m.user_id, m.place, COALESCE(r.position, 0) AS read_position
FROM member m LEFT JOIN read_mark r USING (conversation_id, user_id);
CREATE VIEW communication.message_view AS
SELECT message_id, conversation_id, sender_id, COALESCE(text, '') AS text, sent_at, edited_at,
    position, deleted, erased
FROM message;
