// leaked.c - see leaked.h. Hashes by libsodium.
#include "services/identity/leaked.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/identity/password.h"

static const char leaked_magic[8] = "NOVALEK1";
enum {
    LEAKED_AT_PROBES = 8,
    LEAKED_AT_ONE_IN = 12,
    LEAKED_AT_BITS = 16,
    LEAKED_AT_ENTRIES = 24,
    LEAKED_AT_DIGEST = 32,
    LEAKED_DIGEST_BYTES = 32,
    LEAKED_PROBES_MAX = 64,
    LEAKED_BITS_MIN = 8192, // of fewer bits the rate is not what the formula says
};

struct leaked {
    const uint8_t *bytes;
    size_t size;
    uint32_t probes;
    uint64_t bits;
    void *mapped; // NULL: borrowed
};

// ---- numbers and probes -------------------------------------------------------------------------

static uint64_t leaked_number(const uint8_t *at, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static void leaked_put(uint8_t *at, uint64_t number, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

struct leaked_probe {
    uint64_t at, step;
};

static struct leaked_probe leaked_probe_of(const char *normalised)
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, (const uint8_t *)normalised, strlen(normalised));
    struct leaked_probe probe = {leaked_number(digest, 8), leaked_number(digest + 8, 8) | 1};
    sodium_memzero(digest, sizeof digest);
    return probe;
}

static uint64_t leaked_mix(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

// The bit of a probe, which moves on.
static uint64_t leaked_probe_next(struct leaked_probe *probe, uint64_t bits)
{
    uint64_t bit = (uint64_t)(((unsigned __int128)leaked_mix(probe->at) * bits) >> 64);
    probe->at += probe->step;
    return bit;
}

bool leaked_has(const struct leaked *leaked, const char *normalised)
{
    struct leaked_probe probe = leaked_probe_of(normalised);
    const uint8_t *set = leaked->bytes + LEAKED_HEADER_BYTES;
    for (uint32_t i = 0; i < leaked->probes; i++) {
        uint64_t bit = leaked_probe_next(&probe, leaked->bits);
        if ((set[bit / 8] >> (bit % 8) & 1) == 0)
            return false;
    }
    return true;
}

// ---- reading ------------------------------------------------------------------------------------

static void leaked_digest(uint8_t out[LEAKED_DIGEST_BYTES], const uint8_t *header,
                          const uint8_t *set, size_t set_bytes)
{
    crypto_generichash_state hash;
    crypto_generichash_init(&hash, NULL, 0, LEAKED_DIGEST_BYTES);
    crypto_generichash_update(&hash, header, LEAKED_AT_DIGEST);
    crypto_generichash_update(&hash, set, set_bytes);
    crypto_generichash_final(&hash, out, LEAKED_DIGEST_BYTES);
}

static const char *leaked_check(struct leaked *leaked)
{
    uint8_t digest[LEAKED_DIGEST_BYTES];
    const uint8_t *header = leaked->bytes;
    if (leaked->size < LEAKED_HEADER_BYTES ||
        memcmp(header, leaked_magic, sizeof leaked_magic) != 0)
        return "is no filter of leaked passwords";
    size_t set_bytes = leaked->size - LEAKED_HEADER_BYTES;
    leaked->probes = (uint32_t)leaked_number(header + LEAKED_AT_PROBES, 4);
    leaked->bits = leaked_number(header + LEAKED_AT_BITS, 8);
    if (leaked->probes < 1 || leaked->probes > LEAKED_PROBES_MAX || leaked->bits < 1 ||
        leaked->bits / 8 + (leaked->bits % 8 != 0) != set_bytes)
        return "is cut short, or longer than it says";
    leaked_digest(digest, header, header + LEAKED_HEADER_BYTES, set_bytes);
    if (memcmp(digest, header + LEAKED_AT_DIGEST, sizeof digest) != 0)
        return "is damaged: its digest is another";
    return NULL;
}

static enum nova_status leaked_take(struct leaked **out, struct leaked leaked, const char *name,
                                    struct error *err)
{
    const char *wrong = leaked_check(&leaked);
    if (wrong != NULL)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s %s; make it with ./nova passwords", name,
                         wrong);
    *out = malloc(sizeof **out);
    if (*out == NULL)
        abort();
    **out = leaked;
    return NOVA_OK;
}

enum nova_status leaked_borrow(struct leaked **out, const char *name, const uint8_t *bytes,
                               size_t size, struct error *err)
{
    return leaked_take(out, (struct leaked){.bytes = bytes, .size = size}, name, err);
}

enum nova_status leaked_open(struct leaked **out, const char *path, struct error *err)
{
    struct stat stat = {0};
    void *mapped = MAP_FAILED;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && fstat(file, &stat) == 0 && S_ISREG(stat.st_mode) && stat.st_size > 0)
        mapped = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    int failed = errno;
    if (file >= 0)
        close(file);
    if (mapped == MAP_FAILED)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "%s cannot be read as a filter of leaked passwords: %s", path,
                         file < 0 ? strerror(failed) : "it is no file with something in it");
    struct leaked leaked = {.bytes = mapped, .size = (size_t)stat.st_size, .mapped = mapped};
    enum nova_status status = leaked_take(out, leaked, path, err);
    if (status != NOVA_OK)
        munmap(mapped, leaked.size);
    return status;
}

void leaked_destroy(struct leaked **leaked)
{
    if (*leaked == NULL)
        return;
    if ((*leaked)->mapped != NULL)
        munmap((*leaked)->mapped, (*leaked)->size);
    free(*leaked);
    *leaked = NULL;
}

// ---- building -----------------------------------------------------------------------------------

struct leaked_list {
    FILE *file;
    char *line;
    size_t cap;
    struct arena *arena;
};

// The next password, normalised; *usable false: a line that is none. False: the end.
static bool leaked_list_next(struct leaked_list *list, bool *usable, char **normalised)
{
    ssize_t len = getline(&list->line, &list->cap, list->file);
    if (len < 0)
        return false;
    while (len > 0 && (list->line[len - 1] == '\n' || list->line[len - 1] == '\r'))
        list->line[--len] = '\0';
    arena_destroy(&list->arena); // of the line before
    list->arena = arena_create();
    *usable = strlen(list->line) == (size_t)len &&
              password_normalise(normalised, list->arena, list->line);
    return true;
}

static void leaked_list_end(struct leaked_list *list)
{
    arena_destroy(&list->arena);
    free(list->line);
}

static void leaked_count(struct leaked_built *built, FILE *file)
{
    struct leaked_list list = {.file = file};
    bool usable;
    char *password;
    *built = (struct leaked_built){0};
    while (leaked_list_next(&list, &usable, &password)) {
        built->taken += usable;
        built->skipped += !usable;
    }
    leaked_list_end(&list);
}

static void leaked_fill(uint8_t *set, uint64_t bits, uint32_t probes, FILE *file)
{
    struct leaked_list list = {.file = file};
    bool usable;
    char *password;
    while (leaked_list_next(&list, &usable, &password)) {
        if (!usable)
            continue;
        struct leaked_probe probe = leaked_probe_of(password);
        for (uint32_t i = 0; i < probes; i++) {
            uint64_t bit = leaked_probe_next(&probe, bits);
            set[bit / 8] |= (uint8_t)(1u << (bit % 8));
        }
    }
    leaked_list_end(&list);
}

enum nova_status leaked_build(struct leaked_built *built, FILE *out, FILE *list, int64_t one_in,
                              struct error *err)
{
    uint8_t header[LEAKED_HEADER_BYTES] = {0};
    leaked_count(built, list);
    if (built->taken == 0)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the list has no password of %d to %d bytes; it wants one a line",
                         PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
    if (ferror(list) || fseek(list, 0, SEEK_SET) != 0)
        return error_set(err, NOVA_INVALID_ARGUMENT,
                         "the list cannot be read twice; give a file, no pipe");
    // The best for a rate: bits = n * log2(1/rate) / ln 2, and log2(1/rate) probes.
    const double halvings = log2((double)one_in);
    const uint32_t probes = (uint32_t)ceil(halvings);
    uint64_t bits = (uint64_t)ceil((double)built->taken * halvings / M_LN2);
    bits = bits < LEAKED_BITS_MIN ? LEAKED_BITS_MIN : bits;
    const size_t set_bytes = bits / 8 + (bits % 8 != 0);
    uint8_t *set = calloc(set_bytes, 1);
    if (set == NULL)
        return error_set(err, NOVA_RESOURCE_EXHAUSTED, "no memory for a filter of %zu bytes",
                         set_bytes);
    leaked_fill(set, bits, probes, list);
    memcpy(header, leaked_magic, sizeof leaked_magic);
    leaked_put(header + LEAKED_AT_PROBES, probes, 4);
    leaked_put(header + LEAKED_AT_ONE_IN, (uint64_t)one_in, 4);
    leaked_put(header + LEAKED_AT_BITS, bits, 8);
    leaked_put(header + LEAKED_AT_ENTRIES, built->taken, 8);
    leaked_digest(header + LEAKED_AT_DIGEST, header, set, set_bytes);
    bool written = fwrite(header, sizeof header, 1, out) == 1 &&
                   fwrite(set, set_bytes, 1, out) == 1 && fflush(out) == 0;
    free(set);
    built->bytes = sizeof header + set_bytes;
    return written ? NOVA_OK
                   : error_set(err, NOVA_RESOURCE_EXHAUSTED, "the filter could not be written: %s",
                               strerror(errno));
}
