// stream.c - `nova stream ls` and `nova stream info STREAM`.
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/jetstream.h"

static void print_list(const json_t *answer)
{
    size_t i;
    json_t *stream;
    printf("%-24s %-21s %12s %12s %-21s\n", "NAME", "CREATED", "MESSAGES", "SIZE", "LAST MESSAGE");
    json_array_foreach((json_t *)jetstream_get(answer, "streams", NULL), i, stream)
    {
        char size[32];
        jetstream_bytes(size, jetstream_number(stream, "state", "bytes"));
        printf("%-24s %-.19sZ  %12lld %12s %-.19sZ\n", jetstream_text(stream, "config", "name"),
               jetstream_text(stream, "created", NULL),
               jetstream_number(stream, "state", "messages"), size,
               jetstream_text(stream, "state", "last_ts"));
    }
}

static void print_subjects(const json_t *config)
{
    size_t i;
    json_t *subject;
    json_array_foreach((json_t *)jetstream_get(config, "subjects", NULL), i, subject)
        jetstream_line(i == 0 ? "Subjects" : "", "%s", json_string_value(subject));
}

static const char *yes(const json_t *config, const char *key)
{
    return json_is_true(jetstream_get(config, key, NULL)) ? "true" : "false";
}

static void print_info(const json_t *info)
{
    char size[32];
    const json_t *config = jetstream_get(info, "config", NULL);
    const json_t *state = jetstream_get(info, "state", NULL);
    jetstream_bytes(size, jetstream_number(state, "bytes", NULL));
    printf("Information for Stream %s created %s\n\n", jetstream_text(config, "name", NULL),
           jetstream_text(info, "created", NULL));
    print_subjects(config);
    jetstream_line("Replicas", "%lld", jetstream_number(config, "num_replicas", NULL));
    jetstream_line("Storage", "%s", jetstream_text(config, "storage", NULL));
    printf("\nOptions:\n\n");
    jetstream_line("Retention", "%s", jetstream_text(config, "retention", NULL));
    jetstream_line("Discard Policy", "%s", jetstream_text(config, "discard", NULL));
    jetstream_line("Allows Msg Delete", "%s",
                   *yes(config, "deny_delete") == 't' ? "false" : "true");
    jetstream_line("Allows Purge", "%s", *yes(config, "deny_purge") == 't' ? "false" : "true");
    jetstream_line("Allows Rollups", "%s", yes(config, "allow_rollup_hdrs"));
    printf("\nLimits:\n\n");
    jetstream_line("Maximum Messages", "%lld", jetstream_number(config, "max_msgs", NULL));
    jetstream_line("Maximum Bytes", "%lld", jetstream_number(config, "max_bytes", NULL));
    jetstream_line("Maximum Age", "%lld ns", jetstream_number(config, "max_age", NULL));
    jetstream_line("Maximum Message Size", "%lld", jetstream_number(config, "max_msg_size", NULL));
    printf("\nState:\n\n");
    jetstream_line("Messages", "%lld", jetstream_number(state, "messages", NULL));
    jetstream_line("Bytes", "%s", size);
    jetstream_line("First Sequence", "%lld @ %s", jetstream_number(state, "first_seq", NULL),
                   jetstream_text(state, "first_ts", NULL));
    jetstream_line("Last Sequence", "%lld @ %s", jetstream_number(state, "last_seq", NULL),
                   jetstream_text(state, "last_ts", NULL));
    jetstream_line("Active Consumers", "%lld", jetstream_number(state, "consumer_count", NULL));
}

int command_stream(const struct settings *settings, int argc, char **argv)
{
    static const char *const words[] = {"ls", "info"};
    char verb[128] = "STREAM.LIST";
    const char *what = argc >= 2 ? argv[1] : "";
    bool as_json = argc > 2 && strcmp(argv[argc - 1], "--json") == 0,
         one = strcmp(what, "info") == 0;
    if (!one && strcmp(what, "ls") != 0)
        return *what != '\0' ? command_unknown("stream", "stream command", what, words, 2)
                             : command_usage("stream", "stream wants 'ls' or 'info STREAM'");
    if (argc - as_json != 2 + one)
        return command_usage("stream", one ? "stream info wants one STREAM"
                                           : "stream ls takes only "
                                             "--json");
    const char *name = one ? jetstream_stream("stream", argv[2]) : "";
    if (name == NULL)
        return EXIT_CODE_USAGE;
    if (one)
        snprintf(verb, sizeof verb, "STREAM.INFO.%s", name);
    return jetstream_show(settings, verb, as_json, one ? print_info : print_list);
}
