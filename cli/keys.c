// keys.c - `nova keys`: the keys that access tokens are signed with, as identity's service tells.
//
// A rotation is one command of identity's, whose event says from when on the new key signs; time
// does the rest (docs/decisions/0041). So there is nothing here that could be left half done: who
// runs it again while the new key waits is told so.
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "cli/client.h"
#include "cli/command.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/json.h"

#define UNDER_WAY "ROTATION_UNDER_WAY: "

static enum nova_status keys_ask(ProtobufCMessage **reply, const struct client *client,
                                 const char *method, const ProtobufCMessage *request,
                                 struct arena *arena, struct error *err)
{
    const struct rpc_headers headers = {.token = process_token_text(client->token, arena)};
    return rpc_call(reply, NULL, client->connection, "identity", method, request, &headers, arena,
                    err);
}

static void keys_print_one(const Nova__Identity__V2__SigningKey *key)
{
    char from[TIMESTAMP_BYTES], until[TIMESTAMP_BYTES] = "-";
    timestamp_format(from, key->signs_from_us / 1000000 * 1000000);
    if (key->until_us != 0)
        timestamp_format(until, key->until_us / 1000000 * 1000000);
    printf("%-44s %-9s %-21s %s\n", key->kid, key->state, from, until);
}

static enum nova_status keys_list(const struct client *client, bool as_json, struct arena *arena,
                                  struct error *err)
{
    Nova__Identity__V2__ListSigningKeysRequest request =
        NOVA__IDENTITY__V2__LIST_SIGNING_KEYS_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    enum nova_status status =
        keys_ask(&reply, client, "ListSigningKeys", &request.base, arena, err);
    if (status != NOVA_OK)
        return status;
    const Nova__Identity__V2__ListSigningKeysReply *keys = (void *)reply;
    if (!as_json)
        printf("%-44s %-9s %-21s %s\n", "KEY", "STATE", "SIGNS FROM", "GONE AT");
    for (size_t i = 0; i < keys->n_keys; i++) {
        if (!as_json) {
            keys_print_one(keys->keys[i]);
            continue;
        }
        json_t *json = json_of_message(&keys->keys[i]->base);
        json_dumpf(json, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(json);
    }
    return NOVA_OK;
}

static enum nova_status keys_rotate(const struct client *client, bool as_json, struct arena *arena,
                                    struct error *err)
{
    Nova__Identity__V2__RotateSigningKeyRequest request =
        NOVA__IDENTITY__V2__ROTATE_SIGNING_KEY_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    enum nova_status status =
        keys_ask(&reply, client, "RotateSigningKey", &request.base, arena, err);
    if (status == NOVA_FAILED_PRECONDITION &&
        strncmp(err->text, UNDER_WAY, sizeof UNDER_WAY - 1) == 0)
        command_say("a rotation is under way already; nothing was changed");
    else if (status != NOVA_OK)
        return status;
    else
        command_say("a new key is published; it signs from the time below on");
    return keys_list(client, as_json, arena, err);
}

int command_keys(const struct settings *settings, int argc, char **argv)
{
    static const char *const words[] = {"list", "rotate"};
    const char *what = argc >= 2 ? argv[1] : "";
    bool rotates = strcmp(what, "rotate") == 0, as_json = false;
    int used = 2;
    if (!rotates && strcmp(what, "list") != 0)
        return *what != '\0' ? command_unknown("keys", "keys command", what, words, 2)
                             : command_usage("keys", "keys wants 'list' or 'rotate'");
    if (rotates && (argc <= used || strcmp(argv[used++], "jwt") != 0))
        return command_usage("keys", "keys rotate wants what to rotate: jwt");
    for (; used < argc; used++) {
        if (strcmp(argv[used], "--json") != 0)
            return command_usage("keys", "keys %s takes no '%s'", what, argv[used]);
        as_json = true;
    }
    struct client client = {NULL, NULL};
    struct error err = {0};
    struct arena *arena = arena_create();
    enum nova_status status = client_open(&client, settings, "operator_rpc", &err);
    if (status == NOVA_OK)
        status = rotates ? keys_rotate(&client, as_json, arena, &err)
                         : keys_list(&client, as_json, arena, &err);
    client_close(&client);
    arena_destroy(&arena);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
