// throttle.c - see throttle.h.
#include "services/identity/throttle.h"

int64_t throttle_failures(const struct throttle_bucket *bucket,
                          const struct throttle_policy *policy)
{
    const int64_t held_us = bucket->forgotten_at_us - bucket->failed_at_us;
    const int64_t max = throttle_failures_max(policy);
    if (held_us <= 0)
        return 0;
    int64_t failures = held_us / policy->forget_us + (held_us % policy->forget_us != 0);
    return failures < max ? failures : max;
}

int64_t throttle_delay_us(int64_t failures, const struct throttle_policy *policy)
{
    int64_t delay_us = policy->delay_us;
    if (failures <= policy->attempts)
        return 0;
    for (int64_t i = policy->attempts + 1; i < failures && delay_us < policy->delay_max_us; i++)
        delay_us *= 2;
    return delay_us < policy->delay_max_us ? delay_us : policy->delay_max_us;
}

int64_t throttle_failures_max(const struct throttle_policy *policy)
{
    int64_t failures = policy->attempts + 1;
    for (int64_t delay_us = policy->delay_us; delay_us < policy->delay_max_us; delay_us *= 2)
        failures++;
    return failures;
}

int64_t throttle_wait_us(const struct throttle_bucket *bucket, const struct throttle_policy *policy,
                         int64_t now_us)
{
    int64_t delay_us = throttle_delay_us(throttle_failures(bucket, policy), policy);
    int64_t since_us = now_us - bucket->failed_at_us;
    return since_us < 0 || since_us >= delay_us ? 0 : delay_us - since_us;
}
