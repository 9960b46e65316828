// db.c - `nova db status|migrate|verify`, and db.h.
#include "cli/db.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/access.h"
#include "cli/command.h"
#include "migrations/runner.h"
#include "projections/generation.h"

enum { SERVICES_MAX = 16, KINDS = 4, ROLES_MAX = KINDS * SERVICES_MAX + 2 };

// One PostgreSQL and the services whose schemas lie in it.
struct place {
    char url[ACCESS_URL_BYTES];
    const char *services[SERVICES_MAX];
    size_t service_count;
};

struct places {
    char directory[PATH_MAX];
    size_t count;
    struct place at[SERVICES_MAX];
};

static void find_directory(char out[PATH_MAX])
{
    const char *root = getenv("NOVA_ROOT");
    snprintf(out, PATH_MAX, "%s/migrations", root && *root ? root : ".");
}

static enum nova_status find_places(struct places *out, const struct settings *settings,
                                    struct error *err)
{
    const char *const *services;
    size_t count = migrations_services(&services);
    find_directory(out->directory);
    out->count = 0;
    for (size_t i = 0; i < count && i < SERVICES_MAX; i++) {
        char url[ACCESS_URL_BYTES];
        enum nova_status status =
            access_postgres_url(url, settings, services[i], ACCESS_SUPERUSER, err);
        if (status != NOVA_OK)
            return status;
        size_t place = 0;
        while (place < out->count && strcmp(out->at[place].url, url) != 0)
            place++;
        if (place == out->count) {
            out->at[out->count++].service_count = 0;
            memcpy(out->at[place].url, url, sizeof url);
        }
        out->at[place].services[out->at[place].service_count++] = services[i];
    }
    return NOVA_OK;
}

static struct migrations_options options_of(const struct places *places, const struct place *place)
{
    return (struct migrations_options){.directory = places->directory,
                                       .services = place->services,
                                       .service_count = place->service_count};
}

// The passwords that lie in the home, of the roles that the services have.
struct passwords {
    struct migrations_password at[ROLES_MAX];
    char roles[ROLES_MAX][ACCESS_NAME_BYTES];
    char texts[ROLES_MAX][ACCESS_NAME_BYTES];
    size_t count;
};

static enum nova_status add_password(struct passwords *out, const struct settings *settings,
                                     struct error *err)
{
    size_t i = out->count;
    enum nova_status status = access_postgres_password(out->texts[i], settings, out->roles[i], err);
    if (status == NOVA_NOT_FOUND)
        return NOVA_OK; // somebody else gives this role its password
    if (status == NOVA_OK)
        out->at[out->count++] = (struct migrations_password){out->roles[i], out->texts[i]};
    return status;
}

static enum nova_status read_passwords(struct passwords *out, const struct settings *settings,
                                       struct error *err)
{
    static const char *const kinds[KINDS] = {"service", "consumer", "relay", "signer"};
    static const char *const people[] = {"operator", "auditor"};
    const char *const *services;
    size_t count = migrations_services(&services);
    enum nova_status status = NOVA_OK;
    out->count = 0;
    for (size_t i = 0; i < KINDS * count && i < KINDS * SERVICES_MAX && status == NOVA_OK; i++) {
        snprintf(out->roles[out->count], ACCESS_NAME_BYTES, "%s_%s", services[i / KINDS],
                 kinds[i % KINDS]);
        status = add_password(out, settings, err);
    }
    for (size_t i = 0; i < 2 && status == NOVA_OK; i++) {
        snprintf(out->roles[out->count], ACCESS_NAME_BYTES, "%s", people[i]);
        status = add_password(out, settings, err);
    }
    return status;
}

static void say_applied(void *said, const char *service, const char *file, int took_ms)
{
    if (said)
        fprintf(said, "%s: %s (%d ms)\n", service, file, took_ms);
}

static enum nova_status connect_to(struct pg **out, const struct place *place, struct error *err)
{
    enum nova_status status = pg_connect(out, place->url, "nova db", err);
    if (status != NOVA_OK)
        error_while(err, "the PostgreSQL of %s", place->services[0]);
    return status;
}

enum nova_status db_migrate(const struct settings *settings, FILE *said, struct error *err)
{
    struct places *places = malloc(sizeof *places);
    struct passwords *passwords = malloc(sizeof *passwords);
    if (!places || !passwords)
        abort();
    enum nova_status status = find_places(places, settings, err);
    if (status == NOVA_OK)
        status = read_passwords(passwords, settings, err);
    for (size_t i = 0; status == NOVA_OK && i < places->count; i++) {
        struct migrations_options options = options_of(places, &places->at[i]);
        struct pg *pg = NULL;
        options.passwords = passwords->at;
        options.password_count = passwords->count;
        options.applied = say_applied;
        options.context = said;
        status = connect_to(&pg, &places->at[i], err);
        if (status == NOVA_OK)
            status = migrations_run(pg, &options, err);
        if (status == NOVA_OK)
            status = generation_install(pg, options.services, options.service_count, err);
        pg_destroy(&pg);
    }
    free(places);
    explicit_bzero(passwords, sizeof *passwords);
    free(passwords);
    return status;
}

static int migrate(const struct settings *settings)
{
    struct error err;
    if (db_migrate(settings, stdout, &err) != NOVA_OK)
        return command_failed(&err);
    command_say("every migration is carried out");
    return EXIT_CODE_OK;
}

static void format_time(char out[32], int64_t unix_us)
{
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void show_text(const struct migration *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char at[32] = "-";
        if (list[i].applied_at_us)
            format_time(at, list[i].applied_at_us);
        printf("%-14s %-8s %-20s %s\n", list[i].service, migration_state_name(list[i].state), at,
               list[i].file);
    }
}

static json_t *status_json(const struct migration *migration)
{
    json_t *out = json_pack("{ss ss ss}", "service", migration->service, "file", migration->file,
                            "state", migration_state_name(migration->state));
    if (migration->applied_at_us) {
        char at[32];
        format_time(at, migration->applied_at_us);
        json_object_set_new(out, "applied_at", json_string(at));
        json_object_set_new(out, "took_ms", json_integer(migration->took_ms));
    }
    return out;
}

// What is to be done in each PostgreSQL; json is NULL for text.
static enum nova_status status_of_place(json_t *json, const struct places *places,
                                        const struct place *place, struct error *err)
{
    struct migrations_options options = options_of(places, place);
    struct arena *arena = arena_create();
    struct pg *pg = NULL;
    const struct migration *list = NULL;
    size_t count = 0;
    enum nova_status status = connect_to(&pg, place, err);
    if (status == NOVA_OK)
        status = migrations_status(&list, &count, pg, &options, arena, err);
    for (size_t i = 0; json && i < count; i++)
        json_array_append_new(json, status_json(&list[i]));
    if (!json)
        show_text(list, count);
    pg_destroy(&pg);
    arena_destroy(&arena);
    return status;
}

static enum nova_status verify_place(const struct places *places, const struct place *place,
                                     struct error *err)
{
    struct migrations_options options = options_of(places, place);
    struct pg *pg = NULL;
    enum nova_status status = connect_to(&pg, place, err);
    if (status == NOVA_OK)
        status = migrations_verify(pg, &options, err);
    pg_destroy(&pg);
    return status;
}

static int each_place(const struct settings *settings, bool verify, json_t *json)
{
    struct error err;
    struct places *places = malloc(sizeof *places);
    if (!places)
        abort();
    enum nova_status status = find_places(places, settings, &err);
    for (size_t i = 0; status == NOVA_OK && i < places->count; i++)
        status = verify ? verify_place(places, &places->at[i], &err)
                        : status_of_place(json, places, &places->at[i], &err);
    explicit_bzero(places, sizeof *places);
    free(places);
    if (status != NOVA_OK)
        return command_failed(&err);
    if (verify)
        command_say("every migration is carried out, and none has changed");
    return EXIT_CODE_OK;
}

int command_db(const struct settings *settings, int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    bool as_json = argc == 3 && strcmp(argv[2], "--json") == 0 && strcmp(what, "status") == 0;
    static const char *const words[] = {"status", "migrate", "verify"};
    if (argc != 2 && !as_json)
        return command_usage("db", "db wants 'status', 'migrate' or 'verify'");
    if (strcmp(what, "migrate") == 0)
        return migrate(settings);
    if (strcmp(what, "verify") == 0)
        return each_place(settings, true, NULL);
    if (strcmp(what, "status") != 0)
        return command_unknown("db", "db command", what, words, 3);
    json_t *json = as_json ? json_array() : NULL;
    int code = each_place(settings, false, json);
    if (as_json && code == EXIT_CODE_OK) {
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(json);
    return code;
}
