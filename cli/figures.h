// figures.h - how far everything is: events per stream, and how far behind it each consumer is.
//
// Lag counts from the outbox, so an event that its relay has not published yet is behind as well.
//
// Ownership: json_t belongs to the caller.
// Errors:    of PostgreSQL and NATS.
#pragma once
#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "base/settings.h"
#include "bus/topology.h"
#include "cli/sessions.h"

// [{stream, service, events, bytes, outbox}]
MUST_CHECK enum nova_status figures_streams(json_t **out, const struct settings *settings,
                                            struct error *err);
// [{consumer, source, n, position, head, lag_events, lag_seconds, parked}]; head: the position of
// the source's last event.
MUST_CHECK enum nova_status figures_consumers(json_t **out, const struct settings *settings,
                                              struct error *err);
// The same for one of the topology's readers: appended to the list, with the operator's sessions.
MUST_CHECK enum nova_status figures_consumer(json_t *list, struct sessions *sessions,
                                             const struct topology_reader *reader,
                                             struct error *err);
// [{projection, service, consumer, generation, switched_at}]
MUST_CHECK enum nova_status figures_projections(json_t **out, const struct settings *settings,
                                                struct error *err);

// [{service, waiting, oldest_seconds, given_up, sends}]: e-mails that wait for the mailer, and
// those of the last hours that it gave up or the server refused. sends: an SMTP server is
// configured here.
MUST_CHECK enum nova_status figures_mail(json_t **out, const struct settings *settings,
                                         struct error *err);

// {registered, posted, commented, sent}: how often that happened.
MUST_CHECK enum nova_status figures_happened(json_t **out, const struct settings *settings,
                                             struct error *err);

void figures_print_happened(FILE *out, const json_t *happened);
void figures_print_streams(FILE *out, const json_t *streams);
void figures_print_consumers(FILE *out, const json_t *consumers);
void figures_print_projections(FILE *out, const json_t *projections);
void figures_print_mail(FILE *out, const json_t *mail);

// The sum of a number over a list.
int64_t figures_sum(const json_t *list, const char *key);
