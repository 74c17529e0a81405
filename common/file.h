/*
 * Small files that must be whole or absent whatever happens: reading with an explanation for every way it can
 * fail, and the steps of an atomic write (new file and fsync, rename without overwriting, fsync of the
 * directory). All functions return LM_OK or an LM_E… code with a text that names the file; error may be NULL.
 */
#ifndef LM_COMMON_FILE_H
#define LM_COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error_text.h"

#define LM_PATH_SIZE 1024 /* longest path that the daemon takes, in bytes with the NUL */

typedef struct lm_file {
    char *data;    /* malloc'ed, with a NUL behind it */
    size_t len;    /* bytes without that NUL, never 0 */
    unsigned mode; /* permission bits */
} lm_file;

/* Writes dir/name, or name alone if it is absolute or dir is ".". LM_ETOOBIG if it does not fit. */
int lm_path_join(char path[LM_PATH_SIZE], const char *dir, const char *name, lm_error_text *error);

/* Writes the directory that path lies in, "." if it names none; returns dir. */
const char *lm_path_dir(char dir[LM_PATH_SIZE], const char *path);

/* Says whether anything bears that name, be it a dangling link. LM_EIO when that cannot be found out. */
int lm_file_exists(bool *exists, const char *path, lm_error_text *error);

/*
 * Reads a regular file of 1 to max bytes; never blocks on a pipe. LM_EIO if it cannot be read or is no file,
 * LM_EMALFORMED if it is empty or too long, LM_ENOMEM. The text ends in the reason, so that advice can be put
 * behind it.
 */
int lm_file_read(lm_file *file, const char *path, size_t max, lm_error_text *error);

/* Wipes and frees the bytes; file may be zeroed. */
void lm_file_clear(lm_file *file);

/*
 * Makes a file that must not exist yet, with the bytes in it, and brings them to the disk. LM_EIO; removes
 * what it began.
 */
int lm_file_write_new(const char *path, unsigned mode, const void *data, size_t len, lm_error_text *error);

/* Renames; LM_EEXIST if `to` exists, which then stays as it was. LM_EIO. */
int lm_file_move(const char *from, const char *to, lm_error_text *error);

/* Brings the names in path's directory to the disk. LM_EIO. */
int lm_file_sync_dir(const char *path, lm_error_text *error);

/*
 * Removes from path's directory all names that are path's own name, suffix, and exactly digits hex digits.
 * LM_EIO.
 */
int lm_file_remove_staged(const char *path, const char *suffix, size_t digits, lm_error_text *error);

#endif
