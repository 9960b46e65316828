// check_rules.h - when a figure is a warning and when it is critical: no I/O.
//
// The levels are also `nova check`'s exit codes, those of Nagios plugins.
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum check_level { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };

struct check_limits {
    double warn, critical;
    bool least; // as little as that is bad, not as much
};

// False: critical would come before the warning.
bool check_limits_are_ordered(const struct check_limits *limits);
// At a limit it is reached.
enum check_level check_judge(double value, const struct check_limits *limits);

// Of two the one that is said: critical, warning, unknown, ok.
enum check_level check_worse(enum check_level one, enum check_level other);

const char *check_level_name(enum check_level level); // "CRITICAL"
