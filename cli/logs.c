// logs.c - `nova logs [PROCESS] [-f] [-n LINES]`: the ends of the processes' logs, and what
// follows.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/command.h"

enum { FILES_MAX = 128, LINES_BEFORE = 20, FOLLOW_EVERY_MS = 200, TAIL_BYTES_MAX = 1 << 20 };

struct log_file {
    char name[128]; // "relay/identity"
    char path[PATH_MAX];
    off_t read; // up to here it was shown
};

struct logs {
    struct log_file files[FILES_MAX];
    size_t count;
    const char *shown; // whose line came last
    bool people;       // JSON lines are turned into text
};

// ---- one line

static void print_field(const char *key, const json_t *value)
{
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        bool plain = *text && !strpbrk(text, " \"=");
        printf(plain ? " %s=%s" : " %s=\"%s\"", key, text);
        return;
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    printf(" %s=%s", key, text ? text : "?");
    free(text);
}

// A line of base/log.h as its human form; false: it is another program's.
static bool print_ours(const char *line, size_t len)
{
    const char *key;
    json_t *value, *object = *line == '{' ? json_loadb(line, len, 0, NULL) : NULL;
    const char *ts = json_string_value(json_object_get(object, "ts"));
    const char *level = json_string_value(json_object_get(object, "level"));
    const char *sentence = json_string_value(json_object_get(object, "msg"));
    bool ours = ts && level && sentence;
    if (ours) {
        printf("%s %-5s %s", ts, level, sentence);
        json_object_foreach(object, key, value)
        {
            if (strcmp(key, "ts") != 0 && strcmp(key, "level") != 0 && strcmp(key, "msg") != 0 &&
                strcmp(key, "process") != 0)
                print_field(key, value);
        }
        putchar('\n');
    }
    json_decref(object);
    return ours;
}

static void print_line(struct logs *logs, const struct log_file *file, const char *line, size_t len)
{
    if (logs->count > 1 && logs->shown != file->name)
        printf("%s==> %s <==\n", logs->shown ? "\n" : "", file->name);
    logs->shown = file->name;
    if (logs->people && print_ours(line, len))
        return;
    fwrite(line, 1, len, stdout);
    putchar('\n');
}

// ---- files

static void add_file(struct logs *logs, const char *folder, const char *file, const char *wanted)
{
    struct log_file *log = &logs->files[logs->count];
    size_t len = strlen(file), wanted_len = strlen(wanted);
    if (logs->count == FILES_MAX || len < 5 || len - 4 >= sizeof log->name ||
        strcmp(file + len - 4, ".log") != 0)
        return;
    snprintf(log->name, sizeof log->name, "%.*s", (int)(len - 4), file);
    for (char *at = log->name; *at; at++)
        *at = *at == '.' ? '/' : *at;
    if (strncmp(log->name, wanted, wanted_len) != 0)
        return;
    snprintf(log->path, sizeof log->path, "%.3800s/%.200s", folder, file);
    log->read = -1;
    logs->count++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct log_file *)a)->name, ((const struct log_file *)b)->name);
}

static enum nova_status find_files(struct logs *logs, const struct settings *settings,
                                   const char *wanted, struct error *err)
{
    char folder[PATH_MAX];
    enum nova_status status = access_path(folder, settings, err, "logs");
    DIR *entries = status == NOVA_OK ? opendir(folder) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        add_file(logs, folder, entry->d_name, wanted);
    if (entries)
        closedir(entries);
    if (status == NOVA_OK && logs->count == 0 && *wanted)
        return error_set(err, NOVA_NOT_FOUND, "no process '%s' logs in %s", wanted, folder);
    if (status == NOVA_OK && logs->count == 0)
        return error_set(err, NOVA_NOT_FOUND, "%s holds no logs: ./nova up", folder);
    qsort(logs->files, logs->count, sizeof logs->files[0], by_name);
    for (size_t i = 0; i < logs->count; i++) // the exact name, when there is one, is meant alone
        if (strcmp(logs->files[i].name, wanted) == 0) {
            logs->files[0] = logs->files[i];
            logs->count = 1;
        }
    return status;
}

// Shows whole lines from `from` on; the end of what was shown.
static off_t show(struct logs *logs, const struct log_file *log, const char *text, size_t len,
                  off_t from)
{
    size_t done = 0;
    for (const char *end; (end = memchr(text + done, '\n', len - done));) {
        print_line(logs, log, text + done, (size_t)(end - text) - done);
        done = (size_t)(end - text) + 1;
    }
    return from + (off_t)done;
}

// Where the last `lines` lines of a text begin.
static size_t tail_start(const char *text, size_t len, long lines)
{
    size_t at = len;
    while (at > 0) {
        if (at < len && text[at - 1] == '\n' && lines-- <= 0)
            return at;
        at--;
    }
    return 0;
}

// What is new since the last look; at the first look only the end. A log that became shorter was
// emptied by the supervisor: it starts anew.
static void look(struct logs *logs, struct log_file *log, long lines)
{
    static char text[TAIL_BYTES_MAX];
    struct stat info;
    int file = open(log->path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info) != 0) {
        if (file >= 0)
            close(file);
        return;
    }
    bool first = log->read < 0;
    if (log->read > info.st_size)
        log->read = 0;
    off_t from = first ? 0 : log->read;
    if (info.st_size - from > (off_t)sizeof text)
        from = info.st_size - (off_t)sizeof text;
    ssize_t got = pread(file, text, sizeof text, from);
    close(file);
    size_t len = got > 0 ? (size_t)got : 0;
    size_t skip = first ? tail_start(text, len, lines - 1) : 0;
    if (first && lines == 0)
        skip = len;
    log->read = show(logs, log, text + skip, len - skip, from + (off_t)skip);
}

int command_logs(const struct settings *settings, int argc, char **argv)
{
    static struct logs logs;
    struct error err;
    const char *wanted = "";
    bool follow = false;
    long lines = LINES_BEFORE;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-f") == 0) {
            follow = true;
        } else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) {
            char *end = NULL;
            lines = strtol(argv[++i], &end, 10);
            if (*end != '\0' || lines < 0)
                return command_usage("logs", "-n wants a number of lines, not '%s'", argv[i]);
        } else if (argv[i][0] == '-' || *wanted) {
            return command_usage("logs", "logs takes no '%s'", argv[i]);
        } else {
            wanted = argv[i];
        }
    }
    logs.people = isatty(STDOUT_FILENO);
    if (find_files(&logs, settings, wanted, &err) != NOVA_OK)
        return command_failed(&err);
    do {
        for (size_t i = 0; i < logs.count; i++)
            look(&logs, &logs.files[i], lines);
        if (fflush(stdout) != 0)
            return EXIT_CODE_FAILED;
        if (follow)
            usleep(FOLLOW_EVERY_MS * 1000);
    } while (follow);
    return EXIT_CODE_OK;
}
