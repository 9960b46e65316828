// access.c - see access.h. Secrets are read when they are asked for, and kept nowhere.
#include "base/access.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum nova_status access_path(char out[PATH_MAX], const struct settings *settings, struct error *err,
                             const char *format, ...)
{
    int used = snprintf(out, PATH_MAX, "%s/", settings_text(settings, SETTING_HOME));
    int more = 0;
    if (used > 0 && used < PATH_MAX) {
        va_list arguments;
        va_start(arguments, format);
        more = vsnprintf(out + used, (size_t)(PATH_MAX - used), format, arguments);
        va_end(arguments);
    }
    if (used < 0 || more < 0 || used + more >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "home is too long a path: %.64s...",
                         settings_text(settings, SETTING_HOME));
    return NOVA_OK;
}

static enum nova_status missing(const char *path, struct error *err)
{
    if (errno == ENOENT || errno == ENOTDIR)
        return error_set(err, NOVA_NOT_FOUND, "%s is missing: run ./nova up, which makes it", path);
    return error_set(err, errno == EACCES ? NOVA_PERMISSION_DENIED : NOVA_INTERNAL,
                     "%s cannot be read: %s", path, strerror(errno));
}

static enum nova_status check_secret(const struct stat *info, const char *path, struct error *err)
{
    if (info->st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, NOVA_PERMISSION_DENIED,
                         "%s can be read by others (mode %03o): chmod 600 it", path,
                         info->st_mode & 0777u);
    return NOVA_OK;
}

// One line of a file of secrets, without its end.
static enum nova_status read_secret(char *out, size_t size, const char *path, struct error *err)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return missing(path, err);
    struct stat info;
    enum nova_status status =
        fstat(file, &info) == 0 ? check_secret(&info, path, err) : missing(path, err);
    ssize_t got = status == NOVA_OK ? read(file, out, size - 1) : -1;
    close(file);
    if (status != NOVA_OK)
        return status;
    out[got > 0 ? got : 0] = '\0';
    size_t len = strcspn(out, "\r\n");
    if (got <= 0 || len == 0 || strlen(out) > len + 2 || (size_t)got == size - 1)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "%s holds no secret of one line: remove it and run ./nova up", path);
    out[len] = '\0';
    return NOVA_OK;
}

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < ACCESS_NAME_BYTES &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static enum nova_status check_name(const char *text, struct error *err)
{
    if (!is_name(text))
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "'%.64s' is no name of a role, user or service", text);
    return NOVA_OK;
}

enum nova_status access_postgres_password(char out[ACCESS_NAME_BYTES],
                                          const struct settings *settings, const char *role,
                                          struct error *err)
{
    char path[PATH_MAX];
    enum nova_status status = check_name(role, err);
    if (status == NOVA_OK)
        status = access_path(path, settings, err, "credentials/postgres/%s", role);
    if (status == NOVA_OK)
        status = read_secret(out, ACCESS_NAME_BYTES, path, err);
    if (status == NOVA_OK && strspn(out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789-_") != strlen(out))
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "%s holds other than letters and digits: a URL cannot carry it", path);
    return status;
}

// The parts of postgresql://user:password@host:port/database?options around the user.
struct url {
    int scheme_len; // with "://"
    int user_len;   // 0: none
    bool has_password;
    const char *user; // behind the scheme
    const char *rest; // host and all that follows
};

static bool url_split(struct url *out, const char *text)
{
    const char *at = NULL;
    if (strncmp(text, "postgresql://", 13) == 0)
        at = text + 13;
    else if (strncmp(text, "postgres://", 11) == 0)
        at = text + 11;
    if (!at)
        return false;
    size_t authority = strcspn(at, "/?");
    const char *end = memrchr(at, '@', authority);
    size_t user_len = end ? strcspn(at, ":@") : 0;
    *out = (struct url){(int)(at - text), (int)user_len, end && at[user_len] == ':', at,
                        end ? end + 1 : at};
    return true;
}

// The setting that says where the service's PostgreSQL is; SETTING_COUNT: it is the embedded one.
static enum setting base_setting(const struct settings *settings, const char *service)
{
    enum setting own;
    if (service && settings_of_service(&own, service) && *settings_text(settings, own))
        return own;
    return *settings_text(settings, SETTING_POSTGRES_URL) ? SETTING_POSTGRES_URL : SETTING_COUNT;
}

enum nova_status access_postgres_url(char out[ACCESS_URL_BYTES], const struct settings *settings,
                                     const char *service, const char *role, struct error *err)
{
    char password[ACCESS_NAME_BYTES];
    enum setting base = base_setting(settings, service);
    if (base == SETTING_COUNT) {
        enum nova_status status = access_postgres_password(password, settings, role, err);
        if (status == NOVA_OK)
            snprintf(out, ACCESS_URL_BYTES, "postgresql://%s:%s@127.0.0.1:%lld/nova", role,
                     password, (long long)settings_int(settings, SETTING_POSTGRES_PORT));
        return status;
    }
    struct url url;
    const char *text = settings_text(settings, base);
    if (!url_split(&url, text))
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s (%s) must be a postgresql:// URL",
                         settings_key(base), settings_origin(settings, base));
    bool same = (int)strlen(role) == url.user_len && memcmp(role, url.user, strlen(role)) == 0;
    if ((same && url.has_password) || strcmp(role, ACCESS_SUPERUSER) == 0) {
        snprintf(out, ACCESS_URL_BYTES, "%s", text);
        return NOVA_OK;
    }
    enum nova_status status = access_postgres_password(password, settings, role, err);
    if (status == NOVA_OK)
        snprintf(out, ACCESS_URL_BYTES, "%.*s%s:%s@%s", url.scheme_len, text, role, password,
                 url.rest);
    return status;
}

enum nova_status access_nats_url(char out[ACCESS_URL_BYTES], const struct settings *settings,
                                 struct error *err)
{
    const char *text = settings_text(settings, SETTING_NATS_URL);
    if (*text && strncmp(text, "nats://", 7) != 0 && strncmp(text, "tls://", 6) != 0)
        return error_set(err, NOVA_INVALID_ARGUMENT, "nats.url (%s) must be a nats:// URL",
                         settings_origin(settings, SETTING_NATS_URL));
    if (*text)
        snprintf(out, ACCESS_URL_BYTES, "%s", text);
    else
        snprintf(out, ACCESS_URL_BYTES, "nats://127.0.0.1:%lld",
                 (long long)settings_int(settings, SETTING_NATS_PORT));
    return NOVA_OK;
}

// The file that the setting names, else the home's.
static enum nova_status named_or_home(char out[PATH_MAX], const struct settings *settings,
                                      enum setting named, struct error *err, const char *in_home)
{
    const char *name = settings_text(settings, named);
    if (!*name)
        return access_path(out, settings, err, "%s", in_home);
    if (snprintf(out, PATH_MAX, "%s", name) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s is too long a path: %.64s...",
                         settings_key(named), name);
    return NOVA_OK;
}

enum nova_status access_nats_seed_path(char out[PATH_MAX], const struct settings *settings,
                                       const char *user, struct error *err)
{
    char in_home[ACCESS_NAME_BYTES + 32];
    snprintf(in_home, sizeof in_home, "credentials/nats/%.63s.nk", user);
    enum nova_status status = check_name(user, err);
    if (status == NOVA_OK)
        status = named_or_home(out, settings, SETTING_NATS_SEED_FILE, err, in_home);
    if (status != NOVA_OK)
        return status;
    struct stat info;
    if (stat(out, &info) != 0)
        return missing(out, err);
    return check_secret(&info, out, err);
}

static bool principal_parse(struct access_principal *out, const char *line)
{
    char rest;
    return sscanf(line, "%63s %56s %c", out->user, out->public_key, &rest) == 2 &&
           is_name(out->user) && strlen(out->public_key) == ACCESS_PUBLIC_BYTES - 1;
}

enum nova_status access_principals_path(char out[PATH_MAX], const struct settings *settings,
                                        struct error *err)
{
    return named_or_home(out, settings, SETTING_NATS_PRINCIPALS_FILE, err,
                         "credentials/nats/principals");
}

enum nova_status access_principals_read(struct access_principals *out,
                                        const struct settings *settings, struct error *err)
{
    char path[PATH_MAX], line[ACCESS_NAME_BYTES + ACCESS_PUBLIC_BYTES + 8];
    out->count = 0;
    enum nova_status status = access_principals_path(path, settings, err);
    if (status != NOVA_OK)
        return status;
    FILE *file = fopen(path, "re");
    if (!file)
        return missing(path, err);
    for (int number = 1; status == NOVA_OK && fgets(line, sizeof line, file); number++) {
        if (out->count == ACCESS_PRINCIPALS_MAX)
            status = error_set(err, NOVA_INVALID_ARGUMENT, "%s names more than %d users", path,
                               ACCESS_PRINCIPALS_MAX);
        else if (!principal_parse(&out->at[out->count], line))
            status = error_set(err, NOVA_INVALID_ARGUMENT,
                               "%s:%d is not '<user> <public nkey>': run ./nova up", path, number);
        else
            out->count++;
    }
    fclose(file);
    return status;
}

const char *access_principal_user(const struct access_principals *list, const char *public_key)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].public_key, public_key) == 0)
            return list->at[i].user;
    return NULL;
}

const char *access_principal_key(const struct access_principals *list, const char *user)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->at[i].user, user) == 0)
            return list->at[i].public_key;
    return NULL;
}

enum nova_status access_nats_public(char out[ACCESS_PUBLIC_BYTES], const struct settings *settings,
                                    const char *user, struct error *err)
{
    struct access_principals list;
    enum nova_status status = access_principals_read(&list, settings, err);
    if (status != NOVA_OK)
        return status;
    const char *key = access_principal_key(&list, user);
    if (!key)
        return error_set(err, NOVA_NOT_FOUND,
                         "no '%s' among the users with a public nkey: run ./nova up", user);
    snprintf(out, ACCESS_PUBLIC_BYTES, "%s", key);
    return NOVA_OK;
}

// `without` is what is the matter when it is not the right one.
static enum nova_status read_key(struct seal_key *out, const char *path, const char *without,
                                 struct error *err)
{
    char text[2 * SEAL_KEY_BYTES + 3];
    size_t len = 0;
    enum nova_status status = read_secret(text, sizeof text, path, err);
    if (status != NOVA_OK)
        return status;
    int bad = sodium_hex2bin(out->bytes, sizeof out->bytes, text, strlen(text), NULL, &len, NULL);
    sodium_memzero(text, sizeof text);
    if (bad || len != sizeof out->bytes)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "%s holds no key of %d hexadecimal digits; without the right one %s: "
                         "restore it",
                         path, 2 * SEAL_KEY_BYTES, without);
    return NOVA_OK;
}

enum nova_status access_master_key(struct seal_key *out, const struct settings *settings,
                                   const char *service, struct error *err)
{
    char path[PATH_MAX], in_home[ACCESS_NAME_BYTES + 32], without[ACCESS_NAME_BYTES + 32];
    snprintf(in_home, sizeof in_home, "credentials/seal/%.63s", service);
    snprintf(without, sizeof without, "what %.63s sealed stays closed", service);
    enum nova_status status = check_name(service, err);
    if (status == NOVA_OK)
        status = named_or_home(path, settings, SETTING_SEAL_KEY_FILE, err, in_home);
    return status == NOVA_OK ? read_key(out, path, without, err) : status;
}

enum nova_status access_refresh_key(struct seal_key *out, const struct settings *settings,
                                    struct error *err)
{
    char path[PATH_MAX];
    enum nova_status status = named_or_home(path, settings, SETTING_IDENTITY_REFRESH_KEY_FILE, err,
                                            "credentials/refresh/identity");
    return status == NOVA_OK ? read_key(out, path, "an old refresh token is not known for one", err)
                             : status;
}

enum nova_status access_log_key(char out[ACCESS_LOG_KEY_BYTES], const struct settings *settings,
                                const char *service, struct error *err)
{
    char path[PATH_MAX];
    const char *folder = settings_text(settings, SETTING_SIGNER_KEY_FOLDER);
    enum nova_status status = check_name(service, err);
    if (status == NOVA_OK && *folder == '\0')
        status = access_path(path, settings, err, "credentials/log/%s", service);
    else if (status == NOVA_OK && snprintf(path, sizeof path, "%s/%s", folder, service) >= PATH_MAX)
        status = error_set(err, NOVA_INVALID_ARGUMENT, "%s is too long a path: %.64s...",
                           settings_key(SETTING_SIGNER_KEY_FOLDER), folder);
    return status == NOVA_OK ? read_secret(out, ACCESS_LOG_KEY_BYTES, path, err) : status;
}
