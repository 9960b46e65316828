// check_rules.c - see check_rules.h.
#include "cli/check_rules.h"

#include <assert.h>

bool check_limits_are_ordered(const struct check_limits *limits)
{
    return limits->least ? limits->critical <= limits->warn : limits->warn <= limits->critical;
}

static bool is_reached(double value, double limit, bool least)
{
    return least ? value <= limit : value >= limit;
}

enum check_level check_judge(double value, const struct check_limits *limits)
{
    if (is_reached(value, limits->critical, limits->least))
        return CHECK_CRITICAL;
    return is_reached(value, limits->warn, limits->least) ? CHECK_WARNING : CHECK_OK;
}

enum check_level check_worse(enum check_level one, enum check_level other)
{
    static const int weights[] = {
        [CHECK_OK] = 0, [CHECK_UNKNOWN] = 1, [CHECK_WARNING] = 2, [CHECK_CRITICAL] = 3};
    return weights[one] >= weights[other] ? one : other;
}

const char *check_level_name(enum check_level level)
{
    static const char *const names[] = {[CHECK_OK] = "OK",
                                        [CHECK_WARNING] = "WARNING",
                                        [CHECK_CRITICAL] = "CRITICAL",
                                        [CHECK_UNKNOWN] = "UNKNOWN"};
    assert((size_t)level < sizeof names / sizeof *names);
    return names[level];
}
