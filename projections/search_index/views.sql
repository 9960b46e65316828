-- What search's service reads.
DROP VIEW IF EXISTS search.user_index, search.post_index, search.term_index;
CREATE VIEW search.user_index AS
SELECT user_id, handle, display_name, handle_folded, name_folded, words FROM person;
CREATE VIEW search.post_index AS
SELECT post_id, author_id, title, text, tags, hashtags, words, created_at FROM post;
CREATE VIEW search.term_index AS SELECT kind, term, post_count FROM term;
