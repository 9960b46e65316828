// conversation_view.c - the projection of conversations and their messages.
//
// Within a batch the types are applied in the order of a life: created, sent, edited, deleted,
// read. That is the events' own order wherever order matters, since nothing is sent to a
// conversation before it is created, and nothing follows a deletion. Two sources: a row that comes
// after its author's deletion meets the tombstone in `gone`, so either order ends the same.
#include "nova/communication/v2/communication.pb-c.h"
#include "projections/apply.h"

static enum nova_status add_members(const struct inbox_event *const *events, size_t count,
                                    struct arena *arena, struct pg *pg, struct error *err)
{
    size_t all = 0, row = 0;
    for (size_t i = 0; i < count; i++)
        all += ((const Nova__Communication__V2__ConversationCreated *)events[i]->payload)
                   ->n_member_ids;
    struct uuid *conversations = arena_alloc(arena, all * sizeof *conversations);
    struct uuid *users = arena_alloc(arena, all * sizeof *users);
    int32_t *places = arena_alloc(arena, all * sizeof *places);
    for (size_t i = 0; i < count; i++) {
        const Nova__Communication__V2__ConversationCreated *created =
            (const void *)events[i]->payload;
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
    " SELECT u.id, u.creator_id, CASE WHEN g.user_id IS NULL THEN u.title END, u.at, u.position,"
    " (SELECT count(*) FROM message m WHERE m.conversation_id = u.id AND NOT m.deleted),"
    " COALESCE((SELECT max(m.position) FROM message m WHERE m.conversation_id = u.id), u.position)"
    " FROM unnest($1, $2, $3, $4, $5) AS u (id, creator_id, title, at, position)"
    " LEFT JOIN gone g ON g.user_id = u.creator_id";

static enum nova_status apply_created(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_of(&events, batch, "conversation.created");
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    struct uuid *creators = arena_alloc(arena, count * sizeof *creators);
    const char **titles = arena_alloc(arena, count * sizeof *titles);
    int64_t *times_us = arena_alloc(arena, count * sizeof *times_us);
    int64_t *positions = arena_alloc(arena, count * sizeof *positions);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        const Nova__Communication__V2__ConversationCreated *created =
            (const void *)events[i]->payload;
        const Nova__Communication__V2__ConversationCreatedPersonal *personal =
            (const void *)events[i]->personal;
        ids[i] = events[i]->event.aggregate_id;
        titles[i] = personal && personal->title[0] != '\0' ? personal->title : NULL;
        times_us[i] = events[i]->event.occurred_at_us;
        positions[i] = events[i]->event.position;
        if (inbox_event_id(&creators[i], events[i], "creator_id", created->creator_id, false,
                           err) != NOVA_OK)
            return err->status;
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, ids, count),       pg_uuid_array(arena, creators, count),
        pg_text_array(arena, titles, count),    pg_time_us_array(arena, times_us, count),
        pg_int8_array(arena, positions, count),
    };
    enum nova_status status = pg_query(NULL, pg, sql_conversation, params, 5, err);
    return status == NOVA_OK ? add_members(events, count, arena, pg, err) : status;
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
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_of(&events, batch, "message.sent");
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    struct uuid *conversations = arena_alloc(arena, count * sizeof *conversations);
    struct uuid *senders = arena_alloc(arena, count * sizeof *senders);
    const char **texts = arena_alloc(arena, count * sizeof *texts);
    int64_t *times_us = arena_alloc(arena, count * sizeof *times_us);
    int64_t *positions = arena_alloc(arena, count * sizeof *positions);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        const Nova__Communication__V2__MessageSent *sent = (const void *)events[i]->payload;
        const Nova__Communication__V2__MessageSentPersonal *personal =
            (const void *)events[i]->personal;
        ids[i] = events[i]->event.aggregate_id;
        texts[i] = personal ? personal->text : NULL;
        times_us[i] = events[i]->event.occurred_at_us;
        positions[i] = events[i]->event.position;
        if (inbox_event_id(&conversations[i], events[i], "conversation_id", sent->conversation_id,
                           false, err) != NOVA_OK ||
            inbox_event_id(&senders[i], events[i], "sender_id", sent->sender_id, false, err) !=
                NOVA_OK)
            return err->status;
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, ids, count),         pg_uuid_array(arena, conversations, count),
        pg_uuid_array(arena, senders, count),     pg_text_array(arena, texts, count),
        pg_time_us_array(arena, times_us, count), pg_int8_array(arena, positions, count),
    };
    const struct pg_param counted[] = {params[1], params[5]};
    enum nova_status status = pg_query(NULL, pg, sql_message, params, 6, err);
    return status == NOVA_OK ? pg_query(NULL, pg, sql_count_sent, counted, 2, err) : status;
}

static enum nova_status apply_edited(struct inbox_batch *batch, struct pg *pg, struct error *err)
{
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_last_of(&events, batch, "message.edited");
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    const char **texts = arena_alloc(arena, count * sizeof *texts);
    int64_t *times_us = arena_alloc(arena, count * sizeof *times_us);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        const Nova__Communication__V2__MessageEditedPersonal *personal =
            (const void *)events[i]->personal;
        ids[i] = events[i]->event.aggregate_id;
        texts[i] = personal ? personal->text : NULL;
        times_us[i] = events[i]->event.occurred_at_us;
    }
    const struct pg_param params[] = {
        pg_uuid_array(arena, ids, count),
        pg_text_array(arena, texts, count),
        pg_time_us_array(arena, times_us, count),
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
    const struct inbox_event *const *events;
    struct arena *arena = batch->arena;
    size_t count = inbox_batch_of(&events, batch, "message.read");
    struct uuid *ids = arena_alloc(arena, count * sizeof *ids);
    struct uuid *readers = arena_alloc(arena, count * sizeof *readers);
    if (count == 0)
        return NOVA_OK;
    for (size_t i = 0; i < count; i++) {
        const Nova__Communication__V2__MessageRead *read = (const void *)events[i]->payload;
        ids[i] = events[i]->event.aggregate_id;
        if (inbox_event_id(&readers[i], events[i], "reader_id", read->reader_id, false, err) !=
            NOVA_OK)
            return err->status;
    }
    const struct pg_param params[] = {pg_uuid_array(arena, ids, count),
                                      pg_uuid_array(arena, readers, count)};
    return pg_query(NULL, pg, sql_read, params, 2, err);
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
