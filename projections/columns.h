// columns.h - a batch's events of one type as parameters for unnest(): an array for each field.
//
//   struct columns sent;
//   columns_of(&sent, batch, "message.sent");
//   params[] = {columns_ids(&sent), columns_texts(&sent, offsetof(MessageSentPersonal, text)), ...}
//
// A field is named by its offset in protobuf-c's struct, as protobuf-c's own descriptors do.
//
// Ownership: everything lives in the batch's arena.
// Errors:    INVALID_ARGUMENT names event and field.
// Bounds:    the batch's.
#pragma once
#include "inbox/consumer.h"

struct columns {
    const struct inbox_event *const *events; // in the source's order
    size_t count;
    struct arena *arena;
};

void columns_of(struct columns *out, const struct inbox_batch *batch, const char *type);
// Of those the last one of each aggregate, for events that hold the whole new content.
void columns_last_of(struct columns *out, const struct inbox_batch *batch, const char *type);

struct pg_param columns_ids(const struct columns *columns);   // of the aggregates
struct pg_param columns_times(const struct columns *columns); // when they occurred
struct pg_param columns_positions(const struct columns *columns);

// A text of the personal part; SQL NULL where that was erased.
struct pg_param columns_texts(const struct columns *columns, size_t offset);
// The same of a repeated text, as PostgreSQL reads an array from text (::text[]).
struct pg_param columns_text_lists(const struct columns *columns, size_t count_offset,
                                   size_t offset);

// For columns_uuids: offset and name of a payload's field.
#define COLUMN(type, field) offsetof(type, field), #field
// An id that the payload holds as text; `empty_ok`: an empty one is nil.
MUST_CHECK enum nova_status columns_uuids(struct pg_param *out, const struct columns *columns,
                                          size_t offset, const char *name, bool empty_ok,
                                          struct error *err);
