// load.c - loading one post as a command does it: its snapshot where there is one, the events after
// it, unpacked and folded into its state.
//
//   --id ID --loads N [--snapshot yes --tail K]
//
// --snapshot yes: first one UpdatePost, with which the runtime writes a snapshot of so long an
// aggregate, and K more. Without: as it stands.
#include <stdlib.h>
#include <string.h>

// The load alone has no door of its own: commands go through runtime_execute.
#include "aggregates/runtime/runtime_internal.h"
#include "base/access.h"
#include "bench/writer.h"

enum { WARM_UP = 5 };

static int64_t load(struct writer *writer, const struct uuid *id)
{
    struct error err = {0};
    struct aggregate aggregate;
    int64_t snapshot_version;
    struct targets *targets = arena_alloc(writer->arena, sizeof *targets);
    targets->arena = writer->arena;
    targets_add(targets, &post_aggregate, id);
    tool_must(
        runtime_load(writer->runtime, targets, &aggregate, &snapshot_version, writer->arena, &err),
        &err);
    int64_t version = aggregate.version;
    arena_reset(writer->arena);
    return version;
}

static void measure(struct writer *writer, const struct uuid *id, int64_t loads)
{
    int64_t version = 0;
    double *took_s = tool_doubles(loads);
    for (int i = 0; i < WARM_UP; i++)
        load(writer, id);
    for (int64_t i = 0; i < loads; i++) {
        double began_s = tool_now_s();
        version = load(writer, id);
        took_s[i] = tool_now_s() - began_s;
    }
    printf("{\"version\": %lld, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", (long long)version,
           1e6 * tool_percentile(took_s, (size_t)loads, 0.5),
           1e6 * tool_percentile(took_s, (size_t)loads, 0.99));
    free(took_s);
}

int main(int argc, char **argv)
{
    struct uuid id;
    struct error err = {0};
    struct seal_key master;
    struct writer writer;
    tool_start(argc, argv);
    if (!uuid_parse(&id, tool_text("--id") ? tool_text("--id") : ""))
        tool_fail("--id wants an id");
    tool_must(access_master_key(&master, tool_settings(), "content", &err), &err);
    writer_open(&writer, &content_rules[0], tool_int("--size", 200), &master);
    if (tool_text("--snapshot") != NULL)
        for (int64_t i = 0; i <= tool_int("--tail", 0); i++)
            writer_update(&writer, &id);
    measure(&writer, &id, tool_int("--loads", 100));
    writer_close(&writer);
    seal_key_forget(&master);
    tool_end();
    return 0;
}
