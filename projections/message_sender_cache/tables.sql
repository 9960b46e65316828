-- message_sender_cache: what communication knows of identity's users, to name senders.

CREATE TABLE sender (
    user_id      uuid PRIMARY KEY,
    handle       text,            -- NULL: erased before this was filled
    display_name text,
    position     bigint NOT NULL  -- identity's, of the last event about the user
);

-- Users that were deleted: known to be gone, and not merely unknown yet.
CREATE TABLE sender_gone (
    user_id  uuid PRIMARY KEY,
    position bigint NOT NULL
);
