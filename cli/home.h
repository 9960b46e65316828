// home.h - the folder where one instance of Nova keeps everything, and files written whole.
//
//     credentials/   who may do what (base/access.h)          0700
//     pg/            PostgreSQL's data, or a link to it       0700, PostgreSQL's user
//     nats/          nats.conf, accounts.conf, store/         0700
//     logs/          one file a process                       0750
//     run/           supervisor.pid, state.json               0755
//     recovered/     what a fork kept of a stream             0700
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/settings.h"

enum { HOME_FREE_BYTES_MIN = 256 << 20 }; // below it nothing is started

// Makes the folders that are missing.
MUST_CHECK enum nova_status home_make(const struct settings *settings, struct error *err);

// Makes the home's own folder, and those above it, alone.
MUST_CHECK enum nova_status home_make_folder(const char *path, struct error *err);

// Free bytes of the disk that holds `path` (or its nearest folder that exists); -1: unknown.
int64_t home_free_bytes(const char *path);

// Writes a file whole: readers see the old text or the new one, also after a crash.
MUST_CHECK enum nova_status home_write(const char *path, const char *text, mode_t mode,
                                       struct error *err);

// Removes a folder and all that is in it; nothing there is no error. Links are not followed.
MUST_CHECK enum nova_status home_remove(const char *path, struct error *err);

// After a server could not be reached: puts before the error that nothing runs in this home, when
// that is why. Returns its status.
enum nova_status home_unreached(const struct settings *settings, struct error *err);
