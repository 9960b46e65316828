-- conversation_view: conversations, their members and messages, as communication's service shows
-- them. Texts of a deleted user are gone; the rows stay, so that order and counts do.

CREATE TABLE conversation (
    conversation_id uuid PRIMARY KEY,
    creator_id      uuid NOT NULL,
    title           text,                        -- NULL: none, or erased
    created_at      timestamptz NOT NULL,
    position        bigint NOT NULL,
    message_count   integer NOT NULL,            -- without deleted ones
    last_position   bigint NOT NULL              -- of the last message, at first its own
);
CREATE INDEX conversation_creator ON conversation (creator_id);

CREATE TABLE member (
    conversation_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    place           integer NOT NULL,            -- as the creator listed them
    PRIMARY KEY (user_id, conversation_id)
);
CREATE INDEX member_conversation ON member (conversation_id, place);

-- Up to which message a member has read.
CREATE TABLE read_mark (
    conversation_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    position        bigint NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);

CREATE TABLE message (
    message_id      uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    sender_id       uuid NOT NULL,
    text            text,                        -- NULL: deleted or erased
    sent_at         timestamptz NOT NULL,
    edited_at       timestamptz,
    position        bigint NOT NULL,
    deleted         boolean NOT NULL DEFAULT false, -- by its sender
    erased          boolean NOT NULL             -- with its sender
);
CREATE INDEX message_place ON message (conversation_id, position);
CREATE INDEX message_sender ON message (sender_id);

-- Deleted users: what arrives of them later, from the other source, holds no text any more.
CREATE TABLE gone (
    user_id uuid PRIMARY KEY
);
