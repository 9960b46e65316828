// writer.c - see writer.h.
#include "bench/writer.h"

#include <string.h>

#include "bench/rows.h"
#include "nova/content/v2/content.pb-c.h"
#include "proto/sealed.h"

enum { OVERHEAD_BYTES = 140 }; // of a payload that is not the text

struct caller writer_caller(void)
{
    char id[UUID_TEXT_BYTES];
    struct caller caller = {.kind = CALLER_USER, .user_id = rows_random_id()};
    uuid_format(id, &caller.user_id);
    snprintf(caller.actor, sizeof caller.actor, "user:%s", id);
    return caller;
}

void writer_open(struct writer *out, const struct command_rule *rule, int64_t payload_bytes,
                 const struct seal_key *master)
{
    struct error err = {0};
    *out = (struct writer){
        .arena = arena_create(),
        .caller = writer_caller(),
        .rule = rule,
        .text_bytes =
            payload_bytes > OVERHEAD_BYTES + 8 ? (size_t)payload_bytes - OVERHEAD_BYTES : 8,
        .pg = tool_pg("content", "content_service"),
    };
    tool_must(runtime_create(&out->runtime, "content", out->pg, master, &err), &err);
}

void writer_close(struct writer *writer)
{
    runtime_destroy(&writer->runtime);
    pg_destroy(&writer->pg);
    arena_destroy(&writer->arena);
}

static int64_t writer_carry_out(struct writer *writer, const struct command_rule *rule,
                                const struct caller *caller, const ProtobufCMessage *request)
{
    struct error err = {0};
    struct outcome outcome;
    const struct command command = {.rule = rule,
                                    .caller = caller,
                                    .request = request,
                                    .wire = message_pack(writer->arena, request),
                                    .command_id = rows_random_id()};
    tool_must(runtime_execute(&outcome, writer->runtime, &command, NULL, writer->arena, &err),
              &err);
    arena_reset(writer->arena);
    return outcome.position;
}

int64_t writer_execute(struct writer *writer)
{
    Nova__Content__V2__CreatePostRequest request = NOVA__CONTENT__V2__CREATE_POST_REQUEST__INIT;
    request.text = rows_words(writer->arena, writer->text_bytes);
    return writer_carry_out(writer, writer->rule, &writer->caller, &request.base);
}

int64_t writer_update(struct writer *writer, const struct uuid *post_id)
{
    static const struct caller by_operator = {.kind = CALLER_OPERATOR, .actor = "operator"};
    char id[UUID_TEXT_BYTES];
    Nova__Content__V2__UpdatePostRequest request = NOVA__CONTENT__V2__UPDATE_POST_REQUEST__INIT;
    uuid_format(id, post_id);
    request.post_id = id;
    request.text = rows_words(writer->arena, writer->text_bytes);
    return writer_carry_out(writer, &content_rules[1], &by_operator, &request.base);
}
