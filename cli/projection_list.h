// projection_list.h - `nova projection list`: each projection with its generations, and for each of
// its sources where it stands against that source's head. These positions together, one a source,
// are its vector: "as of" means all of them.
#pragma once
#include "base/settings.h"

int projection_list(const struct settings *settings, bool as_json);
