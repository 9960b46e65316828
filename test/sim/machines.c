// machines.c - the product's own machines, compiled here with their rules in our hands.
#include "test/sim/sim.h"

#define SETTLE_RULE(name) SIM_RULE(settle, name)
#define RELAY_RULE(name) SIM_RULE(relay, name)
#define INBOX_RULE(name) SIM_RULE(inbox, name)

// clang-format off
#include "outbox-relay/settle.c"
#include "outbox-relay/relay_state.c"
#include "inbox/inbox_state.c"
// clang-format on
