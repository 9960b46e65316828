// up_read_models.h - the last step of `nova up`.
#pragma once
#include "cli/up.h"

// Waits until every consumer has applied what the outboxes held when it began to look. What stands
// still for up.patience_s is given up, by name (DEADLINE_EXCEEDED); the processes stay.
MUST_CHECK enum nova_status up_wait_for_read_models(struct up *up, struct error *err);
