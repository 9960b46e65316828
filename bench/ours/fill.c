// fill.c - fills an outbox by COPY, as superuser: events as the service would have made them, with
// the keys that open them. Not measured; what is measured then works on them.
//
//   --what users --events N              identity: a new user each
//   --what posts --events N --size B     content: a new post each, by one of --authors A
//   --what post --events N --id ID       content: one post and its updates
//   --service S                          into S's outbox, whose events they are not: for two relays
//                                        that move the same bytes
#include <string.h>

#include "base/access.h"
#include "bench/rows.h"

enum { ROWS_PER_COPY = 20000, AUTHORS_MANY = 100000 };

struct fill {
    int64_t events, size, authors;
    struct person *people; // the authors; of users each is used once
    struct seal_key master;
    struct uuid post_id;
    size_t payload_bytes;
    struct rows events_rows, key_rows;
    struct arena *arena;
};

static void fill_users(struct fill *fill, int64_t first, int64_t count)
{
    for (int64_t i = first; i < first + count; i++) {
        struct person person;
        rows_person(&person);
        rows_add_person_key(&fill->key_rows, &person, &fill->master);
        fill->payload_bytes += rows_add_user(&fill->events_rows, &person, i, fill->arena);
        arena_reset(fill->arena);
    }
}

static void fill_posts(struct fill *fill, int64_t first, int64_t count)
{
    for (int64_t i = first; i < first + count; i++) {
        struct uuid command_id = rows_random_id();
        struct person *author = &fill->people[i % fill->authors];
        if (i < fill->authors) {
            rows_person(author);
            rows_add_person_key(&fill->key_rows, author, &fill->master);
        }
        bool one = !uuid_is_nil(&fill->post_id);
        struct uuid post_id = one ? fill->post_id : rows_random_id();
        fill->payload_bytes +=
            rows_add_post(&fill->events_rows, &post_id, one ? i + 1 : 1, &command_id, 0, author,
                          (size_t)fill->size, fill->arena);
        arena_reset(fill->arena);
    }
}

static void fill_all(struct fill *fill, const char *service, bool users)
{
    char events_sql[512], keys_sql[256];
    PGconn *superuser = tool_libpq(service, ACCESS_SUPERUSER);
    snprintf(events_sql, sizeof events_sql,
             "COPY %s.outbox (" ROWS_EVENT_COLUMNS ") FROM STDIN (FORMAT binary)", service);
    snprintf(keys_sql, sizeof keys_sql,
             "COPY %s.person_key (" ROWS_PERSON_KEY_COLUMNS ") FROM STDIN (FORMAT binary)",
             service);
    for (int64_t done = 0; done < fill->events; done += ROWS_PER_COPY) {
        int64_t left = fill->events - done;
        rows_begin(&fill->events_rows);
        rows_begin(&fill->key_rows);
        (users ? fill_users : fill_posts)(fill, done, left < ROWS_PER_COPY ? left : ROWS_PER_COPY);
        rows_end(&fill->events_rows);
        rows_end(&fill->key_rows);
        tool_sql(superuser, keys_sql);
        tool_copy_in(superuser, fill->key_rows.bytes, fill->key_rows.len);
        tool_sql(superuser, events_sql);
        tool_copy_in(superuser, fill->events_rows.bytes, fill->events_rows.len);
    }
    PQfinish(superuser);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct fill fill = {.arena = arena_create()};
    tool_start(argc, argv);
    const char *what = tool_text("--what"), *id = tool_text("--id");
    bool users = what != NULL && strcmp(what, "users") == 0;
    const char *service = tool_text("--service");
    if (service == NULL)
        service = users ? "identity" : "content";
    fill.events = tool_int("--events", 1000);
    fill.size = tool_int("--size", 200);
    fill.authors = tool_int("--authors", 1000);
    if (fill.authors < 1 || fill.authors > AUTHORS_MANY)
        tool_fail("--authors wants 1 to %d", AUTHORS_MANY);
    if (id != NULL && !uuid_parse(&fill.post_id, id))
        tool_fail("--id wants an id, not '%s'", id);
    fill.people = calloc((size_t)fill.authors, sizeof *fill.people);
    tool_must(access_master_key(&fill.master, tool_settings(), service, &err), &err);
    fill_all(&fill, service, users);
    printf("{\"events\": %lld, \"payload_bytes\": %.1f}\n", (long long)fill.events,
           (double)fill.payload_bytes / (double)fill.events);
    seal_key_forget(&fill.master);
    rows_free(&fill.events_rows);
    rows_free(&fill.key_rows);
    free(fill.people);
    arena_destroy(&fill.arena);
    tool_end();
    return 0;
}
