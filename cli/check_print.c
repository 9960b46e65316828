// check_print.c - the four ways in which `nova check` tells its results.
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "cli/check.h"

// A number without digits that say nothing: "12", "0.25".
static void number(char out[32], double value)
{
    snprintf(out, 32, value == floor(value) && fabs(value) < 1e15 ? "%.0f" : "%.3f", value);
}

static void limits_of(char warn[32], char critical[32], const struct check_result *result)
{
    number(warn, result->limits.warn);
    number(critical, result->limits.critical);
}

// ---- for people ---------------------------------------------------------------------------------

static void print_text(FILE *out, const struct check_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct check_result *result = &list->all[i];
        fprintf(out, "%-8s %-12s %-46s %s", check_level_name(result->level), result->check,
                result->of, result->text);
        if (result->has_limits && result->level != CHECK_OK) {
            char warn[32], critical[32];
            limits_of(warn, critical, result);
            fprintf(out, " (warning at %s%s%s, critical at %s%s%s)", warn, *result->unit ? " " : "",
                    result->unit, critical, *result->unit ? " " : "", result->unit);
        }
        fputc('\n', out);
    }
    fprintf(out, "%s\n", check_level_name(check_list_worst(list)));
}

// ---- for programs -------------------------------------------------------------------------------

static void print_json(FILE *out, const struct check_list *list)
{
    json_t *checks = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct check_result *result = &list->all[i];
        json_t *json = json_pack("{ss ss ss ss}", "check", result->check, "of", result->of, "level",
                                 check_level_name(result->level), "text", result->text);
        if (result->has_value) {
            json_object_set_new(json, "value", json_real(result->value));
            json_object_set_new(json, "unit", json_string(result->unit));
        }
        if (result->has_limits) {
            json_object_set_new(json, "warning", json_real(result->limits.warn));
            json_object_set_new(json, "critical", json_real(result->limits.critical));
        }
        json_array_append_new(checks, json);
    }
    json_t *all =
        json_pack("{ss so}", "level", check_level_name(check_list_worst(list)), "checks", checks);
    json_dumpf(all, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(all);
}

// A label's value, as the text format escapes it.
static void print_label(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\\' || *text == '"')
            fprintf(out, "\\%c", *text);
        else if (*text == '\n')
            fputs("\\n", out);
        else
            fputc(*text, out);
}

static void print_sample(FILE *out, const char *metric, const struct check_result *result)
{
    fprintf(out, "%s{check=\"%s\",of=\"", metric, result->check);
    print_label(out, result->of);
    fputs("\"", out);
}

static void print_prometheus(FILE *out, const struct check_list *list)
{
    fputs("# HELP nova_check_level What nova check found: 0 ok, 1 warning, 2 critical, 3 unknown.\n"
          "# TYPE nova_check_level gauge\n",
          out);
    for (size_t i = 0; i < list->count; i++) {
        print_sample(out, "nova_check_level", &list->all[i]);
        fprintf(out, "} %d\n", (int)list->all[i].level);
    }
    fputs("# HELP nova_check_value The figure that was judged, in its unit.\n"
          "# TYPE nova_check_value gauge\n",
          out);
    for (size_t i = 0; i < list->count; i++) {
        char value[32];
        if (!list->all[i].has_value)
            continue;
        number(value, list->all[i].value);
        print_sample(out, "nova_check_value", &list->all[i]);
        fprintf(out, ",unit=\"%s\"} %s\n", list->all[i].unit, value);
    }
}

// ---- for Nagios and its heirs -------------------------------------------------------------------

// One line: neither its separator nor a line's end may be in it.
static void print_word(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        fputc(*text == '|' || *text == '\n' ? ' ' : *text, out);
}

static void print_perfdata(FILE *out, const struct check_result *result)
{
    char value[32], warn[32], critical[32];
    bool is_nagios_unit = strcmp(result->unit, "s") == 0 || strcmp(result->unit, "ms") == 0;
    number(value, result->value);
    limits_of(warn, critical, result);
    fprintf(out, " '%s%s%s'=%s%s", result->check, *result->of ? " " : "", result->of, value,
            is_nagios_unit ? result->unit : "");
    if (result->has_limits) // "512:" is bad below 512
        fprintf(out, ";%s%s;%s%s", warn, result->limits.least ? ":" : "", critical,
                result->limits.least ? ":" : "");
}

static void print_nagios(FILE *out, const struct check_list *list)
{
    size_t bad = 0;
    enum check_level worst = check_list_worst(list);
    fprintf(out, "NOVA %s -", check_level_name(worst));
    for (size_t i = 0; i < list->count; i++) {
        const struct check_result *result = &list->all[i];
        if (result->level == CHECK_OK)
            continue;
        fprintf(out, "%s %s %s%s", bad++ > 0 ? ";" : "", result->check, result->of,
                *result->of ? ": " : "");
        print_word(out, result->text);
    }
    if (bad == 0)
        fprintf(out, " %zu checks are well", list->count);
    fputs(" |", out);
    for (size_t i = 0; i < list->count; i++)
        if (list->all[i].has_value)
            print_perfdata(out, &list->all[i]);
    fputc('\n', out);
}

// ---- by name ------------------------------------------------------------------------------------

const char *const check_formats[CHECK_FORMAT_COUNT] = {"text", "json", "prometheus", "nagios"};

check_print *check_format_find(const char *name)
{
    static check_print *const prints[CHECK_FORMAT_COUNT] = {print_text, print_json,
                                                            print_prometheus, print_nagios};
    for (size_t i = 0; i < CHECK_FORMAT_COUNT; i++)
        if (strcmp(name, check_formats[i]) == 0)
            return prints[i];
    return NULL;
}
