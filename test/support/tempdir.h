/* A directory of a test's own, and small files in it. All of it aborts when the system refuses. */
#ifndef LM_TEST_TEMPDIR_H
#define LM_TEST_TEMPDIR_H

#include <stdbool.h>
#include <stddef.h>

/* Makes a directory and returns its path, malloc'ed. */
char *test_tempdir_make(void);

/* Removes the files (and empty directories) in it; the directory stays. */
void test_tempdir_empty(const char *dir);

/* Removes it with what is in it, and frees dir. */
void test_tempdir_remove(char *dir);

/* Number of entries in it. */
size_t test_tempdir_count(const char *dir);

/* "dir/name" in static storage, which is good for the next four calls. */
const char *test_path(const char *dir, const char *name);

/* Writes text as the file dir/name, with mode 0600 if it is new. */
void test_write(const char *dir, const char *name, const char *text);

bool test_exists(const char *dir, const char *name);

#endif
