// user_lock.c - a user is locked for strangers after too many logins failed, and unlocked when
// somebody who knows the password, or has a token that was sent by e-mail, comes in.
//
// How long a stranger waits is not decided here: names that nobody has wait as well, and those have
// no user (services/identity/throttle.h). What is decided is when it is an event of the user's:
// once each time, however long somebody goes on trying.
#include "aggregates/identity/identity_internal.h"

static void lock_emit_locked(struct decision *decision, struct aggregate *user)
{
    Nova__Identity__V2__UserLocked *locked =
        message_new(decision->arena, &nova__identity__v2__user_locked__descriptor);
    locked->reason = "failed_logins";
    decision_emit(decision, user, "user.locked", &locked->base, NULL, NULL);
}

void lock_emit_unlocked(struct decision *decision, struct aggregate *user, const char *reason)
{
    const struct user_state *state = user->state;
    if (!state->locked)
        return;
    Nova__Identity__V2__UserUnlocked *unlocked =
        message_new(decision->arena, &nova__identity__v2__user_unlocked__descriptor);
    unlocked->reason = (char *)(uintptr_t)reason;
    decision_emit(decision, user, "user.unlocked", &unlocked->base, NULL, NULL);
}

// Of a name that nobody has, a user who does not exist is loaded: the work is the same.
void lock_target_failed(struct targets *targets, const struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    const struct uuid *user_id = &facts->login_user_id;
    targets_add(targets, &user_aggregate, uuid_is_nil(user_id) ? &decision->new_id : user_id);
}

// The failure is noted in inline tables, whoever it was for; the answer is the reply's.
void lock_note_failed(struct decision *decision)
{
    const struct identity_facts *facts = decision->facts;
    struct aggregate *user = &decision->aggregates[0];
    const struct user_state *state = user->state;
    decision->writes_inline = true;
    if (facts->attempt.locks && state->exists && !state->deleted && !state->locked)
        lock_emit_locked(decision, user);
}
