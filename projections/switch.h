// switch.h - a filled generation takes the live one's place, in one transaction.
//
// The live consumer is held for a moment, until the filled one is nowhere behind it; then views,
// checkpoint, dead letters and generation are switched. The former generation is kept as it was,
// and so are its books, as those of "<consumer>@<its number>": it can catch up from there and be
// switched to again.
#pragma once
#include "projections/fill.h"

// The fill must be at work and caught up. It is paused then.
// Errors: ABORTED when it never came as far as the live one; nothing has changed then.
MUST_CHECK enum nova_status switch_over(struct fill *fill, struct error *err);
