// delivery.h - what JetStream writes into the reply subject of a message that it delivers.
//
// Threads: pure.
// Source:  ADR-15;
// "$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivery>.<time>.<behind>",
//          from newer servers with a domain and an account before the stream.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery {
    const char *consumer; // in the reply subject
    size_t consumer_len;
    int64_t n;        // the stream's sequence
    int64_t delivery; // the consumer's: its how manyth delivery this is, from 1
    int64_t behind;   // messages for the consumer that it has not delivered yet
};

// False: this is no such subject.
bool delivery_parse(struct delivery *out, const char *reply);
