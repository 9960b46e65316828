// rules.c - identity's commands and rejections as tables.
#include "aggregates/identity/identity_internal.h"

const struct rejection identity_rejections[IDENTITY_REJECTION_COUNT] = {
#define REJECTION(name, status, text) {#name, NOVA_##status, text},
    IDENTITY_REJECTIONS(REJECTION)
#undef REJECTION
};

const struct command_rule identity_rules[IDENTITY_RULES_COUNT] = {
    {"Register", user_target_new, user_register, user_reply_registered},
    {"ImportUser", user_target_import, user_import, user_reply_imported},
    {"UpdateUser", user_target_update, user_update, user_reply_updated},
    {"DeleteUser", user_target_delete, user_delete, user_reply_deleted},
    {"ChangePassword", password_target_change, password_change, password_reply_changed},
    {"RequestEmailVerification", email_target_request, email_request_verification,
     email_reply_requested},
    {"VerifyEmail", email_target_verify, email_verify, email_reply_verified},
    {"RequestPasswordReset", password_target_request, password_request_reset,
     password_reply_requested},
    {"ResetPassword", password_target_reset, password_reset, password_reply_reset},
    {"Login", session_target_login, session_login, session_reply_login},
    {"RefreshToken", session_target_refresh, session_refresh, session_reply_refresh},
    {"Logout", session_target_logout, session_logout, session_reply_logout},
    {"RevokeSession", session_target_revoke, session_revoke, session_reply_revoke},
    {"RevokeAllSessions", session_target_revoke_all, session_revoke_all, session_reply_revoke_all},
    {"RotateSigningKey", keyring_target_rotate, keyring_rotate, keyring_reply_rotated},
};
