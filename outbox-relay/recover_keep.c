// recover_keep.c - the stream's extra events as a file that people can read, and from which each
// message can be made again byte by byte.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "outbox-relay/recover_internal.h"

static char *keep_base64(struct arena *arena, struct bytes bytes)
{
    size_t cap = sodium_base64_encoded_len(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = arena_alloc(arena, cap);
    return sodium_bin2base64(text, cap, bytes.data, bytes.len, sodium_base64_VARIANT_ORIGINAL);
}

// Types and actors are ours and need no escapes; what is not is in the base64 alone.
static const char *keep_word(struct arena *arena, const char *text)
{
    char *word = arena_strdup(arena, text);
    for (char *c = word; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || (unsigned char)*c >= 0x7f)
            *c = '?';
    return word;
}

static enum nova_status keep_visit(void *context, struct pg *pg,
                                   const struct stream_message *message, struct arena *arena,
                                   struct error *err)
{
    const struct event *event = &message->event;
    char event_id[UUID_TEXT_BYTES], aggregate_id[UUID_TEXT_BYTES], command_id[UUID_TEXT_BYTES],
        recorded[TIMESTAMP_BYTES];
    (void)pg;
    uuid_format(event_id, &event->event_id);
    uuid_format(aggregate_id, &event->aggregate_id);
    uuid_format(command_id, &event->command_id);
    timestamp_format(recorded, event->recorded_at_us);
    int written = fprintf(
        context,
        "{\"n\":%" PRId64 ",\"position\":%" PRId64 ",\"recorded_at\":\"%s\",\"type\":\"%s\","
        "\"aggregate_type\":\"%s\",\"aggregate_id\":\"%s\",\"version\":%" PRId64
        ",\"actor\":\"%s\",\"command_id\":\"%s\",\"event_id\":\"%s\",\"cloudevent\":\"%s\"}\n",
        event->n, event->position, recorded, keep_word(arena, event->type),
        keep_word(arena, event->aggregate_type), aggregate_id, event->version,
        keep_word(arena, event->actor), command_id, event_id, keep_base64(arena, message->body));
    return written > 0 ? NOVA_OK
                       : error_set(err, NOVA_RESOURCE_EXHAUSTED,
                                   "the file of the stream's extra events cannot be written: %s",
                                   strerror(errno));
}

static enum nova_status keep_in(FILE *file, struct recover *recover, struct error *err)
{
    struct recover_state again;
    const struct recover_visitor visitor = {keep_visit, file};
    enum nova_status status = recover_look(&again, recover, &visitor, err);
    if (status == NOVA_OK && (fflush(file) != 0 || fsync(fileno(file)) != 0))
        status = error_set(err, NOVA_RESOURCE_EXHAUSTED, "%s", strerror(errno));
    return status;
}

enum nova_status recover_keep(char path[PATH_MAX], struct recover *recover,
                              const struct recover_state *state, const char *folder,
                              struct error *err)
{
    char part[PATH_MAX], log_id[UUID_TEXT_BYTES];
    uuid_format(log_id, &state->stream_log);
    if (snprintf(path, PATH_MAX, "%s/%s.%s.%" PRId64 ".ndjson", folder, recover->service, log_id,
                 state->seen.first_missing.n) >= PATH_MAX - 8)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", folder);
    snprintf(part, sizeof part, "%.*s.part", PATH_MAX - 8, path);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", folder, strerror(errno));
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", part, strerror(errno));
    enum nova_status status = keep_in(file, recover, err);
    if (fclose(file) != 0 && status == NOVA_OK)
        status = error_set(err, NOVA_RESOURCE_EXHAUSTED, "%s: %s", part, strerror(errno));
    if (status == NOVA_OK && rename(part, path) != 0)
        status = error_set(err, NOVA_PERMISSION_DENIED, "%s: %s", path, strerror(errno));
    return status;
}
