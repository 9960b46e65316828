// log.c - see log.h.
#include "signer/log.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bus/leaf.h"

enum { BATCH_EVENTS = 1000, BATCHES_A_STEP = 5 };

// ---- life ---------------------------------------------------------------------------------------

enum nova_status signer_log_read_key(struct signer_log *log, const struct settings *settings,
                                     const char *service, struct error *err)
{
    char text[ACCESS_LOG_KEY_BYTES];
    *log = (struct signer_log){.service = service,
                               .settings = settings,
                               .arena = arena_create(),
                               .kept_arena = arena_create()};
    enum nova_status status = access_log_key(text, settings, service, err);
    if (status == NOVA_OK && note_signer_parse(&log->key, text, err) != NOVA_OK)
        status = error_while(err, "the signing key of %s's log", service);
    if (status == NOVA_OK && log->key.key.type != NOTE_KEY_LOG)
        status = error_set(err, NOVA_INVALID_ARGUMENT, "the signing key of %s's log is a witness's",
                           service);
    sodium_memzero(text, sizeof text);
    log->policy.log = log->key.key;
    return status;
}

static enum nova_status connect_first(struct signer_log *log, struct error *err)
{
    char url[ACCESS_URL_BYTES], role[ACCESS_NAME_BYTES], name[64];
    snprintf(role, sizeof role, "%.40s_signer", log->service);
    snprintf(name, sizeof name, "signer/%d", (int)getpid());
    enum nova_status status = access_postgres_url(url, log->settings, log->service, role, err);
    if (status == NOVA_OK)
        status = pg_connect(&log->pg, url, name, err);
    explicit_bzero(url, sizeof url);
    if (status == NOVA_OK)
        outbox_open(&log->outbox, log->service, log->pg);
    return status;
}

// On each connection what settlement relies on, as the relay does.
enum nova_status signer_log_connect(struct signer_log *log, struct error *err)
{
    if (log->pg != NULL && pg_is_connected(log->pg))
        return NOVA_OK;
    enum nova_status status =
        log->pg == NULL ? connect_first(log, err) : pg_reconnect(log->pg, err);
    return status == NOVA_OK ? outbox_check(&log->outbox, err) : status;
}

void signer_log_close(struct signer_log *log)
{
    if (log->pg != NULL)
        outbox_close(&log->outbox);
    pg_destroy(&log->pg);
    arena_destroy(&log->arena);
    arena_destroy(&log->kept_arena);
    note_signer_wipe(&log->key);
}

void signer_log_forget(struct signer_log *log)
{
    log->is_locked = log->is_open = log->may_sign = false;
}

// ---- the tree -----------------------------------------------------------------------------------

static enum nova_status take_lock(struct signer_log *log, struct error *err)
{
    struct pg_result *row = NULL;
    const struct pg_param service = pg_text(log->service);
    if (log->is_locked)
        return NOVA_OK;
    enum nova_status status = pg_query(
        &row, log->pg, "SELECT pg_try_advisory_lock(hashtextextended('nova signer ' || $1, 0))",
        &service, 1, err);
    log->is_locked = pg_rows(row) == 1 && pg_get_bool(row, 0, 0);
    pg_result_destroy(&row);
    return status;
}

static enum nova_status open_tree(struct signer_log *log, jsCtx *js, struct error *err)
{
    arena_reset(log->kept_arena);
    enum nova_status status = tree_open(&log->tree, log->pg, log->service, err);
    if (status == NOVA_OK)
        status = tree_last_checkpoint(&log->kept, &log->tree, log->kept_arena, err);
    if (status != NOVA_OK)
        return status;
    status = published_last(&log->published, js, log->service, &log->policy, log->kept_arena, err);
    if (status == NOVA_DATA_LOSS)
        return error_while(err,
                           "%s's log is not signed: its key is not the one that signed before, "
                           "restore credentials/log/%s from a backup",
                           log->service, log->service);
    if (status != NOVA_OK)
        return status;
    settle_reset(&log->settle, log->tree.position);
    log->is_open = true;
    log->may_sign = false;
    return NOVA_OK;
}

// A fork gave the log another id: another tree begins.
static enum nova_status ensure_tree(struct signer_log *log, jsCtx *js, struct error *err)
{
    struct uuid log_id;
    enum nova_status status = tree_log_id(&log_id, log->pg, log->service, err);
    if (status == NOVA_OK && log->is_open && !uuid_equal(&log_id, &log->tree.log_id))
        log->is_open = false;
    return status == NOVA_OK && !log->is_open ? open_tree(log, js, err) : status;
}

static void leaf_of(struct tree_leaf *out, const struct event *event, struct arena *arena)
{
    size_t len = leaf_bytes_v1(NULL, 0, event);
    uint8_t *bytes = arena_alloc(arena, len);
    leaf_bytes_v1(bytes, len, event);
    out->position = event->position;
    merkle_hash_leaf(&out->hash, (struct bytes){bytes, len});
}

static enum nova_status add_rows(struct signer_log *log, const struct outbox_batch *batch,
                                 struct error *err)
{
    struct tree_leaf *leaves = arena_alloc(log->arena, (batch->count + 1) * sizeof *leaves);
    for (size_t i = 0; i < batch->count; i++) {
        struct event *event = &batch->rows[i].event;
        if (!uuid_equal(&event->log_id, &log->tree.log_id)) {
            log->is_open = false; // a fork just now; else it is found again, and said again
            return error_set_transient(err, NOVA_ABORTED,
                                       "%s's event at position %" PRId64 " is of another log id",
                                       log->service, event->position);
        }
        event->n = (int64_t)(log->tree.range.size + i + 1);
        leaf_of(&leaves[i], event, log->arena);
    }
    enum nova_status status = tree_append(&log->tree, leaves, batch->count, log->arena, err);
    if (status == NOVA_OK)
        metrics_add(METRIC_SIGNER_EVENTS, (int64_t)batch->count);
    return status;
}

static enum nova_status extend(struct signer_log *log, bool *more, struct error *err)
{
    enum nova_status status = NOVA_OK;
    *more = true;
    for (int i = 0; i < BATCHES_A_STEP && *more && status == NOVA_OK; i++) {
        struct outbox_batch batch;
        arena_reset(log->arena);
        status = outbox_look_at(&batch, &log->outbox, &log->settle, BATCH_EVENTS, log->arena, err);
        // Large events fill a look by their bytes: the next one tells whether it was the last.
        *more = status == NOVA_OK && batch.count > 0;
        if (*more)
            status = add_rows(log, &batch, err);
    }
    log->at_end = status == NOVA_OK && !*more && log->settle.state == SETTLE_FOLLOW;
    return status;
}

// ---- checkpoints --------------------------------------------------------------------------------

static void head_of(struct checkpoint *out, const struct signer_log *log)
{
    checkpoint_origin(out, log->key.key.name, &log->tree.log_id);
    out->size = log->tree.range.size;
    merkle_range_root(&out->root, &log->tree.range);
}

// What people are told, and what they can do about it: within the one line of `nova status`.
static enum nova_status refuse(struct signer_log *log, enum sign_answer answer,
                               const struct checkpoint *last, const char *where, struct error *err)
{
    if (answer == SIGN_SMALLER)
        return error_set(err, NOVA_DATA_LOSS,
                         "%s's log is not signed: it has %" PRIu64 " events, and %" PRIu64
                         " were signed (%s). Restored from an older copy? ./nova relay recover %s "
                         "--dry-run",
                         log->service, log->tree.range.size, last->size, where, log->service);
    return error_set(err, NOVA_DATA_LOSS,
                     "%s's log is not signed: its first %" PRIu64
                     " events are not those that were signed (%s). ./nova log verify --service %s "
                     "names the first: put it back (docs/recovery.md)",
                     log->service, last->size, where, log->service);
}

static enum nova_status check_against(struct signer_log *log, enum sign_answer *answer,
                                      const struct checkpoint *last, const char *where,
                                      struct error *err)
{
    struct checkpoint now;
    struct merkle_hash then;
    enum nova_status status = NOVA_OK;
    head_of(&now, log);
    bool reached = last != NULL && last->size <= now.size;
    if (reached)
        status = tree_root(&then, &log->tree, last->size, err);
    if (status != NOVA_OK)
        return status;
    *answer = sign_look(last, &now, reached ? &then : NULL, log->at_end);
    return *answer == SIGN_GO || *answer == SIGN_WAIT ? NOVA_OK
                                                      : refuse(log, *answer, last, where, err);
}

// Before the first signature since the tree was opened; from then on nobody else writes it.
static enum nova_status check_tree(struct signer_log *log, struct error *err)
{
    struct checkpoint kept = {.size = log->kept.size, .root = log->kept.root};
    enum sign_answer in_database = SIGN_GO, in_stream = SIGN_GO;
    if (log->may_sign)
        return NOVA_OK;
    checkpoint_origin(&kept, log->key.key.name, &log->tree.log_id);
    enum nova_status status =
        check_against(log, &in_database, kept.size > 0 ? &kept : NULL, "log_checkpoint", err);
    if (status == NOVA_OK)
        status = check_against(log, &in_stream,
                               log->published.sequence > 0 ? &log->published.opened.head : NULL,
                               "NOVA_AUDIT", err);
    log->may_sign = status == NOVA_OK && in_database == SIGN_GO && in_stream == SIGN_GO;
    return status;
}

static enum nova_status sign(struct signer_log *log, struct error *err)
{
    struct checkpoint head;
    head_of(&head, log);
    char *note = checkpoint_sign(log->arena, &head, &log->key);
    enum nova_status status = tree_keep(&log->tree, &head.root, note, err);
    if (status != NOVA_OK)
        return status;
    arena_reset(log->kept_arena);
    log->published.note = NULL; // it lay there too
    log->kept = (struct tree_checkpoint){head.size, head.root, arena_strdup(log->kept_arena, note)};
    return NOVA_OK;
}

// Only what is stored leaves, so a database that forgets it shows that it did.
static enum nova_status publish(struct signer_log *log, jsCtx *js, struct error *err)
{
    struct published *published = &log->published;
    struct checkpoint head = {.size = log->kept.size, .root = log->kept.root};
    checkpoint_origin(&head, log->key.key.name, &log->tree.log_id);
    if (log->kept.size == 0 ||
        (published->sequence > 0 && strcmp(published->opened.head.origin, head.origin) == 0 &&
         published->opened.head.size >= head.size))
        return NOVA_OK;
    enum nova_status status =
        published_add(&published->sequence, js, log->service, log->kept.note, err);
    if (status != NOVA_OK)
        return status;
    published->opened.head = head;
    metrics_add(METRIC_SIGNER_CHECKPOINTS, 1);
    log_debug("signer: a checkpoint", LOG_TEXT("service", log->service),
              LOG_INT("size", head.size));
    return NOVA_OK;
}

static enum nova_status step(struct signer_log *log, jsCtx *js, bool *busy, struct error *err)
{
    bool more = false;
    enum nova_status status = ensure_tree(log, js, err);
    if (status == NOVA_OK)
        status = extend(log, &more, err);
    *busy = more;
    if (status == NOVA_OK)
        status = check_tree(log, err);
    if (status == NOVA_OK && log->may_sign && log->tree.range.size > log->kept.size)
        status = sign(log, err);
    return status == NOVA_OK && log->may_sign ? publish(log, js, err) : status;
}

enum nova_status signer_log_step(struct signer_log *log, jsCtx *js, bool *busy, struct error *err)
{
    *busy = false;
    if (!pg_is_connected(log->pg))
        signer_log_forget(log);
    enum nova_status status = signer_log_connect(log, err);
    if (status == NOVA_OK)
        status = take_lock(log, err);
    if (status == NOVA_OK && log->is_locked)
        status = step(log, js, busy, err);
    if (status != NOVA_OK && err->transient)
        log->is_open = false; // what was meant to be written may be or not be there
    if (status == NOVA_DATA_LOSS && strcmp(log->trouble, err->text) != 0)
        log_error("signer: refuses to sign", LOG_TEXT("service", log->service), LOG_ERROR(err));
    bool mended = status == NOVA_OK && log->is_locked && log->may_sign && *log->trouble != '\0';
    if (mended)
        log_info("signer: signs again", LOG_TEXT("service", log->service));
    if (status == NOVA_DATA_LOSS)
        snprintf(log->trouble, sizeof log->trouble, "%s", err->text);
    else if (mended || (status == NOVA_OK && !log->is_locked))
        log->trouble[0] = '\0';
    return status;
}
