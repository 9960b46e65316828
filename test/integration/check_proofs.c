// check_proofs.c - proofs of a made-up log, one a line, for a verifier that is not ours
// (test/integration/proofs_test.py): "<policy's log key>", then "<size> <index or old size>
// <file>".
//
//   check_proofs SIZES          every event of every size up to SIZES, every older size of each
//   check_proofs SIZES COMMON   then "fork" and the same of a second history under the same key and
//                               log id, in which only the first COMMON events are the same
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/proof.h"
#include "bus/leaf.h"
#include "test/lib/merkle_log.h"

static struct arena *arena;
static struct note_signer signer, witness;
static struct uuid log_id;

static struct bytes leaf_of(int64_t n)
{
    struct event event = {.n = n,
                          .position = n + n / 3,
                          .log_id = log_id,
                          .event_id = uuid_v7(),
                          .type = "post.created",
                          .aggregate_type = "post",
                          .version = 1,
                          .actor = "operator",
                          .payload = {(const uint8_t *)&n, sizeof n}};
    size_t len = leaf_bytes_v1(NULL, 0, &event);
    uint8_t *bytes = arena_alloc(arena, len);
    leaf_bytes_v1(bytes, len, &event);
    return (struct bytes){bytes, len};
}

static char *checkpoint_of(struct merkle_log *log, uint64_t size)
{
    struct checkpoint head = {.size = size, .root = merkle_log_root(log, size)};
    char *out, *note;
    checkpoint_origin(&head, signer.key.name, &log_id);
    note = checkpoint_sign(arena, &head, &signer);
    if (checkpoint_cosign(&out, arena, note, strlen(note), &witness, 1700000000, NULL) != NOVA_OK)
        abort();
    return out;
}

// The files have line feeds between their members, none within: a blank instead keeps one a line.
static void print_proof(uint64_t size, uint64_t other, char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    printf("%llu %llu %s\n", (unsigned long long)size, (unsigned long long)other, text);
}

static void print_proofs(struct merkle_log *log, const struct bytes *leaves, uint64_t size)
{
    struct merkle_source source = merkle_log_source(log);
    char *note = checkpoint_of(log, size);
    for (uint64_t i = 0; i < size; i++) {
        struct merkle_proof proof;
        if (merkle_prove_inclusion(&proof, i, size, &source, NULL) != NOVA_OK)
            abort();
        print_proof(size, i, proof_inclusion_text(arena, leaves[i], &proof, note));
        if (merkle_prove_consistency(&proof, i + 1, size, &source, NULL) != NOVA_OK)
            abort();
        print_proof(size, i + 1,
                    proof_consistency_text(arena, checkpoint_of(log, i + 1), &proof, note));
    }
}

static void print_history(struct bytes *leaves, uint64_t common, uint64_t sizes)
{
    struct merkle_log log;
    merkle_log_make(&log, sizes);
    for (uint64_t i = 0; i < sizes; i++) {
        if (i >= common)
            leaves[i] = leaf_of((int64_t)i + 1);
        merkle_log_append(&log, leaves[i]);
        print_proofs(&log, leaves, i + 1);
    }
    merkle_log_free(&log);
}

int main(int argc, char **argv)
{
    uint64_t sizes = argc >= 2 ? strtoull(argv[1], NULL, 10) : 0;
    if (sizes == 0 || sodium_init() < 0)
        return 2;
    arena = arena_create();
    log_id = uuid_v7();
    if (note_signer_make(&signer, "nova/content", NOTE_KEY_LOG, NULL) != NOVA_OK ||
        note_signer_make(&witness, "witness.example/1", NOTE_KEY_WITNESS, NULL) != NOVA_OK)
        return 1;
    printf("%s\n%s\n", note_key_text(arena, &signer.key), note_key_text(arena, &witness.key));
    struct bytes *leaves = arena_alloc(arena, sizes * sizeof *leaves);
    print_history(leaves, 0, sizes);
    if (argc == 3) {
        printf("fork\n");
        print_history(leaves, strtoull(argv[2], NULL, 10), sizes);
    }
    arena_destroy(&arena);
    return 0;
}
