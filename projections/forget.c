// forget.c - the reactors content/forget and communication/forget: when identity says that a user
// was deleted, the key of that person goes, and with it what this service's events hold of them.
//
// An erased key leaves a row behind, also for somebody who had none: a token may outlive its user
// for a while, and no new key may be made for one who was forgotten.
#include "inbox/consumer.h"

#include <stdio.h>

static enum nova_status forget(const char *service, struct inbox_batch *batch, struct pg *pg,
                               struct error *err)
{
    char sql[512];
    const struct uuid *ids;
    size_t count = inbox_batch_aggregates(&ids, batch, "user.deleted");
    if (count == 0)
        return NOVA_OK;
    snprintf(sql, sizeof sql,
             "INSERT INTO %s.person_key AS k (person_id, key_id, wrapped, erased_at)"
             " SELECT u, gen_random_uuid(), NULL, clock_timestamp() FROM unnest($1) AS u"
             " ON CONFLICT (person_id) DO UPDATE SET wrapped = NULL, erased_at = clock_timestamp()"
             " WHERE k.erased_at IS NULL",
             service);
    const struct pg_param params[] = {pg_uuid_array(batch->arena, ids, count)};
    return pg_query(NULL, pg, sql, params, 1, err);
}

static enum nova_status forget_in_content(struct inbox_batch *batch, struct pg *pg,
                                          struct error *err)
{
    return forget("content", batch, pg, err);
}

static enum nova_status forget_in_communication(struct inbox_batch *batch, struct pg *pg,
                                                struct error *err)
{
    return forget("communication", batch, pg, err);
}

const struct inbox_consumer consumer_content_forget = {
    .name = "content/forget",
    .service = "content",
    .kind = INBOX_REACTOR,
    .sources = {{"identity", {"user.deleted"}, forget_in_content, INBOX_UNKNOWN_SKIP}},
};

const struct inbox_consumer consumer_communication_forget = {
    .name = "communication/forget",
    .service = "communication",
    .kind = INBOX_REACTOR,
    .sources = {{"identity", {"user.deleted"}, forget_in_communication, INBOX_UNKNOWN_SKIP}},
};
