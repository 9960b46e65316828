// sample.c - `nova sample`: see sample.h.
#include "cli/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "base/uuid.h"
#include "cli/command.h"
#include "cli/sample_words.h"

enum {
    RECENT_POSTS = 512,
    RECENT_CONVERSATIONS = 512,
    MEMBERS_MAX = 5,
    ACTIONS_A_USER = 10,
    TEXT_BYTES = 4096,
};
#define COUNT(list) (sizeof(list) / sizeof *(list))
// It ends at a fixed moment, so that the bytes depend on the options only.
#define UNTIL_US INT64_C(1767225600000000) // 2026-01-01T00:00:00Z
#define SPAN_US (INT64_C(90) * 86400 * 1000000)

static const struct uuid sample_namespace = {{0x7b, 0x7e, 0x2f, 0x10, 0x93, 0x5c, 0x4d, 0x21, 0xa8,
                                              0x44, 0x60, 0x1b, 0x9c, 0x02, 0xee, 0x5a}};

struct thread { // a post that still gets comments
    uint64_t post, comment_count;
    uint64_t comments[8]; // the latest
};

struct talk { // a conversation that still gets messages
    uint64_t conversation;
    uint32_t member_count;
    uint64_t members[MEMBERS_MAX];
    uint64_t last_message; // 0: none
};

struct sample {
    FILE *file;
    const struct sample_options *options;
    struct sample_counts counts;
    uint64_t random, lines;
    int64_t now_us;
    struct thread threads[RECENT_POSTS];
    struct talk talks[RECENT_CONVERSATIONS];
};

// ---- chance -------------------------------------------------------------------------------------

static uint64_t draw_bits(struct sample *sample)
{
    uint64_t z = (sample->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// 0 <= x < 1
static double draw_unit(struct sample *sample)
{
    return (double)(draw_bits(sample) >> 11) * 0x1p-53;
}

static uint64_t draw(struct sample *sample, uint64_t below)
{
    return draw_bits(sample) % below;
}

// A place of a list whose entries are as frequent as 1 / place (Zipf's law).
static size_t draw_zipf(struct sample *sample, size_t count)
{
    size_t place = (size_t)exp(draw_unit(sample) * log((double)count + 1)) - 1;
    return place < count ? place : count - 1;
}

// A registered user: a few of them again and again.
static uint64_t draw_user(struct sample *sample)
{
    double u = draw_unit(sample);
    return (uint64_t)((double)sample->counts.users * u * u * u);
}

// ---- lines --------------------------------------------------------------------------------------

static const char *id_of(struct sample *sample, char out[UUID_TEXT_BYTES], const char *kind,
                         uint64_t number)
{
    char name[96];
    int len =
        snprintf(name, sizeof name, "%" PRIu64 "/%s/%" PRIu64, sample->options->seed, kind, number);
    struct uuid id = uuid_v5(&sample_namespace, name, (size_t)len);
    uuid_format(out, &id);
    return out;
}

// Texts hold no character that JSON wants escaped: they are made of our own words.
static void line_begin(struct sample *sample, const char *service, const char *method)
{
    fprintf(sample->file, "{\"service\":\"%s\",\"method\":\"%s\",\"request\":{", service, method);
}

// author: -1 for nobody
static void line_end(struct sample *sample, int64_t author)
{
    char id[UUID_TEXT_BYTES], time[TIMESTAMP_BYTES];
    timestamp_format(time, sample->now_us);
    fprintf(sample->file, "},\"command_id\":\"%s\",\"occurred_at\":\"%s\"",
            id_of(sample, id, "command", sample->lines++), time);
    if (author >= 0)
        fprintf(sample->file, ",\"on_behalf_of\":\"%s\"",
                id_of(sample, id, "user", (uint64_t)author));
    fputs("}\n", sample->file);
}

static const char *make_text(struct sample *sample, char out[TEXT_BYTES], size_t words,
                             unsigned tag_percent)
{
    size_t used = 0;
    for (size_t i = 0; i < words; i++)
        used += (size_t)snprintf(out + used, TEXT_BYTES - used, "%s%s", i > 0 ? " " : "",
                                 sample_words[draw_zipf(sample, COUNT(sample_words))]);
    while (draw(sample, 100) < tag_percent && used < TEXT_BYTES - 64)
        used += (size_t)snprintf(out + used, TEXT_BYTES - used, " #%s",
                                 sample_tags[draw_zipf(sample, COUNT(sample_tags))]);
    return out;
}

// ---- what happens -------------------------------------------------------------------------------

static void write_user(struct sample *sample)
{
    char id[UUID_TEXT_BYTES];
    uint64_t number = sample->counts.users++;
    const char *first = sample_first_names[draw(sample, COUNT(sample_first_names))];
    const char *last = sample_last_names[draw(sample, COUNT(sample_last_names))];
    bool password = number < SAMPLE_WITH_PASSWORD;
    line_begin(sample, "identity", password ? "Register" : "ImportUser");
    fprintf(sample->file,
            "\"user_id\":\"%s\",\"email\":\"user%" PRIu64 ".%" PRIu64
            "@example.invalid\",\"handle\":\"user%" PRIu64 ".%" PRIu64
            "\",\"display_name\":\"%s %s\"",
            id_of(sample, id, "user", number), number, sample->options->seed, number,
            sample->options->seed, first, last);
    if (password)
        fputs(",\"password\":\"" SAMPLE_PASSWORD "\"", sample->file);
    line_end(sample, -1);
}

static void write_post(struct sample *sample)
{
    char id[UUID_TEXT_BYTES], title[TEXT_BYTES], text[TEXT_BYTES];
    uint64_t number = sample->counts.posts++;
    line_begin(sample, "content", "CreatePost");
    fprintf(sample->file, "\"post_id\":\"%s\",\"title\":\"%s\",\"text\":\"%s\"",
            id_of(sample, id, "post", number), make_text(sample, title, 2 + draw(sample, 6), 0),
            make_text(sample, text, 5 + draw(sample, 60), 40));
    line_end(sample, (int64_t)draw_user(sample));
    sample->threads[number % RECENT_POSTS] = (struct thread){.post = number};
}

static void write_comment(struct sample *sample)
{
    char id[UUID_TEXT_BYTES], post[UUID_TEXT_BYTES], text[TEXT_BYTES];
    uint64_t recent = sample->counts.posts < RECENT_POSTS ? sample->counts.posts : RECENT_POSTS;
    // The newest posts get the most.
    struct thread *thread =
        &sample->threads[(sample->counts.posts - 1 - draw_zipf(sample, recent)) % RECENT_POSTS];
    uint64_t number = sample->counts.comments++;
    line_begin(sample, "content", "CreateComment");
    fprintf(sample->file, "\"comment_id\":\"%s\",\"post_id\":\"%s\"",
            id_of(sample, id, "comment", number), id_of(sample, post, "post", thread->post));
    if (thread->comment_count > 0 && draw(sample, 2) == 0) {
        uint64_t known = thread->comment_count < 8 ? thread->comment_count : 8;
        fprintf(sample->file, ",\"parent_id\":\"%s\"",
                id_of(sample, id, "comment", thread->comments[draw(sample, known)]));
    }
    fprintf(sample->file, ",\"text\":\"%s\"", make_text(sample, text, 2 + draw(sample, 25), 8));
    line_end(sample, (int64_t)draw_user(sample));
    thread->comments[thread->comment_count++ % 8] = number;
}

static bool talk_has(const struct talk *talk, uint64_t user)
{
    for (uint32_t i = 0; i < talk->member_count; i++)
        if (talk->members[i] == user)
            return true;
    return false;
}

static void write_conversation(struct sample *sample)
{
    char id[UUID_TEXT_BYTES];
    uint64_t number = sample->counts.conversations++;
    struct talk *talk = &sample->talks[number % RECENT_CONVERSATIONS];
    size_t wanted = 2 + draw_zipf(sample, MEMBERS_MAX - 1);
    *talk = (struct talk){.conversation = number};
    while (talk->member_count < wanted && talk->member_count < sample->counts.users) {
        // Anybody, so that this ends also where the same few write everything.
        uint64_t user = draw(sample, sample->counts.users);
        if (!talk_has(talk, user))
            talk->members[talk->member_count++] = user;
    }
    line_begin(sample, "communication", "CreateConversation");
    fprintf(sample->file, "\"conversation_id\":\"%s\",\"member_ids\":[",
            id_of(sample, id, "conversation", number));
    for (uint32_t i = 0; i < talk->member_count; i++)
        fprintf(sample->file, "%s\"%s\"", i > 0 ? "," : "",
                id_of(sample, id, "user", talk->members[i]));
    fputc(']', sample->file);
    line_end(sample, (int64_t)talk->members[0]);
}

static void write_read(struct sample *sample, const struct talk *talk, uint64_t reader)
{
    char id[UUID_TEXT_BYTES], message[UUID_TEXT_BYTES];
    sample->counts.reads++;
    line_begin(sample, "communication", "MarkRead");
    fprintf(sample->file, "\"conversation_id\":\"%s\",\"message_id\":\"%s\"",
            id_of(sample, id, "conversation", talk->conversation),
            id_of(sample, message, "message", talk->last_message - 1));
    line_end(sample, (int64_t)reader);
}

static void write_message(struct sample *sample)
{
    char id[UUID_TEXT_BYTES], talk_id[UUID_TEXT_BYTES], text[TEXT_BYTES];
    if (sample->counts.conversations == 0 || draw(sample, 5) == 0)
        write_conversation(sample);
    uint64_t recent = sample->counts.conversations < RECENT_CONVERSATIONS
                          ? sample->counts.conversations
                          : RECENT_CONVERSATIONS;
    struct talk *talk =
        &sample->talks[(sample->counts.conversations - 1 - draw_zipf(sample, recent)) %
                       RECENT_CONVERSATIONS];
    uint64_t sender = talk->members[draw(sample, talk->member_count)];
    if (talk->last_message != 0 && draw(sample, 3) == 0)
        write_read(sample, talk, sender); // and answers
    uint64_t number = sample->counts.messages++;
    line_begin(sample, "communication", "SendMessage");
    fprintf(sample->file, "\"message_id\":\"%s\",\"conversation_id\":\"%s\",\"text\":\"%s\"",
            id_of(sample, id, "message", number),
            id_of(sample, talk_id, "conversation", talk->conversation),
            make_text(sample, text, 1 + draw(sample, 18), 3));
    line_end(sample, (int64_t)sender);
    talk->last_message = number + 1;
}

static void write_action(struct sample *sample)
{
    uint64_t chance = draw(sample, 10);
    if (sample->counts.posts == 0 || chance < 3)
        write_post(sample);
    else if (chance < 7 || sample->counts.users < 2)
        write_comment(sample);
    else
        write_message(sample);
}

bool sample_write(struct sample_counts *out, FILE *file, const struct sample_options *options)
{
    struct sample *sample = calloc(1, sizeof *sample);
    if (sample == NULL)
        abort();
    sample->file = file;
    sample->options = options;
    sample->random = options->seed;
    int64_t steps = options->users * (ACTIONS_A_USER + 1);
    for (int64_t step = 0; step < steps && !ferror(file); step++) {
        sample->now_us =
            UNTIL_US - SPAN_US + (int64_t)((double)SPAN_US / (double)steps * (double)step);
        // Everybody has come after the first third.
        bool due = (int64_t)sample->counts.users * (steps / 3 + 1) <= step * options->users;
        if (due && (int64_t)sample->counts.users < options->users)
            write_user(sample);
        else
            write_action(sample);
    }
    *out = sample->counts;
    free(sample);
    return fflush(file) == 0 && !ferror(file);
}

int command_sample(const struct settings *settings, int argc, char **argv)
{
    struct sample_options options = {SAMPLE_USERS, 1};
    struct sample_counts counts;
    (void)settings;
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;
        bool users = strcmp(argv[i], "--users") == 0;
        if (!users && strcmp(argv[i], "--seed") != 0)
            return command_usage("sample", "sample takes no '%s'", argv[i]);
        long long value = i + 1 < argc ? strtoll(argv[i + 1], &end, 10) : -1;
        if (end == NULL || end == argv[i + 1] || *end != '\0' || value < (users ? 1 : 0) ||
            (users && value > SAMPLE_USERS_MAX))
            return command_usage("sample", "%s wants a number%s", argv[i],
                                 users ? " from 1 to 10000000" : "");
        if (users)
            options.users = value;
        else
            options.seed = (uint64_t)value;
    }
    if (!sample_write(&counts, stdout, &options)) {
        command_say("standard output cannot be written");
        return EXIT_CODE_FAILED;
    }
    fprintf(stderr,
            "nova: %" PRIu64 " users, %" PRIu64 " posts, %" PRIu64 " comments, %" PRIu64
            " conversations, %" PRIu64 " messages\n",
            counts.users, counts.posts, counts.comments, counts.conversations, counts.messages);
    return EXIT_CODE_OK;
}
