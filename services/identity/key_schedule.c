// key_schedule.c - see key_schedule.h.
#include "services/identity/key_schedule.h"

#include <stdbool.h>

const char *key_state_name(enum key_state state)
{
    static const char *const names[] = {"waits", "signs", "verifies", "gone"};
    return names[state];
}

// The newest whose time has come; `count`: none may sign.
static size_t schedule_signer(const struct key_times *keys, size_t count, int64_t now_us)
{
    size_t signer = count;
    for (size_t i = 0; i < count; i++)
        if (keys[i].retired_us == 0 && (signer == count || keys[i].signs_from_us <= now_us))
            signer = i;
    return signer;
}

// When it signed last: when the next one began, or it was taken out.
static int64_t schedule_end_us(const struct key_times *keys, size_t count, size_t key)
{
    int64_t end_us = keys[key].retired_us;
    size_t next = key + 1;
    while (next < count && keys[next].retired_us != 0)
        next++;
    bool follows = next < count;
    if (follows && (end_us == 0 || keys[next].signs_from_us < end_us))
        end_us = keys[next].signs_from_us;
    return end_us;
}

void key_schedule(struct key_stage *out, const struct key_times *keys, size_t count, int64_t now_us,
                  int64_t keep_us)
{
    size_t signer = schedule_signer(keys, count, now_us);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct key_stage){KEY_SIGNS, 0};
        if (i == signer)
            continue;
        if (keys[i].retired_us == 0 && keys[i].signs_from_us > now_us) {
            out[i].state = KEY_WAITS;
            continue;
        }
        out[i].until_us = schedule_end_us(keys, count, i) + keep_us;
        out[i].state = now_us < out[i].until_us ? KEY_VERIFIES : KEY_GONE;
    }
}
