// rows.c - see rows.h.
#include "bench/rows.h"

#include <arpa/inet.h>
#include <endian.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nova/content/v2/content.pb-c.h"
#include "nova/identity/v2/identity.pb-c.h"
#include "proto/sealed.h"

enum {
    WORD_COUNT = 20000,        // of the made-up language
    POST_ENVELOPE_BYTES = 140, // of a payload that is not the text: author, key id, nonce, tag
    EPOCH_POSTGRES_S = 946684800,
};

// ---- bytes --------------------------------------------------------------------------------------

static void rows_put(struct rows *rows, const void *bytes, size_t len)
{
    if (rows->len + len > rows->room) {
        rows->room = 2 * (rows->len + len);
        rows->bytes = realloc(rows->bytes, rows->room);
        if (rows->bytes == NULL)
            tool_fail("no memory");
    }
    memcpy(rows->bytes + rows->len, bytes, len);
    rows->len += len;
}

static void rows_put_field(struct rows *rows, const void *bytes, size_t len)
{
    uint32_t size = htonl((uint32_t)len);
    rows_put(rows, &size, sizeof size);
    rows_put(rows, bytes, len);
}

static void rows_put_text(struct rows *rows, const char *text)
{
    rows_put_field(rows, text, strlen(text));
}

static void rows_put_id(struct rows *rows, const struct uuid *id)
{
    rows_put_field(rows, id->bytes, sizeof id->bytes);
}

static void rows_put_int8(struct rows *rows, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    rows_put_field(rows, &big, sizeof big);
}

static void rows_put_int4(struct rows *rows, int32_t value)
{
    uint32_t big = htonl((uint32_t)value);
    rows_put_field(rows, &big, sizeof big);
}

static void rows_put_count(struct rows *rows, uint16_t count)
{
    uint16_t big = htons(count);
    rows_put(rows, &big, sizeof big);
}

void rows_begin(struct rows *rows)
{
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    rows->len = 0;
    rows_put(rows, header, 19);
}

void rows_end(struct rows *rows)
{
    rows_put_count(rows, 0xffff);
}

void rows_free(struct rows *rows)
{
    free(rows->bytes);
    *rows = (struct rows){0};
}

// ---- chance -------------------------------------------------------------------------------------

// xorshift64*: words and ids need no secrecy, and a system call for each would be measured.
static uint64_t rows_chance(void)
{
    static _Thread_local uint64_t state;
    while (state == 0)
        randombytes_buf(&state, sizeof state);
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(2685821657736338717);
}

// ---- persons ------------------------------------------------------------------------------------

struct uuid rows_random_id(void)
{
    struct uuid id;
    const uint64_t halves[2] = {rows_chance(), rows_chance()};
    memcpy(id.bytes, halves, sizeof id.bytes);
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}

void rows_person(struct person *out)
{
    out->id = rows_random_id();
    out->key_id = uuid_v7();
    seal_key_generate(&out->key);
}

void rows_add_person_key(struct rows *rows, const struct person *person,
                         const struct seal_key *master)
{
    uint8_t wrapped[SEAL_WRAPPED_BYTES];
    seal_key_wrap(wrapped, master, &person->key, &person->key_id);
    rows_put_count(rows, 3);
    rows_put_id(rows, &person->id);
    rows_put_id(rows, &person->key_id);
    rows_put_field(rows, wrapped, sizeof wrapped);
}

// ---- events -------------------------------------------------------------------------------------

static int64_t rows_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec - EPOCH_POSTGRES_S) * 1000000 + now.tv_nsec / 1000;
}

size_t rows_add_event(struct rows *rows, const struct rows_event *event, struct arena *arena)
{
    const struct contract_event *type = contract_event_find(event->service, event->type);
    struct uuid event_id = uuid_v7();
    uint8_t digest[EVENT_DIGEST_BYTES];
    char id[UUID_TEXT_BYTES], actor[64];
    contract_sealed_put(type, event->payload,
                        sealed_make(arena, type, &event_id, event->personal, &event->person->key_id,
                                    &event->person->key));
    struct bytes payload = message_pack(arena, event->payload);
    randombytes_buf(digest, sizeof digest);
    uuid_format(id, &event->person->id);
    snprintf(actor, sizeof actor, "user:%s", id);
    rows_put_count(rows, 13);
    rows_put_id(rows, &event_id);
    rows_put_text(rows, type->type);
    rows_put_text(rows, type->aggregate_type);
    rows_put_id(rows, &event->aggregate_id);
    rows_put_int8(rows, event->version);
    rows_put_text(rows, actor);
    rows_put_id(rows, &event->command_id);
    rows_put_int4(rows, event->command_index);
    rows_put_field(rows, digest, sizeof digest);
    rows_put_id(rows, &event->command_id);
    rows_put_id(rows, &event->command_id);
    rows_put_int8(rows, rows_now_us());
    rows_put_field(rows, payload.data, payload.len);
    return payload.len;
}

// Zipf's law by its inverse: word k comes about as often as 1/k.
char *rows_words(struct arena *arena, size_t bytes)
{
    static const char consonants[] = "bdfgklmnprst", vowels[] = "aeiou";
    char *text = arena_alloc(arena, bytes + 16);
    size_t len = 0;
    while (len < bytes) {
        double share = (double)(rows_chance() >> 11) / 9007199254740992.0 /* 2^53 */;
        uint32_t word = (uint32_t)pow(WORD_COUNT, share); // 1 is the most frequent
        while (word > 0 && len < bytes) {
            text[len++] = consonants[word % 12];
            word /= 12;
            text[len++] = vowels[word % 5];
            word /= 5;
        }
        text[len++] = ' ';
    }
    text[len > bytes ? bytes : len] = '\0';
    return text;
}

size_t rows_add_post(struct rows *rows, const struct uuid *post_id, int64_t version,
                     const struct uuid *command_id, int32_t command_index,
                     const struct person *author, size_t bytes, struct arena *arena)
{
    Nova__Content__V2__PostCreated created = NOVA__CONTENT__V2__POST_CREATED__INIT;
    Nova__Content__V2__PostUpdated updated = NOVA__CONTENT__V2__POST_UPDATED__INIT;
    Nova__Content__V2__PostCreatedPersonal new_text =
        NOVA__CONTENT__V2__POST_CREATED_PERSONAL__INIT;
    Nova__Content__V2__PostUpdatedPersonal next_text =
        NOVA__CONTENT__V2__POST_UPDATED_PERSONAL__INIT;
    char author_id[UUID_TEXT_BYTES];
    uuid_format(author_id, &author->id);
    created.author_id = author_id;
    new_text.text = next_text.text =
        rows_words(arena, bytes > POST_ENVELOPE_BYTES + 8 ? bytes - POST_ENVELOPE_BYTES : 8);
    bool is_new = version == 1;
    return rows_add_event(rows,
                          &(struct rows_event){"content", is_new ? "post.created" : "post.updated",
                                               *post_id, *command_id, version, command_index,
                                               author, is_new ? &created.base : &updated.base,
                                               is_new ? &new_text.base : &next_text.base},
                          arena);
}

size_t rows_add_user(struct rows *rows, const struct person *person, int64_t i, struct arena *arena)
{
    Nova__Identity__V2__UserCreated created = NOVA__IDENTITY__V2__USER_CREATED__INIT;
    Nova__Identity__V2__UserCreatedPersonal personal =
        NOVA__IDENTITY__V2__USER_CREATED_PERSONAL__INIT;
    created.imported = true;
    personal.handle = arena_printf(arena, "user%lld", (long long)i);
    personal.email = arena_printf(arena, "user%lld@example.org", (long long)i);
    personal.display_name = rows_words(arena, 20);
    return rows_add_event(rows,
                          &(struct rows_event){"identity", "user.created", person->id,
                                               rows_random_id(), 1, 0, person, &created.base,
                                               &personal.base},
                          arena);
}
