// expand.c - see expand.h. One pass; what SQL would read as one piece is stepped over as one piece.
#include "migrations/expand.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NAME_BYTES_MAX = 63 };

struct expansion {
    struct arena *arena;
    const char *sql;
    const char *at;
    char *out; // out_len of out_size bytes
    size_t out_len;
    size_t out_size;
    const struct variable *variables;
    size_t variable_count;
    struct error *err;
};

static enum nova_status expand_failed(const struct expansion *e, const char *what, const char *name,
                                      size_t name_len)
{
    int line = 1;
    for (const char *at = e->sql; at < e->at; at++)
        line += *at == '\n';
    return error_set(e->err, NOVA_INVALID_ARGUMENT, "line %d: %s%.*s", line, what, (int)name_len,
                     name);
}

static void put(struct expansion *e, const char *text, size_t len)
{
    if (e->out_len + len + 1 > e->out_size) {
        e->out_size = 2 * (e->out_len + len + 1);
        char *larger = arena_alloc(e->arena, e->out_size);
        memcpy(larger, e->out, e->out_len);
        e->out = larger;
    }
    memcpy(e->out + e->out_len, text, len);
    e->out_len += len;
    e->out[e->out_len] = '\0';
}

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 128;
}

// Each of these returns the length of the piece at `at`; 0: it has no end.
static size_t quoted_len(const char *at, bool backslash)
{
    for (size_t i = 1; at[i]; i++) {
        if (backslash && at[i] == '\\' && at[i + 1])
            i++;
        else if (at[i] == *at && at[i + 1] == *at) // a doubled quote
            i++;
        else if (at[i] == *at)
            return i + 1;
    }
    return 0;
}

static size_t block_comment_len(const char *at)
{
    int depth = 0; // they nest
    for (size_t i = 0; at[i]; i++) {
        if (at[i] == '/' && at[i + 1] == '*') {
            depth++;
            i++;
        } else if (at[i] == '*' && at[i + 1] == '/') {
            i++;
            if (--depth == 0)
                return i + 1;
        }
    }
    return 0;
}

// "$tag$ ... $tag$"; 1 for a dollar that opens none, such as $1's.
static size_t dollar_len(const char *at)
{
    size_t tag = 1;
    if (isdigit((unsigned char)at[1]))
        return 1;
    while (is_name_byte(at[tag]))
        tag++;
    if (at[tag] != '$')
        return 1;
    tag++;
    for (const char *end = at + tag; (end = strchr(end, '$')); end++) {
        if (strncmp(end, at, tag) == 0)
            return (size_t)(end - at) + tag;
    }
    return 0;
}

// What SQL reads as one piece from here, beginning with *at; the names too, so that a quote or a
// dollar within one opens nothing.
static size_t piece_len(const char *at)
{
    if (*at == '\'' || *at == '"')
        return quoted_len(at, false);
    if ((*at == 'E' || *at == 'e') && at[1] == '\'') {
        size_t len = quoted_len(at + 1, true);
        return len ? len + 1 : 0;
    }
    if (at[0] == '-' && at[1] == '-')
        return strcspn(at, "\n");
    if (at[0] == '/' && at[1] == '*')
        return block_comment_len(at);
    if (*at == '$')
        return dollar_len(at);
    if (at[0] == ':' && (at[1] == ':' || at[1] == '='))
        return 2; // a cast, an assignment
    size_t len = 0;
    while (is_name_byte(at[len]) || (len > 0 && at[len] == '$'))
        len++;
    return len ? len : 1;
}

static void put_quoted(struct expansion *e, const char *value, char quote)
{
    assert(!strchr(value, '\\'));
    put(e, &quote, 1);
    for (const char *at = value; *at; at++) {
        if (*at == quote)
            put(e, &quote, 1);
        put(e, at, 1);
    }
    put(e, &quote, 1);
}

// At a colon before a quote.
static enum nova_status expand_one(struct expansion *e)
{
    const char *name = e->at + 2;
    size_t len = 0;
    while (is_name_byte(name[len]) && len <= NAME_BYTES_MAX)
        len++;
    if (len == 0 || name[len] != e->at[1])
        return expand_failed(e, "a variable's name must follow the colon: :", e->at + 1, 1);
    for (size_t i = 0; i < e->variable_count; i++) {
        if (strncmp(e->variables[i].name, name, len) == 0 && !e->variables[i].name[len]) {
            put_quoted(e, e->variables[i].value, e->at[1]);
            e->at = name + len + 1;
            return NOVA_OK;
        }
    }
    return expand_failed(e, "there is no variable ", name, len);
}

enum nova_status expand_variables(const char **out, struct arena *arena, const char *sql,
                                  const struct variable *variables, size_t count, struct error *err)
{
    size_t room = strlen(sql) * 5 / 4 + 64; // a first guess
    struct expansion e = {
        .arena = arena, .sql = sql, .at = sql, .variables = variables, .err = err};
    e.variable_count = count;
    e.out_size = room;
    e.out = arena_alloc(arena, room);
    while (*e.at) {
        if (e.at[0] == ':' && (e.at[1] == '"' || e.at[1] == '\'')) {
            enum nova_status status = expand_one(&e);
            if (status != NOVA_OK)
                return status;
            continue;
        }
        if (e.at[0] == ':' && (isalpha((unsigned char)e.at[1]) || e.at[1] == '_'))
            return expand_failed(&e, "variables must be quoted, as :\"name\" or :'name'", "", 0);
        size_t len = piece_len(e.at);
        if (len == 0)
            return expand_failed(&e, "no end of what opens with ", e.at, strcspn(e.at, " \n"));
        put(&e, e.at, len);
        e.at += len;
    }
    *out = e.out;
    return NOVA_OK;
}
