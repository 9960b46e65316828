// client.c - see client.h.
#include "cli/client.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/access.h"
#include "base/nearest.h"
#include "base/seal.h"
#include "cli/home.h"

enum { CONNECT_WAIT_MS = 5000, NAMES_MAX = 64 };

enum nova_status client_open(struct client *out, const struct settings *settings, const char *user,
                             struct error *err)
{
    char url[ACCESS_URL_BYTES], seed[PATH_MAX], name[64];
    *out = (struct client){NULL, NULL};
    snprintf(name, sizeof name, "nova/%s", user);
    enum nova_status status = seal_start(err);
    if (status == NOVA_OK)
        status = access_nats_url(url, settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, settings, user, err);
    if (status == NOVA_OK)
        status = process_token_create(&out->token, user, seed, err);
    const struct bus_options options = {url, name, user, seed, CONNECT_WAIT_MS};
    if (status != NOVA_OK || bus_connect(&out->connection, &options, err) == NOVA_OK)
        return status;
    return home_unreached(settings, err);
}

enum nova_status client_postgres(struct pg **out, const struct settings *settings,
                                 const char *service, const char *role, const char *name,
                                 struct error *err)
{
    char url[ACCESS_URL_BYTES];
    enum nova_status status = access_postgres_url(url, settings, service, role, err);
    if (status == NOVA_OK && pg_connect(out, url, name, err) != NOVA_OK)
        status = home_unreached(settings, err);
    explicit_bzero(url, sizeof url);
    return status;
}

void client_close(struct client *client)
{
    process_token_destroy(&client->token);
    bus_connection_destroy(&client->connection);
}

static enum nova_status unknown(const char *what, const char *name, const char *const *names,
                                size_t count, struct error *err)
{
    const char *meant = nearest_word(name, names, count);
    return meant != NULL ? error_set(err, NOVA_INVALID_ARGUMENT,
                                     "no %s '%.60s'; did you mean '%s'?", what, name, meant)
                         : error_set(err, NOVA_INVALID_ARGUMENT,
                                     "no %s '%.60s': ./nova call --list", what, name);
}

enum nova_status client_find(const struct contract_service **service,
                             const ProtobufCMethodDescriptor **method, const char *service_name,
                             const char *method_name, struct error *err)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    *method = NULL;
    *service = contract_service_find(service_name);
    if (*service == NULL) {
        for (size_t i = 0; i < contract_service_count() && count < NAMES_MAX; i++)
            names[count++] = contract_service_at(i)->name;
        return unknown("service", service_name, names, count, err);
    }
    *method = contract_method_find(*service, method_name);
    if (*method != NULL)
        return NOVA_OK;
    for (unsigned i = 0; i < (*service)->descriptor->n_methods && count < NAMES_MAX; i++)
        names[count++] = (*service)->descriptor->methods[i].name;
    return unknown("method", method_name, names, count, err);
}
