// credentials_nats.c - see credentials_nats.h. The seed is written before its public key is listed:
// an interrupted start leaves a seed that nobody knows, and the next one makes another.
#include "cli/credentials_nats.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "bus/nkey.h"
#include "bus/topology.h"
#include "cli/home.h"

static_assert((int)NKEY_PUBLIC_TEXT_BYTES == (int)ACCESS_PUBLIC_BYTES, "a public nkey's length");

static const char *public_key(void *principals, const char *user)
{
    return access_principal_key(principals, user);
}

// The user's entry in `out`: the one of an earlier start when its seed is there, else a new one.
static enum nova_status make_user(struct access_principals *out, int *made,
                                  const struct access_principals *before,
                                  const struct settings *settings, const char *user,
                                  struct error *err)
{
    char path[PATH_MAX], seed[NKEY_SEED_TEXT_BYTES + 1];
    struct access_principal *entry = &out->at[out->count];
    assert(out->count < ACCESS_PRINCIPALS_MAX && strlen(user) < sizeof entry->user); // our table
    enum nova_status status = access_path(path, settings, err, "credentials/nats/%s.nk", user);
    if (status != NOVA_OK)
        return status;
    strcpy(entry->user, user);
    const char *known = access_principal_key(before, user);
    if (known && access(path, F_OK) == 0) {
        strcpy(entry->public_key, known);
    } else {
        nkey_generate(seed, entry->public_key);
        strcat(seed, "\n");
        status = home_write(path, seed, 0600, err);
        sodium_memzero(seed, sizeof seed);
        *made += 1;
    }
    out->count++;
    return status;
}

static enum nova_status write_principals(const struct access_principals *list,
                                         const struct settings *settings, struct error *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t len = 0;
    enum nova_status status = access_path(path, settings, err, "credentials/nats/principals");
    if (status != NOVA_OK)
        return status;
    FILE *out = open_memstream(&text, &len);
    assert(out);
    for (size_t i = 0; i < list->count; i++)
        fprintf(out, "%s %s\n", list->at[i].user, list->at[i].public_key);
    fclose(out);
    status = home_write(path, text, 0600, err);
    free(text);
    return status;
}

static enum nova_status write_accounts(struct access_principals *list,
                                       const struct settings *settings, struct error *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t len = 0;
    enum nova_status status = access_path(path, settings, err, "nats/accounts.conf");
    if (status != NOVA_OK)
        return status;
    FILE *out = open_memstream(&text, &len);
    assert(out);
    status = topology_write_accounts(out, public_key, list, err);
    fclose(out);
    if (status == NOVA_OK)
        status = home_write(path, text, 0600, err);
    free(text);
    return status;
}

enum nova_status credentials_nats_make(int *made, const struct settings *settings,
                                       struct error *err)
{
    struct access_principals *lists = calloc(2, sizeof *lists);
    assert(lists);
    struct access_principals *before = &lists[0], *list = &lists[1];
    *made = 0;
    // A list that cannot be read is made anew, with new keys: nothing but this home knows them.
    if (access_principals_read(before, settings, NULL) != NOVA_OK)
        before->count = 0;
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < topology_user_count() && status == NOVA_OK; i++)
        status = make_user(list, made, before, settings, topology_user_name(i), err);
    if (status == NOVA_OK)
        status = write_principals(list, settings, err);
    if (status == NOVA_OK)
        status = write_accounts(list, settings, err);
    free(lists);
    return status;
}
