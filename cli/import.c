// import.c - `nova import`: see import.h.
//
//   file -> lines -> window (import_window.h) -> requests in flight -> answers -> report
//
// A command that fails for a passing reason is tried again with the same command id, so that it
// happens once whatever was lost on the way.
#include "cli/import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <jansson.h>

#include "bus/rpc_async.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/import_line.h"
#include "cli/import_window.h"
#include "cli/progress.h"

enum {
    READ_BYTES = 1 << 16,
    WAIT_MS = 100,
    RETRY_MS_MIN = 20,
    GIVE_UP_S = 600,
    TIMEOUT_S = 10,
    TIMEOUT_S_MAX = 3600,
};

// One command of the window.
struct item {
    struct arena *arena;
    struct import_line line;
    uint64_t number; // of the line
    uint32_t attempts;
    int64_t first_ms, due_ms; // tried again not before; 0: not waiting
};

struct import {
    const struct import_options *options;
    struct client client;
    struct rpc_async *async;
    struct import_window *window;
    struct item items[IMPORT_WINDOW_MAX];
    uint32_t flying, waiting; // waiting: for another attempt
    gzFile file;
    int64_t file_bytes; // as stored, compressed or not; 0: not known (a pipe)
    uint64_t commands;  // lines taken so far that are not empty
    FILE *journal;      // NULL: none is kept
    bool at_end;
    char *line;
    size_t line_len;
    struct arena *tokens;
    const char *token;
    int64_t token_ms, bar_ms, began_ms;
    json_t *acted; // user -> the first line that acted for them, until their registration comes
    json_t *known; // users registered by an earlier line
    struct import_result result;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Deadlines travel to other machines.
static int64_t wall_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// ---- telling ------------------------------------------------------------------------------------

// How much of the file is finished, 0 to 1: what was read of it, less what of that is not answered
// yet.
static double share_finished(const struct import *import)
{
    uint64_t finished = import->result.done + import->result.refused;
    if (import->commands == 0 || import->file == NULL)
        return import->at_end ? 1 : 0;
    double read = (double)gzoffset(import->file) / (double)import->file_bytes;
    double share = (import->at_end || read > 1 ? 1 : read) * (double)finished;
    return share / (double)import->commands;
}

static void print_share(const struct import *import)
{
    char bar[PROGRESS_BAR_BYTES];
    if (import->file_bytes == 0)
        return;
    progress_bar(bar, share_finished(import));
    fprintf(stderr, " %s,", bar);
}

static void tell_bar(struct import *import, bool last)
{
    int64_t now = now_ms(), took_ms = now - import->began_ms;
    if (!progress_is_shown() || (!last && now - import->bar_ms < PROGRESS_EVERY_MS))
        return;
    import->bar_ms = now;
    uint64_t finished = import->result.done + import->result.refused;
    fprintf(stderr, "\r\033[K  %s", import->options->label);
    print_share(import);
    fprintf(stderr, " %" PRIu64 " commands, %" PRIu64 "/s, %" PRIu64 " refused%s", finished,
            took_ms > 0 ? finished * 1000 / (uint64_t)took_ms : 0, import->result.refused,
            last ? "\n" : "");
    fflush(stderr);
}

static void tell_line(const char *text)
{
    fprintf(stderr, "%s%s\n", progress_is_shown() ? "\r\033[K" : "", text);
}

static void tell_refused(struct import *import, uint64_t number, const struct import_line *line,
                         const struct error *err)
{
    char text[ERROR_TEXT_BYTES_MAX + 256];
    import->result.refused++;
    if (line->method != NULL)
        snprintf(text, sizeof text, "line %" PRIu64 ": %s.%s: %s %s", number, line->service->name,
                 line->method->name, nova_status_name(err->status), err->text);
    else
        snprintf(text, sizeof text, "line %" PRIu64 ": %s", number, err->text);
    tell_line(text);
}

// What became of a command. One that was given up may still have happened, or happen yet: unknown.
// A line at a time: what was written stays true when this process is killed.
static void note_outcome(struct import *import, const struct item *item, const char *outcome,
                         enum nova_status status)
{
    char id[UUID_TEXT_BYTES];
    if (import->journal == NULL)
        return;
    uuid_format(id, &item->line.headers.command_id);
    fprintf(import->journal, "%s %s %" PRIu32 " %s %s.%s\n", id, outcome, item->attempts,
            nova_status_name(status), item->line.service->name, item->line.method->name);
}

// A user's registration after somebody acted for them: accepted, but the file should know.
static void note_users(struct import *import, const struct item *item)
{
    char user[UUID_TEXT_BYTES], text[160];
    if (!uuid_is_nil(&item->line.headers.on_behalf_of)) {
        uuid_format(user, &item->line.headers.on_behalf_of);
        if (!json_object_get(import->known, user) && !json_object_get(import->acted, user))
            json_object_set_new(import->acted, user, json_integer((json_int_t)item->number));
    }
    if (uuid_is_nil(&item->line.registers))
        return;
    uuid_format(user, &item->line.registers);
    const json_t *first = json_object_get(import->acted, user);
    json_object_set_new(import->known, user, json_true());
    if (first == NULL)
        return;
    import->result.early++;
    snprintf(text, sizeof text,
             "line %" JSON_INTEGER_FORMAT ": its author %s is registered only at line %" PRIu64,
             json_integer_value(first), user, item->number);
    tell_line(text);
    json_object_del(import->acted, user);
}

// ---- reading ------------------------------------------------------------------------------------

static enum nova_status open_file(struct import *import, struct error *err)
{
    const char *name = import->options->file;
    struct stat info = {0};
    bool standard = strcmp(name, "-") == 0;
    errno = 0;
    import->file = standard ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(name, "rb");
    if (import->file == NULL)
        return error_set(err, NOVA_NOT_FOUND, "%s cannot be read: %s", name, strerror(errno));
    if ((standard ? fstat(STDIN_FILENO, &info) : stat(name, &info)) == 0 && S_ISREG(info.st_mode))
        import->file_bytes = info.st_size;
    gzbuffer(import->file, READ_BYTES);
    return NOVA_OK;
}

// The next line into import->line; *len is IMPORT_LINE_BYTES_MAX when it is too long (the rest is
// passed over). False: the end.
static bool read_line(struct import *import, size_t *len)
{
    *len = 0;
    for (;;) {
        int c = gzgetc(import->file);
        if (c == -1)
            return *len > 0;
        if (c == '\n')
            return true;
        if (*len < IMPORT_LINE_BYTES_MAX)
            import->line[(*len)++] = (char)c;
    }
}

static enum nova_status open_journal(struct import *import, struct error *err)
{
    const char *name = import->options->journal;
    if (name == NULL)
        return NOVA_OK;
    import->journal = fopen(name, "ae");
    if (import->journal == NULL)
        return error_set(err, NOVA_PERMISSION_DENIED, "%s cannot be written: %s", name,
                         strerror(errno));
    setvbuf(import->journal, NULL, _IOLBF, BUFSIZ);
    return NOVA_OK;
}

static enum nova_status close_journal(struct import *import, struct error *err)
{
    bool whole = import->journal == NULL || !ferror(import->journal);
    if (import->journal != NULL && fclose(import->journal) != 0)
        whole = false;
    import->journal = NULL;
    return whole ? NOVA_OK
                 : error_set(err, NOVA_RESOURCE_EXHAUSTED, "%s is not whole: %s",
                             import->options->journal, strerror(errno));
}

static enum nova_status check_file(struct import *import, struct error *err)
{
    int code = Z_OK;
    const char *text = gzerror(import->file, &code);
    return code == Z_OK || code == Z_STREAM_END
               ? NOVA_OK
               : error_set(err, NOVA_DATA_LOSS, "%s is damaged behind line %" PRIu64 ": %s",
                           import->options->file, import->result.lines, text);
}

// The line ends at `len`, not at a NUL; behind it stand bytes of longer lines before it.
static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

// Takes lines until the window is full.
static enum nova_status fill_window(struct import *import, struct arena **spare, struct error *err)
{
    size_t len;
    while (!import->at_end && !import_window_is_full(import->window)) {
        struct import_line line;
        struct error wrong = {0};
        if (!read_line(import, &len)) {
            import->at_end = true;
            return check_file(import, err);
        }
        import->result.lines++;
        if (is_blank(import->line, len))
            continue;
        import->commands++;
        arena_reset(*spare);
        enum nova_status status =
            len == IMPORT_LINE_BYTES_MAX
                ? error_set(&wrong, NOVA_INVALID_ARGUMENT, "the line has more than 4 MiB")
                : import_line_read(&line, import->line, len, *spare, &wrong);
        if (status != NOVA_OK) {
            tell_refused(import, import->result.lines, &(struct import_line){0}, &wrong);
            continue;
        }
        uint32_t place = import_window_add(import->window, line.ids, line.id_count);
        struct item *item = &import->items[place];
        struct arena *old = item->arena;
        *item = (struct item){.arena = *spare, .line = line, .number = import->result.lines};
        *spare = old != NULL ? old : arena_create();
        note_users(import, item);
    }
    return NOVA_OK;
}

// ---- sending ------------------------------------------------------------------------------------

static const char *current_token(struct import *import)
{
    if (import->token == NULL || now_ms() - import->token_ms > 60000) {
        arena_reset(import->tokens);
        import->token = process_token_text(import->client.token, import->tokens);
        import->token_ms = now_ms();
    }
    return import->token;
}

static void finish(struct import *import, uint32_t place)
{
    import_window_done(import->window, place);
    tell_bar(import, false);
}

static void try_later(struct import *import, uint32_t place, const struct error *why)
{
    struct item *item = &import->items[place];
    int64_t now = now_ms();
    if (now - item->first_ms > import->options->give_up_s * 1000) {
        tell_refused(import, item->number, &item->line, why);
        note_outcome(import, item, "unknown", why->status);
        finish(import, place);
        return;
    }
    int64_t pause_ms = RETRY_MS_MIN << (item->attempts < 7 ? item->attempts : 7);
    item->due_ms = now + (pause_ms < IMPORT_RETRY_MS_MAX ? pause_ms : IMPORT_RETRY_MS_MAX);
    import->waiting++;
}

static void send(struct import *import, uint32_t place)
{
    struct item *item = &import->items[place];
    struct error err = {0};
    struct rpc_headers headers = item->line.headers;
    headers.token = current_token(import);
    headers.deadline_us = wall_clock_us() + import->options->timeout_s * 1000000;
    if (item->attempts++ == 0)
        item->first_ms = now_ms();
    enum nova_status status =
        rpc_async_send(import->async, place, item->line.service->name, item->line.method->name,
                       item->line.request, &headers, &err);
    if (status == NOVA_OK)
        import->flying++;
    else if (err.transient)
        try_later(import, place, &err);
    else {
        tell_refused(import, item->number, &item->line, &err);
        note_outcome(import, item, item->attempts > 1 ? "unknown" : "refused", err.status);
        finish(import, place);
    }
}

static void send_what_may(struct import *import)
{
    uint32_t place;
    int64_t now = now_ms();
    for (place = 0;
         place < IMPORT_WINDOW_MAX && import->waiting > 0 && import->flying < IMPORT_FLYING_MAX;
         place++) {
        struct item *item = &import->items[place];
        if (item->due_ms == 0 || item->due_ms > now)
            continue;
        item->due_ms = 0;
        import->waiting--;
        send(import, place);
    }
    while (import->flying < IMPORT_FLYING_MAX && import_window_next(&place, import->window))
        send(import, place);
}

static void take_answer(struct import *import, const struct rpc_answer *answer)
{
    struct item *item = &import->items[answer->slot];
    import->flying--;
    if (answer->status != NOVA_OK && answer->err.transient) {
        try_later(import, answer->slot, &answer->err);
        return;
    }
    if (answer->status == NOVA_OK)
        import->result.done++;
    else
        tell_refused(import, item->number, &item->line, &answer->err);
    note_outcome(import, item, answer->status == NOVA_OK ? "acknowledged" : "refused",
                 answer->status);
    finish(import, answer->slot);
}

static enum nova_status carry_out(struct import *import, struct error *err)
{
    struct arena *spare = arena_create();
    struct rpc_answer answer;
    enum nova_status status = NOVA_OK;
    while (status == NOVA_OK && !(import->at_end && import_window_is_empty(import->window))) {
        status = fill_window(import, &spare, err);
        send_what_may(import);
        int64_t wait_ms = import->flying > 0 ? WAIT_MS : 1;
        // One is waited for; what came with it is taken at once.
        while (import->flying > 0 && rpc_async_next(&answer, import->async, wait_ms)) {
            take_answer(import, &answer);
            wait_ms = 0;
            send_what_may(import);
            if (import->flying < IMPORT_FLYING_MAX / 2)
                break;
        }
        if (import->flying == 0 && import->waiting > 0)
            usleep(RETRY_MS_MIN * 1000);
        if (status == NOVA_OK)
            status = bus_connection_check(import->client.connection, err);
    }
    arena_destroy(&spare);
    return status;
}

// ---- the whole ----------------------------------------------------------------------------------

static void import_close(struct import *import)
{
    rpc_async_destroy(&import->async);
    client_close(&import->client);
    import_window_destroy(&import->window);
    for (size_t i = 0; i < IMPORT_WINDOW_MAX; i++)
        arena_destroy(&import->items[i].arena);
    arena_destroy(&import->tokens);
    if (import->file != NULL)
        gzclose(import->file);
    if (import->journal != NULL) // of an import that failed anyway
        fclose(import->journal);
    json_decref(import->acted);
    json_decref(import->known);
    free(import->line);
    free(import);
}

enum nova_status import_run(struct import_result *out, const struct settings *settings,
                            const struct import_options *options, struct error *err)
{
    struct import *import = calloc(1, sizeof *import);
    char *line = malloc(IMPORT_LINE_BYTES_MAX + 1);
    if (import == NULL || line == NULL)
        abort();
    import->options = options;
    import->line = line;
    import->tokens = arena_create();
    import->window = import_window_create(IMPORT_WINDOW_MAX);
    import->acted = json_object();
    import->known = json_object();
    import->began_ms = now_ms();
    enum nova_status status = open_file(import, err);
    if (status == NOVA_OK)
        status = open_journal(import, err);
    if (status == NOVA_OK)
        status = client_open(&import->client, settings, "importer", err);
    if (status == NOVA_OK)
        status =
            rpc_async_create(&import->async, import->client.connection, IMPORT_WINDOW_MAX, err);
    if (status == NOVA_OK)
        status = carry_out(import, err);
    if (status == NOVA_OK)
        status = close_journal(import, err);
    tell_bar(import, true);
    *out = import->result;
    import_close(import);
    return status;
}

int command_import(const struct settings *settings, int argc, char **argv)
{
    struct import_options options = {
        .give_up_s = GIVE_UP_S, .timeout_s = TIMEOUT_S, .label = "import"};
    struct import_result result = {0};
    struct error err = {0};
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--give-up") == 0 && i + 1 < argc) {
            options.give_up_s = strtoll(argv[++i], &end, 10);
            if (*end != '\0' || options.give_up_s < 0)
                return command_usage("import", "--give-up wants seconds");
        } else if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc) {
            options.timeout_s = strtoll(argv[++i], &end, 10);
            if (*end != '\0' || options.timeout_s < 1 || options.timeout_s > TIMEOUT_S_MAX)
                return command_usage("import", "--timeout wants seconds from 1 to %d",
                                     TIMEOUT_S_MAX);
        } else if (strcmp(argv[i], "--journal") == 0 && i + 1 < argc) {
            options.journal = argv[++i];
        } else if ((argv[i][0] == '-' && argv[i][1] != '\0') || options.file != NULL) {
            return command_usage("import", "import takes no '%s'", argv[i]);
        } else {
            options.file = argv[i];
        }
    }
    if (options.file == NULL)
        return command_usage("import", "import wants a file, or - for standard input");
    enum nova_status status = import_run(&result, settings, &options, &err);
    fprintf(stderr,
            "nova: %" PRIu64 " lines: %" PRIu64 " commands carried out, %" PRIu64
            " refused, %" PRIu64 " before their author's registration\n",
            result.lines, result.done, result.refused, result.early);
    if (status != NOVA_OK)
        return command_failed(&err);
    return result.refused == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}
