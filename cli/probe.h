// probe.h - asks a server every second whether it works, without ever waiting for it.
//
// PostgreSQL: a new connection and `select 1`. nats-server: GET /healthz on its monitor port, and
// whether its store is still the one that it opened (a server whose store is removed goes on
// acknowledging into deleted files and never ends by itself).
//
// Ownership: the caller owns the probe. Threads: one at a time.
#pragma once
#include <poll.h>
#include <stdint.h>

#include "cli/supervise.h"

enum { PROBE_EVERY_MS = 1000, PROBE_EVERY_MS_STARTING = 100, PROBE_ANSWER_MS_MAX = 2000 };

struct probe;

struct probe *probe_create_postgres(const char *url);
struct probe *probe_create_nats(int monitor_port, const char *store);
void probe_destroy(struct probe **probe);

// The server was just started anew: nothing that was seen before counts.
void probe_reset(struct probe *probe, int64_t now_ms);

// Moves on. True: *out is an answer.
bool probe_step(enum supervise_answer *out, struct probe *probe, int64_t every_ms, int64_t now_ms);

// What probe_step waits for: a descriptor in *out (fd -1: none), and until when at most.
int64_t probe_wait(struct pollfd *out, const struct probe *probe);

// The server lost what it stands on; a constant sentence, or NULL.
const char *probe_lost(struct probe *probe);
