// log_audit.c - see log_audit.h.
#include "cli/log_audit.h"

#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/access.h"
#include "bus/connection.h"
#include "cli/client.h"
#include "cli/home.h"
#include "cli/log_policy.h"
#include "cli/log_rows.h"
#include "signer/published.h"

enum nova_status log_audit_open(struct log_audit *out, const struct settings *settings,
                                const char *service, const char *key, struct error *err)
{
    char in_home[PATH_MAX];
    *out = (struct log_audit){.service = service, .arena = arena_create()};
    if (sodium_init() < 0)
        return error_set(err, NOVA_INTERNAL, "libsodium has no source of randomness");
    enum nova_status status =
        access_path(in_home, settings, err, "credentials/log/%s.pub", service);
    if (status == NOVA_OK)
        status = log_read_key(&out->policy.log, key ? key : in_home, NOTE_KEY_LOG, err);
    if (status == NOVA_OK)
        status = log_connect(&out->pg, settings, service, err);
    return status == NOVA_OK ? tree_open(&out->tree, out->pg, service, err) : status;
}

enum nova_status log_audit_reach(struct log_audit *audit, uint64_t size, struct error *err)
{
    return audit->tree.range.size < size ? tree_open(&audit->tree, audit->pg, audit->service, err)
                                         : NOVA_OK;
}

void log_audit_close(struct log_audit *audit)
{
    pg_destroy(&audit->pg);
    arena_destroy(&audit->arena);
}

// What a note says once it is believed; it must be of the log id that the outbox has now.
static enum nova_status open_note(struct tree_checkpoint *out, struct log_audit *audit,
                                  const char *note, struct arena *arena, struct error *err)
{
    struct checkpoint_opened *opened = &audit->opened;
    char now[UUID_TEXT_BYTES];
    enum nova_status status =
        checkpoint_open(opened, arena, note, strlen(note), &audit->policy, err);
    if (status != NOVA_OK)
        return status;
    uuid_format(now, &audit->tree.log_id);
    if (!uuid_equal(&opened->log_id, &audit->tree.log_id))
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "the checkpoint is of %s, and the log's id is %s now: a fork began a new "
                         "history (docs/recovery.md)",
                         opened->head.origin, now);
    *out = (struct tree_checkpoint){opened->head.size, opened->head.root, note};
    return NOVA_OK;
}

enum nova_status log_audit_read(struct tree_checkpoint *out, struct log_audit *audit,
                                const char *path, struct error *err)
{
    char *note;
    size_t len;
    enum nova_status status = log_read_file(&note, &len, audit->arena, path, NOTE_BYTES_MAX, err);
    if (status == NOVA_OK && open_note(out, audit, note, audit->arena, err) != NOVA_OK)
        status = error_while(err, "%s", path);
    return status;
}

// The note is what counts: the columns beside it are for finding it.
static enum nova_status check_stored(struct tree_checkpoint *stored, struct log_audit *audit,
                                     struct arena *arena, struct error *err)
{
    struct tree_checkpoint signed_one;
    if (open_note(&signed_one, audit, stored->note, arena, err) != NOVA_OK)
        return error_while(err, "%s.log_checkpoint, size %" PRIu64, audit->service, stored->size);
    if (signed_one.size != stored->size || !merkle_hash_same(&signed_one.root, &stored->root))
        return error_set(err, NOVA_DATA_LOSS,
                         "%s.log_checkpoint, size %" PRIu64 ": the row is not what its note says",
                         audit->service, stored->size);
    return NOVA_OK;
}

enum nova_status log_audit_last(struct tree_checkpoint *out, struct log_audit *audit,
                                struct error *err)
{
    enum nova_status status = tree_last_checkpoint(out, &audit->tree, audit->arena, err);
    if (status == NOVA_OK && out->size == 0)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "nothing of %s's log is signed yet: is the signer running? ./nova status",
                         audit->service);
    return status == NOVA_OK ? check_stored(out, audit, audit->arena, err) : status;
}

enum nova_status log_audit_from(struct tree_checkpoint *out, struct log_audit *audit, uint64_t size,
                                struct arena *arena, struct error *err)
{
    enum nova_status status = tree_checkpoint_from(out, &audit->tree, size, arena, err);
    return status == NOVA_OK && out->size > 0 ? check_stored(out, audit, arena, err) : status;
}

enum nova_status log_audit_published(struct tree_checkpoint *out, struct log_audit *audit,
                                     const struct settings *settings, struct error *err)
{
    struct client client;
    jsCtx *js = NULL;
    struct published published = {.sequence = 0};
    *out = (struct tree_checkpoint){.size = 0};
    enum nova_status status = client_open(&client, settings, "auditor", err);
    if (status == NOVA_OK)
        status = bus_jetstream(&js, client.connection, err);
    if (status == NOVA_OK)
        status = published_look(&published, js, audit->service, &audit->policy, audit->arena, err);
    if (status == NOVA_OK && published.sequence > 0 &&
        uuid_equal(&published.opened.log_id, &audit->tree.log_id)) {
        *out = (struct tree_checkpoint){published.opened.head.size, published.opened.head.root,
                                        published.note};
        audit->opened = published.opened;
    }
    jsCtx_Destroy(js);
    client_close(&client);
    return status;
}

enum nova_status log_write_out(const char *path, const char *text, struct error *err)
{
    if (path != NULL)
        return home_write(path, text, 0644, err);
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0
               ? NOVA_OK
               : error_set(err, NOVA_UNAVAILABLE, "stdout cannot be written");
}
