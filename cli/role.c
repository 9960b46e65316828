// role.c - see role.h. What is in the home decides: no second list that could drift.
#include "cli/role.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"

enum { NAMES_MAX = 512 };

struct names {
    size_t count;
    char at[NAMES_MAX][ACCESS_NAME_BYTES];
};

static void names_add(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i], name) == 0)
            return;
    if (names->count < NAMES_MAX && strlen(name) < ACCESS_NAME_BYTES)
        strcpy(names->at[names->count++], name);
}

// The files of a folder of credentials, without their ending.
static void names_add_folder(struct names *names, const struct settings *settings,
                             const char *folder, const char *ending)
{
    char path[PATH_MAX], name[300];
    DIR *open_folder = access_path(path, settings, NULL, "credentials/%s", folder) == NOVA_OK
                           ? opendir(path)
                           : NULL;
    for (struct dirent *entry; open_folder && (entry = readdir(open_folder));) {
        snprintf(name, sizeof name, "%s", entry->d_name);
        size_t len = strlen(name), ending_len = strlen(ending);
        if (name[0] == '.' || len <= ending_len || strcmp(name + len - ending_len, ending) != 0 ||
            (!*ending && strchr(name, '.')))
            continue;
        name[len - ending_len] = '\0';
        names_add(names, strcmp(name, ACCESS_SUPERUSER) == 0 ? "superuser" : name);
    }
    if (open_folder)
        closedir(open_folder);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static enum nova_status names_read(struct names *names, const struct settings *settings,
                                   struct error *err)
{
    names->count = 0;
    names_add_folder(names, settings, "postgres", "");
    names_add_folder(names, settings, "nats", ".nk");
    if (names->count == 0)
        return error_set(err, NOVA_NOT_FOUND, "%s/credentials holds none: run ./nova up",
                         settings_text(settings, SETTING_HOME));
    for (size_t i = 0, count = names->count; i < count; i++) { // "identity" for identity_service
        char *at = strstr(names->at[i], "_service");
        char service[ACCESS_NAME_BYTES];
        if (!at || at[8] != '\0')
            continue;
        snprintf(service, sizeof service, "%.*s", (int)(at - names->at[i]), names->at[i]);
        names_add(names, service);
    }
    qsort(names->at, names->count, sizeof names->at[0], by_text);
    return NOVA_OK;
}

static bool has_file(const struct settings *settings, const char *format, const char *name)
{
    char path[PATH_MAX], file[ACCESS_NAME_BYTES + 64];
    snprintf(file, sizeof file, format, name);
    return access_path(path, settings, NULL, "credentials/%s", file) == NOVA_OK &&
           access(path, F_OK) == 0;
}

static void role_fill(struct role *out, const struct settings *settings, const char *word)
{
    enum setting of_service;
    char name[ACCESS_NAME_BYTES];
    *out = (struct role){.service = ""};
    if (strcmp(word, "superuser") == 0) {
        strcpy(out->postgres, ACCESS_SUPERUSER);
        return;
    }
    bool is_service = settings_of_service(&of_service, word);
    snprintf(name, sizeof name, "%s%s", word, is_service ? "_service" : "");
    const char *underscore = strchr(name, '_');
    snprintf(out->service, sizeof out->service, "%.*s", underscore ? (int)(underscore - name) : 0,
             name);
    if (!settings_of_service(&of_service, out->service))
        out->service[0] = '\0';
    if (has_file(settings, "postgres/%s", name))
        strcpy(out->postgres, name);
    else if (underscore && *out->service) // a consumer's user on the bus; one role for all of them
        snprintf(out->postgres, sizeof out->postgres, "%.40s_consumer", out->service);
    if (has_file(settings, "nats/%s.nk", name))
        strcpy(out->nats, name);
}

enum nova_status role_find(struct role *out, const struct settings *settings, const char *word,
                           struct error *err)
{
    static struct names names;
    const char *words[NAMES_MAX];
    bool known = false;
    // Without a home PostgreSQL's superuser is whoever postgres.url names.
    if (strcmp(word, "superuser") == 0) {
        role_fill(out, settings, word);
        return NOVA_OK;
    }
    enum nova_status status = names_read(&names, settings, err);
    if (status != NOVA_OK)
        return status;
    for (size_t i = 0; i < names.count; i++) {
        words[i] = names.at[i];
        known |= strcmp(word, names.at[i]) == 0;
    }
    const char *meant = nearest_word(word, words, names.count);
    if (!known && meant)
        return error_set(err, NOVA_NOT_FOUND, "no role '%s'; did you mean '%s'?", word, meant);
    if (!known)
        return error_set(err, NOVA_NOT_FOUND, "no role '%s'; `nova env` lists them", word);
    role_fill(out, settings, word);
    return NOVA_OK;
}

enum nova_status role_list(FILE *out, const struct settings *settings, struct error *err)
{
    static struct names names;
    enum nova_status status = names_read(&names, settings, err);
    for (size_t i = 0; status == NOVA_OK && i < names.count; i++)
        fprintf(out, "%s\n", names.at[i]);
    return status;
}
