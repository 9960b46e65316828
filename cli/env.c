// env.c - `nova env ROLE`: what a tool in any language needs to connect as that role.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/access.h"
#include "bus/topology.h"
#include "cli/command.h"
#include "cli/role.h"

static enum nova_status print_postgres(FILE *out, const struct settings *settings,
                                       const struct role *role, struct error *err)
{
    char url[ACCESS_URL_BYTES];
    enum nova_status status = access_postgres_url(
        url, settings, *role->service ? role->service : NULL, role->postgres, err);
    if (status == NOVA_OK)
        fprintf(out, "DATABASE_URL='%s'\n", url);
    return status;
}

static enum nova_status print_nats(FILE *out, const struct settings *settings,
                                   const struct role *role, struct error *err)
{
    char url[ACCESS_URL_BYTES], seed[PATH_MAX];
    enum nova_status status = access_nats_url(url, settings, err);
    if (status == NOVA_OK)
        status = access_nats_seed_path(seed, settings, role->nats, err);
    if (status == NOVA_OK)
        fprintf(out,
                "NATS_URL='%s'\nNATS_USER='%s'\nNATS_NKEY_SEED_FILE='%s'\n"
                "NATS_INBOX_PREFIX='_INBOX.%s'\n",
                url, role->nats, seed, role->nats);
    if (status == NOVA_OK)
        fprintf(out, "NATS_ACCOUNT='%s'\n", topology_user_account(role->nats));
    if (status == NOVA_OK && topology_api_prefix(role->nats) != NULL)
        fprintf(out, "NATS_JS_API_PREFIX='%s'\n", topology_api_prefix(role->nats));
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
    char *text = NULL; // all of it or nothing: it is eval'ed
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    enum nova_status status = NOVA_OK;
    fprintf(out, "NOVA_HOME='%s'\n", settings_text(settings, SETTING_HOME));
    if (*role.postgres)
        status = print_postgres(out, settings, &role, &err);
    if (status == NOVA_OK && *role.nats)
        status = print_nats(out, settings, &role, &err);
    fclose(out);
    if (status == NOVA_OK)
        fwrite(text, 1, len, stdout);
    free(text);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
