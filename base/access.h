// access.h - where credentials lie in the home, and how a process gets its own.
//
//     <home>/credentials/postgres/<role>   scram password
//     <home>/credentials/nats/<user>.nk    nkey seed
//     <home>/credentials/nats/principals   "<user> <public nkey>" a line
//     <home>/credentials/seal/<service>    the service's master key: 32 bytes in hexadecimal
//     <home>/credentials/refresh/identity  what refresh tokens are derived with: the same
//     <home>/credentials/log/<service>     what signs the service's log (audit/note.h), and .pub
//
// `nova up` writes them, each with mode 0600 (principals: 0644). A process without a home names
// its servers and secrets by settings: a postgres.url (NOVA_POSTGRES_URL) whose user is the asked
// role is taken as it stands, and nats.seed_file (NOVA_NATS_SEED_FILE), nats.principals_file,
// seal.key_file, identity.refresh_key_file and signer.key_folder go before the home's.
//
// Ownership: the caller owns every buffer. URLs and keys are secrets: not for logs.
// Errors:    NOT_FOUND names the missing file and says what writes it; PERMISSION_DENIED a secret
//            that others may read; INVALID_ARGUMENT a URL or a file that makes no sense.
#pragma once
#include <limits.h>

#include "base/error.h"
#include "base/seal.h"
#include "base/settings.h"

enum {
    ACCESS_URL_BYTES = 4096 + 256,
    ACCESS_NAME_BYTES = 64,
    ACCESS_PUBLIC_BYTES = 57, // 56 characters of a public nkey and the NUL
    ACCESS_PRINCIPALS_MAX = 256,
    ACCESS_LOG_KEY_BYTES = 512,
};

// The superuser's role of the embedded PostgreSQL; with postgres.url set it stands for that URL.
#define ACCESS_SUPERUSER "nova"

// The URL to connect with as `role` to the PostgreSQL of `service`; NULL: the common one.
MUST_CHECK enum nova_status access_postgres_url(char out[ACCESS_URL_BYTES],
                                                const struct settings *settings,
                                                const char *service, const char *role,
                                                struct error *err);

// The password of a role, as `nova up` made it.
MUST_CHECK enum nova_status access_postgres_password(char out[ACCESS_NAME_BYTES],
                                                     const struct settings *settings,
                                                     const char *role, struct error *err);

// The URL of the bus: nats.url, or the home's own server.
MUST_CHECK enum nova_status access_nats_url(char out[ACCESS_URL_BYTES],
                                            const struct settings *settings, struct error *err);

// The file with the user's nkey seed; it exists and only its owner may read it.
MUST_CHECK enum nova_status access_nats_seed_path(char out[PATH_MAX],
                                                  const struct settings *settings, const char *user,
                                                  struct error *err);

// The file with the users' public nkeys; whether it exists is not asked.
MUST_CHECK enum nova_status
access_principals_path(char out[PATH_MAX], const struct settings *settings, struct error *err);

// Everybody who has a key on the bus.
struct access_principals {
    size_t count;
    struct access_principal {
        char user[ACCESS_NAME_BYTES];
        char public_key[ACCESS_PUBLIC_BYTES];
    } at[ACCESS_PRINCIPALS_MAX];
};
// Reads the file whole; INVALID_ARGUMENT beyond ACCESS_PRINCIPALS_MAX.
MUST_CHECK enum nova_status access_principals_read(struct access_principals *out,
                                                   const struct settings *settings,
                                                   struct error *err);
// NULL: nobody. What is returned lives in the list.
const char *access_principal_user(const struct access_principals *list, const char *public_key);
const char *access_principal_key(const struct access_principals *list, const char *user);

// The public nkey of one user.
MUST_CHECK enum nova_status access_nats_public(char out[ACCESS_PUBLIC_BYTES],
                                               const struct settings *settings, const char *user,
                                               struct error *err);

// The key that wraps every person's key of that service; the caller wipes it.
MUST_CHECK enum nova_status access_master_key(struct seal_key *out, const struct settings *settings,
                                              const char *service, struct error *err);

// The key that refresh tokens are derived with; the caller wipes it.
MUST_CHECK enum nova_status access_refresh_key(struct seal_key *out,
                                               const struct settings *settings, struct error *err);

// The line that is the signing key of a service's log; the caller wipes it.
MUST_CHECK enum nova_status access_log_key(char out[ACCESS_LOG_KEY_BYTES],
                                           const struct settings *settings, const char *service,
                                           struct error *err);

// "<home>/<what>", INVALID_ARGUMENT when that is too long for a path.
MUST_CHECK enum nova_status access_path(char out[PATH_MAX], const struct settings *settings,
                                        struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
