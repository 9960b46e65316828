// conversation_view_query.h - what communication's service answers from its conversations.
//
// Ownership: replies live in the arena.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's; INVALID_ARGUMENT for a page's token that is none.
// Who may see what is the service's matter: conversation_member tells who belongs to it.
#pragma once
#include "nova/communication/v2/communication.pb-c.h"
#include "pg/pg.h"

// The conversation as `user_id` sees it (unread_count). *out is NULL when there is none.
MUST_CHECK enum nova_status conversation_view_get(Nova__Communication__V2__Conversation **out,
                                                  struct pg *pg, const struct uuid *id,
                                                  const struct uuid *user_id, struct arena *arena,
                                                  struct error *err);

// The conversations of a user, the one written to last first.
MUST_CHECK enum nova_status
conversation_view_list(Nova__Communication__V2__ListConversationsReply **out, struct pg *pg,
                       const struct uuid *user_id, const Nova__Common__V1__Page *page,
                       struct arena *arena, struct error *err);

// The messages of a conversation, oldest first, senders named from the sender cache: by display
// name, else by handle. *unnamed (may be NULL) is whether a sender is not known there yet.
MUST_CHECK enum nova_status
conversation_view_messages(Nova__Communication__V2__GetMessagesReply **out, bool *unnamed,
                           struct pg *pg, const struct uuid *id, const Nova__Common__V1__Page *page,
                           struct arena *arena, struct error *err);

enum conversation_membership { CONVERSATION_NONE, CONVERSATION_STRANGER, CONVERSATION_MEMBER };
MUST_CHECK enum nova_status conversation_view_membership(enum conversation_membership *out,
                                                         struct pg *pg, const struct uuid *id,
                                                         const struct uuid *user_id,
                                                         struct error *err);
