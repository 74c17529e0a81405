#include "common/dir_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"

#define RETRY_MS 50u

/*
 * Puts the directory into its place by (device, inode); once only, as two handles on one would wait for each
 * other.
 */
static int add_dir(lm_dir_lock *lock, const char *path, lm_error_text *error)
{
    char dir[LM_PATH_SIZE];
    struct stat st;
    int fd = open(lm_path_dir(dir, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        const char *advice = failed == ENOENT ? ": create it or name another" : "";
        return lm_error_text_set(error, LM_EIO, "the directory %s cannot be opened: %s%s", dir,
                                 strerror(failed), advice);
    }
    uint64_t device = (uint64_t)st.st_dev, inode = (uint64_t)st.st_ino;
    size_t at = 0;
    while (at < lock->len &&
           (lock->dir[at].device < device || (lock->dir[at].device == device && lock->dir[at].inode < inode)))
        at++;
    if (at < lock->len && lock->dir[at].device == device && lock->dir[at].inode == inode) {
        close(fd);
        return LM_OK;
    }
    memmove(&lock->dir[at + 1], &lock->dir[at], (lock->len - at) * sizeof lock->dir[0]);
    lock->dir[at].fd = fd;
    lock->dir[at].device = device;
    lock->dir[at].inode = inode;
    lock->len++;
    return LM_OK;
}

int lm_dir_lock_take(lm_dir_lock *lock, const char *const paths[], size_t n, lm_error_text *error)
{
    lm_dir_lock taken = {.held = true};
    for (size_t i = 0; i < n; i++) {
        int result = add_dir(&taken, paths[i], error);
        if (result != LM_OK) {
            lm_dir_lock_release(&taken);
            return result;
        }
    }
    for (size_t i = 0; i < taken.len; i++) {
        unsigned waited = 0;
        while (flock(taken.dir[i].fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK && errno != EINTR) {
                taken.held = false;
                break;
            }
            if (waited >= LM_DIR_LOCK_WAIT_MS) {
                lm_dir_lock_release(&taken);
                return lm_error_text_set(
                    error, LM_EAGAIN,
                    "another process has locked the directory of %s for over %u seconds: stop it", paths[0],
                    LM_DIR_LOCK_WAIT_MS / 1000);
            }
            poll(NULL, 0, RETRY_MS);
            waited += RETRY_MS;
        }
    }
    *lock = taken;
    return LM_OK;
}

void lm_dir_lock_release(lm_dir_lock *lock)
{
    for (size_t i = 0; i < lock->len; i++)
        close(lock->dir[i].fd);
    *lock = (lm_dir_lock){0};
}
