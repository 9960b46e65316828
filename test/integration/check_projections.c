// check_projections.c - what must hold of every projection, against the PostgreSQL that
// NOVA_TEST_PG names: however its sources overtake each other, however events are cut into batches,
// and also when a rebuild finds deleted persons' keys erased, the read model ends the same.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "projections/generation.h"
#include "test/lib/history.h"

enum { SEEDS = 12, ORDERS = 5, STEPS = 120, USERS = 7 };

static struct pg *pg;
static uint64_t random_state;

static uint32_t draw(uint32_t below) // xorshift64*
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545F4914F6CDD1Dull) >> 33) % below;
}

static void must(enum nova_status status, const struct error *err)
{
    if (status != NOVA_OK)
        fail_msg("%s: %s", nova_status_name(status), err->text);
}

static void must_run(const char *sql)
{
    struct error err = {0};
    must(pg_exec(pg, sql, &err), &err);
}

// ---- a network's life ---------------------------------------------------------------------------

static const char *const words[] = {"alpha", "Beta", "#gamma", "d\xc3\xa9lta", "epsilon",
                                    "#Zeta", "it's", "\"q\"",  "\\back{s}",    "\xf0\x9f\x98\x80"};

static const char *phrase(struct history *history)
{
    const char *text = words[draw(10)];
    for (uint32_t i = draw(4); i > 0; i--)
        text = arena_printf(history->arena, "%s %s", text, words[draw(10)]);
    return text;
}

struct world {
    struct history *history;
    bool gone[USERS];
    uint32_t posts, comments, conversations, messages;
    bool post_gone[STEPS], comment_gone[STEPS], message_gone[STEPS];
    uint32_t post_author[STEPS], comment_author[STEPS], comment_post[STEPS];
    uint32_t message_sender[STEPS], message_conversation[STEPS];
};

static struct uuid user_id(uint32_t i)
{
    return history_id('u', i);
}

static void step_content(struct world *world, uint32_t user)
{
    struct history *history = world->history;
    uint32_t post = world->posts ? draw(world->posts) : 0;
    uint32_t comment = world->comments ? draw(world->comments) : 0;
    uint32_t kind = draw(8);
    if (kind < 2 || world->posts == 0) {
        world->post_author[world->posts] = user;
        history_post(history, history_id('p', world->posts++), user_id(user), phrase(history),
                     phrase(history), draw(2) ? words[draw(10)] : NULL);
    } else if (kind == 2 && !world->post_gone[post] && !world->gone[world->post_author[post]]) {
        history_post_update(history, history_id('p', post), user_id(world->post_author[post]),
                            phrase(history), phrase(history));
    } else if (kind == 3 && draw(3) == 0 && !world->post_gone[post]) {
        world->post_gone[post] = true;
        history_add(history, "content", "post.deleted", history_id('p', post), NULL);
    } else if (kind < 6 && !world->post_gone[post]) {
        struct uuid parent = {{0}};
        if (world->comments && world->comment_post[comment] == post && draw(2))
            parent = history_id('c', comment);
        world->comment_author[world->comments] = user;
        world->comment_post[world->comments] = post;
        history_comment(history, history_id('c', world->comments++), history_id('p', post), parent,
                        user_id(user), phrase(history));
    } else if (kind == 6 && world->comments && !world->comment_gone[comment] &&
               !world->gone[world->comment_author[comment]]) {
        struct uuid author = user_id(world->comment_author[comment]);
        struct inbox_event *event =
            history_add(history, "content", "comment.updated", history_id('c', comment), &author);
        PERSONAL(Nova__Content__V2__CommentUpdatedPersonal, event)->text =
            (char *)(uintptr_t)phrase(history);
    } else if (kind == 7 && world->comments && !world->comment_gone[comment]) {
        world->comment_gone[comment] = true;
        history_add(history, "content", "comment.deleted", history_id('c', comment), NULL);
    }
}

static void step_communication(struct world *world, uint32_t user)
{
    struct history *history = world->history;
    uint32_t kind = draw(8), message = world->messages ? draw(world->messages) : 0;
    struct uuid talk = history_id('t', world->conversations ? draw(world->conversations) : 0);
    if (kind == 0 || world->conversations == 0) {
        struct uuid members[] = {user_id(user), user_id((user + 1) % USERS),
                                 user_id((user + 3) % USERS)};
        history_conversation(history, history_id('t', world->conversations++), members, 2 + draw(2),
                             draw(2) ? phrase(history) : "");
    } else if (kind < 5 || world->messages == 0) {
        world->message_sender[world->messages] = user;
        history_send(history, history_id('m', world->messages++), talk, user_id(user),
                     phrase(history));
    } else if (kind == 5 && !world->message_gone[message] &&
               !world->gone[world->message_sender[message]]) {
        history_edit(history, history_id('m', message), talk,
                     user_id(world->message_sender[message]), phrase(history));
    } else if (kind == 6 && !world->message_gone[message]) {
        world->message_gone[message] = true;
        history_add(history, "communication", "message.deleted", history_id('m', message), NULL);
    } else if (kind == 7) {
        history_read(history, history_id('m', message), talk, user_id(user));
    }
}

static void live(struct history *history)
{
    static struct world world;
    world = (struct world){.history = history};
    for (uint32_t i = 0; i < USERS; i++)
        history_user(history, user_id(i), arena_printf(history->arena, "user%u", i),
                     phrase(history));
    for (int step = 0; step < STEPS; step++) {
        uint32_t user = draw(USERS), kind = draw(10);
        if (world.gone[user])
            continue;
        if (kind == 0 && draw(4) == 0) {
            world.gone[user] = true;
            history_user_gone(history, user_id(user));
        } else if (kind == 0) {
            history_rename(history, user_id(user), draw(2) ? "" : phrase(history),
                           draw(2) ? "" : phrase(history));
        } else if (kind < 6) {
            step_content(&world, user);
        } else {
            step_communication(&world, user);
        }
    }
}

// ---- applying it --------------------------------------------------------------------------------

enum order { ORDER_AS_IT_WAS, ORDER_FIRST_SOURCE_FIRST, ORDER_LAST_SOURCE_FIRST, ORDER_MIXED };

struct run {
    enum order order;
    uint32_t batch_max;
    bool erased; // as a rebuild finds it: no key of a deleted person is left
};

static bool is_gone(const struct history *history, const struct uuid *person)
{
    for (size_t i = 0; i < history->count; i++)
        if (strcmp(history->events[i].type->type, "user.deleted") == 0 &&
            uuid_equal(&history->events[i].event.aggregate_id, person))
            return true;
    return false;
}

// Which source goes next; -1: all are at their end.
static int next_source(const struct history *history, const struct inbox_consumer *consumer,
                       const struct run *run, const size_t *at)
{
    int ready[INBOX_SOURCES_MAX], ready_count = 0, oldest = -1;
    for (size_t s = 0; s < inbox_source_count(consumer); s++) {
        if (at[s] == history->count)
            continue;
        ready[ready_count++] = (int)s;
        if (oldest < 0 || at[s] < at[oldest])
            oldest = (int)s;
    }
    if (ready_count == 0)
        return -1;
    if (run->order == ORDER_AS_IT_WAS)
        return oldest;
    if (run->order == ORDER_FIRST_SOURCE_FIRST)
        return ready[0];
    return ready[run->order == ORDER_MIXED ? draw((uint32_t)ready_count)
                                           : (uint32_t)ready_count - 1];
}

static size_t skip_to_wanted(const struct history *history, const struct inbox_source *source,
                             size_t at)
{
    while (at < history->count && (strcmp(history->sources[at], source->service) != 0 ||
                                   !inbox_source_wants(source, history->events[at].type->type)))
        at++;
    return at;
}

static void apply_history(const struct history *history, const struct inbox_consumer *consumer,
                          const struct run *run)
{
    struct error err = {0};
    struct arena *arena = arena_create();
    size_t at[INBOX_SOURCES_MAX];
    int s;
    for (size_t i = 0; i < inbox_source_count(consumer); i++)
        at[i] = skip_to_wanted(history, &consumer->sources[i], 0);
    while ((s = next_source(history, consumer, run, at)) >= 0) {
        const struct inbox_source *source = &consumer->sources[s];
        struct inbox_event *copies = arena_alloc(arena, run->batch_max * sizeof *copies);
        const struct inbox_event **events = arena_alloc(arena, run->batch_max * sizeof *events);
        struct inbox_batch batch = {source->service, arena, events, 0};
        uint32_t most = 1 + draw(run->batch_max);
        for (; batch.count < most && at[s] < history->count; batch.count++) {
            copies[batch.count] = history->events[at[s]];
            if (run->erased && is_gone(history, &history->persons[at[s]]))
                copies[batch.count].personal = NULL;
            events[batch.count] = &copies[batch.count];
            at[s] = skip_to_wanted(history, source, at[s] + 1);
            if (run->order == ORDER_AS_IT_WAS && run->batch_max == 1)
                continue;
        }
        must(source->apply(&batch, pg, &err), &err);
        arena_reset(arena);
    }
    arena_destroy(&arena);
}

// ---- comparing ----------------------------------------------------------------------------------

// All rows of all tables of the schema, in an order of their own.
static char *dump(struct arena *arena, const char *schema)
{
    struct error err = {0};
    struct pg_result *tables = NULL, *rows = NULL;
    const struct pg_param params[] = {pg_text(schema)};
    must(pg_query(&tables, pg,
                  "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace ="
                  " (SELECT oid FROM pg_namespace WHERE nspname = $1) ORDER BY 1",
                  params, 1, &err),
         &err);
    char *all = "";
    for (size_t i = 0; i < pg_rows(tables); i++) {
        char sql[256];
        const char *table = pg_get_text(tables, i, 0);
        snprintf(sql, sizeof sql,
                 "SELECT COALESCE(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"), '')"
                 " FROM %s.%s t",
                 schema, table);
        must(pg_query(&rows, pg, sql, NULL, 0, &err), &err);
        all = arena_printf(arena, "%s== %s\n%s\n", all, table, pg_get_text(rows, 0, 0));
        pg_result_destroy(&rows);
    }
    pg_result_destroy(&tables);
    return all;
}

static void empty(const char *schema)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname"
             " = '%s' LOOP EXECUTE format('TRUNCATE %s.%%I', t); END LOOP; END $$",
             schema, schema);
    must_run(sql);
}

static char *end_state(struct arena *arena, const struct history *history,
                       const struct projection *projection, const struct run *run)
{
    char sql[256], schema[GENERATION_SCHEMA_BYTES];
    const char *service = projection->consumer->service;
    generation_schema(schema, projection, 1);
    empty(schema);
    // As the consumer's own role: what it may not do fails here.
    snprintf(sql, sizeof sql, "SET search_path = %s, %s; SET ROLE %s_consumer; BEGIN", schema,
             service, service);
    must_run(sql);
    apply_history(history, projection->consumer, run);
    must_run("COMMIT; RESET ROLE; RESET search_path");
    return dump(arena, schema);
}

static void say_first_difference(const char *a, const char *b)
{
    while (*a && *b) {
        size_t a_len = strcspn(a, "\n"), b_len = strcspn(b, "\n");
        if (a_len != b_len || memcmp(a, b, a_len) != 0) {
            print_message("# %.*s\n# %.*s\n", (int)a_len, a, (int)b_len, b);
            return;
        }
        a += a_len + 1;
        b += b_len + 1;
    }
}

static void ends_the_same(const struct run *runs, size_t run_count)
{
    static struct history history;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        random_state = seed * 0x9E3779B97F4A7C15ull + 1;
        memset(&history, 0, sizeof history);
        history.arena = arena_create();
        live(&history);
        for (size_t p = 0; p < projection_count(); p++) {
            const struct run plain = {ORDER_AS_IT_WAS, 1, false};
            const char *first = end_state(history.arena, &history, projection_at(p), &plain);
            for (size_t r = 0; r < run_count; r++) {
                const char *state = end_state(history.arena, &history, projection_at(p), &runs[r]);
                if (strcmp(first, state) != 0) {
                    print_message("# seed %llu, %s, run %zu\n", (unsigned long long)seed,
                                  projection_at(p)->name, r);
                    say_first_difference(first, state);
                }
                assert_string_equal(first, state);
            }
        }
        arena_destroy(&history.arena);
    }
}

static void however_sources_overtake_each_other(void **state)
{
    (void)state;
    const struct run runs[] = {{ORDER_FIRST_SOURCE_FIRST, 1, false},
                               {ORDER_LAST_SOURCE_FIRST, 1, false},
                               {ORDER_MIXED, 1, false}};
    ends_the_same(runs, 3);
}

static void however_events_are_cut_into_batches(void **state)
{
    (void)state;
    const struct run runs[] = {{ORDER_AS_IT_WAS, 3, false},
                               {ORDER_MIXED, 10, false},
                               {ORDER_FIRST_SOURCE_FIRST, 1000, false},
                               {ORDER_LAST_SOURCE_FIRST, 1000, false}};
    ends_the_same(runs, 4);
}

static void also_when_deleted_persons_keys_are_erased(void **state)
{
    (void)state;
    const struct run runs[] = {{ORDER_AS_IT_WAS, 1, true}, {ORDER_MIXED, 10, true}};
    ends_the_same(runs, 2);
}

static void nothing_of_a_deleted_person_is_left(void **state)
{
    (void)state;
    static struct history history;
    struct uuid ada = user_id(0), bob = user_id(1), members[] = {ada, bob};
    history = (struct history){.arena = arena_create()};
    history_user(&history, ada, "secretada", "Secret Ada");
    history_user(&history, bob, "bob", "Bob");
    history_rename(&history, ada, "secretada2", "");
    history_post(&history, history_id('p', 1), ada, "secret title", "secret #text", "secrettag");
    history_post(&history, history_id('p', 2), bob, "open", "open", NULL);
    history_comment(&history, history_id('c', 1), history_id('p', 2), (struct uuid){{0}}, ada,
                    "secret comment");
    history_conversation(&history, history_id('t', 1), members, 2, "secret talk");
    history_send(&history, history_id('m', 1), history_id('t', 1), ada, "secret message");
    history_edit(&history, history_id('m', 1), history_id('t', 1), ada, "secret edit");
    history_send(&history, history_id('m', 3), history_id('t', 1), bob, "open");
    history_user_gone(&history, ada);
    history_send(&history, history_id('m', 2), history_id('t', 1), ada, "secret late message");
    history_post(&history, history_id('p', 3), ada, "secret late title", "secret", NULL);
    for (size_t p = 0; p < projection_count(); p++) {
        const struct run run = {ORDER_AS_IT_WAS, 4, false};
        const char *left = end_state(history.arena, &history, projection_at(p), &run);
        if (strstr(left, "ecret"))
            fail_msg("%s keeps: %s", projection_at(p)->name, left);
        assert_true(strstr(left, "open") || strstr(left, "Bob")); // and others are
    }
    arena_destroy(&history.arena);
}

static int setup(void **state)
{
    (void)state;
    struct error err = {0};
    if (pg_connect(&pg, getenv("NOVA_TEST_PG"), "check_projections", &err) != NOVA_OK ||
        generation_install(pg, NULL, 0, &err) != NOVA_OK ||
        generation_install(pg, NULL, 0, &err) != NOVA_OK) { // again: nothing to do
        print_message("%s\n", err.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_destroy(&pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_sources_overtake_each_other),
        cmocka_unit_test(however_events_are_cut_into_batches),
        cmocka_unit_test(also_when_deleted_persons_keys_are_erased),
        cmocka_unit_test(nothing_of_a_deleted_person_is_left),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
