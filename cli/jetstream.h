// jetstream.h - JetStream's own API, as JSON: what `nova stream` and `nova consumer` show, under
// the names and in the words of the nats tool.
#pragma once
#include <jansson.h>

#include "base/settings.h"

// Asks the API ("STREAM.INFO.NOVA_CONTENT") as the operator and prints the answer, as it came or by
// `print`; returns the command's exit code.
int jetstream_show(const struct settings *settings, const char *verb, bool as_json,
                   void (*print)(const json_t *answer));

// "content" and "NOVA_CONTENT" are the same stream; NULL: there is none of that name, and it was
// said.
const char *jetstream_stream(const char *command, const char *name);

// What follows a path of keys: jetstream_get(info, "state", "messages"). NULL at its end.
const json_t *jetstream_get(const json_t *json, const char *key, const char *then);
// The same as a number, or as a text ("" when there is none).
long long jetstream_number(const json_t *json, const char *key, const char *then);
const char *jetstream_text(const json_t *json, const char *key, const char *then);

// "              Messages: 12", as the nats tool aligns them.
void jetstream_line(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// "512 B", "1.2 MiB"
void jetstream_bytes(char out[32], long long bytes);
