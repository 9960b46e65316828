// backup.h - what a backup is, for the two commands that write and read it.
//
//     DIR/manifest.json          versions, log ids, heads, and the SHA-256 of every file but
//                                PostgreSQL's, which are in postgres/backup_manifest
//     DIR/credentials/           as in the home: passwords, nkeys, master keys
//     DIR/nova.yaml              the settings' file, when there was one
//     DIR/postgres/              pg_basebackup's, with the WAL that it needs
//
// Everything has mode 0600, folders 0700: who has a backup can read and be everything.
//
// Ownership: borrows everything.
// Threads:   one at a time.
// Errors:    FAILED_PRECONDITION names what is wrong with a backup or a home.
#pragma once
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "base/error.h"
#include "base/settings.h"

enum { BACKUP_FORMAT = 1 };

#define BACKUP_POSTGRES_MAJOR "15"
#define BACKUP_POSTGRES_BIN "/usr/lib/postgresql/15/bin"

enum { BACKUP_DIGEST_BYTES = 65 }; // hexadecimal, with the NUL

// SHA-256 of a file.
MUST_CHECK enum nova_status backup_digest(char out[BACKUP_DIGEST_BYTES], const char *path,
                                          struct error *err);

// Copies one file (0600) or a folder with all in it (0700); times and owners are new. Only files
// and folders: anything else is refused.
MUST_CHECK enum nova_status backup_copy(const char *from, const char *to, struct error *err);

// Calls `visit` with each file's path below `folder`, in the order of their names.
MUST_CHECK enum nova_status
backup_each_file(const char *folder, const char *below,
                 enum nova_status (*visit)(void *context, const char *name, struct error *err),
                 void *context, struct error *err);
