// consumers.h - every consumer of Nova, and every projection among them: one list.
//
// A new one is a folder with tables.sql, views.sql and handlers, and one line here
// (docs/adding-a-projection.md).
//
// Threads: constant data, safe from any thread.
#pragma once
#include "inbox/consumer.h"

size_t consumer_count(void);
const struct inbox_consumer *consumer_at(size_t i);
const struct inbox_consumer *consumer_find(const char *name); // NULL: none
bool consumer_reads(const struct inbox_consumer *consumer, const char *service);

struct projection {
    const char *name; // "message_sender_cache"
    const struct inbox_consumer *consumer;
    const char *tables_sql; // run with search_path = <name>_g<N>, <service>
    const char *views_sql;  // the same; makes <service>.<view>
};

size_t projection_count(void);
const struct projection *projection_at(size_t i);
const struct projection *projection_find(const char *name); // "search_index"; NULL: none
