// test_access.c - every credential is found, or the error names the file and what to do.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/access.h"
#include "base/notify.h"

#define PUBLIC_A "UABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVW"
#define PUBLIC_B "UBBCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVW"

static char folder[64];
static char url[ACCESS_URL_BYTES];
static struct error err;
static struct settings *settings;

static void load(const char *override)
{
    char home[128];
    snprintf(home, sizeof home, "home=%s", folder);
    const char *flags[] = {home, override};
    const struct settings_options options = {
        .config = "/dev/null", .overrides = flags, .override_count = override ? 2 : 1};
    settings_destroy(&settings);
    if (settings_load(&settings, &options, &err) != NOVA_OK)
        fail_msg("%s", err.text);
}

static void write_secret(const char *name, const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/credentials/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path, mode);
}

static int set_up(void **state)
{
    (void)state;
    char command[256];
    strcpy(folder, "/tmp/nova-access.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(command, sizeof command,
             "cd %s && mkdir -p credentials/postgres credentials/nats "
             "credentials/seal credentials/refresh credentials/log",
             folder);
    return system(command);
}

static int tear_down(void **state)
{
    (void)state;
    char command[256];
    settings_destroy(&settings);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void assert_ends(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    if (len < end_len || strcmp(text + len - end_len, end) != 0)
        fail_msg("'%s' does not end with '%s'", text, end);
}

static void a_role_of_the_embedded_postgresql_gets_its_password(void **state)
{
    (void)state;
    write_secret("postgres/identity_relay", "secret1\n", 0600);
    load("postgres.port=15499");
    assert_int_equal(access_postgres_url(url, settings, "identity", "identity_relay", &err),
                     NOVA_OK);
    assert_string_equal(url, "postgresql://identity_relay:secret1@127.0.0.1:15499/nova");
}

static void a_missing_secret_is_named_with_what_makes_it(void **state)
{
    (void)state;
    load(NULL);
    assert_int_equal(access_postgres_url(url, settings, NULL, "auditor", &err), NOVA_NOT_FOUND);
    assert_ends(err.text,
                "/credentials/postgres/auditor is missing: run ./nova up, which makes it");
    char path[PATH_MAX];
    assert_int_equal(access_nats_seed_path(path, settings, "operator", &err), NOVA_NOT_FOUND);
    assert_ends(err.text,
                "/credentials/nats/operator.nk is missing: run ./nova up, which makes it");
}

static void a_secret_that_others_may_read_is_refused(void **state)
{
    (void)state;
    load(NULL);
    write_secret("postgres/auditor", "secret\n", 0640);
    assert_int_equal(access_postgres_url(url, settings, NULL, "auditor", &err),
                     NOVA_PERMISSION_DENIED);
    assert_ends(err.text, "/postgres/auditor can be read by others (mode 640): chmod 600 it");
}

static void nothing_outside_the_folder_can_be_asked_for(void **state)
{
    (void)state;
    load(NULL);
    assert_int_equal(access_postgres_url(url, settings, NULL, "../seal/identity", &err),
                     NOVA_INVALID_ARGUMENT);
}

static void a_url_elsewhere_keeps_its_host_and_takes_the_role(void **state)
{
    (void)state;
    write_secret("postgres/content_service", "pw\n", 0600);
    load("postgres.url=postgresql://admin:p%40ss@db1,db2:6432/shop?sslmode=require");
    assert_int_equal(access_postgres_url(url, settings, "content", "content_service", &err),
                     NOVA_OK);
    assert_string_equal(url, "postgresql://content_service:pw@db1,db2:6432/shop?sslmode=require");
    assert_int_equal(access_postgres_url(url, settings, NULL, ACCESS_SUPERUSER, &err), NOVA_OK);
    assert_string_equal(url, "postgresql://admin:p%40ss@db1,db2:6432/shop?sslmode=require");
    load("postgres.content.url=postgresql:///own?host=/run");
    assert_int_equal(access_postgres_url(url, settings, "content", "content_service", &err),
                     NOVA_OK);
    assert_string_equal(url, "postgresql://content_service:pw@/own?host=/run");
    load("postgres.url=host=db");
    assert_int_equal(access_postgres_url(url, settings, "content", "content_service", &err),
                     NOVA_INVALID_ARGUMENT);
    assert_string_equal(err.text, "postgres.url (--set) must be a postgresql:// URL");
}

static void a_url_of_the_very_role_needs_no_home(void **state)
{
    (void)state;
    load("postgres.url=postgresql://content_service:own@db1/shop");
    assert_int_equal(access_postgres_url(url, settings, "content", "content_service", &err),
                     NOVA_OK);
    assert_string_equal(url, "postgresql://content_service:own@db1/shop");
}

static void the_bus_is_the_embedded_one_or_the_named_one(void **state)
{
    (void)state;
    char path[PATH_MAX], seed[128], set[160];
    load(NULL);
    assert_int_equal(access_nats_url(url, settings, &err), NOVA_OK);
    assert_string_equal(url, "nats://127.0.0.1:14222");
    load("nats.url=nats://n1:4222,nats://n2:4222");
    assert_int_equal(access_nats_url(url, settings, &err), NOVA_OK);
    assert_string_equal(url, "nats://n1:4222,nats://n2:4222");
    load("nats.url=http://n1");
    assert_int_equal(access_nats_url(url, settings, &err), NOVA_INVALID_ARGUMENT);
    write_secret("nats/elsewhere", "SU...\n", 0600);
    snprintf(seed, sizeof seed, "%s/credentials/nats/elsewhere", folder);
    snprintf(set, sizeof set, "nats.seed_file=%s", seed);
    load(set);
    assert_int_equal(access_nats_seed_path(path, settings, "operator", &err), NOVA_OK);
    assert_string_equal(path, seed);
}

static void principals_are_found_by_name_and_by_key(void **state)
{
    (void)state;
    static struct access_principals list;
    char key[ACCESS_PUBLIC_BYTES];
    load(NULL);
    write_secret("nats/principals", "operator " PUBLIC_A "\nidentity_service " PUBLIC_B "\n", 0644);
    assert_int_equal(access_principals_read(&list, settings, &err), NOVA_OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(access_principal_user(&list, PUBLIC_B), "identity_service");
    assert_null(access_principal_user(&list, "U"));
    assert_int_equal(access_nats_public(key, settings, "operator", &err), NOVA_OK);
    assert_string_equal(key, PUBLIC_A);
    assert_int_equal(access_nats_public(key, settings, "nobody", &err), NOVA_NOT_FOUND);
    write_secret("nats/principals", "operator " PUBLIC_A "\nidentity_service\n", 0644);
    assert_int_equal(access_principals_read(&list, settings, &err), NOVA_INVALID_ARGUMENT);
    assert_ends(err.text, "principals:2 is not '<user> <public nkey>': run ./nova up");
}

static void a_master_key_is_32_bytes_or_refused(void **state)
{
    (void)state;
    struct seal_key key;
    load(NULL);
    write_secret("seal/identity",
                 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff\n", 0600);
    assert_int_equal(access_master_key(&key, settings, "identity", &err), NOVA_OK);
    assert_int_equal(key.bytes[1], 1);
    assert_int_equal(key.bytes[31], 0xff);
    write_secret("seal/identity", "0001\n", 0600);
    assert_int_equal(access_master_key(&key, settings, "identity", &err), NOVA_INVALID_ARGUMENT);
    write_secret("seal/identity", "", 0600);
    assert_int_equal(access_master_key(&key, settings, "identity", &err), NOVA_INVALID_ARGUMENT);
}

static void the_refresh_key_is_a_secret_like_the_others(void **state)
{
    (void)state;
    static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";
    char set[256];
    struct seal_key key;
    load(NULL);
    assert_int_equal(access_refresh_key(&key, settings, &err), NOVA_NOT_FOUND);
    assert_non_null(strstr(err.text, "credentials/refresh/identity is missing"));
    write_secret("refresh/identity", hex, 0640);
    assert_int_equal(access_refresh_key(&key, settings, &err), NOVA_PERMISSION_DENIED);
    write_secret("refresh/identity", "0001\n", 0600);
    assert_int_equal(access_refresh_key(&key, settings, &err), NOVA_INVALID_ARGUMENT);
    write_secret("refresh/identity", hex, 0600);
    assert_int_equal(access_refresh_key(&key, settings, &err), NOVA_OK);
    assert_int_equal(key.bytes[31], 0x1f);
    snprintf(set, sizeof set, "identity.refresh_key_file=%s/credentials/key", folder);
    load(set);
    assert_int_equal(access_refresh_key(&key, settings, &err), NOVA_NOT_FOUND);
    assert_non_null(strstr(err.text, "credentials/key is missing"));
}

static void a_logs_signing_key_is_a_secret_of_one_line(void **state)
{
    (void)state;
    char set[256], key[ACCESS_LOG_KEY_BYTES];
    load(NULL);
    assert_int_equal(access_log_key(key, settings, "content", &err), NOVA_NOT_FOUND);
    assert_non_null(strstr(err.text, "credentials/log/content is missing"));
    write_secret("log/content", "PRIVATE+KEY+x\n", 0640);
    assert_int_equal(access_log_key(key, settings, "content", &err), NOVA_PERMISSION_DENIED);
    write_secret("log/content", "PRIVATE+KEY+x\n", 0600);
    assert_int_equal(access_log_key(key, settings, "content", &err), NOVA_OK);
    assert_string_equal(key, "PRIVATE+KEY+x");
    assert_int_equal(access_log_key(key, settings, "../content", &err), NOVA_INVALID_ARGUMENT);
    snprintf(set, sizeof set, "signer.key_folder=%s/credentials/elsewhere", folder);
    load(set);
    assert_int_equal(access_log_key(key, settings, "content", &err), NOVA_NOT_FOUND);
    assert_non_null(strstr(err.text, "credentials/elsewhere/content is missing"));
}

static void a_process_without_a_home_names_its_files(void **state)
{
    (void)state;
    static struct access_principals list;
    char set[256];
    struct seal_key key;
    snprintf(set, sizeof set, "nats.principals_file=%s/credentials/mine", folder);
    write_secret("mine", "operator " PUBLIC_A "\n", 0644);
    write_secret("nats/principals", "operator " PUBLIC_B "\n", 0644);
    load(set);
    assert_int_equal(access_principals_read(&list, settings, &err), NOVA_OK);
    assert_string_equal(access_principal_key(&list, "operator"), PUBLIC_A);
    snprintf(set, sizeof set, "seal.key_file=%s/credentials/key", folder);
    load(set);
    assert_int_equal(access_master_key(&key, settings, "identity", &err), NOVA_NOT_FOUND);
    assert_non_null(strstr(err.text, "credentials/key is missing"));
    write_secret("key", "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0644);
    assert_int_equal(access_master_key(&key, settings, "identity", &err), NOVA_PERMISSION_DENIED);
    write_secret("key", "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600);
    assert_int_equal(access_master_key(&key, settings, "identity", &err), NOVA_OK);
    assert_int_equal(key.bytes[0], 0xff);
}

static void a_supervisor_hears_readiness_status_and_watchdog(void **state)
{
    (void)state;
    char text[256];
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    snprintf(here.sun_path, sizeof here.sun_path, "%s/notify", folder);
    notify_ready(); // nobody asked: nothing happens
    int in = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(in, (struct sockaddr *)&here, sizeof here), 0);
    setenv("NOTIFY_SOCKET", here.sun_path, 1);
    notify_ready();
    notify_status("%d events\nSTATUS=forged", 5);
    notify_watchdog();
    notify_trouble("no disk\nSTATUS=forged");
    notify_status("waiting");
    notify_trouble("");
    unsetenv("NOTIFY_SOCKET");
    const char *expected[] = {"READY=1", "STATUS=5 events\nX_NOVA_TROUBLE=", "READY=1\nWATCHDOG=1",
                              "STATUS=waiting\nX_NOVA_TROUBLE=no disk"};
    for (size_t i = 0; i < 4; i++) {
        ssize_t len = recv(in, text, sizeof text - 1, MSG_DONTWAIT);
        assert_true(len > 0);
        text[len] = '\0';
        assert_string_equal(text, expected[i]);
    }
    close(in);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_role_of_the_embedded_postgresql_gets_its_password),
        CASE(a_missing_secret_is_named_with_what_makes_it),
        CASE(a_secret_that_others_may_read_is_refused),
        CASE(nothing_outside_the_folder_can_be_asked_for),
        CASE(a_url_elsewhere_keeps_its_host_and_takes_the_role),
        CASE(a_url_of_the_very_role_needs_no_home),
        CASE(the_bus_is_the_embedded_one_or_the_named_one),
        CASE(principals_are_found_by_name_and_by_key),
        CASE(a_process_without_a_home_names_its_files),
        CASE(a_master_key_is_32_bytes_or_refused),
        CASE(the_refresh_key_is_a_secret_like_the_others),
        CASE(a_logs_signing_key_is_a_secret_of_one_line),
        CASE(a_supervisor_hears_readiness_status_and_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
