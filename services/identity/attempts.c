// attempts.c - see attempts.h.
#include "services/identity/attempts.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "services/identity/device_token.h"

enum { ADDRESS_GROUP_BYTES = INET6_ADDRSTRLEN + 4 };

// ---- whose attempt it is ------------------------------------------------------------------------

static int64_t attempt_setting_us(const struct service *service, enum setting setting_s)
{
    return settings_int(service_settings(service), setting_s) * INT64_C(1000000);
}

static struct throttle_policy attempt_policy(const struct service *service)
{
    return (struct throttle_policy){
        .attempts = settings_int(service_settings(service), SETTING_IDENTITY_LOGIN_ATTEMPTS),
        .delay_us = attempt_setting_us(service, SETTING_IDENTITY_LOGIN_DELAY_S),
        .delay_max_us = attempt_setting_us(service, SETTING_IDENTITY_LOGIN_DELAY_MAX_S),
        .forget_us = attempt_setting_us(service, SETTING_IDENTITY_LOGIN_FORGET_S),
    };
}

// The free attempts of an address are forgotten in the time in which a name's are.
static struct throttle_policy attempt_policy_of_address(const struct service *service)
{
    struct throttle_policy policy = attempt_policy(service);
    int64_t name_attempts = policy.attempts;
    policy.attempts =
        settings_int(service_settings(service), SETTING_IDENTITY_LOGIN_ATTEMPTS_ADDRESS);
    policy.forget_us = policy.forget_us * name_attempts / policy.attempts;
    if (policy.forget_us == 0)
        policy.forget_us = 1;
    return policy;
}

// Who has an IPv6 address has 2^64 of them. What is none is one by its text.
void attempt_address(struct account_digest *out, const struct seal_key *master, const char *address)
{
    char group[ADDRESS_GROUP_BYTES] = "";
    struct in6_addr six;
    if (inet_pton(AF_INET6, address, &six) == 1) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&six);
        if (!mapped)
            memset(six.s6_addr + 8, 0, 8);
        inet_ntop(mapped ? AF_INET : AF_INET6, mapped ? six.s6_addr + 12 : six.s6_addr, group,
                  sizeof group);
    }
    account_digest(out, master, "address", group[0] != '\0' ? group : address);
}

static void attempt_device(struct account_digest *out, const struct seal_key *master,
                           const struct uuid *user_id, const struct uuid *device_id)
{
    char text[2 * UUID_TEXT_BYTES];
    uuid_format(text, user_id);
    text[UUID_TEXT_BYTES - 1] = ' ';
    uuid_format(text + UUID_TEXT_BYTES, device_id);
    account_digest(out, master, "device", text);
}

static bool attempt_device_is_known(struct device_token *out, const struct service *service,
                                    const struct uuid *user_id, const char *text)
{
    struct seal_key key;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    device_token_key(&key, service_master_key(service));
    bool known = device_token_is_known(
        out, &key, user_id, text, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000,
        attempt_setting_us(service, SETTING_IDENTITY_DEVICE_LIFETIME_S));
    seal_key_forget(&key);
    return known;
}

void attempt_make(struct attempt *out, const struct service *service,
                  const Nova__Identity__V2__LoginRequest *request,
                  const struct account_digest *name, const struct uuid *user_id)
{
    const struct seal_key *master = service_master_key(service);
    struct device_token device;
    *out = (struct attempt){.policies = {attempt_policy(service)}, .count = 1};
    if (attempt_device_is_known(&device, service, user_id, request->device_token)) {
        out->device_id = device.device_id;
        attempt_device(&out->keys[0], master, user_id, &device.device_id);
        return;
    }
    out->from_stranger = true;
    out->keys[0] = *name;
    if (*request->address == '\0')
        return;
    attempt_address(&out->keys[1], master, request->address);
    out->policies[1] = attempt_policy_of_address(service);
    out->count = 2;
}

void attempt_make_own(struct attempt *out, const struct service *service,
                      const struct uuid *user_id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(text, user_id);
    *out = (struct attempt){.policies = {attempt_policy(service)}, .count = 1};
    account_digest(&out->keys[0], service_master_key(service), "user", text);
}

char *attempt_device_token(const struct attempt *attempt, const struct service *service,
                           const Nova__Identity__V2__LoginReply *reply, struct arena *arena)
{
    static const char made_of[] = "device";
    struct seal_key key;
    struct uuid user_id = id_parse(reply->user_id), session_id = id_parse(reply->session_id);
    struct device_token token = {attempt->device_id, reply->issued_at_us};
    if (attempt->from_stranger)
        token.device_id = uuid_v5(&session_id, made_of, sizeof made_of - 1);
    device_token_key(&key, service_master_key(service));
    char *text = device_token_make(arena, &key, &user_id, &token);
    seal_key_forget(&key);
    return text;
}

// ---- the table ----------------------------------------------------------------------------------

static struct pg_param attempt_key(const struct account_digest *key)
{
    return pg_bytea((struct bytes){key->bytes, sizeof key->bytes});
}

static int64_t attempt_wait_us(const struct attempt *attempt, const struct pg_result *rows,
                               size_t row)
{
    struct bytes digest = pg_get_bytea(rows, row, 0);
    const struct throttle_bucket bucket = {pg_get_time_us(rows, row, 1),
                                           pg_get_time_us(rows, row, 2)};
    for (size_t i = 0; i < attempt->count; i++)
        if (digest.len == sizeof attempt->keys[i].bytes &&
            memcmp(digest.data, attempt->keys[i].bytes, digest.len) == 0)
            return throttle_wait_us(&bucket, &attempt->policies[i], pg_get_time_us(rows, row, 3));
    return 0;
}

// Before the hash, which a refusal spares. It is the same for a name that nobody has.
enum nova_status attempts_check(struct pg *pg, const struct attempt *attempt, struct error *err)
{
    struct pg_result *rows = NULL;
    const struct pg_param params[] = {attempt_key(&attempt->keys[0]),
                                      attempt_key(&attempt->keys[attempt->count - 1])};
    int64_t longest_us = 0;
    enum nova_status status = pg_query(&rows, pg,
                                       "SELECT digest, failed_at, forgotten_at, clock_timestamp()"
                                       " FROM identity.login_failure WHERE digest IN ($1, $2)",
                                       params, 2, err);
    for (size_t row = 0; row < pg_rows(rows); row++) {
        int64_t wait_us = attempt_wait_us(attempt, rows, row);
        longest_us = wait_us > longest_us ? wait_us : longest_us;
    }
    pg_result_destroy(&rows);
    return status != NOVA_OK || longest_us == 0
               ? status
               : error_set_transient(err, NOVA_RESOURCE_EXHAUSTED,
                                     "TOO_MANY_ATTEMPTS: too many logins failed; try again in "
                                     "%" PRId64 " s",
                                     (longest_us + 999999) / 1000000);
}

// The name before the address, in every transaction: none waits for another in a circle.
static enum nova_status attempts_note_one(bool *locks, struct pg *pg,
                                          const struct account_digest *key,
                                          const struct throttle_policy *policy, struct error *err)
{
    struct pg_result *rows = NULL;
    const int64_t max = throttle_failures_max(policy);
    const struct pg_param params[] = {attempt_key(key), pg_int8(policy->forget_us),
                                      pg_int8(max * policy->forget_us)};
    enum nova_status status = pg_query(
        &rows, pg,
        "INSERT INTO identity.login_failure AS f (digest, failed_at, forgotten_at)"
        " VALUES ($1, statement_timestamp(),"
        "  statement_timestamp() + $2 * interval '1 microsecond')"
        " ON CONFLICT (digest) DO UPDATE SET failed_at = excluded.failed_at, forgotten_at ="
        " LEAST(excluded.failed_at + $3 * interval '1 microsecond', $2 * interval '1 microsecond' +"
        "  CASE WHEN f.failed_at > excluded.failed_at" // the clock was set back
        "  THEN excluded.failed_at + (f.forgotten_at - f.failed_at)"
        "  ELSE GREATEST(f.forgotten_at, excluded.failed_at) END)"
        " RETURNING failed_at, forgotten_at",
        params, 3, err);
    if (pg_rows(rows) > 0) {
        const struct throttle_bucket bucket = {pg_get_time_us(rows, 0, 0),
                                               pg_get_time_us(rows, 0, 1)};
        *locks = throttle_failures(&bucket, policy) == max;
    }
    pg_result_destroy(&rows);
    return status;
}

enum nova_status attempts_note(bool *locks, struct pg *pg, const struct attempt *attempt,
                               struct error *err)
{
    const struct pg_param params[] = {pg_int8(LOGIN_FAILURE_PRUNE_MAX)};
    bool full[ATTEMPT_KEYS_MAX] = {false};
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < attempt->count && status == NOVA_OK; i++)
        status = attempts_note_one(&full[i], pg, &attempt->keys[i], &attempt->policies[i], err);
    *locks = attempt->from_stranger && full[0]; // the name
    return status == NOVA_OK
               ? pg_query(NULL, pg,
                          "DELETE FROM identity.login_failure WHERE digest IN (SELECT digest"
                          " FROM identity.login_failure WHERE forgotten_at <= now()"
                          " ORDER BY forgotten_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
                          params, 1, err)
               : status;
}

enum nova_status attempts_forget(struct pg *pg, const struct uuid *user_id, struct error *err)
{
    const struct pg_param params[] = {pg_uuid(user_id)};
    return pg_query(NULL, pg,
                    "DELETE FROM identity.login_failure WHERE digest IN (SELECT"
                    " unnest(ARRAY[email_digest, handle_digest]) FROM identity.account"
                    " WHERE user_id = $1)",
                    params, 1, err);
}

enum nova_status attempts_succeed(struct pg *pg, const struct attempt *attempt,
                                  const struct uuid *user_id, struct error *err)
{
    const struct pg_param params[] = {attempt_key(&attempt->keys[0])};
    return attempt->from_stranger
               ? attempts_forget(pg, user_id, err)
               : pg_query(NULL, pg, "DELETE FROM identity.login_failure WHERE digest = $1", params,
                          1, err);
}
