// conversation_view.c - the projection of conversations and their messages.
//
// Within a batch the types are applied in the order of a life: created, sent, edited, deleted,
// read. That is the events' own order wherever order matters, since nothing is sent to a
// conversation before it is created, and nothing follows a deletion. Two sources: a row that comes
// after its author's deletion meets the tombstone in `gone`, so either order ends the same.
#include "nova/communication/v2/communication.pb-c.h"
#include "projections/apply.h"
#include "projections/columns.h"

typedef Nova__Communication__V2__ConversationCreated ConversationCreated;
typedef Nova__Communication__V2__ConversationCreatedPersonal ConversationCreatedPersonal;
typedef Nova__Communication__V2__MessageSent MessageSent;
typedef Nova__Communication__V2__MessageSentPersonal MessageSentPersonal;
typedef Nova__Communication__V2__MessageEditedPersonal MessageEditedPersonal;
typedef Nova__Communication__V2__MessageRead MessageRead;

static enum nova_status add_members(const struct columns *conversations_created, struct pg *pg,
                                    struct error *err)
{
    const struct inbox_event *const *events = conversations_created->events;
    struct arena *arena = conversations_created->arena;
    size_t count = conversations_created->count, all = 0, row = 0;
    for (size_t i = 0; i < count; i++)
        all += ((const ConversationCreated *)events[i]->payload)->n_member_ids;
    struct uuid *conversations = arena_alloc(arena, all * sizeof *conversations);
    struct uuid *users = arena_alloc(arena, all * sizeof *users);
    int32_t *places = arena_alloc(arena, all * sizeof *places);
    for (size_t i = 0; i < count; i++) {
        const ConversationCreated *created = (const void *)events[i]->payload;
        for (size_t k = 0; k < created->n_member_ids; k++, row++) {
            conversations[row] = events[i]->event.aggregate_id;
            places[row] = (int32_t)k;
            if (inbox_event_id(&users[row], events[i], "member_ids", created->member_ids[k], false,
                               err) != NOVA_OK)
                return err->status;
        }
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, conversations, all),
        pg_uuid_array(arena, users, all),
        pg_int4_array(arena, places, all),
    };
    return pg_query(NULL, pg,
                    "INSERT INTO member (conversation_id, user_id, place)"
                    " SELECT * FROM unnest($1, $2, $3) ON CONFLICT DO NOTHING",
                    params, 3, err);
}

// Counts what is there already: messages of a conversation that was parked and is tried again.
static const char sql_conversation[] =
    "INSERT INTO conversation (conversation_id, creator_id, title, created_at, position,"
    " message_count, last_position)"
    " SELECT u.id, u.creator_id, CASE WHEN g.user_id IS NULL THEN NULLIF(u.title, '') END,"
    " u.at, u.position,"
    " (SELECT count(*) FROM message m WHERE m.conversation_id = u.id AND NOT m.deleted),"
    " COALESCE((SELECT max(m.position) FROM message m WHERE m.conversation_id = u.id), u.position)"
    " FROM unnest($1, $2, $3, $4, $5) AS u (id, creator_id, title, at, position)"
    " LEFT JOIN gone g ON g.user_id = u.creator_id";

static enum nova_status apply_created(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    struct columns created;
    struct pg_param creators;
    columns_of(&created, batch, "conversation.created");
    if (created.count == 0)
        return NOVA_OK;
    enum nova_status status =
        columns_uuids(&creators, &created, COLUMN(ConversationCreated, creator_id), false, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {
        columns_ids(&created),
        creators,
        columns_texts(&created, offsetof(ConversationCreatedPersonal, title)),
        columns_times(&created),
        columns_positions(&created),
    };
    status = pg_query(NULL, pg, sql_conversation, params, 5, err);
    return status == NOVA_OK ? add_members(&created, pg, err) : status;
}

static const char sql_message[] =
    "INSERT INTO message (message_id, conversation_id, sender_id, text, sent_at, position, erased)"
    " SELECT u.id, u.conversation_id, u.sender_id, CASE WHEN g.user_id IS NULL THEN u.text END,"
    " u.at, u.position, u.text IS NULL OR g.user_id IS NOT NULL"
    " FROM unnest($1, $2, $3, $4, $5, $6)"
    " AS u (id, conversation_id, sender_id, text, at, position)"
    " LEFT JOIN gone g ON g.user_id = u.sender_id";

static const char sql_count_sent[] =
    "UPDATE conversation c SET message_count = c.message_count + u.count,"
    " last_position = GREATEST(c.last_position, u.last)"
    " FROM (SELECT conversation_id, count(*) AS count, max(position) AS last"
    " FROM unnest($1, $2) AS s (conversation_id, position) GROUP BY conversation_id) u"
    " WHERE c.conversation_id = u.conversation_id";

static enum nova_status apply_sent(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    struct columns sent;
    struct pg_param conversations, senders;
    columns_of(&sent, batch, "message.sent");
    if (sent.count == 0)
        return NOVA_OK;
    enum nova_status status =
        columns_uuids(&conversations, &sent, COLUMN(MessageSent, conversation_id), false, err);
    if (status == NOVA_OK)
        status = columns_uuids(&senders, &sent, COLUMN(MessageSent, sender_id), false, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {
        columns_ids(&sent),
        conversations,
        senders,
        columns_texts(&sent, offsetof(MessageSentPersonal, text)),
        columns_times(&sent),
        columns_positions(&sent),
    };
    const struct pg_param counted[] = {params[1], params[5]};
    status = pg_query(NULL, pg, sql_message, params, 6, err);
    return status == NOVA_OK ? pg_query(NULL, pg, sql_count_sent, counted, 2, err) : status;
}

static enum nova_status apply_edited(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    struct columns edited;
    columns_last_of(&edited, batch, "message.edited");
    if (edited.count == 0)
        return NOVA_OK;
    const struct pg_param params[] = {
        columns_ids(&edited),
        columns_texts(&edited, offsetof(MessageEditedPersonal, text)),
        columns_times(&edited),
    };
    return pg_query(NULL, pg,
                    "UPDATE message m SET text = CASE WHEN NOT m.erased THEN u.text END,"
                    " erased = m.erased OR u.text IS NULL, edited_at = u.at"
                    " FROM unnest($1, $2, $3) AS u (id, text, at) WHERE m.message_id = u.id",
                    params, 3, err);
}

static enum nova_status apply_message_deleted(struct inbox_batch *batch, struct pg *pg,
                                              struct error *err)
{
    static const char *const statements[] = {
        "UPDATE conversation c SET message_count = c.message_count - u.count"
        " FROM (SELECT conversation_id, count(*) AS count FROM message"
        " WHERE message_id = ANY($1) AND NOT deleted GROUP BY conversation_id) u"
        " WHERE c.conversation_id = u.conversation_id",
        "UPDATE message SET deleted = true, text = NULL WHERE message_id = ANY($1)",
    };
    const struct uuid *ids;
    size_t count = inbox_batch_aggregates(&ids, batch, "message.deleted");
    return apply_to_ids(statements, 2, ids, count, batch->arena, pg, err);
}

// A mark stands at the message's position; a later mark on an earlier message changes nothing.
static const char sql_read[] =
    "INSERT INTO read_mark AS r (conversation_id, user_id, position)"
    " SELECT m.conversation_id, u.reader_id, max(m.position)"
    " FROM unnest($1, $2) AS u (message_id, reader_id) JOIN message m USING (message_id)"
    " GROUP BY 1, 2"
    " ON CONFLICT (conversation_id, user_id)"
    " DO UPDATE SET position = GREATEST(r.position, excluded.position)";

static enum nova_status apply_read(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    struct columns read;
    struct pg_param params[2];
    columns_of(&read, batch, "message.read");
    if (read.count == 0)
        return NOVA_OK;
    params[0] = columns_ids(&read);
    enum nova_status status =
        columns_uuids(&params[1], &read, COLUMN(MessageRead, reader_id), false, err);
    return status == NOVA_OK ? pg_query(NULL, pg, sql_read, params, 2, err) : status;
}

static enum nova_status apply_communication(struct inbox_batch *batch, struct pg *pg,
                                            struct error *err)
{
    inbox_apply *const steps[] = {apply_created, apply_sent, apply_edited, apply_message_deleted,
                                  apply_read};
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == NOVA_OK; i++)
        status = steps[i](batch, pg, err);
    return status;
}

static enum nova_status apply_identity(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    static const char *const statements[] = {
        "INSERT INTO gone (user_id) SELECT * FROM unnest($1)",
        "UPDATE message SET text = NULL, erased = true WHERE sender_id = ANY($1)",
        "UPDATE conversation SET title = NULL WHERE creator_id = ANY($1)",
    };
    const struct uuid *ids;
    size_t count = inbox_batch_aggregates(&ids, batch, "user.deleted");
    return apply_to_ids(statements, sizeof statements / sizeof *statements, ids, count,
                        batch->arena, pg, err);
}

const struct inbox_consumer consumer_communication_conversation_view = {
    .name = "communication/conversation_view",
    .service = "communication",
    .kind = INBOX_PROJECTION,
    .projection = "conversation_view",
    .forgets = "user.deleted",
    .sources = {{"communication",
                 {"conversation.created", "message.sent", "message.edited", "message.deleted",
                  "message.read"},
                 apply_communication,
                 INBOX_UNKNOWN_SKIP},
                {"identity", {"user.deleted"}, apply_identity, INBOX_UNKNOWN_SKIP}},
};
