// feed.c - see feed.h. Chooses between the two; outbox_reader.c reads an outbox.
#include "inbox/feed.h"

#include <stdlib.h>

#include "inbox/outbox_reader.h"

struct feed {
    struct reader *stream; // one of the two
    struct outbox_reader *outbox;
};

enum nova_status feed_create(struct feed **out, const struct feed_options *options,
                             struct error *err)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        abort();
    enum nova_status status = options->outbox_url != NULL
                                  ? outbox_reader_create(&feed->outbox, options->outbox_url,
                                                         options->source, options->until, err)
                                  : reader_create(&feed->stream, options->connection,
                                                  options->source, options->durable, err);
    *out = feed;
    if (status != NOVA_OK)
        feed_destroy(out);
    return status;
}

void feed_destroy(struct feed **feed)
{
    if (!*feed)
        return;
    reader_destroy(&(*feed)->stream);
    outbox_reader_destroy(&(*feed)->outbox);
    free(*feed);
    *feed = NULL;
}

enum nova_status feed_seek(struct feed *feed, const struct inbox_checkpoint *checkpoint,
                           struct error *err)
{
    return feed->outbox != NULL ? outbox_reader_seek(feed->outbox, checkpoint, err)
                                : reader_seek(feed->stream, checkpoint->n, err);
}

enum nova_status feed_next(struct reader_batch *out, struct feed *feed, size_t max, int64_t wait_ms,
                           struct error *err)
{
    return feed->outbox != NULL ? outbox_reader_next(out, feed->outbox, max, wait_ms, err)
                                : reader_next(out, feed->stream, max, wait_ms, err);
}

enum nova_status feed_ack(struct feed *feed, const struct reader_message *last, struct error *err)
{
    return feed->outbox != NULL ? NOVA_OK : reader_ack(feed->stream, last, err);
}

enum nova_status feed_look(struct reader_look *out, struct feed *feed, struct error *err)
{
    if (feed->outbox == NULL)
        return reader_look(out, feed->stream, err);
    *out = outbox_reader_look(feed->outbox);
    return NOVA_OK;
}
