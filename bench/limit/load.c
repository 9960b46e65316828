// load.c - the limit of loading an aggregate: the same bytes by libpq, prepared, binary, in their
// order; nothing is unpacked or checked.
//
//   --id ID --loads N --after V      payloads of versions above V, and the snapshot if V > 0
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "bench/tool.h"

enum { WARM_UP = 5 };

static const char events_sql[] = "SELECT payload FROM content.outbox"
                                 " WHERE aggregate_id = $1 AND version > $2 ORDER BY version";
static const char both_sql[] =
    "SELECT 0::bigint, state FROM content.snapshot WHERE aggregate_id = $1 UNION ALL"
    " (SELECT version, payload FROM content.outbox WHERE aggregate_id = $1 AND version > $2"
    " ORDER BY version)";

int main(int argc, char **argv)
{
    struct uuid id;
    tool_start(argc, argv);
    int64_t loads = tool_int("--loads", 100), after = tool_int("--after", 0);
    uint64_t big = htobe64((uint64_t)after);
    if (!uuid_parse(&id, tool_text("--id") ? tool_text("--id") : ""))
        tool_fail("--id wants an id");
    PGconn *connection = tool_libpq("content", "content_service");
    PQclear(tool_rows(PQprepare(connection, "load", after > 0 ? both_sql : events_sql, 0, NULL)));
    const char *values[] = {(const char *)id.bytes, (const char *)&big};
    const int lengths[] = {sizeof id.bytes, sizeof big}, formats[] = {1, 1};
    double *took_s = tool_doubles(loads + WARM_UP);
    int rows = 0;
    for (int64_t i = 0; i < loads + WARM_UP; i++) {
        double began_s = tool_now_s();
        PGresult *result =
            tool_rows(PQexecPrepared(connection, "load", 2, values, lengths, formats, 1));
        rows = PQntuples(result);
        PQclear(result);
        took_s[i] = tool_now_s() - began_s;
    }
    printf("{\"rows\": %d, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", rows,
           1e6 * tool_percentile(took_s + WARM_UP, (size_t)loads, 0.5),
           1e6 * tool_percentile(took_s + WARM_UP, (size_t)loads, 0.99));
    free(took_s);
    PQfinish(connection);
    tool_end();
    return 0;
}
