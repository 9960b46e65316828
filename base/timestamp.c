// timestamp.c - see timestamp.h.
#include "base/timestamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void timestamp_format(char out[TIMESTAMP_BYTES], int64_t unix_us)
{
    int64_t us = unix_us % 1000000;
    time_t seconds = (time_t)(unix_us / 1000000);
    struct tm parts;
    if (us < 0) {
        us += 1000000;
        seconds--;
    }
    gmtime_r(&seconds, &parts);
    size_t used = strftime(out, TIMESTAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &parts);
    if (us != 0)
        used += (size_t)snprintf(out + used, TIMESTAMP_BYTES - used, ".%06" PRId64, us);
    snprintf(out + used, TIMESTAMP_BYTES - used, "Z");
}

// Exactly `digits` digits at *text, which moves behind them.
static bool take_number(int *out, const char **text, int digits)
{
    *out = 0;
    for (int i = 0; i < digits; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *out = *out * 10 + (**text - '0');
    }
    return true;
}

static bool take(const char **text, const char *one_of)
{
    if (**text == '\0' || strchr(one_of, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

static bool take_date(struct tm *out, const char **text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_number(&year, text, 4) || !take(text, "-") || !take_number(&month, text, 2) ||
        !take(text, "-") || !take_number(&day, text, 2))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *out = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    return day <= days[month - 1] + (month == 2 && leap);
}

static bool take_time(struct tm *out, const char **text)
{
    return take_number(&out->tm_hour, text, 2) && take(text, ":") &&
           take_number(&out->tm_min, text, 2) && take(text, ":") &&
           take_number(&out->tm_sec, text, 2) && out->tm_hour < 24 && out->tm_min < 60 &&
           out->tm_sec < 61;
}

static int64_t take_fraction(const char **text)
{
    int64_t us = 0, weight = 100000;
    for (; **text >= '0' && **text <= '9'; (*text)++, weight /= 10)
        us += weight * (**text - '0');
    return us;
}

static bool take_zone(int64_t *offset_s, const char **text)
{
    int sign = **text == '-' ? -1 : 1, hours, minutes;
    *offset_s = 0;
    if (**text == '\0' || take(text, "Zz"))
        return true;
    if (!take(text, "+-") || !take_number(&hours, text, 2))
        return false;
    take(text, ":");
    if (!take_number(&minutes, text, 2) || hours > 23 || minutes > 59)
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool timestamp_parse(int64_t *unix_us, const char *text)
{
    struct tm parts;
    int64_t us = 0, offset_s = 0;
    if (!take_date(&parts, &text))
        return false;
    if (*text != '\0') {
        if (!take(&text, "Tt ") || !take_time(&parts, &text))
            return false;
        if (take(&text, ".") && (*text < '0' || *text > '9'))
            return false;
        us = take_fraction(&text);
        if (!take_zone(&offset_s, &text) || *text != '\0')
            return false;
    }
    *unix_us = ((int64_t)timegm(&parts) - offset_s) * 1000000 + us;
    return true;
}
