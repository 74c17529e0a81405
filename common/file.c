#include "common/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

int lm_path_join(char path[LM_PATH_SIZE], const char *dir, const char *name, lm_error_text *error)
{
    bool bare = name[0] == '/' || strcmp(dir, ".") == 0;
    size_t dir_len = strlen(dir);
    const char *slash = dir_len > 0 && dir[dir_len - 1] == '/' ? "" : "/";
    int len = bare ? snprintf(path, LM_PATH_SIZE, "%s", name)
                   : snprintf(path, LM_PATH_SIZE, "%s%s%s", dir, slash, name);
    if (len < 0 || len >= LM_PATH_SIZE)
        return lm_error_text_set(error, LM_ETOOBIG, "%s%s%.64s…: the path is longer than %d bytes",
                                 bare ? "" : dir, bare ? "" : "/", name, LM_PATH_SIZE - 1);
    return LM_OK;
}

const char *lm_path_dir(char dir[LM_PATH_SIZE], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    if (slash == NULL)
        memcpy(dir, ".", 2);
    else if (len == 0)
        memcpy(dir, "/", 2);
    else
        snprintf(dir, LM_PATH_SIZE, "%.*s", (int)len, path);
    return dir;
}

int lm_file_exists(bool *exists, const char *path, lm_error_text *error)
{
    struct stat st;
    if (lstat(path, &st) == 0)
        *exists = true;
    else if (errno == ENOENT)
        *exists = false;
    else
        return lm_error_text_set(error, LM_EIO, "%s cannot be looked up: %s", path, strerror(errno));
    return LM_OK;
}

/* Reads until the end of the file; the size that fstat() told is not to be relied on. */
static int read_all(lm_file *file, int fd, const char *path, size_t max, lm_error_text *error)
{
    while (file->len <= max) {
        ssize_t n = read(fd, file->data + file->len, max + 1 - file->len);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return lm_error_text_set(error, LM_EIO, "%s cannot be read: %s", path, strerror(errno));
        file->len += n > 0 ? (size_t)n : 0;
    }
    if (file->len == 0)
        return lm_error_text_set(error, LM_EMALFORMED, "%s is empty", path);
    if (file->len > max)
        return lm_error_text_set(error, LM_EMALFORMED, "%s is longer than %zu bytes", path, max);
    file->data[file->len] = '\0';
    return LM_OK;
}

int lm_file_read(lm_file *file, const char *path, size_t max, lm_error_text *error)
{
    struct stat st;
    lm_file got = {0};
    int result = LM_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0)
        result = lm_error_text_set(error, LM_EIO, "%s cannot be read: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        result = lm_error_text_set(error, LM_EIO, "%s is a directory, not a file", path);
    else if (!S_ISREG(st.st_mode))
        result = lm_error_text_set(error, LM_EIO, "%s is not a regular file", path);
    else if ((got.data = malloc(max + 1)) == NULL)
        result = lm_error_text_set(error, LM_ENOMEM, "%s cannot be read: out of memory", path);
    else
        result = read_all(&got, fd, path, max, error);
    if (fd >= 0)
        close(fd);
    if (result != LM_OK) {
        lm_file_clear(&got);
        return result;
    }
    got.mode = st.st_mode & 07777;
    *file = got;
    return LM_OK;
}

void lm_file_clear(lm_file *file)
{
    if (file->data != NULL)
        sodium_memzero(file->data, file->len);
    free(file->data);
    *file = (lm_file){0};
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int lm_file_write_new(const char *path, unsigned mode, const void *data, size_t len, lm_error_text *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return lm_error_text_set(error, LM_EIO, "%s cannot be made: %s", path, strerror(errno));
    int failed = write_all(fd, data, len) != 0 || fsync(fd) != 0 ? errno : 0;
    if (close(fd) != 0 && failed == 0)
        failed = errno;
    if (failed == 0)
        return LM_OK;
    unlink(path);
    return lm_error_text_set(error, LM_EIO, "%s cannot be written: %s", path, strerror(failed));
}

int lm_file_move(const char *from, const char *to, lm_error_text *error)
{
    int result = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
        /* This file system knows only the overwriting kind; the caller's lock keeps other daemons away. */
        struct stat st;
        errno = EEXIST;
        result = lstat(to, &st) == 0 ? -1 : rename(from, to);
    }
    if (result == 0)
        return LM_OK;
    return lm_error_text_set(error, errno == EEXIST ? LM_EEXIST : LM_EIO, "%s cannot be renamed to %s: %s",
                             from, to, strerror(errno));
}

int lm_file_sync_dir(const char *path, lm_error_text *error)
{
    char dir[LM_PATH_SIZE];
    int fd = open(lm_path_dir(dir, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: a file system that has nothing to bring to a disk. */
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    return synced ? LM_OK
                  : lm_error_text_set(error, LM_EIO, "the directory %s cannot be synced: %s", dir,
                                      strerror(failed));
}

static bool is_staged_name(const char *name, const char *base, const char *suffix, size_t digits)
{
    size_t base_len = strlen(base), suffix_len = strlen(suffix);
    return strncmp(name, base, base_len) == 0 && strncmp(name + base_len, suffix, suffix_len) == 0 &&
           strlen(name) == base_len + suffix_len + digits &&
           strspn(name + base_len + suffix_len, "0123456789abcdef") == digits;
}

int lm_file_remove_staged(const char *path, const char *suffix, size_t digits, lm_error_text *error)
{
    char dir[LM_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    DIR *names = opendir(lm_path_dir(dir, path));
    if (names == NULL)
        return lm_error_text_set(error, LM_EIO, "the directory %s cannot be read: %s", dir, strerror(errno));
    int result = LM_OK;
    for (struct dirent *entry; result == LM_OK && (entry = readdir(names)) != NULL;) {
        if (is_staged_name(entry->d_name, slash == NULL ? path : slash + 1, suffix, digits) &&
            unlinkat(dirfd(names), entry->d_name, 0) != 0)
            result = lm_error_text_set(
                error, LM_EIO, "%s/%s, left over from a start that was interrupted, cannot be removed: %s",
                dir, entry->d_name, strerror(errno));
    }
    closedir(names);
    return result;
}
