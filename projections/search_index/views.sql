-- What search's service reads.
CREATE OR REPLACE VIEW search.user_index AS
SELECT user_id, handle, display_name, handle_folded, name_folded, words FROM person;
CREATE OR REPLACE VIEW search.post_index AS
SELECT post_id, author_id, title, text, tags, hashtags, words, created_at FROM post;
CREATE OR REPLACE VIEW search.term_index AS SELECT kind, term, post_count FROM term;
