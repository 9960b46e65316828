// probe.c - the limit of `nova log query --aggregate ID`: connect as the auditor, one index probe
// of the one outbox, every column printed as PostgreSQL writes it. Nothing is decoded or opened.
//
//   --service S --id ID
#include "bench/tool.h"

int main(int argc, char **argv)
{
    tool_start(argc, argv);
    const char *service = tool_text("--service"), *values[] = {tool_text("--id")};
    char sql[128];
    if (service == NULL || values[0] == NULL)
        tool_fail("--service and --id want values");
    snprintf(sql, sizeof sql, "SELECT * FROM %s.outbox WHERE aggregate_id = $1 ORDER BY version",
             service);
    PGconn *connection = tool_libpq(service, "auditor");
    PGresult *rows = tool_rows(PQexecParams(connection, sql, 1, NULL, values, NULL, NULL, 0));
    for (int row = 0; row < PQntuples(rows); row++)
        for (int column = 0; column < PQnfields(rows); column++)
            printf("%s%c", PQgetvalue(rows, row, column),
                   column + 1 < PQnfields(rows) ? '\t' : '\n');
    PQclear(rows);
    PQfinish(connection);
    tool_end();
    return 0;
}
