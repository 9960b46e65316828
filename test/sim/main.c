// main.c - runs seeded histories, takes each rule out once, shrinks what fails, replays recordings.
//
// usage: sim [--seed S] [--seeds N] [--steps N] [--mutation RULE] [--mutations] [--trace]
//        sim --replay FILE [--mutation RULE]
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test/sim/replay.h"

enum { MUTATION_SEEDS_MAX = 100000, SHRINK_SEEDS = 400 };

static struct world world;
static uint64_t steps_done;

static bool holds(uint64_t seed, uint32_t faults_on)
{
    sim_init(&world, seed, faults_on);
    bool good = sim_run(&world);
    steps_done += world.steps;
    return good;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// ---- shrinking ----------------------------------------------------------------------------------

struct failure {
    uint64_t seed, steps;
    uint32_t faults_on;
    char broken[sizeof world.broken];
};

static struct failure failure_of(uint64_t seed)
{
    struct failure failure = {.seed = seed, .steps = world.steps, .faults_on = world.faults_on};
    memcpy(failure.broken, world.broken, sizeof failure.broken);
    return failure;
}

// The same thing is broken, whatever its numbers are.
static bool is_same(const char *one, const char *other)
{
    while (*one != '\0' && *other != '\0') {
        if (isdigit((unsigned char)*one))
            one++;
        else if (isdigit((unsigned char)*other))
            other++;
        else if (*one++ != *other++)
            return false;
    }
    return true;
}

static bool fails_alike(const struct failure *best, uint64_t seed, uint32_t faults_on)
{
    return !holds(seed, faults_on) && is_same(best->broken, world.broken);
}

// A failing history without one kind of fault, if there is one among some seeds.
static bool fails_without(struct failure *best, uint32_t fault)
{
    uint32_t fewer = best->faults_on & ~(1u << fault);
    for (uint64_t seed = best->seed; seed < best->seed + SHRINK_SEEDS; seed++)
        if (fails_alike(best, seed, fewer)) {
            *best = failure_of(seed);
            return true;
        }
    return false;
}

static void shrink(struct failure *best)
{
    for (uint32_t fault = 0; fault < FAULT_COUNT; fault++)
        if (best->faults_on >> fault & 1)
            fails_without(best, fault);
    for (uint64_t seed = best->seed; seed < best->seed + SHRINK_SEEDS; seed++)
        if (fails_alike(best, seed, best->faults_on) && world.steps < best->steps)
            *best = failure_of(seed);
}

static void tell_history(const struct failure *failure)
{
    sim_init(&world, failure->seed, failure->faults_on);
    world.trace = true;
    sim_run(&world);
    printf("# %s\n# --seed %llu, faults:", world.broken, (unsigned long long)failure->seed);
    for (uint32_t fault = 0; fault < FAULT_COUNT; fault++)
        if (world.faults_on >> fault & 1)
            printf(" %s", sim_fault_name((enum sim_fault)fault));
    printf("\n");
}

// ---- runs ---------------------------------------------------------------------------------------

// Histories from `seed` on until `seeds` were run and `steps` were made.
static bool run_clean(uint64_t seed, uint64_t seeds, uint64_t steps, int number)
{
    double begin = seconds();
    uint64_t at = seed, faults[FAULT_COUNT] = {0};
    steps_done = 0;
    for (; at < seed + seeds || steps_done < steps; at++) {
        if (!holds(at, ~0u)) {
            struct failure failure = failure_of(at);
            printf("# seed %llu fails: %s\n", (unsigned long long)at, world.broken);
            shrink(&failure);
            tell_history(&failure);
            printf("not ok %d - every_history_holds\n", number);
            return false;
        }
        for (uint32_t fault = 0; fault < FAULT_COUNT; fault++)
            faults[fault] += world.faults_done[fault];
    }
    double took = seconds() - begin;
    printf("# seeds %llu to %llu: %llu steps, %.2f million a second\n", (unsigned long long)seed,
           (unsigned long long)at - 1, (unsigned long long)steps_done,
           (double)steps_done / took / 1e6);
    for (uint32_t fault = 0; fault < FAULT_COUNT; fault++)
        printf("# %s %llu\n", sim_fault_name((enum sim_fault)fault),
               (unsigned long long)faults[fault]);
    printf("ok %d - every_history_holds\n", number);
    return true;
}

static bool run_mutation(enum sim_rule rule, uint64_t seed, int number, bool trace)
{
    sim_rule_taken_out = rule;
    uint64_t at = seed;
    while (at < seed + MUTATION_SEEDS_MAX && holds(at, ~0u))
        at++;
    bool found = at < seed + MUTATION_SEEDS_MAX;
    if (found)
        printf("# after %llu histories: %s\n", (unsigned long long)(at - seed + 1), world.broken);
    if (found && trace) {
        struct failure failure = failure_of(at);
        shrink(&failure);
        tell_history(&failure);
    }
    printf("%s %d - without_%s_a_history_breaks\n", found ? "ok" : "not ok", number,
           sim_rule_name(rule));
    fflush(stdout);
    sim_rule_taken_out = RULE_NONE;
    return found;
}

static enum sim_rule rule_named(const char *name)
{
    for (enum sim_rule rule = RULE_NONE + 1; rule < RULE_COUNT; rule++)
        if (strcmp(sim_rule_name(rule), name) == 0)
            return rule;
    fprintf(stderr, "sim: no rule is called '%s'; they are:", name);
    for (enum sim_rule rule = RULE_NONE + 1; rule < RULE_COUNT; rule++)
        fprintf(stderr, " %s", sim_rule_name(rule));
    fprintf(stderr, "\n");
    exit(2);
}

static uint64_t number_of(const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0') {
        fprintf(stderr, "sim: '%s' is no number\n", text);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", 1, NULL, 's'},      {"seeds", 1, NULL, 'n'},
                                            {"steps", 1, NULL, 'e'},     {"mutation", 1, NULL, 'm'},
                                            {"mutations", 0, NULL, 'a'}, {"trace", 0, NULL, 't'},
                                            {"replay", 1, NULL, 'r'},    {0}};
    uint64_t seed = 1, seeds = 0, steps = 0;
    enum sim_rule rule = RULE_NONE;
    bool all = false, trace = false, good = true;
    const char *recorded = NULL;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            seed = number_of(optarg);
            break;
        case 'n':
            seeds = number_of(optarg);
            break;
        case 'e':
            steps = number_of(optarg);
            break;
        case 'm':
            rule = rule_named(optarg);
            break;
        case 'a':
            all = true;
            break;
        case 't':
            trace = true;
            break;
        case 'r':
            recorded = optarg;
            break;
        default:
            fprintf(stderr, "usage: sim [--seed S] [--seeds N] [--steps N] [--mutation RULE]"
                            " [--mutations] [--trace] [--replay FILE]\n");
            return 2;
        }
    }
    sim_rule_taken_out = rule;
    if (recorded != NULL)
        return replay_file(&world, recorded);
    if (rule != RULE_NONE)
        return run_mutation(rule, seed, 1, trace) ? 0 : 1;
    good = run_clean(seed, seeds, steps, 1);
    for (rule = RULE_NONE + 1; all && rule < RULE_COUNT; rule++)
        good &= run_mutation(rule, seed, (int)rule + 1, trace);
    return good ? 0 : 1;
}
