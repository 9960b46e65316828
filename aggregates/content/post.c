// post.c - the aggregate post.
#include <string.h>

#include "aggregates/content/content_internal.h"

static void post_evolve(void *state, const struct recorded *event)
{
    struct post_state *post = state;
    if (strcmp(event->type->type, "post.created") == 0) {
        const Nova__Content__V2__PostCreated *created = (const void *)event->payload;
        post->exists = 1;
        post->author_id = id_parse(created->author_id);
    } else if (strcmp(event->type->type, "post.deleted") == 0) {
        post->deleted = 1;
    }
}

static const struct state_field post_fields[] = {
    STATE_FIELD(post_state, STATE_ID, author_id),
    STATE_FIELD(post_state, STATE_FLAG, exists),
    STATE_FIELD(post_state, STATE_FLAG, deleted),
};

const struct aggregate_type post_aggregate = {
    .service = "content",
    .name = "post",
    .state_bytes = sizeof(struct post_state),
    .state_version = 1,
    .evolve = post_evolve,
    .fields = post_fields,
    .field_count = sizeof post_fields / sizeof *post_fields,
};

// ---- what a post may hold -----------------------------------------------------------------------

static bool tag_is_valid(const char *tag)
{
    size_t len = strlen(tag);
    return len > 0 && len <= POST_TAG_BYTES_MAX && strpbrk(tag, " \t\r\n") == NULL;
}

static const struct rejection *post_check(const char *title, const char *text, char **tags,
                                          size_t tag_count)
{
    if (*title == '\0' && *text == '\0')
        return content_rejected(CONTENT_POST_EMPTY);
    if (strlen(title) > POST_TITLE_BYTES_MAX)
        return content_rejected(CONTENT_TITLE_TOO_LONG);
    if (strlen(text) > POST_TEXT_BYTES_MAX)
        return content_rejected(CONTENT_TEXT_TOO_LONG);
    if (tag_count > POST_TAGS_MAX)
        return content_rejected(CONTENT_TOO_MANY_TAGS);
    for (size_t i = 0; i < tag_count; i++)
        if (!tag_is_valid(tags[i]))
            return content_rejected(CONTENT_TAG_INVALID);
    return NULL;
}

// ---- CreatePost ---------------------------------------------------------------------------------

const struct rejection *post_target_new(struct targets *targets, const struct decision *decision)
{
    const Nova__Content__V2__CreatePostRequest *request = (const void *)decision->request;
    struct uuid id = id_parse(request->post_id);
    targets_add(targets, &post_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
    return NULL;
}

const struct rejection *post_create(struct decision *decision)
{
    const Nova__Content__V2__CreatePostRequest *request = (const void *)decision->request;
    struct aggregate *post = &decision->aggregates[0];
    const struct uuid *author = &decision->caller->user_id;
    if (uuid_is_nil(author))
        return content_rejected(CONTENT_AUTHOR_MISSING);
    const struct rejection *rejection =
        post_check(request->title, request->text, request->tags, request->n_tags);
    if (rejection != NULL)
        return rejection;
    if (((const struct post_state *)post->state)->exists)
        return content_rejected(CONTENT_POST_EXISTS);
    Nova__Content__V2__PostCreated *payload =
        message_new(decision->arena, &nova__content__v2__post_created__descriptor);
    Nova__Content__V2__PostCreatedPersonal *personal =
        message_new(decision->arena, &nova__content__v2__post_created_personal__descriptor);
    payload->author_id = id_text(decision->arena, author);
    personal->title = request->title;
    personal->text = request->text;
    personal->tags = request->tags;
    personal->n_tags = request->n_tags;
    decision_emit(decision, post, "post.created", &payload->base, &personal->base, author);
    return NULL;
}

void post_reply_created(struct reply *reply)
{
    Nova__Content__V2__CreatePostReply *message =
        message_new(reply->arena, &nova__content__v2__create_post_reply__descriptor);
    message->post_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->created_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- UpdatePost and DeletePost ------------------------------------------------------------------

static const struct rejection *target_known_post(struct targets *targets, const char *text)
{
    struct uuid id = id_parse(text);
    if (uuid_is_nil(&id))
        return content_rejected(CONTENT_POST_ID_MISSING);
    targets_add(targets, &post_aggregate, &id);
    return NULL;
}

static const struct rejection *post_check_author(const struct decision *decision)
{
    const struct post_state *post = decision->aggregates[0].state;
    if (!post->exists || post->deleted)
        return content_rejected(CONTENT_POST_UNKNOWN);
    if (!caller_is(decision->caller, &post->author_id))
        return content_rejected(CONTENT_NOT_AUTHOR);
    return NULL;
}

const struct rejection *post_target_update(struct targets *targets, const struct decision *decision)
{
    const Nova__Content__V2__UpdatePostRequest *request = (const void *)decision->request;
    return target_known_post(targets, request->post_id);
}

const struct rejection *post_update(struct decision *decision)
{
    const Nova__Content__V2__UpdatePostRequest *request = (const void *)decision->request;
    struct aggregate *post = &decision->aggregates[0];
    const struct post_state *state = post->state;
    const struct rejection *rejection = post_check_author(decision);
    if (rejection == NULL)
        rejection = post_check(request->title, request->text, request->tags, request->n_tags);
    if (rejection != NULL)
        return rejection;
    Nova__Content__V2__PostUpdated *payload =
        message_new(decision->arena, &nova__content__v2__post_updated__descriptor);
    Nova__Content__V2__PostUpdatedPersonal *personal =
        message_new(decision->arena, &nova__content__v2__post_updated_personal__descriptor);
    personal->title = request->title;
    personal->text = request->text;
    personal->tags = request->tags;
    personal->n_tags = request->n_tags;
    decision_emit(decision, post, "post.updated", &payload->base, &personal->base,
                  &state->author_id);
    return NULL;
}

void post_reply_updated(struct reply *reply)
{
    Nova__Content__V2__UpdatePostReply *message =
        message_new(reply->arena, &nova__content__v2__update_post_reply__descriptor);
    message->version = reply->events[0].version;
    reply->message = &message->base;
}

const struct rejection *post_target_delete(struct targets *targets, const struct decision *decision)
{
    const Nova__Content__V2__DeletePostRequest *request = (const void *)decision->request;
    return target_known_post(targets, request->post_id);
}

const struct rejection *post_delete(struct decision *decision)
{
    const struct rejection *rejection = post_check_author(decision);
    if (rejection != NULL)
        return rejection;
    Nova__Content__V2__PostDeleted *payload =
        message_new(decision->arena, &nova__content__v2__post_deleted__descriptor);
    decision_emit(decision, &decision->aggregates[0], "post.deleted", &payload->base, NULL, NULL);
    return NULL;
}

void post_reply_deleted(struct reply *reply)
{
    Nova__Content__V2__DeletePostReply *message =
        message_new(reply->arena, &nova__content__v2__delete_post_reply__descriptor);
    message->deleted_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}
