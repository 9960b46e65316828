// test_settings.c - sources in their order, and errors that say where the mistake is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/nearest.h"
#include "base/settings.h"

static char folder[64];
static struct error err;

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/nova-settings.XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    setenv("NOVA_ROOT", folder, 1);
    unsetenv("NOVA_HOME");
    unsetenv("NOVA_CONFIG");
    unsetenv("NOVA_POSTGRES_PORT");
    unsetenv("NOVA_NATS_URL");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *files[] = {"nova.yaml", "other.yaml", "home/nova.yaml"};
    for (size_t i = 0; i < 3; i++)
        unlink(files[i]);
    rmdir("home");
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static struct settings *load(const struct settings_options *options)
{
    struct settings *settings = NULL;
    if (settings_load(&settings, options, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    return settings;
}

// Loading `text` as nova.yaml fails with exactly this.
static void assert_refused(const char *text, const char *expected)
{
    struct settings *settings = NULL;
    write_file("nova.yaml", text);
    assert_int_equal(settings_load(&settings, NULL, &err), NOVA_INVALID_ARGUMENT);
    assert_null(settings);
    assert_string_equal(err.text, expected);
}

static void without_any_source_defaults_hold(void **state)
{
    (void)state;
    struct settings *settings = load(NULL);
    char home[128];
    snprintf(home, sizeof home, "%s/.nova", folder);
    assert_int_equal(settings_int(settings, SETTING_POSTGRES_PORT), 15432);
    assert_string_equal(settings_text(settings, SETTING_NATS_URL), "");
    assert_string_equal(settings_text(settings, SETTING_HOME), home);
    assert_string_equal(settings_origin(settings, SETTING_HOME), "default");
    assert_null(settings_file(settings));
    settings_destroy(&settings);
    assert_null(settings);
    settings_destroy(&settings);
}

static void a_later_source_goes_before_an_earlier_one(void **state)
{
    (void)state;
    const char *flags[] = {"relay.batch=4"};
    const struct settings_options options = {.overrides = flags, .override_count = 1};
    write_file("nova.yaml", "relay:\n  batch: 2\n  poll_ms: 2\npostgres: {port: 2}\n");
    setenv("NOVA_RELAY_POLL_MS", "3", 1);
    setenv("NOVA_RELAY_BATCH", "3", 1);
    struct settings *settings = load(&options);
    unsetenv("NOVA_RELAY_POLL_MS");
    unsetenv("NOVA_RELAY_BATCH");
    assert_int_equal(settings_int(settings, SETTING_POSTGRES_PORT), 2);
    assert_string_equal(settings_origin(settings, SETTING_POSTGRES_PORT), "nova.yaml:4:18");
    assert_int_equal(settings_int(settings, SETTING_RELAY_POLL_MS), 3);
    assert_string_equal(settings_origin(settings, SETTING_RELAY_POLL_MS), "NOVA_RELAY_POLL_MS");
    assert_int_equal(settings_int(settings, SETTING_RELAY_BATCH), 4);
    assert_string_equal(settings_origin(settings, SETTING_RELAY_BATCH), "--set");
    settings_destroy(&settings);
}

static void groups_may_nest_or_be_written_with_dots(void **state)
{
    (void)state;
    write_file("nova.yaml", "postgres:\n  identity:\n    url: \"postgresql://a/b\"\n"
                            "postgres.content.url: 'x'\nlog.level: debug\n");
    struct settings *settings = load(NULL);
    enum setting of_service;
    assert_true(settings_of_service(&of_service, "identity"));
    assert_string_equal(settings_text(settings, of_service), "postgresql://a/b");
    assert_string_equal(settings_text(settings, SETTING_POSTGRES_CONTENT_URL), "x");
    assert_string_equal(settings_text(settings, SETTING_LOG_LEVEL), "debug");
    assert_false(settings_of_service(&of_service, "nobody"));
    settings_destroy(&settings);
}

static void an_empty_file_is_no_mistake(void **state)
{
    (void)state;
    write_file("nova.yaml", "# nothing yet\n");
    struct settings *settings = load(NULL);
    assert_non_null(settings_file(settings));
    settings_destroy(&settings);
}

static void an_unknown_key_is_named_with_its_place_and_the_nearest_one(void **state)
{
    (void)state;
    assert_refused("nats:\n  port: 1\n  prot: 2\n",
                   "nova.yaml:3:3: no setting 'nats.prot'; did you mean 'nats.port'?");
    assert_refused("\npostgers:\n  port: 1\n",
                   "nova.yaml:2:1: no setting 'postgers'; did you mean 'postgres'?");
    assert_refused("kafka: {}\n",
                   "nova.yaml:1:1: no setting 'kafka'; `nova config show` lists them");
}

static void a_wrong_type_is_named_with_its_place(void **state)
{
    (void)state;
    assert_refused("nats:\n  port: many\n",
                   "nova.yaml:2:9: nats.port must be a whole number, not 'many'");
    assert_refused("nats:\n  port: \"14\"\n",
                   "nova.yaml:2:9: nats.port must be a whole number, not the text \"14\"");
    assert_refused("nats: {port: 1.5}\n",
                   "nova.yaml:1:14: nats.port must be a whole number, not '1.5'");
    assert_refused("nats: {port: 0x10}\n",
                   "nova.yaml:1:14: nats.port must be a whole number, not '0x10'");
    assert_refused("nats: {port: 70000}\n",
                   "nova.yaml:1:14: nats.port must be from 1 to 65535, not 70000");
    assert_refused("nats: {port: 99999999999999999999}\n",
                   "nova.yaml:1:14: nats.port must be from 1 to 65535, not 99999999999999999999");
    assert_refused("log:\n  level: inf\n",
                   "nova.yaml:2:10: log.level must be one of debug|info|warn|error, not 'inf'");
    assert_refused("nats:\n  url:\n", "nova.yaml:2:7: nats.url has no value; write \"\" for none");
    assert_refused("nats: 5\n", "nova.yaml:1:7: nats is a group of settings, not a value");
    assert_refused("home:\n  a: 1\n", "nova.yaml:2:3: home is one value, not a group");
    assert_refused("home: [a]\n", "nova.yaml:1:7: a list is not allowed here");
    assert_refused("home: \"a\\0b\"\n", "nova.yaml:1:7: home holds a NUL");
}

static void what_is_no_settings_file_is_refused_with_its_place(void **state)
{
    (void)state;
    assert_refused("just words\n", "nova.yaml:1:1: this is no 'key: value'");
    assert_refused("home: \"a\n",
                   "nova.yaml:2:1: this is not YAML: found unexpected end of stream");
    assert_refused("home: a\n---\nhome: b\n", "nova.yaml:2:1: a second document");
    assert_refused("nats:\n  port: 1\n  port: 2\n", "nova.yaml:3:9: nats.port is set twice");
    assert_refused("home: &a x\nlog: {level: *a}\n",
                   "nova.yaml:2:14: an alias is not allowed here");
    assert_refused("? [a]\n: 1\n", "nova.yaml:1:3: a list is not allowed here");
}

static void mistakes_in_environment_and_flags_name_their_source(void **state)
{
    (void)state;
    struct settings *settings = NULL;
    setenv("NOVA_POSTGRES_PORT", "x", 1);
    assert_int_equal(settings_load(&settings, NULL, &err), NOVA_INVALID_ARGUMENT);
    unsetenv("NOVA_POSTGRES_PORT");
    assert_string_equal(err.text,
                        "NOVA_POSTGRES_PORT: postgres.port must be a whole number, not 'x'");
    const char *flags[] = {"nats.ports=1"};
    const struct settings_options options = {.overrides = flags, .override_count = 1};
    assert_int_equal(settings_load(&settings, &options, &err), NOVA_INVALID_ARGUMENT);
    assert_string_equal(err.text, "--set: no setting 'nats.ports'; did you mean 'nats.port'?");
}

static void a_named_file_must_exist_and_is_the_only_one_read(void **state)
{
    (void)state;
    struct settings *settings = NULL;
    struct settings_options options = {.config = "none.yaml"};
    assert_int_equal(settings_load(&settings, &options, &err), NOVA_NOT_FOUND);
    assert_string_equal(err.text, "none.yaml cannot be read: No such file or directory");
    write_file("nova.yaml", "nats: {port: 1}\n");
    write_file("other.yaml", "relay: {batch: 7}\nhome: here\n");
    options.config = "other.yaml";
    settings = load(&options);
    char home[128];
    snprintf(home, sizeof home, "%s/here", folder);
    assert_int_equal(settings_int(settings, SETTING_NATS_PORT), 14222);
    assert_int_equal(settings_int(settings, SETTING_RELAY_BATCH), 7);
    assert_string_equal(settings_text(settings, SETTING_HOME), home);
    settings_destroy(&settings);
}

static void the_file_of_the_home_is_read_when_the_root_has_none(void **state)
{
    (void)state;
    const char *flags[] = {"home=home"};
    const struct settings_options options = {.overrides = flags, .override_count = 1};
    assert_int_equal(system("mkdir home"), 0);
    write_file("home/nova.yaml", "nats: {port: 9}\n");
    struct settings *settings = load(&options);
    assert_int_equal(settings_int(settings, SETTING_NATS_PORT), 9);
    settings_destroy(&settings);
}

static void a_home_has_one_name_however_it_is_written(void **state)
{
    (void)state;
    char home[128];
    assert_int_equal(system("mkdir home && ln -s home link"), 0);
    snprintf(home, sizeof home, "%s/home", folder);
    const char *written[] = {"home=home", "home=./home//", "home=link", "home=home/../link/"};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        const struct settings_options options = {.overrides = &written[i], .override_count = 1};
        struct settings *settings = load(&options);
        assert_string_equal(settings_text(settings, SETTING_HOME), home);
        settings_destroy(&settings);
    }
    const char *missing = "home=link/a/b/";
    const struct settings_options options = {.overrides = &missing, .override_count = 1};
    struct settings *settings = load(&options);
    strcat(home, "/a/b");
    assert_string_equal(settings_text(settings, SETTING_HOME), home);
    settings_destroy(&settings);
    unlink("link");
}

static void a_home_that_nothing_could_carry_is_refused(void **state)
{
    (void)state;
    static char long_home[SETTINGS_VALUE_BYTES_MAX];
    memset(long_home, 'x', sizeof long_home - 1);
    memcpy(long_home, "home=/", 6);
    const char *refused[] = {long_home, "home=/a\"b", "home=/a$b", "home=/a\nb"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct settings *settings = NULL;
        const struct settings_options options = {.overrides = &refused[i], .override_count = 1};
        assert_int_equal(settings_load(&settings, &options, &err), NOVA_INVALID_ARGUMENT);
        assert_null(settings);
        assert_memory_equal(err.text, "--set: home ", 12);
    }
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    char text[8192] = "";
    const char *flags[] = {"postgres.url=postgresql://admin:hunter2@db/nova", "nats.port=5"};
    const struct settings_options options = {.overrides = flags, .override_count = 2};
    struct settings *settings = load(&options);
    FILE *out = fmemopen(text, sizeof text, "w");
    settings_show(out, settings);
    fclose(out);
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "postgres.url                 (hidden)  # --set\n"));
    assert_non_null(strstr(text, "nats.port                    5  # --set\n"));
    assert_non_null(strstr(text, "relay.poll_ms                200 ms  # default\n"));
    settings_destroy(&settings);
}

static void the_sample_is_a_file_of_defaults(void **state)
{
    (void)state;
    FILE *out = fopen("nova.yaml", "w");
    settings_sample(out);
    fclose(out);
    struct settings *plain = load(&(struct settings_options){.config = "/dev/null"});
    struct settings *sample = load(NULL);
    for (size_t i = SETTING_HOME + 1; i < SETTING_COUNT; i++)
        assert_memory_equal(settings_origin(sample, (enum setting)i), "nova.yaml:", 10);
    assert_string_equal(settings_text(sample, SETTING_HOME), settings_text(plain, SETTING_HOME));
    assert_int_equal(settings_int(sample, SETTING_INBOX_BATCH), 1000);
    settings_destroy(&plain);
    settings_destroy(&sample);
}

static void a_child_gets_the_same_settings_by_its_environment(void **state)
{
    (void)state;
    const char *flags[] = {"nats.port=5"};
    const struct settings_options options = {.overrides = flags, .override_count = 1};
    write_file("nova.yaml", "relay: {batch: 2}\n");
    struct settings *settings = load(&options);
    settings_export(settings);
    assert_int_equal(chdir("/"), 0);
    unsetenv("NOVA_ROOT");
    struct settings *child = load(NULL);
    unsetenv("NOVA_NATS_PORT");
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(settings_int(child, SETTING_NATS_PORT), 5);
    assert_int_equal(settings_int(child, SETTING_RELAY_BATCH), 2);
    assert_null(getenv("NOVA_RELAY_BATCH"));
    assert_string_equal(settings_text(child, SETTING_HOME), settings_text(settings, SETTING_HOME));
    settings_destroy(&settings);
    settings_destroy(&child);
}

static void a_mistyped_word_finds_its_neighbour(void **state)
{
    (void)state;
    const char *words[] = {"status", "logs", "run", "up", "env"};
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("abc", "abc"), 0);
    assert_int_equal(nearest_distance("ab", "ba"), 1);
    assert_int_equal(nearest_distance("status", "sttaus"), 1);
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_string_equal(nearest_word("sttaus", words, 5), "status");
    assert_string_equal(nearest_word("pu", words, 5), "up");
    assert_string_equal(nearest_word("evn", words, 5), "env");
    assert_null(nearest_word("projection", words, 5));
    char long_word[200];
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(nearest_word(long_word, words, 5));
}

static void assert_port(bool may_change, const char *set, int64_t port, const char *origin)
{
    const char *overrides[] = {"home=home", set};
    struct settings *settings = load(&(struct settings_options){
        .overrides = overrides, .override_count = set ? 2 : 1, .ports_may_change = may_change});
    assert_int_equal(settings_int(settings, SETTING_POSTGRES_PORT), port);
    assert_string_equal(settings_origin(settings, SETTING_POSTGRES_PORT), origin);
    settings_destroy(&settings);
}

static void a_homes_ports_are_known_by_the_home_alone(void **state)
{
    (void)state;
    mkdir("home", 0700);
    mkdir("home/run", 0700);
    write_file("home/run/ports.yaml", "postgres:\n  port: 25432\n");
    assert_port(false, NULL, 25432, "ports.yaml:2:9");
    assert_port(true, NULL, 25432, "ports.yaml:2:9"); // the same again, unless it is told otherwise
    assert_port(false, "postgres.port=3", 3, "--set");
    setenv("NOVA_POSTGRES_PORT", "4", 1);
    assert_port(false, NULL, 4, "NOVA_POSTGRES_PORT");
    unsetenv("NOVA_POSTGRES_PORT");
    write_file("nova.yaml", "postgres:\n  port: 35432\n");
    assert_port(false, NULL, 25432, "ports.yaml:2:9"); // there it listens
    assert_port(true, NULL, 35432, "nova.yaml:2:9");   // there it will
    unlink("home/run/ports.yaml");
    rmdir("home/run");
}

static void an_empty_home_is_none(void **state)
{
    (void)state;
    setenv("NOVA_HOME", "", 1);
    struct settings *settings = load(NULL);
    assert_string_equal(settings_origin(settings, SETTING_HOME), "default");
    assert_non_null(strstr(settings_text(settings, SETTING_HOME), "/.nova"));
    settings_destroy(&settings);
    unsetenv("NOVA_HOME");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(without_any_source_defaults_hold),
        CASE(a_later_source_goes_before_an_earlier_one),
        CASE(groups_may_nest_or_be_written_with_dots),
        CASE(a_homes_ports_are_known_by_the_home_alone),
        CASE(an_empty_home_is_none),
        CASE(an_empty_file_is_no_mistake),
        CASE(an_unknown_key_is_named_with_its_place_and_the_nearest_one),
        CASE(a_wrong_type_is_named_with_its_place),
        CASE(what_is_no_settings_file_is_refused_with_its_place),
        CASE(mistakes_in_environment_and_flags_name_their_source),
        CASE(a_named_file_must_exist_and_is_the_only_one_read),
        CASE(the_file_of_the_home_is_read_when_the_root_has_none),
        CASE(a_home_has_one_name_however_it_is_written),
        CASE(a_home_that_nothing_could_carry_is_refused),
        CASE(secrets_are_not_shown),
        CASE(the_sample_is_a_file_of_defaults),
        CASE(a_child_gets_the_same_settings_by_its_environment),
        CASE(a_mistyped_word_finds_its_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
