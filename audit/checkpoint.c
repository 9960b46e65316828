// checkpoint.c - see checkpoint.h.
#include "audit/checkpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

enum { SIZE_DIGITS_MAX = 19 };

char *checkpoint_text(struct arena *arena, const struct checkpoint *checkpoint)
{
    return arena_printf(
        arena, "%s\n%" PRIu64 "\n%s\n", checkpoint->origin, checkpoint->size,
        base64_encode(arena, BASE64_STANDARD, checkpoint->root.bytes, MERKLE_HASH_BYTES));
}

char *checkpoint_sign(struct arena *arena, const struct checkpoint *checkpoint,
                      const struct note_signer *signer)
{
    assert(signer->key.type == NOTE_KEY_LOG);
    const char *text = checkpoint_text(arena, checkpoint);
    return arena_printf(arena, "%s\n%s", text, note_sign(arena, signer, text, strlen(text), 0));
}

void checkpoint_origin(struct checkpoint *out, const char *key_name, const struct uuid *log_id)
{
    size_t len = strlen(key_name);
    assert(len < NOTE_NAME_BYTES);
    memcpy(out->origin, key_name, len);
    out->origin[len] = '/';
    uuid_format(out->origin + len + 1, log_id);
}

// ---- opening ------------------------------------------------------------------------------------

// The next line's length; *at goes behind its line feed. The text ends with one.
static size_t next_line(const char **line, const char **at, const char *end)
{
    *line = *at;
    const char *feed = memchr(*at, '\n', (size_t)(end - *at));
    if (feed == NULL)
        return 0;
    *at = feed + 1;
    return (size_t)(feed - *line);
}

// A decimal without leading zeroes, within int64.
static bool parse_size(uint64_t *out, const char *line, size_t len)
{
    uint64_t number = 0;
    if (len == 0 || len > SIZE_DIGITS_MAX || (line[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (line[i] < '0' || line[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(line[i] - '0');
    }
    *out = number;
    return number <= INT64_MAX;
}

// "<name of the log's key>/<log id>", the log id in its one form.
static bool parse_origin(struct checkpoint_opened *out, const char *line, size_t len,
                         const struct note_key *log)
{
    char id[UUID_TEXT_BYTES];
    size_t name_len = strlen(log->name);
    if (len != name_len + UUID_TEXT_BYTES || memcmp(line, log->name, name_len) != 0 ||
        line[name_len] != '/')
        return false;
    memcpy(id, line + name_len + 1, UUID_TEXT_BYTES - 1);
    id[UUID_TEXT_BYTES - 1] = '\0';
    if (!uuid_parse(&out->log_id, id))
        return false;
    checkpoint_origin(&out->head, log->name, &out->log_id);
    return memcmp(out->head.origin, line, len) == 0;
}

static enum nova_status parse_text(struct checkpoint_opened *out, const struct note *note,
                                   const struct note_key *log, struct error *err)
{
    const char *line, *at = note->text, *end = note->text + note->text_len;
    size_t len = next_line(&line, &at, end);
    if (!parse_origin(out, line, len, log))
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the checkpoint's origin is not %s/<log id>: it is another log's",
                         log->name);
    len = next_line(&line, &at, end);
    if (!parse_size(&out->head.size, line, len))
        return error_set(err, NOVA_INVALID_ARGUMENT, "the checkpoint's size is no number");
    len = next_line(&line, &at, end);
    if (base64_decode(out->head.root.bytes, MERKLE_HASH_BYTES, BASE64_STANDARD, line, len) !=
        MERKLE_HASH_BYTES)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the checkpoint's root is not the base64 of %d bytes", MERKLE_HASH_BYTES);
    if (at != end) // nobody could check what they say
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the checkpoint has more lines than origin, size and root");
    return NOVA_OK;
}

// A witness that did not sign is no error, one whose signature is wrong is.
static enum nova_status count_witnesses(struct checkpoint_opened *out, const struct note *note,
                                        const struct checkpoint_policy *policy, struct error *err)
{
    for (size_t i = 0; i < policy->witness_count; i++) {
        const struct note_key *key = &policy->witnesses[i];
        bool signed_by_it = false;
        for (size_t j = 0; j < note->count; j++)
            signed_by_it |= note->signatures[j].key_id == key->id &&
                            note->signatures[j].name_len == strlen(key->name) &&
                            memcmp(note->signatures[j].name, key->name, strlen(key->name)) == 0;
        if (signed_by_it && note_verify(NULL, note, key, err) != NOVA_OK)
            return error_while(err, "a witness's cosignature");
        out->cosigned += signed_by_it;
    }
    out->witnessed = policy->required > 0 && out->cosigned >= policy->required;
    return NOVA_OK;
}

enum nova_status checkpoint_open(struct checkpoint_opened *out, struct arena *arena,
                                 const char *note, size_t len,
                                 const struct checkpoint_policy *policy, struct error *err)
{
    struct note parsed;
    assert(policy->log.type == NOTE_KEY_LOG);
    assert(policy->witness_count <= CHECKPOINT_WITNESSES_MAX);
    *out = (struct checkpoint_opened){.cosigned = 0};
    enum nova_status status = note_parse(&parsed, arena, note, len, err);
    if (status == NOVA_OK)
        status = note_verify(NULL, &parsed, &policy->log, err);
    if (status == NOVA_OK)
        status = parse_text(out, &parsed, &policy->log, err);
    if (status == NOVA_OK)
        status = count_witnesses(out, &parsed, policy, err);
    return status == NOVA_OK ? NOVA_OK : error_while(err, "the checkpoint");
}

enum nova_status checkpoint_cosign(char **out, struct arena *arena, const char *note, size_t len,
                                   const struct note_signer *witness, uint64_t time_s,
                                   struct error *err)
{
    struct note parsed;
    assert(witness->key.type == NOTE_KEY_WITNESS);
    enum nova_status status = note_parse(&parsed, arena, note, len, err);
    if (status == NOVA_OK)
        *out = arena_printf(arena, "%.*s%s", (int)len, note,
                            note_sign(arena, witness, parsed.text, parsed.text_len, time_s));
    return status;
}
