// statements.c - see statements.h. Chains of entries in a fixed number of buckets.
#include "pg/statements.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pg.h"

enum { BUCKETS = 512 }; // twice the bound: chains stay short

struct entry {
    struct statement statement; // first: a statement's address is its entry's
    struct entry *next;
    uint64_t hash;
    size_t type_count;
    uint32_t types[PG_PARAMS_MAX];
    char sql[];
};

struct statements {
    struct entry *buckets[BUCKETS];
    size_t count;
    uint32_t named; // names ever given
};

struct statements *statements_create(void)
{
    struct statements *statements = calloc(1, sizeof *statements);
    if (!statements)
        abort();
    return statements;
}

void statements_destroy(struct statements **statements)
{
    if (!statements || !*statements)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry *entry = (*statements)->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(*statements);
    *statements = NULL;
}

// FNV-1a: the texts are ours, nobody chooses them to collide.
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

struct statement *statements_use(struct statements *statements, const char *sql,
                                 const uint32_t *types, size_t type_count)
{
    assert(type_count <= PG_PARAMS_MAX);
    size_t sql_len = strlen(sql);
    size_t types_len = type_count * sizeof *types;
    uint64_t hash = hash_bytes(UINT64_C(14695981039346656037), sql, sql_len);
    if (types_len > 0)
        hash = hash_bytes(hash, types, types_len);
    struct entry **bucket = &statements->buckets[hash % BUCKETS];
    for (struct entry *entry = *bucket; entry; entry = entry->next) {
        if (entry->hash == hash && entry->type_count == type_count &&
            strcmp(entry->sql, sql) == 0 &&
            (types_len == 0 || memcmp(entry->types, types, types_len) == 0))
            return &entry->statement;
    }
    if (statements->count == PG_STATEMENTS_MAX)
        return NULL;

    struct entry *entry = calloc(1, sizeof *entry + sql_len + 1);
    if (!entry)
        abort();
    *entry = (struct entry){.next = *bucket, .hash = hash, .type_count = type_count};
    if (types_len > 0)
        memcpy(entry->types, types, types_len);
    memcpy(entry->sql, sql, sql_len + 1);
    snprintf(entry->statement.name, sizeof entry->statement.name, "nova%u", ++statements->named);
    *bucket = entry;
    statements->count++;
    return &entry->statement;
}

void statements_sweep(struct statements *statements)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct entry **link = &statements->buckets[i]; *link;) {
            struct entry *entry = *link;
            const struct statement *statement = &entry->statement;
            if (statement->stale || (statement->asked && !statement->ready)) {
                *link = entry->next;
                free(entry);
                statements->count--;
            } else {
                link = &entry->next;
            }
        }
    }
}
