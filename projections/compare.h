// compare.h - the tables of two generations, row by row, each as its own session sees them.
//
// Both sides are read in the order of their primary keys, a few hundred rows at a time, and merged:
// memory does not grow with the tables.
//
// Ownership: borrows everything; a difference lives until its function returns.
// Threads:   one at a time; differs is called on the caller's.
// Errors:    PostgreSQL's; FAILED_PRECONDITION for a table without a primary key; CANCELLED.
#pragma once
#include <signal.h>

#include "pg/pg.h"

enum compare_what {
    COMPARE_DIFFERS, // both have the row, and it is not the same
    COMPARE_ONLY_ONE,
    COMPARE_ONLY_OTHER,
};

struct compare_difference {
    const char *table;
    const char *key; // "(018f...)": the primary key as a row
    enum compare_what what;
    const char *one, *other; // the rows as JSON; NULL where there is none
};

struct compare_side {
    struct pg *pg;      // in a transaction, whose snapshot is compared
    const char *schema; // "search_index_g2"
};

struct compare_counts {
    int64_t tables, rows, differences; // rows: of side one
};

struct compare_options {
    struct compare_side one, other;
    void (*differs)(void *context, const struct compare_difference *difference);
    void *context;
    const volatile sig_atomic_t *cancelled; // NULL: never
};

// The tables are those of side one.
MUST_CHECK enum nova_status compare_run(struct compare_counts *out,
                                        const struct compare_options *options, struct error *err);
