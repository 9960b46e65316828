// test_consumers.c - what a consumer is stands in four tables, and they agree: what it does
// (projections/consumers.c), what it may (bus/topology.def), that it is started (cli/process.def),
// and its own definition.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "bus/topology.h"
#include "cli/process.h"
#include "projections/consumers.h"

static bool is_started(const char *name)
{
    for (size_t i = 0; i < process_count(); i++)
        if (process_at(i)->kind == PROCESS_CONSUMER && strcmp(process_at(i)->name, name) == 0)
            return true;
    return false;
}

static bool may_read(const struct inbox_consumer *consumer, const char *source)
{
    for (size_t i = 0; i < topology_reader_count(); i++) {
        const struct topology_reader *reader = topology_reader_at(i);
        if (strcmp(reader->consumer, consumer->name) == 0 && strcmp(reader->source, source) == 0)
            return true;
    }
    return false;
}

static void every_consumer_is_started_and_none_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < consumer_count(); i++)
        if (!is_started(consumer_at(i)->name))
            fail_msg("%s has no line in cli/process.def", consumer_at(i)->name);
    for (size_t i = 0; i < process_count(); i++)
        if (process_at(i)->kind == PROCESS_CONSUMER && !consumer_find(process_at(i)->name))
            fail_msg("%s has no line in projections/consumers.c", process_at(i)->name);
}

static void every_consumer_may_read_its_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < consumer_count(); i++)
        for (size_t k = 0; k < inbox_source_count(consumer_at(i)); k++)
            if (!may_read(consumer_at(i), consumer_at(i)->sources[k].service))
                fail_msg("%s has no READER of %s in bus/topology.def", consumer_at(i)->name,
                         consumer_at(i)->sources[k].service);
}

static void a_projection_names_its_tables_and_a_reactor_has_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < consumer_count(); i++) {
        const struct inbox_consumer *consumer = consumer_at(i);
        char name[128];
        snprintf(name, sizeof name, "%s/%s", consumer->service,
                 consumer->projection ? consumer->projection : "");
        bool is_projection = consumer->kind == INBOX_PROJECTION;
        if (is_projection != (consumer->projection != NULL))
            fail_msg("%s: .kind and .projection do not agree", consumer->name);
        if (is_projection &&
            (!projection_find(consumer->projection) || strcmp(consumer->name, name) != 0))
            fail_msg("%s: .projection, .name and projections/consumers.c do not agree",
                     consumer->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_consumer_is_started_and_none_else),
        cmocka_unit_test(every_consumer_may_read_its_sources),
        cmocka_unit_test(a_projection_names_its_tables_and_a_reactor_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
