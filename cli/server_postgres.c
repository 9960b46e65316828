// server_postgres.c - see server.h. PostgreSQL refuses to run as root: then it runs as postgres.
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/log.h"
#include "cli/home.h"
#include "cli/path.h"
#include "cli/server.h"

#define POSTGRES_BIN "/usr/lib/postgresql/15/bin"
#define POSTGRES_MAJOR "15"
#define ELSEWHERE "/var/lib/nova" // for a home that the user postgres cannot reach

enum { FREE_BYTES_TO_START = 32 << 20 };

// Appended to the cluster's postgresql.conf when it is made; port and addresses follow the
// settings. What a statement held (an e-mail address in a violated constraint) does not belong in a
// log.
static const char conf[] = "\n# Nova\n"
                           "synchronous_commit = on\n"
                           "max_prepared_transactions = 0\n"
                           "max_connections = 800\n" // above the roles' limits together
                           "shared_buffers = 256MB\n"
                           "max_wal_size = 2GB\n"
                           "timezone = 'UTC'\n"
                           "log_timezone = 'UTC'\n"
                           "log_line_prefix = '%m [%p] %q%u %a '\n"
                           "log_error_verbosity = terse\n"
                           "log_min_error_statement = panic\n"
                           "log_checkpoints = off\n";

bool server_postgres_is_embedded(const struct settings *settings)
{
    return !*settings_text(settings, SETTING_POSTGRES_URL);
}

static enum nova_status postgres_user(struct spawn_user *out, struct error *err)
{
    *out = (struct spawn_user){false, geteuid(), getegid()};
    if (geteuid() != 0)
        return NOVA_OK;
    const struct passwd *user = getpwnam("postgres");
    if (!user)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "PostgreSQL does not run as root, and there is no user postgres to run it "
                         "as (package postgresql-15)");
    *out = (struct spawn_user){true, user->pw_uid, user->pw_gid};
    return NOVA_OK;
}

// Where the data really is: in the home, or elsewhere when the server's user cannot get there.
static enum nova_status data_path(char out[PATH_MAX], const struct settings *settings,
                                  const struct spawn_user *user, struct error *err)
{
    const char *home = settings_text(settings, SETTING_HOME);
    const char *argv[] = {"/usr/bin/test", "-x", home, NULL};
    const struct spawn reach = {.argv = argv, .user = *user};
    if (!user->change || spawn_run(&reach, NULL, NULL) == NOVA_OK)
        return access_path(out, settings, err, "pg");
    uint8_t digest[8];
    char name[2 * sizeof digest + 1];
    crypto_generichash(digest, sizeof digest, (const uint8_t *)home, strlen(home), NULL, 0);
    sodium_bin2hex(name, sizeof name, digest, sizeof digest);
    snprintf(out, PATH_MAX, ELSEWHERE "/%s", name);
    if ((mkdir(ELSEWHERE, 0755) != 0 && errno != EEXIST) || chmod(ELSEWHERE, 0755) != 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be made: %s", ELSEWHERE,
                         strerror(errno));
    return NOVA_OK;
}

static enum nova_status check_version(const char *data, struct error *err)
{
    char path[PATH_MAX], text[16] = "";
    path_print(path, "%s/PG_VERSION", data);
    FILE *file = fopen(path, "re");
    if (file && !fgets(text, sizeof text, file))
        text[0] = '\0';
    if (file)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, POSTGRES_MAJOR) != 0)
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "%s holds data of PostgreSQL '%s', and this is " POSTGRES_MAJOR
                         ": move it away, or choose another --home",
                         data, text);
    return NOVA_OK;
}

// Runs statements, one a line, on a server that is not started; any error ends it.
static enum nova_status run_single(const char *data, const struct spawn_user *user,
                                   const char *statements, struct error *err)
{
    const char *argv[] = {
        POSTGRES_BIN "/postgres", "--single", "-D", data, "-c", "exit_on_error=on", "-c",
        "log_min_messages=error", "postgres", NULL};
    const struct spawn single = {.argv = argv, .user = *user, .death_signal = SIGKILL};
    return spawn_run(&single, statements, err);
}

static enum nova_status run_initdb(const char *data, const char *password_file,
                                   const struct spawn_user *user, struct error *err)
{
    const char *argv[] = {POSTGRES_BIN "/initdb",
                          "-D",
                          data,
                          "-U",
                          ACCESS_SUPERUSER,
                          "-A",
                          "scram-sha-256",
                          "--pwfile",
                          password_file,
                          "-E",
                          "UTF8",
                          "--locale=C.UTF-8",
                          NULL};
    const struct spawn initdb = {.argv = argv, .user = *user, .death_signal = SIGKILL};
    return spawn_run(&initdb, NULL, err);
}

static enum nova_status append_conf(const char *data, struct error *err)
{
    char path[PATH_MAX];
    path_print(path, "%s/postgresql.conf", data);
    FILE *file = fopen(path, "ae");
    bool good = file && fputs(conf, file) >= 0;
    if (file && fclose(file) != 0)
        good = false;
    return good ? NOVA_OK
                : error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be written: %s", path,
                            strerror(errno));
}

// A folder and a file that the server's user can read.
static enum nova_status make_place(const char *part, const char *password_file,
                                   const char *password, const struct spawn_user *user,
                                   struct error *err)
{
    enum nova_status status = home_write(password_file, password, 0600, err);
    if (status != NOVA_OK)
        return status;
    if (mkdir(part, 0700) != 0 || (user->change && (chown(part, user->uid, user->gid) != 0 ||
                                                    chown(password_file, user->uid, user->gid))))
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be made: %s", part,
                         strerror(errno));
    return NOVA_OK;
}

// What interrupted starts left. One that is just dying may still write there: then it stays until
// the next time.
static void remove_parts(const char *data)
{
    char pattern[PATH_MAX];
    glob_t found;
    path_print(pattern, "%s.new.*", data);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (home_remove(found.gl_pathv[i], NULL) != NOVA_OK)
            log_warn("up: a part of an interrupted start stays", LOG_TEXT("path", pattern));
    globfree(&found);
}

// Beside its place first, then by one rename: an interrupted start leaves a part that a later one
// removes, never half a cluster.
static enum nova_status make_cluster(const char *data, const char *password,
                                     const struct spawn_user *user, struct error *err)
{
    char part[PATH_MAX], password_file[PATH_MAX];
    remove_parts(data);
    path_print(part, "%s.new.%08x", data, randombytes_random());
    path_print(password_file, "%s.password", data);
    enum nova_status status = make_place(part, password_file, password, user, err);
    if (status == NOVA_OK)
        status = run_initdb(part, password_file, user, err);
    unlink(password_file);
    if (status == NOVA_OK)
        status = append_conf(part, err);
    if (status == NOVA_OK)
        status = run_single(part, user, "CREATE DATABASE nova\n", err);
    // What is there now belongs to a home that was removed: its passwords are gone.
    if (status == NOVA_OK)
        status = home_remove(data, err);
    if (status == NOVA_OK && rename(part, data) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be renamed: %s", part,
                           strerror(errno));
    return status;
}

static enum nova_status link_cluster(const char *link, const char *data, struct error *err)
{
    char part[PATH_MAX];
    path_print(part, "%s.new", link);
    if (strcmp(link, data) == 0)
        return NOVA_OK;
    unlink(part);
    if (symlink(data, part) != 0 || rename(part, link) != 0)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be made: %s", link,
                         strerror(errno));
    return NOVA_OK;
}

enum nova_status server_postgres_prepare(const struct settings *settings, bool anew,
                                         struct error *err)
{
    struct spawn_user user;
    char link[PATH_MAX], data[PATH_MAX], password[ACCESS_NAME_BYTES], alter[256];
    if (access(POSTGRES_BIN "/postgres", X_OK) != 0)
        return error_set(err, NOVA_NOT_FOUND, POSTGRES_BIN " is missing (package postgresql-15)");
    enum nova_status status = postgres_user(&user, err);
    if (status == NOVA_OK)
        status = access_path(link, settings, err, "pg");
    if (status == NOVA_OK)
        status = access_postgres_password(password, settings, ACCESS_SUPERUSER, err);
    if (status != NOVA_OK)
        return status;
    if (realpath(link, data)) { // also through a link
        snprintf(alter, sizeof alter, "ALTER ROLE " ACCESS_SUPERUSER " PASSWORD '%s'\n", password);
        status = check_version(data, err);
        return status == NOVA_OK && anew ? run_single(data, &user, alter, err) : status;
    }
    status = data_path(data, settings, &user, err);
    if (status == NOVA_OK)
        status = make_cluster(data, password, &user, err);
    if (status == NOVA_OK)
        status = link_cluster(link, data, err);
    return status == NOVA_OK ? NOVA_OK : error_while(err, "making PostgreSQL's data in %s", data);
}

// cp keeps what PostgreSQL wants kept (modes, empty folders); the owner is the server's.
static enum nova_status copy_cluster(const char *from, const char *part,
                                     const struct spawn_user *user, struct error *err)
{
    char owner[64];
    snprintf(owner, sizeof owner, "%u:%u", (unsigned)user->uid, (unsigned)user->gid);
    const char *copy[] = {"/bin/cp", "-a", "--", from, part, NULL};
    const char *chown[] = {"/bin/chown", "-R", "--", owner, part, NULL};
    const struct spawn copying = {.argv = copy, .death_signal = SIGKILL};
    const struct spawn owning = {.argv = chown, .death_signal = SIGKILL};
    enum nova_status status = spawn_run(&copying, NULL, err);
    if (status == NOVA_OK && user->change)
        status = spawn_run(&owning, NULL, err);
    return status;
}

enum nova_status server_postgres_restore(const struct settings *settings, const char *from,
                                         struct error *err)
{
    struct spawn_user user;
    char link[PATH_MAX], data[PATH_MAX], part[PATH_MAX];
    enum nova_status status = postgres_user(&user, err);
    if (status == NOVA_OK)
        status = access_path(link, settings, err, "pg");
    if (status == NOVA_OK)
        status = data_path(data, settings, &user, err);
    if (status == NOVA_OK)
        status = check_version(from, err);
    if (status != NOVA_OK)
        return status;
    remove_parts(data);
    path_print(part, "%s.new.%08x", data, randombytes_random());
    status = copy_cluster(from, part, &user, err);
    // What is there now belongs to a home that was removed: its passwords are gone.
    if (status == NOVA_OK)
        status = home_remove(data, err);
    if (status == NOVA_OK && rename(part, data) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be renamed: %s", part,
                           strerror(errno));
    if (status == NOVA_OK)
        status = link_cluster(link, data, err);
    return status == NOVA_OK ? NOVA_OK : error_while(err, "restoring PostgreSQL's data");
}

static struct {
    char data[PATH_MAX], port[64];
    const char *argv[16];
} postgres;

static const char *postgres_forbidden(void *context, bool runs)
{
    (void)context;
    int64_t free_bytes = home_free_bytes(postgres.data);
    return !runs && free_bytes >= 0 && free_bytes < FREE_BYTES_TO_START ? "the disk is full" : NULL;
}

enum nova_status server_postgres_child(struct supervisor_child *out,
                                       const struct settings *settings, struct error *err)
{
    char link[PATH_MAX], url[ACCESS_URL_BYTES];
    struct spawn_user user;
    enum nova_status status = postgres_user(&user, err);
    if (status == NOVA_OK)
        status = access_path(link, settings, err, "pg");
    if (status == NOVA_OK)
        status = access_postgres_url(url, settings, NULL, ACCESS_SUPERUSER, err);
    if (status == NOVA_OK && !realpath(link, postgres.data))
        status = error_set(err, NOVA_NOT_FOUND, "%s: %s", link, strerror(errno));
    if (status != NOVA_OK)
        return status;
    snprintf(postgres.port, sizeof postgres.port, "port=%lld",
             (long long)settings_int(settings, SETTING_POSTGRES_PORT));
    const char *argv[] = {POSTGRES_BIN "/postgres",
                          "-D",
                          postgres.data,
                          "-c",
                          postgres.port,
                          "-c",
                          "listen_addresses=127.0.0.1",
                          "-c",
                          "unix_socket_directories=",
                          NULL};
    memcpy(postgres.argv, argv, sizeof argv);
    *out = (struct supervisor_child){
        .name = "postgres",
        .kind = "server",
        .stage = STAGE_POSTGRES,
        .at_once = true,
        .stop_signal = SIGINT, // fast: ends sessions, then writes a checkpoint
        .limits = {.stop_ms_max = 60000},
        .spawn = {.argv = postgres.argv, .user = user, .death_signal = SIGINT},
        .probe = probe_create_postgres(url),
        .forbidden = postgres_forbidden,
    };
    return NOVA_OK;
}
