// credentials.c - see credentials.h.
#include "cli/credentials.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/note.h"
#include "base/access.h"
#include "bus/topology.h"
#include "cli/credentials_nats.h"
#include "cli/home.h"

enum { PASSWORD_RANDOM_BYTES = 24, KEYS_MADE_BYTES = 4096, LOGS_MAX = 32 };

static const char *const roles[] = {
    "identity_service",
    "identity_relay",
    "identity_signer",
    "identity_consumer",
    "content_service",
    "content_relay",
    "content_signer",
    "content_consumer",
    "communication_service",
    "communication_relay",
    "communication_signer",
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

// The services for which a key was ever made here, one a line.
static void read_keys_made(char out[KEYS_MADE_BYTES], const char *path)
{
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(out, 1, KEYS_MADE_BYTES - 1, file) : 0;
    if (file)
        fclose(file);
    out[len] = '\0';
}

static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
        if (strncmp(at, line, len) == 0 && (at[len] == '\n' || at[len] == '\0'))
            return true;
    return false;
}

// Keys that are made once for each service, and never again.
struct lasting {
    const char *folder;
    enum nova_status (*make)(bool *made, const char *path, const char *service, struct error *err);
    const char *lost; // what is the matter without it, with the service's name
};

// A key that was lost is not made anew in silence: what hangs on the old one would be lost with it.
// A service that is new here gets one. Key first, then the list: never a key that is not there in
// the list.
static enum nova_status make_lasting_key(int *count, const char *list_path,
                                         const struct lasting *lasting,
                                         const struct settings *settings, const char *service,
                                         struct error *err)
{
    char path[PATH_MAX], keys_made[KEYS_MADE_BYTES];
    bool made = false;
    read_keys_made(keys_made, list_path);
    bool was_made = has_line(keys_made, service);
    enum nova_status status =
        access_path(path, settings, err, "credentials/%s/%s", lasting->folder, service);
    if (status == NOVA_OK && was_made && access(path, F_OK) != 0)
        status = error_set(err, NOVA_FAILED_PRECONDITION,
                           "%s is missing, and without it %s's %s: restore it from a backup", path,
                           service, lasting->lost);
    if (status == NOVA_OK)
        status = lasting->make(&made, path, service, err);
    if (status == NOVA_OK && !was_made) {
        assert(strlen(keys_made) + strlen(service) + 2 < sizeof keys_made);
        strcat(strcat(keys_made, service), "\n");
        status = home_write(list_path, keys_made, 0600, err);
    }
    *count += made;
    return status;
}

static enum nova_status make_lasting_keys(struct credentials_made *out,
                                          const struct lasting *lasting,
                                          const char *const *services, size_t count,
                                          const struct settings *settings, struct error *err)
{
    char list_path[PATH_MAX], folder[PATH_MAX];
    enum nova_status status =
        access_path(list_path, settings, err, "credentials/%s/.made", lasting->folder);
    if (status == NOVA_OK)
        status = access_path(folder, settings, err, "credentials/%s", lasting->folder);
    // A home that an older Nova made and still runs has not this folder yet.
    if (status == NOVA_OK && mkdir(folder, 0700) != 0 && errno != EEXIST)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be made: %s", folder,
                           strerror(errno));
    for (size_t i = 0; i < count && status == NOVA_OK; i++)
        status = make_lasting_key(&out->count, list_path, lasting, settings, services[i], err);
    return status;
}

static enum nova_status make_master_key(bool *made, const char *path, const char *service,
                                        struct error *err)
{
    (void)service;
    return make_random(made, path, SEAL_KEY_BYTES, err);
}

static enum nova_status make_master_keys(struct credentials_made *out,
                                         const struct settings *settings, struct error *err)
{
    static const struct lasting master = {"seal", make_master_key,
                                          "events keep everything personal closed"};
    return make_lasting_keys(out, &master, sealing_services,
                             sizeof sealing_services / sizeof *sealing_services, settings, err);
}

// A log's signing key, "nova/content", and beside it what auditors are given: <path>.pub.
static enum nova_status make_log_key(bool *made, const char *path, const char *service,
                                     struct error *err)
{
    char public_path[PATH_MAX], name[ACCESS_NAME_BYTES + 8];
    struct note_signer signer;
    *made = false;
    if (access(path, F_OK) == 0)
        return NOVA_OK;
    snprintf(name, sizeof name, "nova/%s", service);
    int len = snprintf(public_path, sizeof public_path, "%s.pub", path);
    enum nova_status status = len < 0 || len >= (int)sizeof public_path
                                  ? error_set(err, NOVA_INVALID_ARGUMENT, "home is too long a path")
                                  : note_signer_make(&signer, name, NOTE_KEY_LOG, err);
    if (status != NOVA_OK)
        return status;
    struct arena *arena = arena_create();
    char *secret = arena_printf(arena, "%s\n", note_signer_text(arena, &signer));
    // The public one first: an interrupted start writes both again.
    status = home_write(public_path, arena_printf(arena, "%s\n", note_key_text(arena, &signer.key)),
                        0600, err);
    if (status == NOVA_OK)
        status = home_write(path, secret, 0600, err);
    *made = status == NOVA_OK;
    sodium_memzero(secret, strlen(secret));
    note_signer_wipe(&signer);
    arena_destroy(&arena);
    return status;
}

static enum nova_status make_log_keys(struct credentials_made *out, const struct settings *settings,
                                      struct error *err)
{
    static const struct lasting signing = {"log", make_log_key,
                                           "log cannot be signed by the key that auditors know"};
    const char *services[LOGS_MAX];
    assert(topology_stream_count() <= LOGS_MAX);
    for (size_t i = 0; i < topology_stream_count(); i++)
        services[i] = topology_stream_service(i);
    return make_lasting_keys(out, &signing, services, topology_stream_count(), settings, err);
}

// What refresh tokens are derived with. One that was lost may be made anew: the tokens that were
// given out last are known by their hashes, and only a theft of older ones goes unnoticed.
static enum nova_status make_refresh_key(struct credentials_made *out,
                                         const struct settings *settings, struct error *err)
{
    char path[PATH_MAX];
    bool made = false;
    enum nova_status status = access_path(path, settings, err, "credentials/refresh/identity");
    if (status == NOVA_OK)
        status = make_random(&made, path, SEAL_KEY_BYTES, err);
    out->count += made;
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
        status = make_refresh_key(out, settings, err);
    if (status == NOVA_OK)
        status = make_log_keys(out, settings, err);
    if (status == NOVA_OK)
        status = make_passwords(out, settings, err);
    if (status == NOVA_OK)
        status = credentials_nats_make(&seeds, settings, err);
    out->count += seeds;
    return status;
}
