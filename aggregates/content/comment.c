// comment.c - the aggregate comment: on a post, or in reply to another comment of that post.
#include <string.h>

#include "aggregates/content/content_internal.h"

static void comment_evolve(void *state, const struct recorded *event)
{
    struct comment_state *comment = state;
    if (strcmp(event->type->type, "comment.created") == 0) {
        const Nova__Content__V2__CommentCreated *created = (const void *)event->payload;
        comment->exists = 1;
        comment->author_id = id_parse(created->author_id);
        comment->post_id = id_parse(created->post_id);
    } else if (strcmp(event->type->type, "comment.deleted") == 0) {
        comment->deleted = 1;
    }
}

static const struct state_field comment_fields[] = {
    STATE_FIELD(comment_state, STATE_ID, author_id),
    STATE_FIELD(comment_state, STATE_ID, post_id),
    STATE_FIELD(comment_state, STATE_FLAG, exists),
    STATE_FIELD(comment_state, STATE_FLAG, deleted),
};

const struct aggregate_type comment_aggregate = {
    .service = "content",
    .name = "comment",
    .state_bytes = sizeof(struct comment_state),
    .state_version = 1,
    .evolve = comment_evolve,
    .fields = comment_fields,
    .field_count = sizeof comment_fields / sizeof *comment_fields,
};

static const struct rejection *comment_check(const char *text)
{
    if (*text == '\0')
        return content_rejected(CONTENT_COMMENT_EMPTY);
    if (strlen(text) > COMMENT_TEXT_BYTES_MAX)
        return content_rejected(CONTENT_TEXT_TOO_LONG);
    return NULL;
}

// ---- CreateComment ------------------------------------------------------------------------------

enum { TARGET_COMMENT, TARGET_POST, TARGET_PARENT };

const struct rejection *comment_target_new(struct targets *targets, const struct decision *decision)
{
    const Nova__Content__V2__CreateCommentRequest *request = (const void *)decision->request;
    struct uuid id = id_parse(request->comment_id), post = id_parse(request->post_id),
                parent = id_parse(request->parent_id);
    if (uuid_is_nil(&post))
        return content_rejected(CONTENT_POST_ID_MISSING);
    targets_add(targets, &comment_aggregate, uuid_is_nil(&id) ? &decision->new_id : &id);
    targets_add(targets, &post_aggregate, &post);
    if (!uuid_is_nil(&parent))
        targets_add(targets, &comment_aggregate, &parent);
    return NULL;
}

static const struct rejection *comment_check_place(const struct decision *decision)
{
    const struct post_state *post = decision->aggregates[TARGET_POST].state;
    if (!post->exists || post->deleted)
        return content_rejected(CONTENT_POST_UNKNOWN);
    if (decision->aggregate_count <= TARGET_PARENT)
        return NULL;
    const struct comment_state *parent = decision->aggregates[TARGET_PARENT].state;
    if (!parent->exists || parent->deleted)
        return content_rejected(CONTENT_PARENT_UNKNOWN);
    if (!uuid_equal(&parent->post_id, &decision->aggregates[TARGET_POST].id))
        return content_rejected(CONTENT_PARENT_OF_ANOTHER_POST);
    return NULL;
}

static void comment_emit_created(struct decision *decision)
{
    const Nova__Content__V2__CreateCommentRequest *request = (const void *)decision->request;
    const struct uuid *author = &decision->caller->user_id;
    Nova__Content__V2__CommentCreated *payload =
        message_new(decision->arena, &nova__content__v2__comment_created__descriptor);
    Nova__Content__V2__CommentCreatedPersonal *personal =
        message_new(decision->arena, &nova__content__v2__comment_created_personal__descriptor);
    payload->author_id = id_text(decision->arena, author);
    payload->post_id = id_text(decision->arena, &decision->aggregates[TARGET_POST].id);
    if (decision->aggregate_count > TARGET_PARENT)
        payload->parent_id = id_text(decision->arena, &decision->aggregates[TARGET_PARENT].id);
    personal->text = request->text;
    decision_emit(decision, &decision->aggregates[TARGET_COMMENT], "comment.created",
                  &payload->base, &personal->base, author);
}

const struct rejection *comment_create(struct decision *decision)
{
    const Nova__Content__V2__CreateCommentRequest *request = (const void *)decision->request;
    const struct comment_state *comment = decision->aggregates[TARGET_COMMENT].state;
    if (uuid_is_nil(&decision->caller->user_id))
        return content_rejected(CONTENT_AUTHOR_MISSING);
    const struct rejection *rejection = comment_check(request->text);
    if (rejection == NULL && comment->exists)
        rejection = content_rejected(CONTENT_COMMENT_EXISTS);
    if (rejection == NULL)
        rejection = comment_check_place(decision);
    if (rejection == NULL)
        comment_emit_created(decision);
    return rejection;
}

void comment_reply_created(struct reply *reply)
{
    Nova__Content__V2__CreateCommentReply *message =
        message_new(reply->arena, &nova__content__v2__create_comment_reply__descriptor);
    message->comment_id = id_text(reply->arena, &reply->events[0].aggregate_id);
    message->created_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}

// ---- UpdateComment and DeleteComment ------------------------------------------------------------

static const struct rejection *target_known_comment(struct targets *targets, const char *text)
{
    struct uuid id = id_parse(text);
    if (uuid_is_nil(&id))
        return content_rejected(CONTENT_COMMENT_ID_MISSING);
    targets_add(targets, &comment_aggregate, &id);
    return NULL;
}

static const struct rejection *comment_check_author(const struct decision *decision)
{
    const struct comment_state *comment = decision->aggregates[0].state;
    if (!comment->exists || comment->deleted)
        return content_rejected(CONTENT_COMMENT_UNKNOWN);
    if (!caller_is(decision->caller, &comment->author_id))
        return content_rejected(CONTENT_NOT_AUTHOR);
    return NULL;
}

const struct rejection *comment_target_update(struct targets *targets,
                                              const struct decision *decision)
{
    const Nova__Content__V2__UpdateCommentRequest *request = (const void *)decision->request;
    return target_known_comment(targets, request->comment_id);
}

const struct rejection *comment_update(struct decision *decision)
{
    const Nova__Content__V2__UpdateCommentRequest *request = (const void *)decision->request;
    struct aggregate *comment = &decision->aggregates[0];
    const struct comment_state *state = comment->state;
    const struct rejection *rejection = comment_check_author(decision);
    if (rejection == NULL)
        rejection = comment_check(request->text);
    if (rejection != NULL)
        return rejection;
    Nova__Content__V2__CommentUpdated *payload =
        message_new(decision->arena, &nova__content__v2__comment_updated__descriptor);
    Nova__Content__V2__CommentUpdatedPersonal *personal =
        message_new(decision->arena, &nova__content__v2__comment_updated_personal__descriptor);
    payload->post_id = id_text(decision->arena, &state->post_id);
    personal->text = request->text;
    decision_emit(decision, comment, "comment.updated", &payload->base, &personal->base,
                  &state->author_id);
    return NULL;
}

void comment_reply_updated(struct reply *reply)
{
    Nova__Content__V2__UpdateCommentReply *message =
        message_new(reply->arena, &nova__content__v2__update_comment_reply__descriptor);
    message->version = reply->events[0].version;
    reply->message = &message->base;
}

const struct rejection *comment_target_delete(struct targets *targets,
                                              const struct decision *decision)
{
    const Nova__Content__V2__DeleteCommentRequest *request = (const void *)decision->request;
    return target_known_comment(targets, request->comment_id);
}

const struct rejection *comment_delete(struct decision *decision)
{
    const struct comment_state *state = decision->aggregates[0].state;
    const struct rejection *rejection = comment_check_author(decision);
    if (rejection != NULL)
        return rejection;
    Nova__Content__V2__CommentDeleted *payload =
        message_new(decision->arena, &nova__content__v2__comment_deleted__descriptor);
    payload->post_id = id_text(decision->arena, &state->post_id);
    decision_emit(decision, &decision->aggregates[0], "comment.deleted", &payload->base, NULL,
                  NULL);
    return NULL;
}

void comment_reply_deleted(struct reply *reply)
{
    Nova__Content__V2__DeleteCommentReply *message =
        message_new(reply->arena, &nova__content__v2__delete_comment_reply__descriptor);
    message->deleted_at_us = reply->events[0].occurred_at_us;
    reply->message = &message->base;
}
