// files.c - see files.h. Everything is read before anything is carried out, so that a file that is
// edited meanwhile is carried out and recorded as the same bytes.
#include "migrations/files.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS_MAX = 3, NUMBER_DIGITS = 3 };

// Which sets a service's schema is made of, before its own folder. outbox: it has a log of its own;
// inbox: it consumes others'.
static const struct {
    const char *service;
    const char *sets[SETS_MAX];
} schemas[] = {
    {"identity", {"common", "outbox"}},
    {"content", {"common", "outbox", "inbox"}},
    {"communication", {"common", "outbox", "inbox"}},
    {"search", {"common", "inbox"}},
};
enum { SERVICES = sizeof schemas / sizeof *schemas };

static const char *const kinds[] = {"roles", "tables", "functions", "grants"};
enum { KINDS = sizeof kinds / sizeof *kinds };

size_t migration_services(const char *const **out)
{
    static const char *names[SERVICES];
    for (size_t i = 0; i < SERVICES; i++)
        names[i] = schemas[i].service;
    *out = names;
    return SERVICES;
}

static size_t service_place(const char *service)
{
    size_t i = 0;
    while (i < SERVICES && strcmp(schemas[i].service, service) != 0)
        i++;
    return i;
}

bool migration_service_exists(const char *service)
{
    return service_place(service) < SERVICES;
}

struct reading {
    const char *directory;
    struct arena *arena;
    struct migration_file *files;
    size_t count;
    struct error *err;
};

static enum nova_status read_file(struct reading *r, const char *folder, const char *name)
{
    char path[PATH_MAX];
    if (r->count == MIGRATION_FILES_MAX)
        return error_set(r->err, NOVA_INVALID_ARGUMENT, "%s: more than %d migration files",
                         r->directory, MIGRATION_FILES_MAX);
    if (snprintf(path, sizeof path, "%s/%s/%s", r->directory, folder, name) >= (int)sizeof path)
        return error_set(r->err, NOVA_INVALID_ARGUMENT, "%s: too long a path", r->directory);
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(r->err, NOVA_NOT_FOUND, "%s: %s", path, strerror(errno));
    char *sql = malloc(MIGRATION_FILE_BYTES_MAX + 1);
    if (!sql)
        abort();
    size_t len = fread(sql, 1, MIGRATION_FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    enum nova_status status = NOVA_OK;
    if (failed)
        status = error_set(r->err, NOVA_UNAVAILABLE, "%s cannot be read", path);
    else if (len > MIGRATION_FILE_BYTES_MAX || memchr(sql, '\0', len))
        status = error_set(r->err, NOVA_INVALID_ARGUMENT, "%s holds a NUL or more than %d bytes",
                           path, MIGRATION_FILE_BYTES_MAX);
    if (status == NOVA_OK) {
        struct migration_file *out = &r->files[r->count++];
        out->name = arena_printf(r->arena, "%s/%s", folder, name);
        char *copy = arena_alloc(r->arena, len + 1);
        memcpy(copy, sql, len);
        out->sql = copy;
        SHA256((const uint8_t *)sql, len, out->sha256);
    }
    free(sql);
    return status;
}

static bool is_migration_name(const char *name)
{
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (!isdigit((unsigned char)name[i]))
            return false;
    }
    size_t len = strlen(name);
    return name[NUMBER_DIGITS] == '_' && len > 8 && strcmp(name + len - 4, ".sql") == 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); // not by the locale's order, as alphasort
}

// A kind's folder of a set; one that is not there has no files.
static enum nova_status read_folder(struct reading *r, const char *folder)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", r->directory, folder) >= (int)sizeof path)
        return error_set(r->err, NOVA_INVALID_ARGUMENT, "%s: too long a path", r->directory);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_visible, by_bytes);
    if (count < 0)
        return errno == ENOENT
                   ? NOVA_OK
                   : error_set(r->err, NOVA_UNAVAILABLE, "%s: %s", path, strerror(errno));
    enum nova_status status = NOVA_OK;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (status != NOVA_OK)
            continue;
        if (!is_migration_name(name))
            status = error_set(r->err, NOVA_INVALID_ARGUMENT,
                               "%s/%s is no migration: they are named NNN_name.sql", path, name);
        else if (i > 0 && strncmp(entries[i - 1]->d_name, name, NUMBER_DIGITS) == 0)
            status = error_set(r->err, NOVA_INVALID_ARGUMENT, "%s: %s and %s have the same number",
                               path, entries[i - 1]->d_name, name);
        else
            status = read_file(r, folder, name);
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return status;
}

enum nova_status migration_files_read(struct migration_file **out, size_t *count,
                                      const char *directory, const char *service,
                                      struct arena *arena, struct error *err)
{
    struct reading r = {.directory = directory, .arena = arena, .err = err};
    r.files = arena_alloc(arena, MIGRATION_FILES_MAX * sizeof *r.files);
    size_t place = service_place(service);
    assert(place < SERVICES);
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t set = 0; set <= SETS_MAX; set++) {
            const char *folder = set < SETS_MAX ? schemas[place].sets[set] : service;
            if (!folder)
                continue;
            char name[NAME_MAX];
            snprintf(name, sizeof name, "%s/%s", folder, kinds[kind]);
            enum nova_status status = read_folder(&r, name);
            if (status != NOVA_OK)
                return status;
        }
    }
    if (r.count == 0 || strncmp(r.files[0].name, "common/", 7) != 0)
        return error_set(err, NOVA_NOT_FOUND, "%s holds no migrations", directory);
    *out = r.files;
    *count = r.count;
    return NOVA_OK;
}
