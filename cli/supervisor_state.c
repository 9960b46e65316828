// supervisor_state.c - see supervisor_state.h. Readers see the old file or the new one, never half.
#include "cli/supervisor_state.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/path.h"

static json_t *time_json(time_t at)
{
    char text[32];
    struct tm parts;
    gmtime_r(&at, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(text);
}

static json_t *child_json(const struct child *child)
{
    json_t *out = json_object();
    json_object_set_new(out, "name", json_string(child->is.name));
    json_object_set_new(out, "kind", json_string(child->is.kind));
    json_object_set_new(out, "state", json_string(supervise_state_name(child->supervise.state)));
    json_object_set_new(out, "why", json_string(child->supervise.why));
    json_object_set_new(out, "since", time_json(child->since));
    json_object_set_new(out, "pid", child->pid ? json_integer(child->pid) : json_null());
    json_object_set_new(out, "pause_ms", json_integer(supervise_pause_ms(&child->supervise)));
    json_object_set_new(out, "starts", json_integer(child->supervise.starts));
    json_object_set_new(out, "status", json_string(child->status)); // NULL when it is not UTF-8
    json_object_set_new(out, "trouble", json_string(child->trouble));
    json_object_set_new(out, "last_exit", json_string(child->last_exit));
    return out;
}

static json_t *state_json(const struct supervisor *supervisor)
{
    json_t *out = json_object(), *list = json_array();
    for (size_t i = 0; i < supervisor->child_count; i++)
        json_array_append_new(list, child_json(&supervisor->children[i]));
    json_object_set_new(out, "version", json_integer(1));
    json_object_set_new(out, "pid", json_integer(getpid()));
    json_object_set_new(out, "since", time_json(supervisor->since));
    json_object_set_new(out, "phase",
                        json_string(supervisor->stopping ? "stopping"
                                    : supervisor->all    ? "running"
                                                         : "starting"));
    json_object_set_new(out, "processes", list);
    return out;
}

void supervisor_state_write(struct supervisor *supervisor)
{
    char path[PATH_MAX], part[PATH_MAX];
    path_print(path, "%s/run/state.json", supervisor->home);
    path_print(part, "%s/run/state.json.part", supervisor->home);
    json_t *state = state_json(supervisor);
    int failed = json_dump_file(state, part, JSON_INDENT(1));
    json_decref(state);
    if (failed != 0 || rename(part, path) != 0) {
        log_warn("supervisor: state.json cannot be written", LOG_TEXT("err", strerror(errno)));
        return;
    }
    supervisor->changed = false;
}
