// writer.h - one writer of posts: what a worker of content's service does with a command, without
// the bus before it.
//
// Looked up, loaded, decided, sealed, appended with expected version and command id, committed.
// Each writer has a connection and a runtime of its own, and a user for whom it writes.
//
// Ownership: writer_close frees what writer_open made.
// Threads:   one at a time per writer.
// Errors:    end the program (tool.h).
#pragma once
#include "aggregates/content/content.h"
#include "aggregates/runtime/runtime.h"
#include "bench/tool.h"

struct writer {
    struct pg *pg;
    struct runtime *runtime;
    struct arena *arena;
    struct caller caller;
    const struct command_rule *rule; // content's own, or one that answers CreatePost with more
    size_t text_bytes;
};

// `payload_bytes`: about so many bytes an event's payload has. `master` must outlive the writer.
void writer_open(struct writer *out, const struct command_rule *rule, int64_t payload_bytes,
                 const struct seal_key *master);
void writer_close(struct writer *writer);
// A user of its own.
struct caller writer_caller(void);

// A new post. Returns the position of its last event.
int64_t writer_execute(struct writer *writer);
// A new text for a post that is there, as operator.
int64_t writer_update(struct writer *writer, const struct uuid *post_id);
