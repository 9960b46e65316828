// projection_rebuild.c - `nova projection rebuild`, `switch` and `abort`.
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "cli/command.h"
#include "cli/projection.h"
#include "projections/rebuild.h"

static struct projection_bar bar = {.began_applied = -1};

static struct fill_options begin(const struct settings *settings,
                                 const struct projection_arguments *given)
{
    log_start("rebuild");
    if (isatty(STDERR_FILENO)) // the progress says it
        log_set_level(LOG_LEVEL_WARN);
    return (struct fill_options){
        .settings = settings,
        .projection = given->projection,
        .progress = projection_bar_show,
        .context = &bar,
        .from_outbox = given->from_outbox,
    };
}

int projection_rebuild(const struct settings *settings, const struct projection_arguments *given)
{
    struct error err = {0};
    int32_t generation = 0;
    const char *name = given->projection->name;
    const struct rebuild_options options = {begin(settings, given), given->until_us,
                                            given->drop_former};
    enum nova_status status = rebuild_run(&generation, &options, &err);
    projection_bar_end();
    if (status != NOVA_OK)
        return command_failed(&err);
    if (given->until_us == 0) {
        command_say("%s is live in generation %" PRId32, name, generation);
        return EXIT_CODE_OK;
    }
    char until[TIMESTAMP_BYTES];
    timestamp_format(until, given->until_us);
    command_say("schema %s_g%" PRId32 " holds what was recorded before %s; the live generation is "
                "another. ./nova projection rebuild %s goes on with it, ./nova projection abort %s "
                "discards it",
                name, generation, until, name, name);
    return EXIT_CODE_OK;
}

int projection_switch(const struct settings *settings, const struct projection_arguments *given)
{
    struct error err = {0};
    const struct fill_options options = begin(settings, given);
    enum nova_status status = rebuild_back(&options, given->generation, &err);
    projection_bar_end();
    if (status != NOVA_OK)
        return command_failed(&err);
    command_say("%s is live in generation %" PRId32, given->projection->name, given->generation);
    return EXIT_CODE_OK;
}

int projection_abort(const struct settings *settings, const struct projection_arguments *given)
{
    struct error err = {0};
    int32_t generation = 0;
    const struct fill_options options = begin(settings, given);
    if (rebuild_abort(&generation, &options, &err) != NOVA_OK)
        return command_failed(&err);
    if (generation == 0)
        command_say("nothing of %s is half made", given->projection->name);
    else
        command_say("generation %" PRId32 " of %s, which was half made, is gone", generation,
                    given->projection->name);
    return EXIT_CODE_OK;
}
