// log_witness.c - `nova log witness`: one checkpoint, from a file, before what this witness has
// seen.
//
//     DIR/<log id>.checkpoint                           the last one it cosigned, as it was shown
//     DIR/evidence/<log id>.<size>.<root>.checkpoint    what was refused, and what it was compared
//     to
//
// The state is on disk before the cosignature leaves: a witness that forgets what it cosigned could
// be shown a second history. One at a time for each DIR, by a lock.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/proof.h"
#include "audit/witness.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/log.h"
#include "cli/log_policy.h"
#include "cli/path.h"

enum { KEY_FILE_BYTES_MAX = 1024, ROOT_HEX_BYTES = 17 };

struct witnessing {
    const char *key, *log_key, *state, *proof, *shown;
    struct checkpoint_policy policy;
    struct note_signer signer;
    struct arena *arena;
    char *note; // shown
    size_t note_len;
    struct checkpoint_opened opened;
    char *last_note; // NULL: none of this log was seen yet
    struct checkpoint_opened last;
    int lock;
};

// ---- what is asked ------------------------------------------------------------------------------

static int parse_arguments(struct witnessing *w, int argc, char **argv)
{
    const struct {
        const char *option, **value;
    } options[] = {{"--key", &w->key},
                   {"--log-key", &w->log_key},
                   {"--state", &w->state},
                   {"--proof", &w->proof}};
    for (int i = 1; i < argc; i++) {
        const char **value = &w->shown;
        for (size_t j = 0; j < sizeof options / sizeof *options; j++)
            if (strcmp(argv[i], options[j].option) == 0)
                value = options[j].value;
        bool is_option = argv[i][0] == '-' && argv[i][1] != '\0'; // "-" is standard input
        if (value == &w->shown && (is_option || w->shown != NULL))
            return command_usage("log", "witness does not know '%s'", argv[i]);
        if (value != &w->shown && ++i == argc)
            return command_usage("log", "%s wants a value", argv[i - 1]);
        *value = argv[i];
    }
    if (!w->key || !w->log_key || !w->state || !w->shown)
        return command_usage("log",
                             "witness wants --key, --log-key, --state and a checkpoint's file");
    return EXIT_CODE_OK;
}

static enum nova_status read_signer(struct witnessing *w, struct error *err)
{
    struct stat info;
    char *text = NULL;
    size_t len;
    if (stat(w->key, &info) == 0 && (info.st_mode & (S_IRWXG | S_IRWXO)))
        return error_set(err, NOVA_PERMISSION_DENIED,
                         "%s is a secret that others may read: chmod 600", w->key);
    enum nova_status status = log_read_file(&text, &len, w->arena, w->key, KEY_FILE_BYTES_MAX, err);
    if (status == NOVA_OK && note_signer_parse(&w->signer, text, err) != NOVA_OK)
        status = error_while(err, "%s", w->key);
    if (status == NOVA_OK && w->signer.key.type != NOTE_KEY_WITNESS)
        status =
            error_set(err, NOVA_INVALID_ARGUMENT, "%s is a log's key, not a witness's", w->key);
    if (text)
        sodium_memzero(text, len);
    return status;
}

// ---- what was seen ------------------------------------------------------------------------------

static enum nova_status open_state(struct witnessing *w, struct error *err)
{
    char path[PATH_MAX];
    if (strlen(w->state) > PATH_MAX / 2)
        return error_set(err, NOVA_INVALID_ARGUMENT, "--state is too long a path");
    path_print(path, "%s/evidence", w->state);
    enum nova_status status = home_make_folder(path, err);
    if (status != NOVA_OK)
        return status;
    w->lock = open(w->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->lock < 0 || flock(w->lock, LOCK_EX) != 0)
        return error_set(err, NOVA_UNAVAILABLE, "%s: %s", w->state, strerror(errno));
    return NOVA_OK;
}

static void state_path(char out[PATH_MAX], const struct witnessing *w)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(id, &w->opened.log_id);
    path_print(out, "%s/%s.checkpoint", w->state, id);
}

static enum nova_status read_last(struct witnessing *w, struct error *err)
{
    char path[PATH_MAX];
    size_t len;
    state_path(path, w);
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return NOVA_OK;
    enum nova_status status =
        log_read_file(&w->last_note, &len, w->arena, path, NOTE_BYTES_MAX, err);
    if (status == NOVA_OK &&
        checkpoint_open(&w->last, w->arena, w->last_note, len, &w->policy, err) != NOVA_OK)
        status = error_while(err, "%s", path);
    return status;
}

// On disk, name and bytes, before anybody hears of it.
static enum nova_status keep(struct witnessing *w, const char *path, const char *note,
                             struct error *err)
{
    enum nova_status status = home_write(path, note, 0600, err);
    if (status == NOVA_OK && syncfs(w->lock) != 0)
        status = error_set(err, NOVA_UNAVAILABLE, "%s: %s", w->state, strerror(errno));
    return status;
}

static enum nova_status keep_evidence(struct witnessing *w, const struct checkpoint_opened *opened,
                                      const char *note, struct error *err)
{
    char path[PATH_MAX], id[UUID_TEXT_BYTES], root[ROOT_HEX_BYTES];
    uuid_format(id, &opened->log_id);
    sodium_bin2hex(root, sizeof root, opened->head.root.bytes, (sizeof root - 1) / 2);
    path_print(path, "%s/evidence/%s.%" PRIu64 ".%s.checkpoint", w->state, id, opened->head.size,
               root);
    return keep(w, path, note, err);
}

// ---- the answer ---------------------------------------------------------------------------------

static enum nova_status cosign(struct witnessing *w, struct error *err)
{
    char path[PATH_MAX], *out;
    state_path(path, w);
    enum nova_status status = checkpoint_cosign(&out, w->arena, w->note, w->note_len, &w->signer,
                                                (uint64_t)time(NULL), err);
    if (status == NOVA_OK)
        status = keep(w, path, w->note, err);
    if (status == NOVA_OK)
        fputs(out, stdout);
    return status;
}

static enum nova_status refuse(struct witnessing *w, const char *why, struct error *err)
{
    enum nova_status status = keep_evidence(w, &w->opened, w->note, err);
    if (status == NOVA_OK && w->last_note)
        status = keep_evidence(w, &w->last, w->last_note, err);
    if (status != NOVA_OK)
        return status;
    return error_set(err, NOVA_DATA_LOSS,
                     "%s, %" PRIu64 " events: %s (last seen: %" PRIu64
                     "); both are kept in %s/evidence",
                     w->opened.head.origin, w->opened.head.size, why, w->last.head.size, w->state);
}

static enum nova_status answer(struct witnessing *w, const struct merkle_proof *proof,
                               struct error *err)
{
    switch (witness_look(w->last_note ? &w->last.head : NULL, &w->opened.head, proof)) {
    case WITNESS_COSIGN:
        return cosign(w, err);
    case WITNESS_PROVE:
        return error_set(err, NOVA_FAILED_PRECONDITION,
                         "%s grew from %" PRIu64 " to %" PRIu64
                         " events: give the proof of consistency with --proof FILE",
                         w->opened.head.origin, w->last.head.size, w->opened.head.size);
    case WITNESS_REWOUND:
        return refuse(w, "rewound, it had more", err);
    case WITNESS_FORKED:
        return refuse(w, "forked, another root for the same size", err);
    case WITNESS_UNPROVEN:
        return refuse(w, "the proof does not show that it extends the last one", err);
    }
    return NOVA_OK;
}

static enum nova_status witness(struct witnessing *w, struct error *err)
{
    struct merkle_proof proof;
    char *text;
    size_t len;
    enum nova_status status = log_read_key(&w->policy.log, w->log_key, NOTE_KEY_LOG, err);
    if (status == NOVA_OK)
        status = read_signer(w, err);
    if (status == NOVA_OK)
        status = log_read_file(&w->note, &w->note_len, w->arena, w->shown, NOTE_BYTES_MAX, err);
    if (status == NOVA_OK)
        status = checkpoint_open(&w->opened, w->arena, w->note, w->note_len, &w->policy, err);
    if (status == NOVA_OK && w->proof)
        status = log_read_file(&text, &len, w->arena, w->proof, PROOF_BYTES_MAX, err);
    if (status == NOVA_OK && w->proof)
        status = proof_hashes(&proof, text, len, err);
    if (status == NOVA_OK)
        status = open_state(w, err);
    if (status == NOVA_OK)
        status = read_last(w, err);
    return status == NOVA_OK ? answer(w, w->proof ? &proof : NULL, err) : status;
}

int log_witness(const struct settings *settings, int argc, char **argv)
{
    (void)settings;
    struct witnessing w = {.lock = -1};
    struct error err = {0};
    int code = parse_arguments(&w, argc, argv);
    if (code != EXIT_CODE_OK)
        return code;
    if (sodium_init() < 0)
        return EXIT_CODE_FAILED;
    w.arena = arena_create();
    enum nova_status status = witness(&w, &err);
    if (w.lock >= 0)
        close(w.lock);
    note_signer_wipe(&w.signer);
    arena_destroy(&w.arena);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
