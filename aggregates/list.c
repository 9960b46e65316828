// list.c - see list.h.
#include "aggregates/list.h"

#include <string.h>

#include "aggregates/communication/communication.h"
#include "aggregates/content/content.h"
#include "aggregates/identity/identity.h"

static const struct aggregate_type *const types[] = {
    &user_aggregate,    &session_aggregate,      &keyring_aggregate, &post_aggregate,
    &comment_aggregate, &conversation_aggregate, &message_aggregate,
};

size_t aggregate_type_count(void)
{
    return sizeof types / sizeof *types;
}

const struct aggregate_type *aggregate_type_at(size_t i)
{
    return types[i];
}

const struct aggregate_type *aggregate_type_find(const char *service, const char *name)
{
    for (size_t i = 0; i < aggregate_type_count(); i++)
        if (strcmp(types[i]->service, service) == 0 && strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}
