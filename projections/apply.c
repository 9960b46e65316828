// apply.c - see apply.h.
#include "projections/apply.h"

enum nova_status apply_to_ids(const char *const *statements, size_t statement_count,
                              const struct uuid *ids, size_t count, struct arena *arena,
                              struct pg *pg, struct error *err)
{
    const struct pg_param params[] = {pg_uuid_array(arena, ids, count)};
    enum nova_status status = NOVA_OK;
    for (size_t i = 0; i < statement_count && count > 0 && status == NOVA_OK; i++)
        status = pg_query(NULL, pg, statements[i], params, 1, err);
    return status;
}
