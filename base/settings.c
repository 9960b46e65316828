// settings.c - see settings.h. All sources end in settings_set, which knows types and ranges.
#include "base/settings.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/limits.h"
#include "base/nearest.h"

enum type { TYPE_TEXT, TYPE_INT, TYPE_CHOICE };
enum secrecy { SECRECY_PUBLIC, SECRECY_SECRET };
enum { KEY_BYTES_MAX = 64, ORIGIN_BYTES_MAX = 512, NESTING_MAX = 4 };

static const struct row {
    const char *key;
    enum type type;
    const char *initial;
    const char *unit;
    enum secrecy secrecy;
    int64_t least, most;
    const char *doc;
} table[] = {
#define SETTING(name, key, type, initial, unit, secrecy, least, most, doc)                         \
    [SETTING_##name] = {key, TYPE_##type, initial, unit, SECRECY_##secrecy, least, most, doc},
#include "base/settings.def"
#undef SETTING
};

struct settings {
    char *file;
    struct value {
        char *text;
        int64_t integer;
        char *origin;
        bool from_file;
    } values[SETTING_COUNT];
};

// Out of memory at the start of a process: nothing sensible can be done.
static char *copy(const char *text)
{
    char *made = strdup(text);
    assert(made);
    return made;
}

__attribute__((format(printf, 1, 2))) static char *copy_printf(const char *format, ...)
{
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&made, format, arguments);
    va_end(arguments);
    assert(len >= 0);
    return made;
}

static bool find_key(enum setting *out, const char *key)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(table[i].key, key) == 0) {
            *out = (enum setting)i;
            return true;
        }
    return false;
}

static bool is_group(const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strncmp(table[i].key, key, len) == 0 && table[i].key[len] == '.')
            return true;
    return false;
}

// "no setting 'postgres.prot'; did you mean 'postgres.port'?" Groups are words to mean, too.
static enum nova_status unknown_key(const char *origin, const char *key, struct error *err)
{
    static char groups[SETTING_COUNT][KEY_BYTES_MAX];
    const char *words[2 * SETTING_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        words[count++] = table[i].key;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const char *dot = strrchr(table[i].key, '.');
        if (!dot)
            continue;
        snprintf(groups[i], sizeof groups[i], "%.*s", (int)(dot - table[i].key), table[i].key);
        words[count++] = groups[i];
    }
    const char *meant = nearest_word(key, words, count);
    if (meant)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: no setting '%s'; did you mean '%s'?",
                         origin, key, meant);
    return error_set(err, NOVA_INVALID_ARGUMENT,
                     "%s: no setting '%s'; `nova config show` lists them", origin, key);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = choices; len > 0 && at; at = strchr(at, '|'), at = at ? at + 1 : NULL)
        if (strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    return false;
}

// A value is shown in an error only when it is no secret.
static enum nova_status settings_set(struct settings *settings, enum setting setting,
                                     const char *text, const char *origin, struct error *err)
{
    const struct row *row = &table[setting];
    struct value *value = &settings->values[setting];
    int64_t integer = 0;
    if (strlen(text) > SETTINGS_VALUE_BYTES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s is longer than %d bytes", origin,
                         row->key, SETTINGS_VALUE_BYTES_MAX);
    if (row->type == TYPE_INT) {
        char *end = NULL;
        errno = 0;
        integer = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || strchr(" \t\n+", *text))
            return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s must be a whole number, not '%s'",
                             origin, row->key, text);
        if (errno != 0 || integer < row->least || integer > row->most)
            return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s must be from %lld to %lld, not %s",
                             origin, row->key, (long long)row->least, (long long)row->most, text);
    }
    if (row->type == TYPE_CHOICE && !is_choice(row->unit, text))
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s must be one of %s, not '%s'", origin,
                         row->key, row->unit, text);
    free(value->text);
    free(value->origin);
    *value = (struct value){copy(text), integer, copy(origin), false};
    return NOVA_OK;
}

// ---- nova.yaml: a walk over libyaml's events; groups nest, values are scalars

struct walk {
    struct settings *settings;
    const char *name; // as errors call the file
    const char *folder;
    yaml_parser_t parser;
    char path[NESTING_MAX][KEY_BYTES_MAX];
    bool seen[SETTING_COUNT];
};

static void walk_origin(char out[ORIGIN_BYTES_MAX], const struct walk *walk,
                        const yaml_event_t *event)
{
    snprintf(out, ORIGIN_BYTES_MAX, "%s:%zu:%zu", walk->name, event->start_mark.line + 1,
             event->start_mark.column + 1);
}

static enum nova_status walk_next(yaml_event_t *event, struct walk *walk, struct error *err)
{
    const yaml_parser_t *parser = &walk->parser;
    if (!yaml_parser_parse(&walk->parser, event)) {
        memset(event, 0, sizeof *event);
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s:%zu:%zu: this is not YAML: %s", walk->name,
                         parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                         parser->problem ? parser->problem : "the parser gave up");
    }
    if (event->type != YAML_ALIAS_EVENT && event->type != YAML_SEQUENCE_START_EVENT)
        return NOVA_OK;
    char origin[ORIGIN_BYTES_MAX];
    walk_origin(origin, walk, event);
    const char *what = event->type == YAML_ALIAS_EVENT ? "an alias" : "a list";
    yaml_event_delete(event);
    return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s is not allowed here", origin, what);
}

static enum nova_status walk_value(struct walk *walk, enum setting setting,
                                   const yaml_event_t *event, struct error *err)
{
    char origin[ORIGIN_BYTES_MAX];
    const struct row *row = &table[setting];
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    walk_origin(origin, walk, event);
    if (strlen(text) != event->data.scalar.length)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s holds a NUL", origin, row->key);
    if (plain && (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s has no value; write \"\" for none",
                         origin, row->key);
    if (row->type == TYPE_INT && !plain)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "%s: %s must be a whole number, not the text \"%s\"", origin, row->key,
                         text);
    if (walk->seen[setting])
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s is set twice", origin, row->key);
    walk->seen[setting] = true;
    enum nova_status status = NOVA_OK;
    if (setting == SETTING_HOME && *text != '/') {
        char *path = copy_printf("%s/%s", walk->folder, text);
        status = settings_set(walk->settings, setting, path, origin, err);
        free(path);
    } else {
        status = settings_set(walk->settings, setting, text, origin, err);
    }
    walk->settings->values[setting].from_file = status == NOVA_OK;
    return status;
}

// One "key: value" or "key:" with a group behind it.
static enum nova_status walk_group(struct walk *walk, size_t depth, struct error *err);

static enum nova_status walk_entry(struct walk *walk, size_t depth, const yaml_event_t *key,
                                   struct error *err)
{
    char origin[ORIGIN_BYTES_MAX];
    walk_origin(origin, walk, key);
    if (key->type != YAML_SCALAR_EVENT)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: a key must be a word", origin);
    const char *above = depth > 0 ? walk->path[depth - 1] : "";
    const char *word = (const char *)key->data.scalar.value;
    int len = snprintf(walk->path[depth], KEY_BYTES_MAX, "%s%s%s", above, *above ? "." : "", word);
    enum setting setting;
    const char *path = walk->path[depth];
    bool known = len < KEY_BYTES_MAX && find_key(&setting, path);
    if (!known && (len >= KEY_BYTES_MAX || !is_group(path)))
        return unknown_key(origin, path, err);

    yaml_event_t value;
    enum nova_status status = walk_next(&value, walk, err);
    if (status != NOVA_OK)
        return status;
    walk_origin(origin, walk, &value);
    if (known && value.type == YAML_SCALAR_EVENT)
        status = walk_value(walk, setting, &value, err);
    else if (known)
        status =
            error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s is one value, not a group", origin, path);
    else if (value.type == YAML_MAPPING_START_EVENT && depth + 1 < NESTING_MAX)
        status = walk_group(walk, depth + 1, err);
    else
        status = error_set(err, NOVA_INVALID_ARGUMENT, "%s: %s is a group of settings, not a value",
                           origin, path);
    yaml_event_delete(&value);
    return status;
}

static enum nova_status walk_group(struct walk *walk, size_t depth, struct error *err)
{
    for (;;) {
        yaml_event_t key;
        enum nova_status status = walk_next(&key, walk, err);
        if (status != NOVA_OK)
            return status;
        bool end = key.type == YAML_MAPPING_END_EVENT;
        if (!end)
            status = walk_entry(walk, depth, &key, err);
        yaml_event_delete(&key);
        if (end || status != NOVA_OK)
            return status;
    }
}

// Stream start, document start, the mapping (or nothing), document end, stream end.
static enum nova_status walk_file(struct walk *walk, struct error *err)
{
    for (int documents = 0;;) {
        yaml_event_t event;
        enum nova_status status = walk_next(&event, walk, err);
        if (status != NOVA_OK)
            return status;
        char origin[ORIGIN_BYTES_MAX];
        walk_origin(origin, walk, &event);
        enum yaml_event_type_e type = event.type;
        bool empty = type == YAML_SCALAR_EVENT && event.data.scalar.length == 0;
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT)
            return NOVA_OK;
        if (type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            return error_set(err, NOVA_INVALID_ARGUMENT, "%s: a second document", origin);
        if (type == YAML_MAPPING_START_EVENT)
            status = walk_group(walk, 0, err);
        else if (type == YAML_SCALAR_EVENT && !empty)
            status = error_set(err, NOVA_INVALID_ARGUMENT, "%s: this is no 'key: value'", origin);
        if (status != NOVA_OK)
            return status;
    }
}

// The whole file, NUL-terminated; NULL with *status set when it cannot be read.
static enum nova_status read_file(char **out, size_t *len, const char *path, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(err, NOVA_NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    char *text = malloc(SETTINGS_FILE_BYTES_MAX + 1);
    assert(text);
    *len = fread(text, 1, SETTINGS_FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed || *len > SETTINGS_FILE_BYTES_MAX) {
        free(text);
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         failed ? "%s cannot be read" : "%s is too large for settings", path);
    }
    *out = text;
    return NOVA_OK;
}

static enum nova_status load_file(struct settings *settings, const char *path, struct error *err)
{
    char *text = NULL;
    size_t len = 0;
    enum nova_status status = read_file(&text, &len, path, err);
    if (status != NOVA_OK)
        return status;
    free(settings->file);
    settings->file = realpath(path, NULL);
    if (!settings->file) { // gone since it was read
        free(text);
        return error_set(err, NOVA_NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    char *folder = copy(settings->file);
    *strrchr(folder, '/') = '\0';
    const char *slash = strrchr(path, '/');
    struct walk walk = {settings, slash ? slash + 1 : path, folder, {0}, {""}, {false}};
    int made = yaml_parser_initialize(&walk.parser);
    assert(made);
    yaml_parser_set_input_string(&walk.parser, (unsigned char *)text, len);
    status = walk_file(&walk, err);
    yaml_parser_delete(&walk.parser);
    free(folder);
    free(text);
    return status;
}

// ---- the other sources

static void environment_name(char out[KEY_BYTES_MAX + 8], const char *key)
{
    size_t len = (size_t)snprintf(out, KEY_BYTES_MAX + 8, "NOVA_%s", key);
    for (size_t i = 0; i < len; i++)
        out[i] = out[i] == '.'                    ? '_'
                 : out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 'a' + 'A')
                                                  : out[i];
}

static enum nova_status load_environment(struct settings *settings, struct error *err)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char name[KEY_BYTES_MAX + 8];
        environment_name(name, table[i].key);
        const char *text = getenv(name);
        if (!text || (i == SETTING_HOME && !*text))
            continue;
        enum nova_status status = settings_set(settings, (enum setting)i, text, name, err);
        if (status != NOVA_OK)
            return status;
    }
    return NOVA_OK;
}

static enum nova_status load_override(struct settings *settings, const char *text,
                                      struct error *err)
{
    char key[KEY_BYTES_MAX];
    const char *equals = strchr(text, '=');
    enum setting setting;
    if (!equals || equals - text >= KEY_BYTES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "--set wants KEY=VALUE, not '%.64s'", text);
    snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    if (!find_key(&setting, key))
        return unknown_key("--set", key, err);
    return settings_set(settings, setting, equals + 1, "--set", err);
}

static enum nova_status load_overrides(struct settings *settings,
                                       const struct settings_options *options, struct error *err)
{
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; options && i < options->override_count && status == NOVA_OK; i++)
        status = load_override(settings, options->overrides[i], err);
    return status;
}

// One home has one name, however it was written: links, dots and slashes are gone. What does not
// exist yet is named within the nearest folder that does.
static char *one_name(const char *path)
{
    char folder[PATH_MAX], real[PATH_MAX];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len >= sizeof folder)
        return copy(path); // whoever uses it says that it is too long
    memcpy(folder, path, len);
    folder[len] = '\0';
    for (;;) {
        if (realpath(folder, real)) {
            const char *rest = path + strlen(folder);
            rest += strspn(rest, "/");
            int rest_len = (int)(path + len - rest);
            return rest_len > 0
                       ? copy_printf("%s/%.*s", strcmp(real, "/") == 0 ? "" : real, rest_len, rest)
                       : copy(real);
        }
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder)
            return copy(path);
        *slash = '\0';
    }
}

// A relative home starts at the current folder; the default one at the root.
static void make_home_absolute(struct settings *settings, const char *root)
{
    struct value *home = &settings->values[SETTING_HOME];
    char here[PATH_MAX] = "/";
    if (*home->text != '/') {
        if (strcmp(home->origin, "default") == 0 && *root == '/')
            snprintf(here, sizeof here, "%s", root);
        else if (!getcwd(here, sizeof here))
            strcpy(here, "/");
    }
    char *path = *home->text == '/' ? copy(home->text) : copy_printf("%s/%s", here, home->text);
    free(home->text);
    home->text = one_name(path);
    free(path);
}

// Configuration files and shells must be able to carry the path as it is.
static enum nova_status check_home(const struct settings *settings, struct error *err)
{
    const struct value *home = &settings->values[SETTING_HOME];
    if (strlen(home->text) > SETTINGS_HOME_BYTES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: home is longer than %d bytes",
                         home->origin, SETTINGS_HOME_BYTES_MAX);
    for (const char *at = home->text; *at; at++)
        if ((unsigned char)*at < ' ' || strchr("\"'\\$`*?[", *at))
            return error_set(err, NOVA_INVALID_ARGUMENT,
                             "%s: home may not hold quotes, $, \\, *, ?, [ or control characters",
                             home->origin);
    return NOVA_OK;
}

// What `nova up` wrote down of the ports, for those that nothing nearer to the caller names. A port
// that changes hands counts as set by no file: children are told of it by the environment.
static enum nova_status load_ports(struct settings *settings, bool may_change, struct error *err)
{
    static const enum setting ports[] = {SETTING_POSTGRES_PORT, SETTING_NATS_PORT,
                                         SETTING_NATS_MONITOR_PORT};
    char *path = copy_printf("%s/run/ports.yaml", settings->values[SETTING_HOME].text);
    struct settings *there = calloc(1, sizeof *there);
    assert(there);
    enum nova_status status = access(path, R_OK) == 0 ? load_file(there, path, err) : NOVA_OK;
    for (size_t i = 0; i < sizeof ports / sizeof *ports && status == NOVA_OK; i++) {
        const struct value *from = &there->values[ports[i]];
        const struct value *to = &settings->values[ports[i]];
        bool stays = strcmp(to->origin, "default") != 0 && (may_change || !to->from_file);
        if (from->text && !stays)
            status = settings_set(settings, ports[i], from->text, from->origin, err);
    }
    settings_destroy(&there);
    free(path);
    return status;
}

// The file decides about everything but itself, so the flags and the environment choose it, and
// are laid over it afterwards.
static enum nova_status load_found_file(struct settings *settings, const char *root,
                                        struct error *err)
{
    const char *folders[] = {root, settings->values[SETTING_HOME].text};
    for (size_t i = 0; i < 2; i++) {
        char *path = copy_printf("%s/nova.yaml", folders[i]);
        bool there = access(path, F_OK) == 0;
        enum nova_status status = there ? load_file(settings, path, err) : NOVA_OK;
        free(path);
        if (there)
            return status;
    }
    return NOVA_OK;
}

enum nova_status settings_load(struct settings **out, const struct settings_options *options,
                               struct error *err)
{
    *out = NULL;
    struct settings *settings = calloc(1, sizeof *settings);
    assert(settings);
    const char *root = getenv("NOVA_ROOT");
    root = root && *root ? root : ".";
    const char *named = options && options->config ? options->config : getenv("NOVA_CONFIG");
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        status = settings_set(settings, (enum setting)i, table[i].initial, "default", err);
        assert(status == NOVA_OK); // the table's own defaults
    }
    status = load_environment(settings, err);
    if (status == NOVA_OK)
        status = load_overrides(settings, options, err);
    if (status == NOVA_OK) {
        make_home_absolute(settings, root);
        status = named && *named ? load_file(settings, named, err)
                                 : load_found_file(settings, root, err);
    }
    if (status == NOVA_OK && settings->file)
        status = load_environment(settings, err);
    if (status == NOVA_OK && settings->file)
        status = load_overrides(settings, options, err);
    if (status != NOVA_OK) {
        settings_destroy(&settings);
        return status;
    }
    make_home_absolute(settings, root);
    status = check_home(settings, err);
    if (status == NOVA_OK)
        status = load_ports(settings, options && options->ports_may_change, err);
    if (status != NOVA_OK)
        settings_destroy(&settings);
    *out = settings;
    return status;
}

void settings_destroy(struct settings **settings)
{
    if (!*settings)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        free((*settings)->values[i].text);
        free((*settings)->values[i].origin);
    }
    free((*settings)->file);
    free(*settings);
    *settings = NULL;
}

// ---- what others ask

const char *settings_text(const struct settings *settings, enum setting setting)
{
    assert(setting < SETTING_COUNT);
    assert(table[setting].type != TYPE_INT);
    return settings->values[setting].text;
}

int64_t settings_int(const struct settings *settings, enum setting setting)
{
    assert(setting < SETTING_COUNT);
    assert(table[setting].type == TYPE_INT);
    return settings->values[setting].integer;
}

const char *settings_key(enum setting setting)
{
    assert(setting < SETTING_COUNT);
    return table[setting].key;
}

bool settings_of_service(enum setting *out, const char *service)
{
    char key[KEY_BYTES_MAX];
    int len = snprintf(key, sizeof key, "postgres.%s.url", service);
    return len < (int)sizeof key && find_key(out, key);
}

const char *settings_origin(const struct settings *settings, enum setting setting)
{
    assert(setting < SETTING_COUNT);
    return settings->values[setting].origin;
}

const char *settings_file(const struct settings *settings)
{
    return settings->file;
}

void settings_export(const struct settings *settings)
{
    if (settings->file)
        setenv("NOVA_CONFIG", settings->file, 1);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct value *value = &settings->values[i];
        if (i != SETTING_HOME && (value->from_file || strcmp(value->origin, "default") == 0))
            continue;
        char name[KEY_BYTES_MAX + 8];
        environment_name(name, table[i].key);
        setenv(name, value->text, 1);
    }
}

void settings_show(FILE *out, const struct settings *settings)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct value *value = &settings->values[i];
        bool hidden = table[i].secrecy == SECRECY_SECRET && *value->text;
        const char *shown = hidden ? "(hidden)" : *value->text ? value->text : "\"\"";
        bool unit = table[i].type == TYPE_INT && strcmp(table[i].unit, "port") != 0;
        fprintf(out, "%-28s %s%s%s  # %s\n", table[i].key, shown, unit ? " " : "",
                unit ? table[i].unit : "", value->origin);
    }
}

// A comment of at most 96 columns a line, broken at blanks.
static void sample_doc(FILE *out, const char *indent, const char *doc)
{
    while (*doc) {
        size_t len = strlen(doc), room = 96 - strlen(indent);
        if (len > room) {
            len = room;
            while (doc[len] != ' ')
                len--;
        }
        fprintf(out, "%s# %.*s\n", indent, (int)len, doc);
        doc += len + (doc[len] == ' ');
    }
}

void settings_sample(FILE *out)
{
    const char *group = "";
    fprintf(out,
            "# Every setting of Nova with its default. A copy named nova.yaml in the project's\n"
            "# root is read; NOVA_<KEY> in the environment goes before it, --set before that.\n"
            "# This file is what `nova config sample` prints.\n");
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct row *row = &table[i];
        const char *dot = strchr(row->key, '.');
        size_t len = dot ? (size_t)(dot - row->key) : 0;
        const char *indent = dot ? "  " : "";
        if (dot && (strncmp(group, row->key, len + 1) != 0))
            fprintf(out, "\n%.*s:\n", (int)len, row->key);
        else if (!dot)
            fprintf(out, "\n");
        group = row->key;
        char doc[1024];
        bool range = row->type == TYPE_INT;
        snprintf(doc, sizeof doc, "%s%s%s%s", row->doc, range ? " In " : " (", row->unit,
                 range ? "." : ")");
        sample_doc(out, indent, doc);
        const char *quote = row->type == TYPE_TEXT ? "\"" : "";
        fprintf(out, "%s%s: %s%s%s\n", indent, dot ? dot + 1 : row->key, quote, row->initial,
                quote);
    }
}
