// rotation.c - see rotation.h.
#include "services/identity/rotation.h"

#include <string.h>
#include <time.h>

#include "base/base64url.h"
#include "nova/identity/v2/identity.pb-c.h"

static int64_t rotation_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static enum nova_status rotation_keys(struct signing_row **out, size_t *count, struct pg *pg,
                                      const struct service *service, int64_t now_us,
                                      struct arena *arena, struct error *err)
{
    int64_t lifetime_s = settings_int(service_settings(service), SETTING_IDENTITY_TOKEN_LIFETIME_S);
    return signing_list(out, count, pg, lifetime_s, now_us, arena, err);
}

// ---- RotateSigningKey ---------------------------------------------------------------------------

// By the clock that says when a key signs, not by the time an operator gives the command.
enum nova_status rotation_look_up(struct identity_facts *facts, const struct service *service,
                                  const struct signing_new *key, struct pg *pg, struct arena *arena,
                                  struct error *err)
{
    struct signing_row *rows = NULL;
    size_t count = 0, needed = 0;
    struct new_key_fact *fact = &facts->new_key;
    fact->now_us = rotation_now_us();
    fact->lead_us =
        settings_int(service_settings(service), SETTING_IDENTITY_KEY_LEAD_S) * INT64_C(1000000);
    fact->kid = key->kid;
    fact->x = base64url_encode(arena, key->public_key, sizeof key->public_key);
    enum nova_status status = rotation_keys(&rows, &count, pg, service, fact->now_us, arena, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++)
        needed += rows[i].stage.state != KEY_GONE;
    fact->is_one_too_many = needed + 1 > SIGNING_KEYS_MAX;
    return status;
}

static enum nova_status rotation_delete_gone(const struct service *service, struct pg *pg,
                                             struct arena *arena, struct error *err)
{
    struct signing_row *rows = NULL;
    size_t count = 0;
    enum nova_status status =
        rotation_keys(&rows, &count, pg, service, rotation_now_us(), arena, err);
    for (size_t i = 0; i < count && status == NOVA_OK; i++)
        if (rows[i].stage.state == KEY_GONE)
            status = signing_delete(pg, rows[i].kid, err);
    return status;
}

enum nova_status rotation_write(const struct service *service, const struct decision *decision,
                                const struct signing_new *key, struct pg *pg, struct error *err)
{
    const Nova__Identity__V2__KeyringRotated *rotated = (const void *)decision->events[0].payload;
    enum nova_status status = rotation_delete_gone(service, pg, decision->arena, err);
    return status == NOVA_OK ? signing_add(pg, key, rotated->signs_from_us, err) : status;
}

// ---- ListSigningKeys ----------------------------------------------------------------------------

enum nova_status rotation_list(struct service_worker *worker, struct service_call *call,
                               struct error *err)
{
    struct arena *arena = call->request->arena;
    struct signing_row *rows = NULL;
    size_t count = 0;
    if (call->caller.kind != CALLER_OPERATOR) {
        const struct rejection *refused = &identity_rejections[IDENTITY_OPERATOR_ONLY];
        return error_set(err, refused->status, "%s: %s", refused->name, refused->text);
    }
    enum nova_status status =
        rotation_keys(&rows, &count, worker->pg, worker->service, rotation_now_us(), arena, err);
    if (status != NOVA_OK)
        return status;
    Nova__Identity__V2__ListSigningKeysReply *reply =
        message_new(arena, &nova__identity__v2__list_signing_keys_reply__descriptor);
    reply->n_keys = count;
    reply->keys = arena_alloc(arena, count * sizeof *reply->keys);
    for (size_t i = 0; i < count; i++) {
        Nova__Identity__V2__SigningKey *key =
            message_new(arena, &nova__identity__v2__signing_key__descriptor);
        key->kid = rows[i].kid;
        key->state = (char *)(uintptr_t)key_state_name(rows[i].stage.state);
        key->created_at_us = rows[i].created_at_us;
        key->signs_from_us = rows[i].times.signs_from_us;
        key->until_us = rows[i].stage.until_us;
        reply->keys[i] = key;
    }
    call->request->reply = &reply->base;
    return NOVA_OK;
}
