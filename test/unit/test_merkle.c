// test_merkle.c - the tree against the vectors of other implementations, and against RFC 6962's own
// recursive definition.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "test/lib/merkle_log.h"

enum { SIZES = 70, LARGE = 10 * 1000 * 1000 };

// ---- the definition -----------------------------------------------------------------------------

static struct merkle_hash leaves[SIZES];

// MTH(D[begin:end]) as RFC 6962, 2.1 writes it.
static struct merkle_hash root_by_definition(size_t begin, size_t end)
{
    struct merkle_hash out;
    if (end - begin == 1)
        return leaves[begin];
    size_t k = 1;
    while (2 * k < end - begin)
        k *= 2;
    struct merkle_hash both[2] = {root_by_definition(begin, begin + k),
                                  root_by_definition(begin + k, end)};
    uint8_t bytes[1 + sizeof both] = {0x01};
    memcpy(bytes + 1, both, sizeof both);
    crypto_hash_sha256(out.bytes, bytes, sizeof bytes);
    return out;
}

static void small_log(struct merkle_log *log)
{
    merkle_log_make(log, SIZES);
    for (uint8_t i = 0; i < SIZES; i++) {
        merkle_hash_leaf(&leaves[i], (struct bytes){&i, 1});
        merkle_log_append(log, (struct bytes){&i, 1});
    }
}

static void every_root_is_that_of_the_definition(void **state)
{
    (void)state;
    struct merkle_log log;
    small_log(&log);
    for (size_t size = 1; size <= SIZES; size++) {
        struct merkle_hash root = merkle_log_root(&log, size),
                           defined = root_by_definition(0, size);
        assert_memory_equal(&root, &defined, sizeof root);
    }
    merkle_log_free(&log);
}

static void the_roots_of_certificate_transparencys_reference_are_ours(void **state)
{
    (void)state;
    static const char *const leaf_hex[] = {"",
                                           "00",
                                           "10",
                                           "2021",
                                           "3031",
                                           "40414243",
                                           "5051525354555657",
                                           "606162636465666768696a6b6c6d6e6f"};
    static const char *const root_hex[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    struct merkle_range range = {.size = 0};
    for (size_t size = 0; size <= 8; size++) {
        struct merkle_hash root, leaf;
        struct merkle_full full[MERKLE_PROOF_MAX];
        char hex[2 * MERKLE_HASH_BYTES + 1];
        uint8_t bytes[16];
        size_t len = 0;
        merkle_range_root(&root, &range);
        sodium_bin2hex(hex, sizeof hex, root.bytes, sizeof root.bytes);
        assert_string_equal(hex, root_hex[size]);
        if (size == 8)
            break;
        sodium_hex2bin(bytes, sizeof bytes, leaf_hex[size], strlen(leaf_hex[size]), NULL, &len,
                       NULL);
        merkle_hash_leaf(&leaf, (struct bytes){bytes, len});
        merkle_range_append(full, &range, &leaf);
    }
}

// ---- proofs -------------------------------------------------------------------------------------

static void every_event_of_every_size_is_proven_and_in_its_place_only(void **state)
{
    (void)state;
    struct merkle_log log;
    small_log(&log);
    struct merkle_source source = merkle_log_source(&log);
    for (uint64_t size = 1; size <= SIZES; size++)
        for (uint64_t index = 0; index < size; index++) {
            struct merkle_proof proof;
            struct merkle_hash root = merkle_log_root(&log, size);
            assert_int_equal(merkle_prove_inclusion(&proof, index, size, &source, NULL), NOVA_OK);
            assert_true(merkle_check_inclusion(&proof, index, size, &leaves[index], &root));
            for (uint64_t other = 0; other < size + 2; other++)
                if (other != index)
                    assert_false(
                        merkle_check_inclusion(&proof, other, size, &leaves[index], &root));
        }
    merkle_log_free(&log);
}

static void every_size_extends_every_smaller_one(void **state)
{
    (void)state;
    struct merkle_log log;
    small_log(&log);
    struct merkle_source source = merkle_log_source(&log);
    for (uint64_t size = 1; size <= SIZES; size++)
        for (uint64_t old = 1; old <= size; old++) {
            struct merkle_proof proof;
            struct merkle_hash root = merkle_log_root(&log, size), was = merkle_log_root(&log, old);
            struct merkle_hash wrong = was;
            wrong.bytes[7] ^= 1;
            assert_int_equal(merkle_prove_consistency(&proof, old, size, &source, NULL), NOVA_OK);
            assert_true(merkle_check_consistency(&proof, old, size, &was, &root));
            assert_false(merkle_check_consistency(&proof, old, size, &wrong, &root));
            assert_false(merkle_check_consistency(&proof, old, size, &was, &wrong));
            assert_false(old != size && merkle_check_consistency(&proof, size, old, &root, &was));
        }
    merkle_log_free(&log);
}

static void nothing_is_consistent_with_nothing_shown(void **state)
{
    (void)state;
    struct merkle_hash empty;
    struct merkle_proof proof = {.count = 0};
    merkle_range_root(&empty, &(struct merkle_range){.size = 0});
    assert_false(merkle_check_consistency(&proof, 0, 0, &empty, &empty));
    assert_false(merkle_check_inclusion(&proof, 0, 0, &empty, &empty));
}

static void a_proof_with_too_many_hashes_is_refused(void **state)
{
    (void)state;
    static struct merkle_proof proof;
    struct merkle_hash root = {{0}};
    proof.count = MERKLE_PROOF_MAX + 1;
    assert_false(merkle_check_inclusion(&proof, 0, INT64_MAX, &root, &root));
    assert_false(merkle_check_consistency(&proof, 1, INT64_MAX, &root, &root));
}

// Ten million leaves: what is read for a proof does not grow with the log but by its logarithm.
static void a_proof_in_a_log_of_ten_million_events_reads_few_hashes(void **state)
{
    (void)state;
    struct merkle_log log;
    struct merkle_proof proof;
    merkle_log_make(&log, LARGE);
    for (uint32_t i = 0; i < LARGE; i++) {
        struct merkle_hash leaf = {{(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)}};
        merkle_log_append_hash(&log, &leaf);
    }
    struct merkle_source source = merkle_log_source(&log);
    struct merkle_hash root = merkle_log_root(&log, LARGE);
    for (uint64_t index = 0; index < LARGE; index += 999983) {
        log.reads = 0;
        assert_int_equal(merkle_prove_inclusion(&proof, index, LARGE, &source, NULL), NOVA_OK);
        assert_in_range(log.reads, 1, 2 * 24);
        assert_true(merkle_check_inclusion(&proof, index, LARGE, &log.levels[0][index], &root));
        struct merkle_hash was = merkle_log_root(&log, index + 1);
        log.reads = 0;
        assert_int_equal(merkle_prove_consistency(&proof, index + 1, LARGE, &source, NULL),
                         NOVA_OK);
        assert_in_range(log.reads, 1, 2 * 24);
        assert_true(merkle_check_consistency(&proof, index + 1, LARGE, &was, &root));
    }
    merkle_log_free(&log);
}

// ---- transparency-dev/merkle's probes -----------------------------------------------------------

static json_t *probes(void)
{
    char path[4096];
    json_error_t error;
    int folder = (int)(strrchr(__FILE__, '/') - __FILE__);
    snprintf(path, sizeof path, "%.*s/../vectors/merkle.json", folder, __FILE__);
    json_t *root = json_load_file(path, 0, &error);
    if (root == NULL)
        fail_msg("%s: %s", path, error.text);
    return root;
}

// "don't care" stands for some roots: a text that is shorter than a hash, and stays different from
// another one. No proof has such a part.
static bool hash_of_json(struct merkle_hash *out, const json_t *value)
{
    *out = (struct merkle_hash){{0}};
    return base64_decode(out->bytes, sizeof out->bytes, BASE64_STANDARD, json_string_value(value),
                         json_string_length(value)) >= 0;
}

static bool proof_of_json(struct merkle_proof *out, const json_t *array)
{
    out->count = json_array_size(array);
    for (size_t i = 0; i < out->count && i < MERKLE_PROOF_MAX; i++)
        if (!hash_of_json(&out->hashes[i], json_array_get(array, i)))
            return false;
    return true;
}

static uint64_t number_of(const json_t *probe, const char *key)
{
    return strtoull(json_string_value(json_object_get(probe, key)), NULL, 10);
}

static bool holds(const json_t *probe, bool inclusion)
{
    struct merkle_proof proof;
    struct merkle_hash first, second;
    bool whole = json_string_length(json_object_get(probe, "leafHash")) > 0; // of an inclusion
    if ((inclusion && !whole) || !proof_of_json(&proof, json_object_get(probe, "proof")) ||
        !hash_of_json(&first, json_object_get(probe, inclusion ? "leafHash" : "root1")) ||
        !hash_of_json(&second, json_object_get(probe, inclusion ? "root" : "root2")))
        return false;
    return inclusion ? merkle_check_inclusion(&proof, number_of(probe, "leafIdx"),
                                              number_of(probe, "treeSize"), &first, &second)
                     : merkle_check_consistency(&proof, number_of(probe, "size1"),
                                                number_of(probe, "size2"), &first, &second);
}

static void every_probe_of_transparency_dev_is_answered_as_there(void **state)
{
    (void)state;
    static const char *const kinds[] = {"inclusion", "consistency"};
    json_t *root = probes();
    for (int kind = 0; kind < 2; kind++) {
        size_t place;
        json_t *probe, *list = json_object_get(root, kinds[kind]);
        assert_int_equal(json_array_size(list), 98);
        json_array_foreach(list, place, probe)
        {
            bool good = !json_is_true(json_object_get(probe, "wantErr"));
            if (holds(probe, kind == 0) != good)
                fail_msg("%s %zu (%s)", kinds[kind], place,
                         json_string_value(json_object_get(probe, "desc")));
        }
    }
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_root_is_that_of_the_definition),
        cmocka_unit_test(the_roots_of_certificate_transparencys_reference_are_ours),
        cmocka_unit_test(every_event_of_every_size_is_proven_and_in_its_place_only),
        cmocka_unit_test(every_size_extends_every_smaller_one),
        cmocka_unit_test(nothing_is_consistent_with_nothing_shown),
        cmocka_unit_test(a_proof_with_too_many_hashes_is_refused),
        cmocka_unit_test(a_proof_in_a_log_of_ten_million_events_reads_few_hashes),
        cmocka_unit_test(every_probe_of_transparency_dev_is_answered_as_there),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
