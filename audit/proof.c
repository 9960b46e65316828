// proof.c - see proof.h.
#include "audit/proof.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include "base/base64.h"

#define FORMAT "nova-log-proof/v1"

// ---- writing ------------------------------------------------------------------------------------

static json_t *base64_json(struct arena *arena, const void *data, size_t len)
{
    return json_string(base64_encode(arena, BASE64_STANDARD, data, len));
}

static char *proof_text(struct arena *arena, json_t *root, const struct merkle_proof *proof,
                        const char *note)
{
    json_t *hashes = json_array();
    for (size_t i = 0; i < proof->count; i++)
        json_array_append_new(hashes,
                              base64_json(arena, proof->hashes[i].bytes, MERKLE_HASH_BYTES));
    json_object_set_new(root, "hashes", hashes);
    json_object_set_new(root, "checkpoint", json_string(note));
    char *text = json_dumps(root, JSON_INDENT(1));
    assert(text != NULL);
    char *out = arena_printf(arena, "%s\n", text);
    free(text);
    json_decref(root);
    return out;
}

char *proof_inclusion_text(struct arena *arena, struct bytes leaf, const struct merkle_proof *proof,
                           const char *note)
{
    json_t *root = json_pack("{s:s, s:s}", "format", FORMAT, "kind", "inclusion");
    json_object_set_new(root, "leaf", base64_json(arena, leaf.data, leaf.len));
    return proof_text(arena, root, proof, note);
}

char *proof_consistency_text(struct arena *arena, const char *old_note,
                             const struct merkle_proof *proof, const char *note)
{
    return proof_text(arena,
                      json_pack("{s:s, s:s, s:s}", "format", FORMAT, "kind", "consistency",
                                "old_checkpoint", old_note),
                      proof, note);
}

// ---- checking -----------------------------------------------------------------------------------

static enum nova_status refuse(struct error *err, const char *what)
{
    return error_set(err, NOVA_INVALID_ARGUMENT, "it is no proof (%s): %s", FORMAT, what);
}

static bool is_text(const json_t *root, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(root, key));
    return value != NULL && strcmp(value, text) == 0;
}

static bool read_hashes(struct merkle_proof *out, const json_t *array)
{
    if (!json_is_array(array) || json_array_size(array) > MERKLE_PROOF_MAX)
        return false;
    out->count = json_array_size(array);
    for (size_t i = 0; i < out->count; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_string(value) ||
            base64_decode(out->hashes[i].bytes, MERKLE_HASH_BYTES, BASE64_STANDARD,
                          json_string_value(value), json_string_length(value)) != MERKLE_HASH_BYTES)
            return false;
    }
    return true;
}

static bool read_leaf(struct bytes *out, struct arena *arena, const json_t *value)
{
    if (!json_is_string(value))
        return false;
    size_t cap = json_string_length(value);
    uint8_t *bytes = arena_alloc(arena, cap);
    long len = base64_decode(bytes, cap, BASE64_STANDARD, json_string_value(value), cap);
    *out = (struct bytes){bytes, (size_t)len};
    return len > 0;
}

static enum nova_status open_note(struct checkpoint_opened *out, struct arena *arena,
                                  const json_t *value, const struct checkpoint_policy *policy,
                                  struct error *err)
{
    if (!json_is_string(value))
        return refuse(err, "its checkpoint is no text");
    return checkpoint_open(out, arena, json_string_value(value), json_string_length(value), policy,
                           err);
}

static enum nova_status check_inclusion(struct proof_checked *out, struct arena *arena,
                                        const json_t *root, const struct merkle_proof *proof,
                                        struct error *err)
{
    struct bytes leaf;
    struct merkle_hash hash;
    if (!read_leaf(&leaf, arena, json_object_get(root, "leaf")))
        return refuse(err, "its leaf is no base64");
    enum nova_status status = leaf_read_v1(&out->leaf, leaf, err);
    if (status != NOVA_OK)
        return status;
    if (!uuid_equal(&out->leaf.log_id, &out->checkpoint.log_id))
        return error_set(err, NOVA_DATA_LOSS, "the event is of another log than the checkpoint");
    merkle_hash_leaf(&hash, leaf);
    if (out->leaf.n < 1 ||
        !merkle_check_inclusion(proof, (uint64_t)out->leaf.n - 1, out->checkpoint.head.size, &hash,
                                &out->checkpoint.head.root))
        return error_set(err, NOVA_DATA_LOSS, "the checkpoint's log does not hold this event");
    return NOVA_OK;
}

static enum nova_status check_consistency(struct proof_checked *out, struct arena *arena,
                                          const json_t *root, const struct merkle_proof *proof,
                                          const struct checkpoint_policy *policy, struct error *err)
{
    enum nova_status status =
        open_note(&out->old, arena, json_object_get(root, "old_checkpoint"), policy, err);
    if (status != NOVA_OK)
        return status;
    if (strcmp(out->old.head.origin, out->checkpoint.head.origin) != 0)
        return error_set(err, NOVA_DATA_LOSS, "the checkpoints are of two logs, %s and %s",
                         out->old.head.origin, out->checkpoint.head.origin);
    if (!merkle_check_consistency(proof, out->old.head.size, out->checkpoint.head.size,
                                  &out->old.head.root, &out->checkpoint.head.root))
        return error_set(err, NOVA_DATA_LOSS,
                         "the newer checkpoint's log does not extend the older one's");
    return NOVA_OK;
}

static enum nova_status check_root(struct proof_checked *out, struct arena *arena,
                                   const json_t *root, const struct merkle_proof *proof,
                                   const struct checkpoint_policy *policy, struct error *err)
{
    enum nova_status status =
        open_note(&out->checkpoint, arena, json_object_get(root, "checkpoint"), policy, err);
    if (status != NOVA_OK)
        return status;
    if (is_text(root, "kind", "inclusion")) {
        out->kind = PROOF_INCLUSION;
        return check_inclusion(out, arena, root, proof, err);
    }
    out->kind = PROOF_CONSISTENCY;
    if (!is_text(root, "kind", "consistency"))
        return refuse(err, "its kind is neither inclusion nor consistency");
    return check_consistency(out, arena, root, proof, policy, err);
}

// The file's JSON and its hashes; *root is to be released whatever comes of it.
static enum nova_status read_root(json_t **root, struct merkle_proof *proof, const char *text,
                                  size_t len, struct error *err)
{
    *root = NULL;
    if (len > PROOF_BYTES_MAX)
        return refuse(err, "it is too long");
    *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(*root))
        return refuse(err, "no JSON");
    if (!is_text(*root, "format", FORMAT))
        return refuse(err, "its format is another");
    if (!read_hashes(proof, json_object_get(*root, "hashes")))
        return refuse(err, "its hashes are no list of base64");
    return NOVA_OK;
}

enum nova_status proof_hashes(struct merkle_proof *out, const char *text, size_t len,
                              struct error *err)
{
    json_t *root;
    enum nova_status status = read_root(&root, out, text, len, err);
    json_decref(root);
    return status;
}

enum nova_status proof_check(struct proof_checked *out, struct arena *arena, const char *text,
                             size_t len, const struct checkpoint_policy *policy, struct error *err)
{
    json_t *root;
    struct merkle_proof proof;
    *out = (struct proof_checked){.kind = PROOF_INCLUSION};
    enum nova_status status = read_root(&root, &proof, text, len, err);
    if (status == NOVA_OK)
        status = check_root(out, arena, root, &proof, policy, err);
    json_decref(root);
    return status;
}
