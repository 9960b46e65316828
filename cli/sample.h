// sample.h - a made-up network as commands for `nova import`: the same options give the same bytes.
//
// Few write much and many little (a power law), words and hashtags are as frequent as Zipf's law
// says, comments form threads, conversations have two to five members. Written as it is made up:
// memory does not grow with the number of users.
//
// Sources: G. K. Zipf, Human Behavior and the Principle of Least Effort (1949); SplitMix64
//          (Steele, Lea and Flood, OOPSLA 2014) for the numbers.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { SAMPLE_USERS = 300, SAMPLE_USERS_MAX = 10000000, SAMPLE_WITH_PASSWORD = 20 };
// What the first SAMPLE_WITH_PASSWORD users log in with.
#define SAMPLE_PASSWORD "nova sample password"

struct sample_options {
    int64_t users;
    uint64_t seed;
};

struct sample_counts {
    uint64_t users, posts, comments, conversations, messages, reads;
};

// False: out could not be written.
bool sample_write(struct sample_counts *out, FILE *file, const struct sample_options *options);
