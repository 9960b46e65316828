// conversation_view_query.c - see conversation_view_query.h. A page of conversations and their last
// messages takes one statement, and so does a page of messages: nothing runs once a row.
#include "projections/conversation_view/conversation_view_query.h"

#include <stdint.h>

#include "projections/page.h"
#include "projections/reply.h"

// Columns of one message, as message_fill reads them from `first` on.
#define MESSAGE_COLUMNS                                                                            \
    "m.message_id, m.conversation_id, m.sender_id,"                                                \
    " COALESCE(NULLIF(s.display_name, ''), s.handle, ''), m.text, m.sent_at, m.edited_at,"         \
    " m.deleted OR m.erased, m.position"
#define SENDER_JOIN " LEFT JOIN communication.message_sender_cache s ON s.user_id = m.sender_id"

static void message_fill(Nova__Communication__V2__Message *out, struct arena *arena,
                         const struct pg_result *rows, size_t row, int first)
{
    nova__communication__v2__message__init(out);
    out->message_id = reply_id(arena, rows, row, first);
    out->conversation_id = reply_id(arena, rows, row, first + 1);
    out->sender_id = reply_id(arena, rows, row, first + 2);
    out->sender_name = reply_text(arena, rows, row, first + 3);
    out->text = reply_text(arena, rows, row, first + 4);
    out->sent_at_us = pg_get_time_us(rows, row, first + 5);
    out->edited_at_us = reply_time_us(rows, row, first + 6);
    out->deleted = pg_get_bool(rows, row, first + 7);
    out->position = pg_get_int8(rows, row, first + 8);
}

// $1: who asks. Conversations come from `c`.
#define CONVERSATION_COLUMNS                                                                       \
    "SELECT c.conversation_id, c.title, c.created_at, c.message_count, c.last_position,"           \
    " (SELECT array_agg(m.user_id ORDER BY m.place) FROM communication.member_view m"              \
    "  WHERE m.conversation_id = c.conversation_id),"                                              \
    " (SELECT count(*) FROM communication.message_view m WHERE m.conversation_id ="                \
    "  c.conversation_id AND NOT m.deleted AND m.sender_id <> $1 AND m.position >"                 \
    "  COALESCE((SELECT r.read_position FROM communication.member_view r WHERE"                    \
    "  r.conversation_id = c.conversation_id AND r.user_id = $1), 0)),"                            \
    " m.message_id IS NOT NULL, " MESSAGE_COLUMNS
#define LAST_MESSAGE                                                                               \
    " LEFT JOIN LATERAL (SELECT * FROM communication.message_view l WHERE l.conversation_id ="     \
    " c.conversation_id ORDER BY l.position DESC LIMIT 1) m ON true" SENDER_JOIN

static void conversation_fill(Nova__Communication__V2__Conversation *out, struct arena *arena,
                              const struct pg_result *rows, size_t row)
{
    nova__communication__v2__conversation__init(out);
    out->conversation_id = reply_id(arena, rows, row, 0);
    out->title = reply_text(arena, rows, row, 1);
    out->created_at_us = pg_get_time_us(rows, row, 2);
    out->message_count = (uint32_t)pg_get_int4(rows, row, 3);
    const struct uuid *members = NULL;
    if (!pg_is_null(rows, row, 5))
        out->n_member_ids = pg_get_uuid_array(&members, arena, rows, row, 5);
    out->member_ids = arena_alloc(arena, out->n_member_ids * sizeof *out->member_ids);
    for (size_t i = 0; i < out->n_member_ids; i++) {
        out->member_ids[i] = arena_alloc(arena, UUID_TEXT_BYTES);
        uuid_format(out->member_ids[i], &members[i]);
    }
    out->unread_count = (uint32_t)pg_get_int8(rows, row, 6);
    if (pg_get_bool(rows, row, 7)) {
        out->last_message = arena_alloc(arena, sizeof *out->last_message);
        message_fill(out->last_message, arena, rows, row, 8);
    }
}

enum nova_status conversation_view_get(Nova__Communication__V2__Conversation **out, struct pg *pg,
                                       const struct uuid *id, const struct uuid *user_id,
                                       struct arena *arena, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(user_id), pg_uuid(id)};
    *out = NULL;
    enum nova_status status =
        pg_query(&rows, pg,
                 CONVERSATION_COLUMNS " FROM communication.conversation_view c" LAST_MESSAGE
                                      " WHERE c.conversation_id = $2",
                 params, 2, err);
    if (pg_rows(rows) > 0) {
        *out = arena_alloc(arena, sizeof **out);
        conversation_fill(*out, arena, rows, 0);
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status conversation_view_list(Nova__Communication__V2__ListConversationsReply **out,
                                        struct pg *pg, const struct uuid *user_id,
                                        const Nova__Common__V1__Page *page, struct arena *arena,
                                        struct error *err)
{
    struct page at;
    struct pg_result *rows = NULL;
    enum nova_status status = page_open(&at, PAGE_CONVERSATIONS, page, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {
        pg_uuid(user_id),
        pg_int8(at.continues ? at.after.first : INT64_MAX),
        pg_uuid(&at.after.id),
        pg_int4((int32_t)at.size + 1),
    };
    status =
        pg_query(&rows, pg,
                 CONVERSATION_COLUMNS
                 " FROM (SELECT v.* FROM communication.member_view u"
                 " JOIN communication.conversation_view v USING (conversation_id)"
                 " WHERE u.user_id = $1 AND (v.last_position, v.conversation_id) < ($2, $3)"
                 " ORDER BY v.last_position DESC, v.conversation_id DESC LIMIT $4) c" LAST_MESSAGE
                 " ORDER BY c.last_position DESC, c.conversation_id DESC",
                 params, 4, err);
    if (status != NOVA_OK)
        return status;
    Nova__Communication__V2__ListConversationsReply *reply = arena_alloc(arena, sizeof *reply);
    nova__communication__v2__list_conversations_reply__init(reply);
    size_t count = pg_rows(rows) < at.size ? pg_rows(rows) : at.size;
    reply->n_conversations = count;
    reply->conversations = arena_alloc(arena, count * sizeof *reply->conversations);
    for (size_t row = 0; row < count; row++) {
        reply->conversations[row] = arena_alloc(arena, sizeof **reply->conversations);
        conversation_fill(reply->conversations[row], arena, rows, row);
    }
    if (pg_rows(rows) > count) {
        struct page_key last = {.first = pg_get_int8(rows, count - 1, 4),
                                .id = pg_get_uuid(rows, count - 1, 0)};
        reply->next_token = page_token(arena, PAGE_CONVERSATIONS, &last);
    }
    pg_result_destroy(&rows);
    *out = reply;
    return NOVA_OK;
}

enum nova_status conversation_view_messages(Nova__Communication__V2__GetMessagesReply **out,
                                            bool *unnamed, struct pg *pg, const struct uuid *id,
                                            const Nova__Common__V1__Page *page, struct arena *arena,
                                            struct error *err)
{
    struct page at;
    struct pg_result *rows = NULL;
    enum nova_status status = page_open(&at, PAGE_MESSAGES, page, err);
    if (status != NOVA_OK)
        return status;
    const struct pg_param params[] = {pg_uuid(id), pg_int8(at.after.first),
                                      pg_int4((int32_t)at.size + 1)};
    status = pg_query(&rows, pg,
                      "SELECT " MESSAGE_COLUMNS ", s.user_id IS NULL AND NOT m.erased"
                      " FROM communication.message_view m" SENDER_JOIN
                      " WHERE m.conversation_id = $1 AND m.position > $2"
                      " ORDER BY m.position LIMIT $3",
                      params, 3, err);
    if (status != NOVA_OK)
        return status;
    Nova__Communication__V2__GetMessagesReply *reply = arena_alloc(arena, sizeof *reply);
    nova__communication__v2__get_messages_reply__init(reply);
    size_t count = pg_rows(rows) < at.size ? pg_rows(rows) : at.size;
    bool any_unnamed = false;
    reply->n_messages = count;
    reply->messages = arena_alloc(arena, count * sizeof *reply->messages);
    for (size_t row = 0; row < count; row++) {
        reply->messages[row] = arena_alloc(arena, sizeof **reply->messages);
        message_fill(reply->messages[row], arena, rows, row, 0);
        any_unnamed |= pg_get_bool(rows, row, 9);
    }
    if (pg_rows(rows) > count) {
        struct page_key last = {.first = reply->messages[count - 1]->position};
        reply->next_token = page_token(arena, PAGE_MESSAGES, &last);
    }
    pg_result_destroy(&rows);
    if (unnamed)
        *unnamed = any_unnamed;
    *out = reply;
    return NOVA_OK;
}

enum nova_status conversation_view_membership(enum conversation_membership *out, struct pg *pg,
                                              const struct uuid *id, const struct uuid *user_id,
                                              struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {pg_uuid(id), pg_uuid(user_id)};
    enum nova_status status =
        pg_query(&rows, pg,
                 "SELECT EXISTS (SELECT FROM communication.member_view m WHERE"
                 " m.conversation_id = c.conversation_id AND m.user_id = $2)"
                 " FROM communication.conversation_view c WHERE c.conversation_id = $1",
                 params, 2, err);
    *out = CONVERSATION_NONE;
    if (pg_rows(rows) > 0)
        *out = pg_get_bool(rows, 0, 0) ? CONVERSATION_MEMBER : CONVERSATION_STRANGER;
    pg_result_destroy(&rows);
    return status;
}
