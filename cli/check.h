// check.h - the parts of `nova check`: check_ask.c asks, check_rules.h judges, check_print.c tells.
#pragma once
#include <stdio.h>

#include "base/settings.h"
#include "cli/check_rules.h"

// One figure that was asked for, or that could not be.
struct check_result {
    const char *check; // "lag"
    char of[128];      // "search/search_index of content"; "" when there is only one
    enum check_level level;
    bool has_value;
    double value;
    const char *unit;           // "s"; "" for a number of something
    struct check_limits limits; // both 0 when it is judged otherwise
    bool has_limits;
    char text[512]; // for people: "12 events behind"
};

struct check_list {
    struct check_result *all;
    size_t count, room;
};

// A new one at the end, for the caller to fill; zero otherwise.
struct check_result *check_add(struct check_list *list, const char *check, const char *of)
    __attribute__((nonnull));
void check_list_free(struct check_list *list);
enum check_level check_list_worst(const struct check_list *list);

// Asks PostgreSQL, NATS and this machine. What does not answer is a result as well.
void check_ask(struct check_list *list, const struct settings *settings);

// NULL: no such format. They are "text", "json", "prometheus" and "nagios".
typedef void check_print(FILE *out, const struct check_list *list);
check_print *check_format_find(const char *name);
extern const char *const check_formats[];
enum { CHECK_FORMAT_COUNT = 4 };
