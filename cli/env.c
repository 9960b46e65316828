// env.c - `nova env ROLE`: what a tool in any language needs to connect as that role.
#include <limits.h>
#include <stdio.h>

#include "base/access.h"
#include "bus/topology.h"
#include "cli/command.h"
#include "cli/role.h"

static enum nova_status print_postgres(const struct settings *settings, const struct role *role,
                                       struct error *err)
{
    char url[ACCESS_URL_BYTES];
    enum nova_status status = access_postgres_url(
        url, settings, *role->service ? role->service : NULL, role->postgres, err);
    if (status == NOVA_OK)
        printf("DATABASE_URL='%s'\n", url);
    return status;
}

static enum nova_status print_nats(const struct settings *settings, const struct role *role,
                                   struct error *err)
{
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    enum nova_status status = access_nats_url(url, settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, settings, role->nats, err);
    if (status == NOVA_OK)
        printf("NATS_URL='%s'\nNATS_USER='%s'\nNATS_NKEY_SEED_FILE='%s'\n"
               "NATS_INBOX_PREFIX='_INBOX.%s'\n",
               url, role->nats, seed, role->nats);
    if (status == NOVA_OK)
        printf("NATS_ACCOUNT='%s'\n", topology_user_account(role->nats));
    if (status == NOVA_OK && topology_api_prefix(role->nats) != NULL)
        printf("NATS_JS_API_PREFIX='%s'\n", topology_api_prefix(role->nats));
    return status;
}

int command_env(const struct settings *settings, int argc, char **argv)
{
    struct error err;
    struct role role;
    if (argc > 2)
        return command_usage("env", "env wants one role");
    if (argc < 2) {
        if (role_list(stdout, settings, &err) != NOVA_OK)
            return command_failed(&err);
        return EXIT_CODE_OK;
    }
    if (role_find(&role, settings, argv[1], &err) != NOVA_OK)
        return command_failed(&err);
    printf("NOVA_HOME='%s'\n", settings_text(settings, SETTING_HOME));
    if (*role.postgres && print_postgres(settings, &role, &err) != NOVA_OK)
        return command_failed(&err);
    if (*role.nats && print_nats(settings, &role, &err) != NOVA_OK)
        return command_failed(&err);
    return EXIT_CODE_OK;
}
