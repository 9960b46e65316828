// reserved.c - handles that nobody may register: they look like a part of Nova, or like somebody
// who speaks for it.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aggregates/identity/identity.h"

// In the order of strcasecmp.
static const char *const reserved[] = {
    "about",      "abuse",     "account",  "accounts",  "admin",    "administrator", "anonymous",
    "api",        "app",       "auth",     "billing",   "blog",     "bot",           "careers",
    "comment",    "comments",  "contact",  "content",   "deleted",  "dev",           "docs",
    "email",      "event",     "events",   "everyone",  "explore",  "faq",           "feed",
    "ftp",        "guest",     "hashtag",  "help",      "here",     "home",          "identity",
    "importer",   "info",      "jobs",     "legal",     "login",    "logout",        "mail",
    "media",      "message",   "messages", "moderator", "news",     "notifications", "nova",
    "null",       "oauth",     "official", "operator",  "password", "post",          "posts",
    "postmaster", "press",     "privacy",  "profile",   "register", "root",          "rules",
    "search",     "security",  "service",  "session",   "settings", "signin",        "signup",
    "social",     "staff",     "static",   "status",    "store",    "support",       "system",
    "tag",        "tags",      "team",     "terms",     "test",     "token",         "tos",
    "trending",   "undefined", "user",     "username",  "users",    "verified",      "verify",
    "webmaster",  "www",
};

static int compare(const void *key, const void *entry)
{
    return strcasecmp(key, *(const char *const *)entry);
}

bool handle_is_reserved(const char *handle)
{
    return bsearch(handle, reserved, sizeof reserved / sizeof *reserved, sizeof *reserved,
                   compare) != NULL;
}
