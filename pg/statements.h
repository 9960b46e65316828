// statements.h - which statements a connection has prepared, found by SQL text and types.
//
// The types belong to the key: the same text with other types is another statement to PostgreSQL.
//
// Ownership: texts are copied. A statement lives until statements_sweep drops it or the cache ends.
// Bounds:    PG_STATEMENTS_MAX; then statements_use answers NULL and the caller runs it unnamed.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct statements;

enum { STATEMENT_NAME_BYTES = 16 };

struct statement {
    char name[STATEMENT_NAME_BYTES]; // never used twice on a connection
    bool asked;                      // a prepare was sent
    bool ready;                      // and PostgreSQL said yes
    bool stale;                      // PostgreSQL no longer runs it: prepare it anew
};

struct statements *statements_create(void);
void statements_destroy(struct statements **statements); // takes NULL, sets NULL

// The statement of this text and these types, new if it is not there yet.
struct statement *statements_use(struct statements *statements, const char *sql,
                                 const uint32_t *types, size_t type_count);

// Drops what is stale or was asked for and never became ready. Call with nothing under way.
void statements_sweep(struct statements *statements);
