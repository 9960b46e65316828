// dlq.h - what the parts of `nova dlq` share: which dead letters are meant.
#pragma once
#include "base/settings.h"
#include "base/uuid.h"
#include "pg/pg.h"

struct dlq_filter {
    const char *consumer, *type, *reason; // NULL: all
    struct uuid event_id;                 // nil: all
    bool all;                             // said so
    bool yes;                             // asked and answered beforehand
    bool as_json;
    const char *why; // discard's
};

// What is meant, as a condition over dead_letter with the parameters of dlq_params. A consumer
// stands also for its rebuilds ("search/search_index@2"); a type for all of its aggregate ("post").
#define DLQ_WHERE                                                                                  \
    "($1 IS NULL OR consumer = $1 OR split_part(consumer, '@', 1) = $1) AND ($2 IS NULL"           \
    " OR type = $2 OR split_part(type, '.', 1) = $2) AND ($3 IS NULL OR"                           \
    " strpos(lower(error), lower($3)) > 0) AND ($4 IS NULL OR event_id = $4)"
enum { DLQ_PARAMS = 4 };
void dlq_params(struct pg_param out[DLQ_PARAMS], const struct dlq_filter *filter);

// The services that have consumers, each once.
size_t dlq_service_count(void);
const char *dlq_service_at(size_t i);

MUST_CHECK enum nova_status dlq_connect(struct pg **out, const struct settings *settings,
                                        const char *service, const char *role, struct error *err);

// How many dead letters are meant in all services.
MUST_CHECK enum nova_status dlq_count(int64_t *out, const struct settings *settings,
                                      const struct dlq_filter *filter, struct error *err);

// Who is at the keyboard, as far as the machine knows.
const char *dlq_person(void);

int dlq_retry(const struct settings *settings, const struct dlq_filter *filter);
int dlq_discard(const struct settings *settings, const struct dlq_filter *filter);
