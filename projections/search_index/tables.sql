-- search_index: users and posts as search finds them. Nothing of deleted ones is left.
--
-- *_folded: without case, accents and width (projections/text.h), bytewise order for prefixes.

CREATE TABLE person (
    user_id       uuid PRIMARY KEY,
    handle        text NOT NULL,
    display_name  text NOT NULL,
    handle_folded text COLLATE "C" NOT NULL,
    name_folded   text COLLATE "C" NOT NULL,
    words         tsvector NOT NULL             -- of the display name
);
CREATE INDEX person_handle ON person (handle_folded);
CREATE INDEX person_words ON person USING gin (words);
CREATE INDEX person_handle_like ON person USING gin (handle_folded search.gin_trgm_ops);
CREATE INDEX person_name_like ON person USING gin (name_folded search.gin_trgm_ops);

CREATE TABLE post (
    post_id    uuid PRIMARY KEY,
    author_id  uuid NOT NULL,
    title      text NOT NULL,
    text       text NOT NULL,
    tags       text[] NOT NULL,                  -- as its author wrote them
    hashtags   text[] NOT NULL,                  -- those, and the #hashtags found; folded
    title_words text[] NOT NULL,                 -- for suggestions
    words      tsvector NOT NULL,                -- A title, B hashtags, D text: text_words
    created_at timestamptz NOT NULL
);
CREATE INDEX post_author ON post (author_id);
CREATE INDEX post_words ON post USING gin (words);
CREATE INDEX post_hashtags ON post USING gin (hashtags);

-- How many posts hold a hashtag, or a word in their title.
CREATE TABLE term (
    kind       text NOT NULL CHECK (kind IN ('hashtag', 'word')),
    term       text COLLATE "C" NOT NULL,
    post_count integer NOT NULL,
    PRIMARY KEY (kind, term)
);

-- Deleted users: what arrives of them later, from the other source, is not taken in.
CREATE TABLE gone (
    user_id uuid PRIMARY KEY
);
