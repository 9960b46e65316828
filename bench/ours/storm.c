// storm.c - checks of tokens while people log in, or either of them alone, over the bus.
//
//   --logins N      so many at once; who is refused comes again when another one was answered
//   --checks N      without logins: so many checks of a token; with them there are as many as the
//                   logins leave time for
//   --in-flight K   checks asked for at once; 0: none
//
// Makes its own users first, says that it is ready, and begins when its standard input ends.
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/rows.h"
#include "bus/rpc.h"
#include "bus/rpc_async.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"

enum { USERS = 4, IN_FLIGHT = 16, IN_FLIGHT_MANY = 1024, LOGINS_MANY = 10000, WAIT_MS = 60000 };

#define USER "operator_rpc"
#define PASSWORD "correct horse battery"

static struct {
    struct arena *arena; // of what lives as long as the program
    struct bytes check, logins[USERS];
    int64_t login_count, refused;
    double seconds; // from the first to the last
    atomic_bool over;
} run;

static struct rpc_headers headers_of_a_command(void)
{
    return (struct rpc_headers){.command_id = rows_random_id()};
}

// ---- users --------------------------------------------------------------------------------------

// A new one's handle.
static char *register_user(struct bus_connection *connection)
{
    struct error err = {0};
    ProtobufCMessage *reply = NULL;
    Nova__Identity__V2__RegisterRequest request = NOVA__IDENTITY__V2__REGISTER_REQUEST__INIT;
    struct rpc_headers headers = headers_of_a_command();
    char *handle =
        arena_printf(run.arena, "bench%08x%08x", randombytes_random(), randombytes_random());
    request.handle = request.display_name = handle;
    request.email = arena_printf(run.arena, "%s@example.org", handle);
    request.password = PASSWORD;
    tool_must(rpc_call(&reply, NULL, connection, "identity", "Register", &request.base, &headers,
                       run.arena, &err),
              &err);
    return handle;
}

static struct bytes login_request(const char *handle)
{
    Nova__Identity__V2__LoginRequest request = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    request.login = arena_strdup(run.arena, handle);
    request.password = PASSWORD;
    return message_pack(run.arena, &request.base);
}

// Of a user who does not log in again.
static struct bytes check_request(struct bus_connection *connection)
{
    struct error err = {0};
    ProtobufCMessage *reply = NULL;
    Nova__Identity__V2__LoginRequest login = NOVA__IDENTITY__V2__LOGIN_REQUEST__INIT;
    Nova__Identity__V2__VerifyTokenRequest check = NOVA__IDENTITY__V2__VERIFY_TOKEN_REQUEST__INIT;
    struct rpc_headers headers = headers_of_a_command();
    login.login = register_user(connection);
    login.password = PASSWORD;
    tool_must(rpc_call(&reply, NULL, connection, "identity", "Login", &login.base, &headers,
                       run.arena, &err),
              &err);
    check.access_token = ((Nova__Identity__V2__LoginReply *)(void *)reply)->access_token;
    return message_pack(run.arena, &check.base);
}

// ---- the storm ----------------------------------------------------------------------------------

struct storm {
    struct rpc_async *async;
    uint32_t waiting[LOGINS_MANY]; // slots whose login was refused
    uint32_t waiting_count;
    int64_t in_flight, done;
};

static void log_in(struct storm *storm, uint32_t slot)
{
    struct error err = {0};
    const struct rpc_headers headers = headers_of_a_command();
    tool_must(rpc_async_send(storm->async, slot, "identity", "Login", run.logins[slot % USERS],
                             &headers, &err),
              &err);
    storm->in_flight++;
}

static bool is_refused(enum nova_status status)
{
    return status == NOVA_RESOURCE_EXHAUSTED || status == NOVA_DEADLINE_EXCEEDED ||
           status == NOVA_UNAVAILABLE;
}

static void take_answer(struct storm *storm)
{
    struct rpc_answer answer;
    if (!rpc_async_next(&answer, storm->async, WAIT_MS))
        tool_fail("no answer to a login");
    storm->in_flight--;
    if (is_refused(answer.status)) {
        storm->waiting[storm->waiting_count++] = answer.slot;
        run.refused++;
    } else {
        tool_must(answer.status, &answer.err);
        storm->done++;
    }
    // One for one; and when nobody is under way any more, one all the same.
    if (storm->waiting_count > 0 && (answer.status == NOVA_OK || storm->in_flight == 0))
        log_in(storm, storm->waiting[--storm->waiting_count]);
}

static void *log_in_all(void *context)
{
    struct error err = {0};
    struct storm *storm = context;
    struct bus_connection *connection = tool_bus(USER);
    tool_must(rpc_async_create(&storm->async, connection, (uint32_t)run.login_count, &err), &err);
    double began_s = tool_now_s();
    for (uint32_t slot = 0; slot < run.login_count; slot++)
        log_in(storm, slot);
    while (storm->done < run.login_count)
        take_answer(storm);
    run.seconds = tool_now_s() - began_s;
    atomic_store(&run.over, true);
    rpc_async_destroy(&storm->async);
    bus_connection_destroy(&connection);
    return NULL;
}

// ---- the checks ---------------------------------------------------------------------------------

static void send_check(struct rpc_async *async, uint32_t slot)
{
    struct error err = {0};
    const struct rpc_headers headers = {0};
    tool_must(rpc_async_send(async, slot, "identity", "VerifyToken", run.check, &headers, &err),
              &err);
}

// Until the storm is over, or so many. How many were answered.
static int64_t check_tokens(struct bus_connection *connection, uint32_t in_flight, int64_t most)
{
    struct error err = {0};
    struct rpc_async *async = NULL;
    int64_t answered = 0;
    tool_must(rpc_async_create(&async, connection, in_flight, &err), &err);
    for (uint32_t slot = 0; slot < in_flight; slot++)
        send_check(async, slot);
    while (answered < most) {
        struct rpc_answer answer;
        if (!rpc_async_next(&answer, async, WAIT_MS))
            tool_fail("no answer to a check");
        tool_must(answer.status, &answer.err);
        if (atomic_load(&run.over))
            break;
        answered++;
        send_check(async, answer.slot);
    }
    rpc_async_destroy(&async);
    return answered;
}

static void measure(struct bus_connection *connection, uint32_t in_flight, int64_t checks)
{
    pthread_t thread;
    struct storm *storm = calloc(1, sizeof *storm);
    int64_t checked = 0;
    double began_s = tool_now_s();
    if (storm == NULL ||
        (run.login_count > 0 && pthread_create(&thread, NULL, log_in_all, storm) != 0))
        tool_fail("no thread");
    if (in_flight > 0)
        checked = check_tokens(connection, in_flight, run.login_count > 0 ? INT64_MAX : checks);
    if (run.login_count > 0)
        pthread_join(thread, NULL);
    else
        run.seconds = tool_now_s() - began_s;
    printf("{\"checks\": %lld, \"logins\": %lld, \"refused\": %lld, \"seconds\": %.6f}\n",
           (long long)checked, (long long)run.login_count, (long long)run.refused, run.seconds);
    free(storm);
}

int main(int argc, char **argv)
{
    char byte;
    tool_start(argc, argv);
    run.arena = arena_create();
    run.login_count = tool_int("--logins", 0);
    int64_t in_flight = tool_int("--in-flight", IN_FLIGHT), checks = tool_int("--checks", 1000);
    if (run.login_count < 0 || run.login_count > LOGINS_MANY || in_flight < 0 ||
        in_flight > IN_FLIGHT_MANY || checks < 1)
        tool_fail("at most %d logins and %d checks in flight", LOGINS_MANY, IN_FLIGHT_MANY);
    struct bus_connection *connection = tool_bus(USER);
    run.check = check_request(connection);
    for (int i = 0; i < USERS; i++)
        run.logins[i] = login_request(register_user(connection));
    puts("{\"ready\": true}");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    measure(connection, (uint32_t)in_flight, checks);
    bus_connection_destroy(&connection);
    arena_destroy(&run.arena);
    tool_end();
    return 0;
}
