// copy_in.c - the limit of consume and rebuild: the resulting rows once more by COPY, and what
// indexes a script makes behind it, in one transaction.
//
//   --copy "TABLE FILE TABLE FILE ..." [--then FILE]
//
// FILE is what COPY ... TO (FORMAT binary) wrote; it is in memory before the clock starts. --then:
// statements in a file.
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "bench/tool.h"

enum { TABLES = 16 };

struct file {
    char *bytes;
    size_t len;
};

static struct file read_file(const char *path)
{
    FILE *in = fopen(path, "re");
    if (in == NULL || fseek(in, 0, SEEK_END) != 0)
        tool_fail("%s cannot be read", path);
    struct file file = {.len = (size_t)ftell(in)};
    file.bytes = calloc(1, file.len + 1);
    rewind(in);
    if (file.bytes == NULL || fread(file.bytes, 1, file.len, in) != file.len)
        tool_fail("%s cannot be read", path);
    fclose(in);
    return file;
}

int main(int argc, char **argv)
{
    char *tables[TABLES], sql[256], *rest = NULL;
    struct file files[TABLES], then = {0};
    size_t count = 0;
    tool_start(argc, argv);
    char *copy = strdup(tool_text("--copy") ? tool_text("--copy") : "");
    for (char *word = strtok_r(copy, " ", &rest); word != NULL && count < TABLES;
         word = strtok_r(NULL, " ", &rest)) {
        char *path = strtok_r(NULL, " ", &rest);
        if (path == NULL)
            tool_fail("%s has no file", word);
        tables[count] = word;
        files[count++] = read_file(path);
    }
    if (tool_text("--then") != NULL)
        then = read_file(tool_text("--then"));
    PGconn *connection = tool_libpq(NULL, ACCESS_SUPERUSER);

    double began_s = tool_now_s();
    tool_sql(connection, "BEGIN");
    for (size_t i = 0; i < count; i++) {
        snprintf(sql, sizeof sql, "COPY %s FROM STDIN (FORMAT binary)", tables[i]);
        tool_sql(connection, sql);
        tool_copy_in(connection, files[i].bytes, files[i].len);
    }
    if (then.bytes != NULL)
        tool_sql(connection, then.bytes);
    tool_sql(connection, "COMMIT");
    printf("{\"seconds\": %.6f}\n", tool_now_s() - began_s);

    PQfinish(connection);
    for (size_t i = 0; i < count; i++)
        free(files[i].bytes);
    free(then.bytes);
    free(copy);
    tool_end();
    return 0;
}
