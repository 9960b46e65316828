// settings.h - what can be set, where it was set, and what it is: one table, settings.def.
//
// A later source goes before an earlier one: default, nova.yaml, environment, flag. `postgres.port`
// is NOVA_POSTGRES_PORT in the environment, `--set postgres.port=15433` as a flag, and in nova.yaml
//     postgres:
//       port: 15433
// The file is the one that --config or NOVA_CONFIG names; else <root>/nova.yaml, else
// <home>/nova.yaml, when they exist. The root is NOVA_ROOT, else the current folder. What listens
// in a home is written into <home>/run/ports.yaml by `nova up`, and goes before nova.yaml: a second
// instance is spoken to by its home alone. NOVA_HOME empty is as if it were not set.
//
// Ownership: texts that getters return live as long as the settings.
// Threads:   nothing changes after settings_load: safe from any thread.
// Errors:    INVALID_ARGUMENT with file, line and column for an unknown key, a wrong type, a value
//            out of range; the nearest known key is named. NOT_FOUND for a missing --config.
// Bounds:    a file has at most SETTINGS_FILE_BYTES_MAX bytes, a value SETTINGS_VALUE_BYTES_MAX.
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum {
    SETTINGS_FILE_BYTES_MAX = 65536,
    SETTINGS_VALUE_BYTES_MAX = 4096,
    SETTINGS_HOME_BYTES_MAX = 3800, // what is in it has a path below PATH_MAX, too
};

enum setting {
#define SETTING(name, ...) SETTING_##name,
#include "base/settings.def"
#undef SETTING
    SETTING_COUNT,
};

struct settings;

struct settings_options {
    const char *config;           // --config; NULL: search
    const char *const *overrides; // flags: "postgres.port=15433"
    size_t override_count;
    bool ports_may_change; // `nova up`: <home>/run/ports.yaml goes behind nova.yaml, not before it
};

// Reads the environment (getenv), the file and the overrides. `options` may be NULL.
MUST_CHECK enum nova_status
settings_load(struct settings **out, const struct settings_options *options, struct error *err);
void settings_destroy(struct settings **settings);

// Never NULL; "" when not set. The setting must be of that type: else our bug, an assert.
const char *settings_text(const struct settings *settings, enum setting setting);
int64_t settings_int(const struct settings *settings, enum setting setting);

const char *settings_key(enum setting setting); // "postgres.port"
// "postgres.<service>.url"'s setting; false: no such service.
bool settings_of_service(enum setting *out, const char *service);
// Where the value came from: "default", "nova.yaml:3", "NOVA_POSTGRES_PORT", "--set".
const char *settings_origin(const struct settings *settings, enum setting setting);
// The file that was read; NULL: none.
const char *settings_file(const struct settings *settings);

// Puts everything that the file does not say into the environment, so that a child started with it
// has the same settings, wherever it starts.
void settings_export(const struct settings *settings);

void settings_show(FILE *out, const struct settings *settings); // key, value, origin; no secrets
void settings_sample(FILE *out);                                // a nova.yaml with every default
