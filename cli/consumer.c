// consumer.c - `nova consumer ls STREAM` and `nova consumer info STREAM CONSUMER`: what JetStream
// remembers of who reads. How far a read model is, its own checkpoint says (`nova projection
// list`).
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/jetstream.h"

static void print_list(const json_t *answer)
{
    size_t i;
    json_t *consumer;
    printf("%-44s %10s %10s %11s %11s %11s\n", "NAME", "DELIVERED", "ACK FLOOR", "ACK PENDING",
           "REDELIVERED", "UNPROCESSED");
    json_array_foreach((json_t *)jetstream_get(answer, "consumers", NULL), i, consumer)
        printf("%-44s %10lld %10lld %11lld %11lld %11lld\n", jetstream_text(consumer, "name", NULL),
               jetstream_number(consumer, "delivered", "stream_seq"),
               jetstream_number(consumer, "ack_floor", "stream_seq"),
               jetstream_number(consumer, "num_ack_pending", NULL),
               jetstream_number(consumer, "num_redelivered", NULL),
               jetstream_number(consumer, "num_pending", NULL));
}

static void print_info(const json_t *info)
{
    const json_t *config = jetstream_get(info, "config", NULL);
    const char *filter = jetstream_text(config, "filter_subject", NULL);
    printf("Information for Consumer %s > %s created %s\n\nConfiguration:\n\n",
           jetstream_text(info, "stream_name", NULL), jetstream_text(info, "name", NULL),
           jetstream_text(info, "created", NULL));
    jetstream_line("Durable Name", "%s", jetstream_text(config, "durable_name", NULL));
    if (*filter != '\0')
        jetstream_line("Filter Subject", "%s", filter);
    jetstream_line("Deliver Policy", "%s", jetstream_text(config, "deliver_policy", NULL));
    jetstream_line("Ack Policy", "%s", jetstream_text(config, "ack_policy", NULL));
    jetstream_line("Ack Wait", "%.2f s", (double)jetstream_number(config, "ack_wait", NULL) / 1e9);
    jetstream_line("Max Ack Pending", "%lld", jetstream_number(config, "max_ack_pending", NULL));
    printf("\nState:\n\n");
    jetstream_line("Last Delivered Message", "Consumer sequence: %lld Stream sequence: %lld",
                   jetstream_number(info, "delivered", "consumer_seq"),
                   jetstream_number(info, "delivered", "stream_seq"));
    jetstream_line("Acknowledgment Floor", "Consumer sequence: %lld Stream sequence: %lld",
                   jetstream_number(info, "ack_floor", "consumer_seq"),
                   jetstream_number(info, "ack_floor", "stream_seq"));
    jetstream_line("Outstanding Acks", "%lld out of maximum %lld",
                   jetstream_number(info, "num_ack_pending", NULL),
                   jetstream_number(config, "max_ack_pending", NULL));
    jetstream_line("Redelivered Messages", "%lld", jetstream_number(info, "num_redelivered", NULL));
    jetstream_line("Unprocessed Messages", "%lld", jetstream_number(info, "num_pending", NULL));
    jetstream_line("Waiting Pulls", "%lld", jetstream_number(info, "num_waiting", NULL));
}

// A consumer's name goes into a subject: nothing in it may be read as one.
static bool is_name(const char *text)
{
    return *text != '\0' && strlen(text) < 64 && strpbrk(text, ".*> \t\r\n/\\") == NULL;
}

int command_consumer(const struct settings *settings, int argc, char **argv)
{
    static const char *const words[] = {"ls", "info"};
    char verb[192];
    const char *what = argc >= 2 ? argv[1] : "";
    bool as_json = argc > 2 && strcmp(argv[argc - 1], "--json") == 0,
         one = strcmp(what, "info") == 0;
    if (!one && strcmp(what, "ls") != 0)
        return *what != '\0'
                   ? command_unknown("consumer", "consumer command", what, words, 2)
                   : command_usage("consumer", "consumer wants 'ls STREAM' or 'info STREAM "
                                               "CONSUMER'");
    if (argc - as_json != 3 + one)
        return command_usage("consumer", one ? "consumer info wants STREAM and CONSUMER"
                                             : "consumer ls wants one STREAM");
    const char *stream = jetstream_stream("consumer", argv[2]);
    if (stream == NULL)
        return EXIT_CODE_USAGE;
    if (one && !is_name(argv[3]))
        return command_usage("consumer", "'%.80s' is no consumer's name: ./nova consumer ls %s",
                             argv[3], stream);
    if (one)
        snprintf(verb, sizeof verb, "CONSUMER.INFO.%s.%s", stream, argv[3]);
    else
        snprintf(verb, sizeof verb, "CONSUMER.LIST.%s", stream);
    return jetstream_show(settings, verb, as_json, one ? print_info : print_list);
}
