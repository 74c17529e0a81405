/*
 * A lock on a few directories at once, so that two processes that work on the same files there do so one
 * after the other. It lies on the directories themselves (flock), leaves no file behind, and ends with its
 * process.
 */
#ifndef LM_COMMON_DIR_LOCK_H
#define LM_COMMON_DIR_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error_text.h"

#define LM_DIR_LOCK_MAX 4          /* directories */
#define LM_DIR_LOCK_WAIT_MS 10000u /* how long to wait for another holder */

typedef struct lm_dir_lock {
    struct {
        int fd;
        uint64_t device, inode;
    } dir[LM_DIR_LOCK_MAX];
    size_t len;
    bool held; /* false: the file system has no locks (some network file systems) */
} lm_dir_lock;

/*
 * Locks the directories in which the n ≤ LM_DIR_LOCK_MAX paths lie, in an order that is the same for every
 * process, so that they cannot wait for one another in a circle. Waits up to LM_DIR_LOCK_WAIT_MS for each.
 * LM_OK also where locks are not to be had, with held false. LM_EIO if a directory cannot be opened,
 * LM_EAGAIN if another process keeps its lock.
 */
int lm_dir_lock_take(lm_dir_lock *lock, const char *const paths[], size_t n, lm_error_text *error);

/* Unlocks; lock may be zeroed. */
void lm_dir_lock_release(lm_dir_lock *lock);

#endif
