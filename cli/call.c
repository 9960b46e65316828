// call.c - `nova call`: one method of a contract, JSON in and out.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/json.h"
#include "proto/sealed.h"

enum { INPUT_BYTES_MAX = 4 << 20, SERVICES_MAX = 16 };

struct call {
    const char *service, *method, *json;
    const char *token_file;
    bool list, position;
    struct rpc_headers headers;
    const struct contract_service *contract;
    const ProtobufCMethodDescriptor *descriptor;
    struct arena *arena;
};

// ---- what was asked -----------------------------------------------------------------------------

static bool parse_position(struct rpc_headers *headers, const char *text)
{
    struct rpc_position *at = &headers->min_positions[headers->min_position_count];
    const char *colon = strchr(text, ':');
    char *end = NULL;
    if (colon == NULL || (size_t)(colon - text) >= sizeof at->service ||
        headers->min_position_count == RPC_POSITIONS_MAX)
        return false;
    snprintf(at->service, sizeof at->service, "%.*s", (int)(colon - text), text);
    at->position = strtoll(colon + 1, &end, 10);
    headers->min_position_count++;
    return end != colon + 1 && *end == '\0' && at->position > 0;
}

// True when `option` and its value were understood.
static bool parse_option(struct call *call, const char *option, const char *value)
{
    if (strcmp(option, "--as") == 0)
        return uuid_parse(&call->headers.on_behalf_of, value);
    if (strcmp(option, "--command-id") == 0)
        return uuid_parse(&call->headers.command_id, value);
    if (strcmp(option, "--correlation-id") == 0)
        return uuid_parse(&call->headers.correlation_id, value);
    if (strcmp(option, "--min-position") == 0)
        return parse_position(&call->headers, value);
    call->token_file = value;
    return true;
}

static bool is_option(const char *word)
{
    static const char *const options[] = {"--as", "--command-id", "--correlation-id",
                                          "--min-position", "--token"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(word, options[i]) == 0)
            return true;
    return false;
}

static int parse_arguments(struct call *call, int argc, char **argv)
{
    const char **words[] = {&call->service, &call->method, &call->json};
    size_t used = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            call->list = true;
        } else if (strcmp(argv[i], "--position") == 0) {
            call->position = true;
        } else if (is_option(argv[i])) {
            if (i + 1 == argc || !parse_option(call, argv[i], argv[i + 1]))
                return command_usage("call", "%s wants %s", argv[i],
                                     strcmp(argv[i], "--min-position") == 0 ? "<service>:<position>"
                                     : strcmp(argv[i], "--token") == 0      ? "a file"
                                                                            : "a UUID");
            i++;
        } else if (strncmp(argv[i], "--", 2) == 0 || used == 3) {
            return command_usage("call", "call takes no '%s'", argv[i]);
        } else {
            *words[used++] = argv[i];
        }
    }
    if (!call->list && used < 2)
        return command_usage("call", "call wants a service and a method");
    return EXIT_CODE_OK;
}

// ---- --list -------------------------------------------------------------------------------------

static void print_method(const ProtobufCMethodDescriptor *method)
{
    printf("  %-24s ", method->name);
    for (unsigned i = 0; i < method->input->n_fields; i++)
        printf("%s%s", i > 0 ? ", " : "", method->input->fields[i].name);
    printf("\n");
}

static int print_list(const struct call *call)
{
    const char *names[SERVICES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < contract_service_count() && count < SERVICES_MAX; i++)
        names[count++] = contract_service_at(i)->name;
    if (call->service != NULL && contract_service_find(call->service) == NULL)
        return command_unknown("call", "service", call->service, names, count);
    for (size_t i = 0; i < contract_service_count(); i++) {
        const struct contract_service *service = contract_service_at(i);
        if (call->service != NULL && strcmp(call->service, service->name) != 0)
            continue;
        printf("%s\n", service->name);
        for (unsigned m = 0; m < service->descriptor->n_methods; m++)
            print_method(&service->descriptor->methods[m]);
    }
    return EXIT_CODE_OK;
}

// ---- the call -----------------------------------------------------------------------------------

static enum nova_status read_all(char **out, size_t *len, struct arena *arena, FILE *in,
                                 const char *what, struct error *err)
{
    char *text = arena_alloc(arena, INPUT_BYTES_MAX + 1);
    *len = fread(text, 1, INPUT_BYTES_MAX, in);
    *out = text;
    if (ferror(in))
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s cannot be read", what);
    return feof(in) || fgetc(in) == EOF
               ? NOVA_OK
               : error_set(err, NOVA_INVALID_ARGUMENT, "%s is larger than 4 MiB", what);
}

static enum nova_status read_token(struct call *call, struct error *err)
{
    char *text;
    size_t len;
    FILE *in = fopen(call->token_file, "r");
    if (in == NULL)
        return error_set(err, NOVA_NOT_FOUND, "%s cannot be read", call->token_file);
    enum nova_status status = read_all(&text, &len, call->arena, in, call->token_file, err);
    fclose(in);
    text[strcspn(text, "\r\n")] = '\0';
    call->headers.token = text;
    return status;
}

static enum nova_status read_request(ProtobufCMessage **out, struct call *call, struct error *err)
{
    json_t *json = NULL;
    char *text = (char *)(uintptr_t)(call->json != NULL ? call->json : "{}");
    size_t len = strlen(text);
    enum nova_status status = NOVA_OK;
    if (strcmp(text, "-") == 0)
        status = read_all(&text, &len, call->arena, stdin, "the request", err);
    if (status == NOVA_OK)
        status = json_parse(&json, text, len, err);
    if (status == NOVA_OK)
        status = json_to_message(out, call->descriptor->input, json, call->arena, err);
    json_decref(json);
    return status;
}

// Who is not there does nothing: a mistyped id would else write for a user whom nobody can find.
static enum nova_status check_user(const struct call *call, const struct client *client,
                                   struct error *err)
{
    Nova__Identity__V2__GetUserRequest request = NOVA__IDENTITY__V2__GET_USER_REQUEST__INIT;
    const struct rpc_headers headers = {.token = process_token_text(client->token, call->arena)};
    char user_id[UUID_TEXT_BYTES];
    ProtobufCMessage *reply;
    struct error asked;
    uuid_format(user_id, &call->headers.on_behalf_of);
    request.user_id = user_id;
    enum nova_status status = rpc_call(&reply, NULL, client->connection, "identity", "GetUser",
                                       &request.base, &headers, call->arena, &asked);
    return status == NOVA_NOT_FOUND
               ? error_set(err, status, "--as %s: there is no such user", user_id)
               : NOVA_OK; // an identity that is away does not keep others from answering
}

static enum nova_status carry_out(struct call *call, const struct settings *settings,
                                  struct error *err)
{
    struct client client = {NULL, NULL};
    ProtobufCMessage *request = NULL, *reply = NULL;
    int64_t position = 0;
    enum nova_status status = read_request(&request, call, err);
    if (status == NOVA_OK && call->token_file != NULL)
        status = read_token(call, err);
    if (status == NOVA_OK)
        status = client_open(&client, settings, "operator_rpc", err);
    if (status == NOVA_OK && call->headers.token == NULL)
        call->headers.token = process_token_text(client.token, call->arena);
    if (status == NOVA_OK && !uuid_is_nil(&call->headers.on_behalf_of) &&
        strcmp(call->service, "identity") != 0) // whose own rules say so
        status = check_user(call, &client, err);
    if (status == NOVA_OK) {
        status = rpc_call(&reply, &position, client.connection, call->service, call->method,
                          request, &call->headers, call->arena, err);
        if (status != NOVA_OK)
            error_while(err, "%s.%s: %s", call->service, call->method, nova_status_name(status));
    }
    if (status == NOVA_OK) {
        json_t *json = json_of_message(reply);
        json_dumpf(json, stdout, isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT);
        putchar('\n');
        json_decref(json);
    }
    if (status == NOVA_OK && call->position)
        fprintf(stderr, "%s:%lld\n", call->service, (long long)position);
    client_close(&client);
    return status;
}

int command_call(const struct settings *settings, int argc, char **argv)
{
    struct call call = {.arena = arena_create()};
    struct error err = {0};
    int code = parse_arguments(&call, argc, argv);
    if (code == EXIT_CODE_OK && call.list)
        code = print_list(&call);
    else if (code == EXIT_CODE_OK) {
        enum nova_status status =
            client_find(&call.contract, &call.descriptor, call.service, call.method, &err);
        if (status == NOVA_OK)
            status = carry_out(&call, settings, &err);
        code = status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
    }
    arena_destroy(&call.arena);
    return code;
}
