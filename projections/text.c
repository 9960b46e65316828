// text.c - see text.h.
#include "projections/text.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static char *text_map(struct arena *arena, const char *text, int options)
{
    uint8_t *mapped = NULL;
    ssize_t len = utf8proc_map((const uint8_t *)text, 0, &mapped,
                               (utf8proc_option_t)(options | UTF8PROC_NULLTERM | UTF8PROC_STABLE |
                                                   UTF8PROC_COMPAT | UTF8PROC_COMPOSE |
                                                   UTF8PROC_CASEFOLD | UTF8PROC_IGNORE));
    if (len == UTF8PROC_ERROR_NOMEM)
        abort();
    char *copy = len < 0 ? NULL : arena_strdup(arena, (const char *)mapped);
    free(mapped);
    return copy;
}

char *text_fold(struct arena *arena, const char *text)
{
    return text_map(arena, text, UTF8PROC_STRIPMARK);
}

char *text_words(struct arena *arena, const char *text)
{
    char *words = text_fold(arena, text);
    for (char *at = words; at && *(at += strcspn(at, "/.@<>&")) != '\0';)
        *at = ' ';
    return words;
}

char *text_tag(struct arena *arena, const char *tag)
{
    char *folded = text_map(arena, tag[0] == '#' ? tag + 1 : tag, 0);
    if (folded && strlen(folded) > TEXT_TAG_BYTES_MAX)
        folded[0] = '\0';
    return folded;
}

static bool is_letter(utf8proc_int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool is_word(utf8proc_int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return point == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO);
}

struct tags {
    struct arena *arena;
    const char **at;
    size_t count;
};

static bool tags_add(struct tags *tags, const char *text)
{
    char *tag = text_tag(tags->arena, text);
    if (!tag)
        return false;
    bool known = tag[0] == '\0' || tags->count == TEXT_TAGS_MAX;
    for (size_t i = 0; i < tags->count && !known; i++)
        known = strcmp(tags->at[i], tag) == 0;
    if (!known)
        tags->at[tags->count++] = tag;
    return true;
}

// The word that begins at `text`, which follows a #. A number alone is no hashtag.
static bool tags_add_word(struct tags *tags, const uint8_t *text, size_t *len)
{
    utf8proc_int32_t point;
    ssize_t step;
    bool has_letter = false;
    *len = 0;
    while ((step = utf8proc_iterate(text + *len, -1, &point)) > 0 && is_word(point)) {
        has_letter |= is_letter(point);
        *len += (size_t)step;
    }
    if (step < 0)
        return false;
    if (!has_letter || *len > TEXT_TAG_BYTES_MAX)
        return true;
    return tags_add(tags, arena_printf(tags->arena, "%.*s", (int)*len, text));
}

// "a#b" and "&#39;" hold no hashtag: the # stands at the beginning of a word.
static bool tags_find(struct tags *tags, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    utf8proc_int32_t point, before = ' ';
    while (*at != '\0') {
        ssize_t step = utf8proc_iterate(at, -1, &point);
        if (step < 0)
            return false;
        at += step;
        if (point == '#' && !is_word(before) && before != '#' && before != '&') {
            size_t len;
            if (!tags_add_word(tags, at, &len))
                return false;
            at += len;
            point = len > 0 ? 'a' : point;
        }
        before = point;
    }
    return true;
}

bool text_tags(const char *const **out, size_t *count, struct arena *arena,
               const char *const *given, size_t given_count, const char *title, const char *text)
{
    struct tags tags = {arena, arena_alloc(arena, TEXT_TAGS_MAX * sizeof *tags.at), 0};
    bool whole = true;
    for (size_t i = 0; i < given_count; i++)
        whole &= tags_add(&tags, given[i]);
    whole = whole && tags_find(&tags, title) && tags_find(&tags, text);
    *out = tags.at;
    *count = tags.count;
    return whole;
}

char *text_array(struct arena *arena, const char *const *texts, size_t count)
{
    size_t size = 3;
    for (size_t i = 0; i < count; i++)
        size += 2 * strlen(texts[i]) + 3;
    char *array = arena_alloc(arena, size), *to = array;
    *to++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *to++ = ',';
        *to++ = '"';
        for (const char *from = texts[i]; *from != '\0'; from++) {
            if (*from == '"' || *from == '\\')
                *to++ = '\\';
            *to++ = *from;
        }
        *to++ = '"';
    }
    *to = '}';
    return array;
}
