-- post_view: posts and comments as content's service shows them.
--
-- deleted: by who wrote it. erased: with its author, or its text can no longer be opened. Neither
-- holds a text any more; the rows stay, so that replies and counts keep their place.

CREATE TABLE author (
    author_id uuid PRIMARY KEY,
    handle    text,                              -- NULL: erased
    gone      boolean NOT NULL DEFAULT false
);

CREATE TABLE post (
    post_id       uuid PRIMARY KEY,
    author_id     uuid NOT NULL,
    title         text,
    text          text,
    tags          text[],
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz,
    position      bigint NOT NULL,
    comment_count integer NOT NULL,              -- directly on the post
    thread_count  integer NOT NULL,              -- with all replies below them
    deleted       boolean NOT NULL DEFAULT false,
    erased        boolean NOT NULL
);
CREATE INDEX post_author ON post (author_id, created_at DESC, position DESC);

CREATE TABLE comment (
    comment_id  uuid PRIMARY KEY,
    post_id     uuid NOT NULL,
    parent_id   uuid,                            -- NULL: the post
    author_id   uuid NOT NULL,
    text        text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz,
    position    bigint NOT NULL,
    reply_count integer NOT NULL,                -- directly below it
    deleted     boolean NOT NULL DEFAULT false,
    erased      boolean NOT NULL
);
CREATE INDEX comment_post ON comment (post_id, created_at, position);
CREATE INDEX comment_parent ON comment (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX comment_author ON comment (author_id);
