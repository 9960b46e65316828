// consumers.c - see consumers.h.
#include "projections/consumers.h"

#include <string.h>

// PROJECTION(service, name): folder projections/<name>/. REACTOR(service, name): forget.c and the
// like. The consumer's definition is consumer_<service>_<name>.
#define CONSUMERS(PROJECTION, REACTOR)                                                             \
    PROJECTION(communication, message_sender_cache)                                                \
    PROJECTION(communication, conversation_view)                                                   \
    PROJECTION(content, post_view)                                                                 \
    PROJECTION(search, search_index)                                                               \
    REACTOR(communication, forget)                                                                 \
    REACTOR(content, forget)

#define NOTHING(service, name)
#define DECLARE(service, name) extern const struct inbox_consumer consumer_##service##_##name;
#define DECLARE_SQL(service, name) extern const char name##_tables_sql[], name##_views_sql[];
CONSUMERS(DECLARE, DECLARE)
CONSUMERS(DECLARE_SQL, NOTHING)

#define CONSUMER(service, name) &consumer_##service##_##name,
static const struct inbox_consumer *const consumers[] = {CONSUMERS(CONSUMER, CONSUMER)};
enum { CONSUMERS_COUNT = sizeof consumers / sizeof *consumers };

#define ENTRY(service, name)                                                                       \
    {#name, &consumer_##service##_##name, name##_tables_sql, name##_views_sql},
static const struct projection projections[] = {CONSUMERS(ENTRY, NOTHING)};
enum { PROJECTIONS_COUNT = sizeof projections / sizeof *projections };

size_t consumer_count(void)
{
    return CONSUMERS_COUNT;
}

const struct inbox_consumer *consumer_at(size_t i)
{
    return consumers[i];
}

const struct inbox_consumer *consumer_find(const char *name)
{
    for (size_t i = 0; i < CONSUMERS_COUNT; i++)
        if (strcmp(consumers[i]->name, name) == 0)
            return consumers[i];
    return NULL;
}

bool consumer_reads(const struct inbox_consumer *consumer, const char *service)
{
    for (size_t i = 0; i < inbox_source_count(consumer); i++)
        if (strcmp(consumer->sources[i].service, service) == 0)
            return true;
    return false;
}

size_t projection_count(void)
{
    return PROJECTIONS_COUNT;
}

const struct projection *projection_at(size_t i)
{
    return &projections[i];
}

const struct projection *projection_find(const char *name)
{
    for (size_t i = 0; i < PROJECTIONS_COUNT; i++)
        if (strcmp(projections[i].name, name) == 0)
            return &projections[i];
    return NULL;
}
