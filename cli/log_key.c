// log_key.c - `nova log key`: a key pair for a witness. Its secret half stays in a file that nobody
// else may read, and is never printed.
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/note.h"
#include "cli/command.h"
#include "cli/home.h"
#include "cli/log.h"

static enum nova_status make_key(const char *name, const char *path, struct arena *arena,
                                 struct error *err)
{
    struct note_signer signer;
    if (access(path, F_OK) == 0) // whoever loses a key loses the trust in all that it signed
        return error_set(err, NOVA_ALREADY_EXISTS, "%s is there already, and stays as it is", path);
    enum nova_status status = note_signer_make(&signer, name, NOTE_KEY_WITNESS, err);
    if (status == NOVA_OK) {
        char *secret = arena_printf(arena, "%s\n", note_signer_text(arena, &signer));
        status = home_write(path, secret, 0600, err);
        printf("%s", status == NOVA_OK
                         ? arena_printf(arena, "%s\n", note_key_text(arena, &signer.key))
                         : "");
    }
    note_signer_wipe(&signer);
    return status;
}

int log_key(const struct settings *settings, int argc, char **argv)
{
    (void)settings;
    struct error err = {0};
    if (argc != 4 || strcmp(argv[2], "-o") != 0)
        return command_usage("log", "key wants NAME -o FILE");
    if (sodium_init() < 0)
        return EXIT_CODE_FAILED;
    struct arena *arena = arena_create();
    enum nova_status status = make_key(argv[1], argv[3], arena, &err);
    arena_destroy(&arena);
    return status == NOVA_OK ? EXIT_CODE_OK : command_failed(&err);
}
