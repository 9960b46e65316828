// note.c - see note.h.
#include "audit/note.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <utf8proc.h>

#include "audit/note_internal.h"
#include "base/base64.h"

static const char dash[] = "\xe2\x80\x94 "; // U+2014 and a blank
enum { DASH_BYTES = sizeof dash - 1, ID_BYTES = 4 };

// What a witness signs: when, and the text (tlog-cosignature).
static char *cosigned(size_t *len, struct arena *arena, const char *text, size_t text_len,
                      uint64_t time_s)
{
    char *head = arena_printf(arena, "cosignature/v1\ntime %" PRIu64 "\n", time_s);
    size_t head_len = strlen(head);
    char *out = arena_alloc(arena, head_len + text_len);
    memcpy(out, head, head_len);
    memcpy(out + head_len, text, text_len);
    *len = head_len + text_len;
    return out;
}

char *note_sign(struct arena *arena, const struct note_signer *signer, const char *text,
                size_t text_len, uint64_t time_s)
{
    uint8_t line[ID_BYTES + NOTE_COSIGNATURE_BYTES], *at = line;
    note_put_big_endian(at, signer->key.id, ID_BYTES);
    at += ID_BYTES;
    if (signer->key.type == NOTE_KEY_WITNESS) {
        text = cosigned(&text_len, arena, text, text_len, time_s);
        note_put_big_endian(at, time_s, 8);
        at += 8;
    }
    crypto_sign_detached(at, NULL, (const uint8_t *)text, text_len, signer->secret);
    size_t len = (size_t)(at - line) + NOTE_SIGNATURE_BYTES;
    return arena_printf(arena, "%s%s %s\n", dash, signer->key.name,
                        base64_encode(arena, BASE64_STANDARD, line, len));
}

// ---- parsing ------------------------------------------------------------------------------------

static bool is_text(const char *note, size_t len)
{
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t bytes =
            utf8proc_iterate((const uint8_t *)note + i, (utf8proc_ssize_t)(len - i), &code);
        if (bytes <= 0 || (code < 0x20 && code != '\n'))
            return false;
        i += (size_t)bytes;
    }
    return true;
}

// Not empty, no Unicode space, no plus; `name` is UTF-8 already.
static bool is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t code;
        i +=
            (size_t)utf8proc_iterate((const uint8_t *)name + i, (utf8proc_ssize_t)(len - i), &code);
        utf8proc_category_t category = utf8proc_category(code);
        if (code == '+' || code == 0x85 || category == UTF8PROC_CATEGORY_ZS ||
            category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP)
            return false;
    }
    return len > 0;
}

// One signature line, without its line feed.
static bool parse_signature(struct note_signature *out, struct arena *arena, const char *line,
                            size_t len)
{
    if (len < DASH_BYTES || memcmp(line, dash, DASH_BYTES) != 0)
        return false;
    line += DASH_BYTES;
    len -= DASH_BYTES;
    const char *blank = memchr(line, ' ', len);
    if (blank == NULL || !is_name(line, (size_t)(blank - line)))
        return false;
    size_t text_len = len - (size_t)(blank + 1 - line);
    uint8_t *bytes = arena_alloc(arena, text_len); // base64 is longer than what it holds
    long got = base64_decode(bytes, text_len, BASE64_STANDARD, blank + 1, text_len);
    if (got <= ID_BYTES)
        return false;
    *out = (struct note_signature){line, (size_t)(blank - line),
                                   (uint32_t)note_get_big_endian(bytes, ID_BYTES), bytes + ID_BYTES,
                                   (size_t)got - ID_BYTES};
    return true;
}

// Where the signatures begin: behind the last empty line. 0: there is none.
static size_t find_signatures(const char *note, size_t len)
{
    for (size_t i = len; i >= 2; i--)
        if (note[i - 1] == '\n' && note[i - 2] == '\n')
            return i;
    return 0;
}

enum nova_status note_parse(struct note *out, struct arena *arena, const char *note, size_t len,
                            struct error *err)
{
    if (len > NOTE_BYTES_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "the note has more than %d bytes",
                         NOTE_BYTES_MAX);
    if (len == 0 || note[len - 1] != '\n' || !is_text(note, len))
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "it is no signed note: UTF-8 text without control characters that ends "
                         "with a line feed");
    size_t at = find_signatures(note, len);
    if (at < 3 || at == len) // at least one line of text, and one signature
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "it is no signed note: no text, an empty line and signatures");
    *out = (struct note){.text = note, .text_len = at - 1};
    while (at < len) {
        size_t line = (size_t)((const char *)memchr(note + at, '\n', len - at) - note) - at;
        if (out->count == NOTE_SIGNATURES_MAX)
            return error_set(err, NOVA_INVALID_ARGUMENT, "the note has more than %d signatures",
                             NOTE_SIGNATURES_MAX);
        if (!parse_signature(&out->signatures[out->count++], arena, note + at, line))
            return error_set(err, NOVA_INVALID_ARGUMENT,
                             "signature line %zu of the note is not '\xe2\x80\x94 NAME BASE64'",
                             out->count);
        at += line + 1;
    }
    return NOVA_OK;
}

// ---- verifying ----------------------------------------------------------------------------------

static bool is_of(const struct note_signature *signature, const struct note_key *key)
{
    return signature->key_id == key->id && signature->name_len == strlen(key->name) &&
           memcmp(signature->name, key->name, signature->name_len) == 0;
}

// libsodium refuses small-order keys and signatures that are not in their one form.
static bool verify_one(uint64_t *time_s, const struct note *note,
                       const struct note_signature *signature, const struct note_key *key)
{
    *time_s = 0;
    if (key->type == NOTE_KEY_LOG)
        return signature->len == NOTE_SIGNATURE_BYTES &&
               crypto_sign_verify_detached(signature->bytes, (const uint8_t *)note->text,
                                           note->text_len, key->public_key) == 0;
    if (signature->len != NOTE_COSIGNATURE_BYTES)
        return false;
    *time_s = note_get_big_endian(signature->bytes, 8);
    size_t len;
    struct arena *arena = arena_create();
    const char *text = cosigned(&len, arena, note->text, note->text_len, *time_s);
    bool good = *time_s <= INT64_MAX &&
                crypto_sign_verify_detached(signature->bytes + 8, (const uint8_t *)text, len,
                                            key->public_key) == 0;
    arena_destroy(&arena);
    return good;
}

enum nova_status note_verify(uint64_t *time_s, const struct note *note, const struct note_key *key,
                             struct error *err)
{
    bool signed_by_it = false;
    uint64_t latest = 0;
    for (size_t i = 0; i < note->count; i++) {
        uint64_t time_of_one;
        if (!is_of(&note->signatures[i], key))
            continue;
        if (!verify_one(&time_of_one, note, &note->signatures[i], key))
            return error_set(err, NOVA_UNAUTHENTICATED, "the signature of %s is wrong", key->name);
        signed_by_it = true;
        latest = time_of_one > latest ? time_of_one : latest;
    }
    if (!signed_by_it)
        return error_set(err, NOVA_UNAUTHENTICATED, "it is not signed by the key %s+%08" PRIx32,
                         key->name, key->id);
    if (time_s)
        *time_s = latest;
    return NOVA_OK;
}
