// psql.c - `nova psql ROLE`: psql, connected as that role. The password goes through the
// environment, where only the same user sees it; arguments are in everybody's process list.
#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/command.h"
#include "cli/role.h"

#define PSQL "/usr/lib/postgresql/15/bin/psql"

static enum nova_status export_url(const char *url, struct error *err)
{
    char *text = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &text);
    if (!options) {
        error_set(err, NOVA_INVALID_ARGUMENT, "the URL of PostgreSQL: %s", text ? text : "");
        PQfreemem(text);
        return NOVA_INVALID_ARGUMENT;
    }
    for (const PQconninfoOption *option = options; option->keyword; option++)
        if (option->envvar && option->val)
            setenv(option->envvar, option->val, 1);
    PQconninfoFree(options);
    return NOVA_OK;
}

int command_psql(const struct settings *settings, int argc, char **argv)
{
    struct error err;
    struct role role;
    char url[ACCESS_URL_BYTES];
    if (argc < 2)
        return command_usage("psql", "psql wants a role");
    if (role_find(&role, settings, argv[1], &err) != NOVA_OK)
        return command_failed(&err);
    if (!*role.postgres) {
        command_say("%s has no role in PostgreSQL", argv[1]);
        return EXIT_CODE_FAILED;
    }
    if (access_postgres_url(url, settings, *role.service ? role.service : NULL, role.postgres,
                            &err) != NOVA_OK ||
        export_url(url, &err) != NOVA_OK)
        return command_failed(&err);
    setenv("PGAPPNAME", "nova psql", 0);
    argv[1] = (char *)"psql";
    execv(PSQL, argv + 1);
    command_say("%s: %s (package postgresql-client-15)", PSQL, strerror(errno));
    return EXIT_CODE_FAILED;
}
