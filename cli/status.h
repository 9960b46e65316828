// status.h - `nova status` in sections: each collects JSON, and prints it for people.
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "base/settings.h"

struct status_section {
    const char *name; // the key in --json: "processes"
    // A new reference in *out. *good becomes false when something is not as it should be.
    enum nova_status (*collect)(json_t **out, bool *good, const struct settings *settings,
                                struct error *err);
    void (*print)(FILE *out, const json_t *collected);
};

// "3 s", "5 min", "2 h", "9 d" since an RFC 3339 time.
void status_age(char out[16], const char *since);
// The text under a key; "" when there is none.
const char *status_text(const json_t *object, const char *key);
