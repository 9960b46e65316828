-- What content's service reads: only what may be seen.
CREATE OR REPLACE VIEW content.post_view AS
SELECT p.post_id, p.author_id, COALESCE(a.handle, '') AS author_handle, p.title, p.text, p.tags,
    p.created_at, p.updated_at, p.comment_count, p.thread_count, p.position
FROM post p LEFT JOIN author a USING (author_id)
WHERE NOT p.deleted AND NOT p.erased;
CREATE OR REPLACE VIEW content.comment_view AS
SELECT c.comment_id, c.post_id, c.parent_id, c.author_id, COALESCE(a.handle, '') AS author_handle,
    COALESCE(c.text, '') AS text, c.created_at, c.updated_at, c.reply_count, c.position
FROM comment c JOIN post p USING (post_id) LEFT JOIN author a ON a.author_id = c.author_id
WHERE NOT c.deleted AND NOT p.deleted AND NOT p.erased;
