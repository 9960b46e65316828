// files.h - the migration files of a service, in the order in which they are carried out: by kind
// (roles, tables, functions, grants), within it by set (common, outbox, inbox, the service's own),
// within that by number.
//
// Ownership: everything lives in the arena.
// Errors:    NOT_FOUND for a directory without a common set; INVALID_ARGUMENT for a name that is
//            not NNN_name.sql, two files of one number, a file too large or with a NUL.
// Bounds:    MIGRATION_FILE_BYTES_MAX, MIGRATION_FILES_MAX a service.
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    MIGRATION_FILE_BYTES_MAX = 1 << 20,
    MIGRATION_FILES_MAX = 1024,
    MIGRATION_DIGEST_BYTES = 32,
};

struct migration_file {
    const char *name; // "outbox/tables/010_log.sql": the same for ever, the tracking table's key
    const char *sql;
    uint8_t sha256[MIGRATION_DIGEST_BYTES]; // of the file's bytes
};

// The services that have migrations; a table in files.c says which sets each is made of.
size_t migration_services(const char *const **out);
bool migration_service_exists(const char *service);

MUST_CHECK enum nova_status migration_files_read(struct migration_file **out, size_t *count,
                                                 const char *directory, const char *service,
                                                 struct arena *arena, struct error *err);
