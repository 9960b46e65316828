// backup_files.c - see backup.h: files copied, counted and compared.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/backup.h"

enum { PIECE_BYTES = 65536 };

static enum nova_status failed(const char *path, struct error *err)
{
    return error_set(err, errno == ENOSPC ? NOVA_RESOURCE_EXHAUSTED : NOVA_PERMISSION_DENIED,
                     "%s: %s", path, strerror(errno));
}

enum nova_status backup_digest(char out[BACKUP_DIGEST_BYTES], const char *path, struct error *err)
{
    uint8_t piece[PIECE_BYTES], digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state hash;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return failed(path, err);
    ssize_t got;
    crypto_hash_sha256_init(&hash);
    while ((got = read(file, piece, sizeof piece)) > 0)
        crypto_hash_sha256_update(&hash, piece, (unsigned long long)got);
    close(file);
    if (got < 0)
        return failed(path, err);
    crypto_hash_sha256_final(&hash, digest);
    sodium_bin2hex(out, BACKUP_DIGEST_BYTES, digest, sizeof digest);
    return NOVA_OK;
}

static enum nova_status copy_bytes(int from, int to, const char *path, struct error *err)
{
    uint8_t piece[PIECE_BYTES];
    ssize_t got;
    while ((got = read(from, piece, sizeof piece)) > 0)
        for (ssize_t done = 0; done < got;) {
            ssize_t wrote = write(to, piece + done, (size_t)(got - done));
            if (wrote < 0)
                return failed(path, err);
            done += wrote;
        }
    sodium_memzero(piece, sizeof piece);
    return got < 0 || fsync(to) != 0 ? failed(path, err) : NOVA_OK;
}

static enum nova_status copy_file(const char *from, const char *to, struct error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (in < 0)
        return failed(from, err);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum nova_status status = out < 0 ? failed(to, err) : copy_bytes(in, out, to, err);
    close(in);
    if (out >= 0 && close(out) != 0 && status == NOVA_OK)
        status = failed(to, err);
    return status;
}

static int is_entry(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static enum nova_status copy_folder(const char *from, const char *to, struct error *err)
{
    struct dirent **entries = NULL;
    enum nova_status status = NOVA_OK;
    if (mkdir(to, 0700) != 0)
        return failed(to, err);
    int count = scandir(from, &entries, is_entry, alphasort);
    if (count < 0)
        return failed(from, err);
    for (int i = 0; i < count; i++) {
        char from_path[PATH_MAX], to_path[PATH_MAX];
        const char *name = entries[i]->d_name;
        if (status == NOVA_OK && (snprintf(from_path, PATH_MAX, "%s/%s", from, name) >= PATH_MAX ||
                                  snprintf(to_path, PATH_MAX, "%s/%s", to, name) >= PATH_MAX))
            status = error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", to);
        if (status == NOVA_OK)
            status = backup_copy(from_path, to_path, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

enum nova_status backup_copy(const char *from, const char *to, struct error *err)
{
    struct stat info;
    if (lstat(from, &info) != 0)
        return failed(from, err);
    if (S_ISDIR(info.st_mode))
        return copy_folder(from, to, err);
    if (!S_ISREG(info.st_mode))
        return error_set(err, NOVA_FAILED_PRECONDITION, "%s is neither a file nor a folder", from);
    return copy_file(from, to, err);
}

static enum nova_status each_entry(const char *folder, const char *name,
                                   enum nova_status (*visit)(void *context, const char *name,
                                                             struct error *err),
                                   void *context, struct error *err)
{
    char path[PATH_MAX];
    struct stat info;
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", folder);
    if (lstat(path, &info) != 0)
        return failed(path, err);
    return S_ISDIR(info.st_mode) ? backup_each_file(folder, name, visit, context, err)
                                 : visit(context, name, err);
}

enum nova_status backup_each_file(const char *folder, const char *below,
                                  enum nova_status (*visit)(void *context, const char *name,
                                                            struct error *err),
                                  void *context, struct error *err)
{
    char path[PATH_MAX], name[PATH_MAX];
    struct dirent **entries = NULL;
    enum nova_status status = NOVA_OK;
    if (snprintf(path, sizeof path, "%s/%s", folder, below) >= PATH_MAX)
        return error_set(err, NOVA_INVALID_ARGUMENT, "%s: too long a path", folder);
    int count = scandir(path, &entries, is_entry, alphasort);
    if (count < 0)
        return failed(path, err);
    for (int i = 0; i < count; i++) {
        if (status == NOVA_OK &&
            snprintf(name, sizeof name, "%s/%s", below, entries[i]->d_name) < PATH_MAX)
            status = each_entry(folder, name, visit, context, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}
