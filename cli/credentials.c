// credentials.c - see credentials.h.
#include "cli/credentials.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/credentials_nats.h"
#include "cli/home.h"

enum { PASSWORD_RANDOM_BYTES = 24 };

static const char *const roles[] = {
    "identity_service",
    "identity_relay",
    "identity_consumer",
    "content_service",
    "content_relay",
    "content_consumer",
    "communication_service",
    "communication_relay",
    "communication_consumer",
    "search_service",
    "search_consumer",
    "operator",
    "auditor",
};

// Services whose events hold personal data.
static const char *const sealing_services[] = {"identity", "content", "communication"};

size_t credentials_role_count(void)
{
    return sizeof roles / sizeof *roles;
}

const char *credentials_role(size_t i)
{
    assert(i < credentials_role_count());
    return roles[i];
}

// A secret of random hexadecimal digits, unless the file is there. *made: it was written.
static enum nova_status make_random(bool *made, const char *path, size_t random_bytes,
                                    struct error *err)
{
    uint8_t random[SEAL_KEY_BYTES];
    char text[2 * sizeof random + 2];
    assert(random_bytes <= sizeof random);
    *made = false;
    if (access(path, F_OK) == 0)
        return NOVA_OK;
    randombytes_buf(random, random_bytes);
    sodium_bin2hex(text, sizeof text - 1, random, random_bytes);
    strcat(text, "\n");
    *made = true;
    enum nova_status status = home_write(path, text, 0600, err);
    sodium_memzero(random, sizeof random);
    sodium_memzero(text, sizeof text);
    return status;
}

static enum nova_status make_password(bool *made, const struct settings *settings, const char *role,
                                      struct error *err)
{
    char path[PATH_MAX];
    enum nova_status status = access_path(path, settings, err, "credentials/postgres/%s", role);
    return status == NOVA_OK ? make_random(made, path, PASSWORD_RANDOM_BYTES, err) : status;
}

static enum nova_status make_passwords(struct credentials_made *out,
                                       const struct settings *settings, struct error *err)
{
    bool made = false;
    enum nova_status status = make_password(&made, settings, ACCESS_SUPERUSER, err);
    out->superuser_anew = made;
    out->count += made;
    for (size_t i = 0; i < credentials_role_count() && status == NOVA_OK; i++) {
        status = make_password(&made, settings, roles[i], err);
        out->count += made;
    }
    return status;
}

// A master key that was lost is not made anew in silence: what it sealed stays closed for ever. But
// whether something was sealed is known only to the database, so this is the place that says it.
static enum nova_status make_master_keys(struct credentials_made *out,
                                         const struct settings *settings, struct error *err)
{
    enum nova_status status = NOVA_OK;
    char data[PATH_MAX];
    status = access_path(data, settings, err, "pg/PG_VERSION");
    bool used = status == NOVA_OK && access(data, F_OK) == 0;
    for (size_t i = 0; i < sizeof sealing_services / sizeof *sealing_services; i++) {
        char path[PATH_MAX];
        bool made = false;
        if (status == NOVA_OK)
            status = access_path(path, settings, err, "credentials/seal/%s", sealing_services[i]);
        if (status == NOVA_OK && used && access(path, F_OK) != 0)
            status = error_set(err, NOVA_FAILED_PRECONDITION,
                               "%s is missing, and without it everything personal in %s's events "
                               "stays closed: restore it from a backup",
                               path, sealing_services[i]);
        if (status == NOVA_OK)
            status = make_random(&made, path, SEAL_KEY_BYTES, err);
        out->count += made;
    }
    return status;
}

enum nova_status credentials_make(struct credentials_made *out, const struct settings *settings,
                                  struct error *err)
{
    *out = (struct credentials_made){0};
    if (sodium_init() < 0)
        return error_set(err, NOVA_INTERNAL, "libsodium has no source of randomness");
    int seeds = 0;
    enum nova_status status = make_master_keys(out, settings, err);
    if (status == NOVA_OK)
        status = make_passwords(out, settings, err);
    if (status == NOVA_OK)
        status = credentials_nats_make(&seeds, settings, err);
    out->count += seeds;
    return status;
}
