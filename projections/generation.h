// generation.h - the generations of a projection: schemas <projection>_g<N>, of which one is live.
//
// Readers go through views in the service's schema, which point at the live generation; handlers
// find its tables by search_path. A new generation is made beside it by a rebuild (rebuild.h) and
// takes its place in one transaction (docs/decisions/0007).
//
// Everything here wants a superuser's or an operator's connection; what is made belongs to the
// service's owner role.
//
// Ownership: borrows everything.
// Threads:   one at a time per struct pg.
// Errors:    PostgreSQL's.
#pragma once
#include "projections/consumers.h"

enum { GENERATION_SCHEMA_BYTES = 64, GENERATION_DEFINITION_BYTES = 65 };

struct generation {
    int32_t live;     // 0: none was made yet
    int32_t previous; // the one before, which may be gone; 0: none. Above `live` after a way back
    int64_t switched_at_us;
};

void generation_schema(char out[GENERATION_SCHEMA_BYTES], const struct projection *projection,
                       int32_t number);
// What this binary's tables.sql is: 64 hexadecimal digits of its SHA-256.
void generation_definition(char out[GENERATION_DEFINITION_BYTES],
                           const struct projection *projection);

MUST_CHECK enum nova_status generation_read(struct generation *out, struct pg *pg,
                                            const struct projection *projection, struct error *err);

// Which schemas there are beside the live one's; 0: none.
struct generation_others {
    int32_t kept;      // the former one, as it was left
    int32_t half_made; // of a rebuild or a verification that is at work, or was ended
};
MUST_CHECK enum nova_status generation_others(struct generation_others *out, struct pg *pg,
                                              const struct projection *projection,
                                              const struct generation *generation,
                                              struct error *err);

// *known: there is a schema of that number, of this binary's definition.
MUST_CHECK enum nova_status generation_is_known(bool *known, struct pg *pg,
                                                const struct projection *projection, int32_t number,
                                                struct error *err);

// Makes the first generation of every projection of these services that has none; services NULL:
// of all. Run after the migrations; again, it changes nothing.
MUST_CHECK enum nova_status generation_install(struct pg *pg, const char *const *services,
                                               size_t service_count, struct error *err);

// The following run in the caller's transaction.

// Makes the schema and its tables. *known: it was there already, of this binary's definition; one
// of another definition is dropped and made anew.
MUST_CHECK enum nova_status generation_create(bool *known, struct pg *pg,
                                              const struct projection *projection, int32_t number,
                                              struct error *err);
// Points the views at it.
MUST_CHECK enum nova_status generation_show(struct pg *pg, const struct projection *projection,
                                            int32_t number, struct error *err);
MUST_CHECK enum nova_status generation_drop(struct pg *pg, const struct projection *projection,
                                            int32_t number, struct error *err);
