// outbox_reader.h - a part of an outbox that is settled for ever, in order, in the form in which
// bus/reader.h gives a stream. For feed.h alone, which says when this may be done.
//
// Ownership: a batch's messages live until the second outbox_reader_next after it.
// Threads:   one at a time per reader.
// Errors:    PostgreSQL's; DATA_LOSS names a row that no message may carry.
// Bounds:    READER_BATCH_BYTES_MAX bytes of payload a batch; two batches at once.
#pragma once
#include "bus/reader.h"
#include "inbox/inbox_state.h"

struct outbox_reader;

MUST_CHECK enum nova_status outbox_reader_create(struct outbox_reader **out, const char *url,
                                                 const char *source, int64_t until,
                                                 struct error *err);
void outbox_reader_destroy(struct outbox_reader **reader);
MUST_CHECK enum nova_status outbox_reader_seek(struct outbox_reader *reader,
                                               const struct inbox_checkpoint *checkpoint,
                                               struct error *err);
MUST_CHECK enum nova_status outbox_reader_next(struct reader_batch *out,
                                               struct outbox_reader *reader, size_t max,
                                               int64_t wait_ms, struct error *err);
struct reader_look outbox_reader_look(const struct outbox_reader *reader);
