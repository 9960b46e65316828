// test_proof.c - checkpoints, and proofs as files: what holds is accepted, and nothing else.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/proof.h"
#include "bus/leaf.h"
#include "test/lib/merkle_log.h"

enum { EVENTS = 37, MUTATIONS = 10000, LEAF_BYTES = 512 };

static struct arena *arena;
static struct merkle_log log_of_test;
static struct note_signer signer, witness_a, witness_b;
static struct checkpoint_policy policy;
static struct uuid log_id;
static struct bytes leaves[EVENTS];

static struct bytes leaf_of(int64_t n, const struct uuid *id)
{
    uint8_t *bytes = arena_alloc(arena, LEAF_BYTES);
    struct event event = {.n = n,
                          .position = 2 * n,
                          .log_id = *id,
                          .event_id = {{(uint8_t)n, 7}},
                          .type = "post.created",
                          .aggregate_type = "post",
                          .version = 1,
                          .actor = "operator",
                          .payload = {(const uint8_t *)"payload", 7}};
    size_t len = leaf_bytes_v1(bytes, LEAF_BYTES, &event);
    assert_in_range(len, 1, LEAF_BYTES);
    return (struct bytes){bytes, len};
}

static int setup(void **state)
{
    (void)state;
    arena = arena_create();
    log_id = uuid_v7();
    merkle_log_make(&log_of_test, EVENTS);
    for (int i = 0; i < EVENTS; i++) {
        leaves[i] = leaf_of(i + 1, &log_id);
        merkle_log_append(&log_of_test, leaves[i]);
    }
    if (note_signer_make(&signer, "nova/content", NOTE_KEY_LOG, NULL) != NOVA_OK ||
        note_signer_make(&witness_a, "a.example/w", NOTE_KEY_WITNESS, NULL) != NOVA_OK ||
        note_signer_make(&witness_b, "b.example/w", NOTE_KEY_WITNESS, NULL) != NOVA_OK)
        return -1;
    policy = (struct checkpoint_policy){.log = signer.key,
                                        .witnesses = {witness_a.key, witness_b.key},
                                        .witness_count = 2,
                                        .required = 2};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    merkle_log_free(&log_of_test);
    arena_destroy(&arena);
    return 0;
}

static char *checkpoint_of(uint64_t size)
{
    struct checkpoint head = {.size = size, .root = merkle_log_root(&log_of_test, size)};
    checkpoint_origin(&head, "nova/content", &log_id);
    return checkpoint_sign(arena, &head, &signer);
}

static char *inclusion_of(uint64_t index, uint64_t size)
{
    struct merkle_proof proof;
    struct merkle_source source = merkle_log_source(&log_of_test);
    assert_int_equal(merkle_prove_inclusion(&proof, index, size, &source, NULL), NOVA_OK);
    return proof_inclusion_text(arena, leaves[index], &proof, checkpoint_of(size));
}

static char *consistency_of(uint64_t old, uint64_t size)
{
    struct merkle_proof proof;
    struct merkle_source source = merkle_log_source(&log_of_test);
    assert_int_equal(merkle_prove_consistency(&proof, old, size, &source, NULL), NOVA_OK);
    return proof_consistency_text(arena, checkpoint_of(old), &proof, checkpoint_of(size));
}

static enum nova_status check(const char *text, struct error *err)
{
    struct proof_checked checked;
    return proof_check(&checked, arena, text, strlen(text), &policy, err);
}

static void a_proof_says_which_event_of_which_log_it_shows(void **state)
{
    (void)state;
    struct proof_checked checked;
    struct error err = {0};
    const char *text = inclusion_of(20, EVENTS);
    if (proof_check(&checked, arena, text, strlen(text), &policy, &err) != NOVA_OK)
        fail_msg("%s", err.text);
    assert_int_equal(checked.kind, PROOF_INCLUSION);
    assert_int_equal(checked.leaf.n, 21);
    assert_int_equal(checked.leaf.position, 42);
    assert_true(uuid_equal(&checked.leaf.log_id, &log_id));
    assert_int_equal(checked.leaf.event_id.bytes[0], 21);
    assert_memory_equal(checked.leaf.type.at, "post.created", checked.leaf.type.len);
    assert_memory_equal(checked.leaf.payload.data, "payload", 7);
    assert_int_equal(checked.checkpoint.head.size, EVENTS);
    text = consistency_of(5, EVENTS);
    assert_int_equal(proof_check(&checked, arena, text, strlen(text), &policy, &err), NOVA_OK);
    assert_int_equal(checked.kind, PROOF_CONSISTENCY);
    assert_int_equal(checked.old.head.size, 5);
}

static void a_proof_with_the_checkpoint_of_another_size_is_refused(void **state)
{
    (void)state;
    struct merkle_proof proof;
    struct error err = {0};
    struct merkle_source source = merkle_log_source(&log_of_test);
    assert_int_equal(merkle_prove_inclusion(&proof, 3, 20, &source, NULL), NOVA_OK);
    assert_int_equal(check(proof_inclusion_text(arena, leaves[3], &proof, checkpoint_of(21)), &err),
                     NOVA_DATA_LOSS);
    assert_string_equal(err.text, "the checkpoint's log does not hold this event");
    assert_int_equal(check(proof_inclusion_text(arena, leaves[4], &proof, checkpoint_of(20)), &err),
                     NOVA_DATA_LOSS);
}

static void an_event_of_another_log_is_refused_though_its_hash_is_in_the_tree(void **state)
{
    (void)state;
    struct merkle_log other;
    struct merkle_proof proof = {.count = 0};
    struct uuid other_id = uuid_v7();
    struct error err = {0};
    struct bytes leaf = leaf_of(1, &other_id);
    merkle_log_make(&other, 1);
    merkle_log_append(&other, leaf);
    struct checkpoint head = {.size = 1, .root = merkle_log_root(&other, 1)};
    checkpoint_origin(&head, "nova/content", &log_id);
    assert_int_equal(
        check(proof_inclusion_text(arena, leaf, &proof, checkpoint_sign(arena, &head, &signer)),
              &err),
        NOVA_DATA_LOSS);
    assert_string_equal(err.text, "the event is of another log than the checkpoint");
    merkle_log_free(&other);
}

static void a_log_that_is_signed_by_another_key_is_refused(void **state)
{
    (void)state;
    struct note_signer other;
    struct error err = {0};
    const char *text = inclusion_of(3, 20);
    struct note_key kept = policy.log;
    assert_int_equal(note_signer_make(&other, "nova/content", NOTE_KEY_LOG, NULL), NOVA_OK);
    policy.log = other.key;
    assert_int_equal(check(text, &err), NOVA_UNAUTHENTICATED);
    assert_int_equal(note_signer_make(&other, "nova/identity", NOTE_KEY_LOG, NULL), NOVA_OK);
    policy.log = other.key;
    assert_int_equal(check(text, &err), NOVA_UNAUTHENTICATED);
    policy.log = kept;
    assert_int_equal(check(text, &err), NOVA_OK);
}

static void two_checkpoints_of_different_logs_are_not_consistent(void **state)
{
    (void)state;
    struct merkle_proof proof;
    struct error err = {0};
    struct uuid other_id = uuid_v7();
    struct merkle_source source = merkle_log_source(&log_of_test);
    struct checkpoint head = {.size = 5, .root = merkle_log_root(&log_of_test, 5)};
    checkpoint_origin(&head, "nova/content", &other_id);
    assert_int_equal(merkle_prove_consistency(&proof, 5, 9, &source, NULL), NOVA_OK);
    char *text = proof_consistency_text(arena, checkpoint_sign(arena, &head, &signer), &proof,
                                        checkpoint_of(9));
    assert_int_equal(check(text, &err), NOVA_DATA_LOSS);
    assert_non_null(strstr(err.text, "of two logs"));
}

static void a_rewound_checkpoint_is_no_extension(void **state)
{
    (void)state;
    struct merkle_proof proof;
    struct error err = {0};
    struct merkle_source source = merkle_log_source(&log_of_test);
    assert_int_equal(merkle_prove_consistency(&proof, 5, 9, &source, NULL), NOVA_OK);
    assert_int_equal(
        check(proof_consistency_text(arena, checkpoint_of(9), &proof, checkpoint_of(5)), &err),
        NOVA_DATA_LOSS);
    assert_string_equal(err.text, "the newer checkpoint's log does not extend the older one's");
}

// One byte of what the file says is another one: of leaf, hash, checkpoint, or of a member's name.
// The blanks and brackets of the JSON are left alone: other blanks are the same proof.
static void of_ten_thousand_mutated_proofs_none_is_accepted(void **state)
{
    (void)state;
    const char *seed_text = getenv("NOVA_TEST_SEED");
    unsigned seed = seed_text ? (unsigned)strtoul(seed_text, NULL, 10) : randombytes_random();
    uint8_t seed_bytes[randombytes_SEEDBYTES] = {0};
    memcpy(seed_bytes, &seed, sizeof seed);
    uint32_t *drawn = malloc(4 * MUTATIONS * sizeof *drawn);
    randombytes_buf_deterministic(drawn, 4 * MUTATIONS * sizeof *drawn, seed_bytes);
    print_message("# seed %u\n", seed);
    for (int i = 0; i < MUTATIONS; i++) {
        const uint32_t *dice = &drawn[4 * i];
        const uint64_t size = 2 + dice[0] % (EVENTS - 1), index = dice[1] % (size - 1);
        char *text = i % 2 ? inclusion_of(index, size) : consistency_of(index + 1, size);
        // Only what is proven: between the quotes of a value, where every byte counts.
        char *first = strstr(text, i % 2 ? "\"leaf\": \"" : "\"old_checkpoint\": \"");
        size_t begin = (size_t)(strchr(first, ':') + 3 - text);
        size_t place = begin + dice[2] % (strlen(text) - begin);
        while (strchr(" \n,[]{}:\"", text[place]) != NULL) // the JSON's own
            place = begin + (place + 1 - begin) % (strlen(text) - begin);
        char was = text[place];
        text[place] = (char)(33 + dice[3] % 94);
        if (text[place] == was)
            text[place] = was == 'A' ? 'B' : 'A';
        struct proof_checked checked;
        if (proof_check(&checked, arena, text, strlen(text), &policy, NULL) == NOVA_OK)
            fail_msg("seed %u: byte %zu of mutation %d was '%c':\n%s", seed, place, i, was, text);
        if (i % 100 == 99) { // leaves lie in the arena: made anew
            arena_reset(arena);
            for (int n = 0; n < EVENTS; n++)
                leaves[n] = leaf_of(n + 1, &log_id);
        }
    }
    free(drawn);
}

static void what_is_no_proof_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"format\": \"nova-log-proof/v2\"}",
        "{\"format\": \"nova-log-proof/v1\"}",
        "{\"format\": \"nova-log-proof/v1\", \"hashes\": [7]}",
        "{\"format\": \"nova-log-proof/v1\", \"hashes\": [\"AA==\"]}",
        "{\"format\": \"nova-log-proof/v1\", \"hashes\": [], \"checkpoint\": 7}",
        "{\"format\": \"nova-log-proof/v1\", \"format\": \"nova-log-proof/v1\", \"hashes\": []}",
    };
    struct error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (check(bad[i], &err) != NOVA_INVALID_ARGUMENT || err.text[0] == '\0')
            fail_msg("%s", bad[i]);
    char *large = arena_alloc(arena, PROOF_BYTES_MAX + 2);
    memset(large, ' ', PROOF_BYTES_MAX + 1);
    assert_int_equal(check(large, &err), NOVA_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "too long"));
}

static enum nova_status open_text(struct checkpoint_opened *out, const char *text,
                                  struct error *err)
{
    const char *note =
        arena_printf(arena, "%s\n%s", text, note_sign(arena, &signer, text, strlen(text), 0));
    return checkpoint_open(out, arena, note, strlen(note), &policy, err);
}

static void what_is_no_checkpoint_is_refused_though_it_is_signed(void **state)
{
    (void)state;
#define ORIGIN "nova/content/01234567-89ab-7cde-8f01-23456789abcd\n"
#define ROOT "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"
    static const char *const bad[] = {
        "nova/content\n5\n" ROOT,                                      // no log id
        "nova/contenT/01234567-89ab-7cde-8f01-23456789abcd\n5\n" ROOT, // another log
        "nova/content/01234567-89AB-7cde-8f01-23456789abcd\n5\n" ROOT, // another form of it
        ORIGIN "05\n" ROOT,
        ORIGIN "-5\n" ROOT,
        ORIGIN "\n" ROOT,
        ORIGIN "9223372036854775808\n" ROOT,
        ORIGIN "99999999999999999999\n" ROOT,
        ORIGIN "5\n",
        ORIGIN "5\nAA==\n",
        ORIGIN "5\n" ROOT "more\n",
    };
    struct checkpoint_opened opened;
    struct error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (open_text(&opened, bad[i], &err) != NOVA_INVALID_ARGUMENT || err.text[0] == '\0')
            fail_msg("%s", bad[i]);
    assert_int_equal(open_text(&opened, ORIGIN "5\n" ROOT, &err), NOVA_OK);
    assert_int_equal(opened.head.size, 5);
}

static char *cosigned(const char *note, const struct note_signer *witness)
{
    char *out;
    assert_int_equal(checkpoint_cosign(&out, arena, note, strlen(note), witness, 1700000000, NULL),
                     NOVA_OK);
    return out;
}

static void it_is_witnessed_by_as_many_different_witnesses_as_are_required(void **state)
{
    (void)state;
    struct checkpoint_opened opened;
    char *note = checkpoint_of(9);
    char *once = cosigned(note, &witness_a), *twice = cosigned(once, &witness_a);
    char *both = cosigned(once, &witness_b);
    assert_int_equal(checkpoint_open(&opened, arena, note, strlen(note), &policy, NULL), NOVA_OK);
    assert_int_equal(opened.cosigned, 0);
    assert_false(opened.witnessed);
    assert_int_equal(checkpoint_open(&opened, arena, twice, strlen(twice), &policy, NULL), NOVA_OK);
    assert_int_equal(opened.cosigned, 1); // one witness, however often
    assert_false(opened.witnessed);
    assert_int_equal(checkpoint_open(&opened, arena, both, strlen(both), &policy, NULL), NOVA_OK);
    assert_int_equal(opened.cosigned, 2);
    assert_true(opened.witnessed);
}

static void a_wrong_cosignature_of_a_known_witness_refuses_the_checkpoint(void **state)
{
    (void)state;
    struct checkpoint_opened opened;
    struct error err = {0};
    char *good = cosigned(checkpoint_of(9), &witness_a), *other = checkpoint_of(8);
    // A's cosignature of the one under the other.
    char *text = arena_printf(arena, "%s%s", other, strstr(good, "\xe2\x80\x94 a.example/w"));
    assert_int_equal(checkpoint_open(&opened, arena, text, strlen(text), &policy, &err),
                     NOVA_UNAUTHENTICATED);
    assert_non_null(strstr(err.text, "the signature of a.example/w is wrong"));
}

static void a_leaf_that_is_cut_or_longer_is_refused(void **state)
{
    (void)state;
    struct leaf_v1 leaf;
    struct bytes whole = leaves[0];
    assert_int_equal(leaf_read_v1(&leaf, whole, NULL), NOVA_OK);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *exact = malloc(len + 1); // so that a sanitizer sees a step too far
        memcpy(exact, whole.data, len);
        exact = realloc(exact, len ? len : 1);
        assert_int_equal(leaf_read_v1(&leaf, (struct bytes){exact, len}, NULL),
                         NOVA_INVALID_ARGUMENT);
        free(exact);
    }
    uint8_t *longer = arena_alloc(arena, whole.len + 1);
    memcpy(longer, whole.data, whole.len);
    assert_int_equal(leaf_read_v1(&leaf, (struct bytes){longer, whole.len + 1}, NULL),
                     NOVA_INVALID_ARGUMENT);
    longer[0] = 2; // a version of tomorrow
    assert_int_equal(leaf_read_v1(&leaf, (struct bytes){longer, whole.len}, NULL),
                     NOVA_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_says_which_event_of_which_log_it_shows),
        cmocka_unit_test(a_proof_with_the_checkpoint_of_another_size_is_refused),
        cmocka_unit_test(an_event_of_another_log_is_refused_though_its_hash_is_in_the_tree),
        cmocka_unit_test(a_log_that_is_signed_by_another_key_is_refused),
        cmocka_unit_test(two_checkpoints_of_different_logs_are_not_consistent),
        cmocka_unit_test(a_rewound_checkpoint_is_no_extension),
        cmocka_unit_test(of_ten_thousand_mutated_proofs_none_is_accepted),
        cmocka_unit_test(what_is_no_proof_is_refused),
        cmocka_unit_test(what_is_no_checkpoint_is_refused_though_it_is_signed),
        cmocka_unit_test(it_is_witnessed_by_as_many_different_witnesses_as_are_required),
        cmocka_unit_test(a_wrong_cosignature_of_a_known_witness_refuses_the_checkpoint),
        cmocka_unit_test(a_leaf_that_is_cut_or_longer_is_refused),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
