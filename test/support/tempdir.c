#include "test/support/tempdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

char *test_tempdir_make(void)
{
    const char *base = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/lumamesh-test-XXXXXX", base != NULL && base[0] != '\0' ? base : "/tmp");
    check(mkdtemp(path) != NULL, path);
    char *copy = strdup(path);
    check(copy != NULL, path);
    return copy;
}

static size_t visit(const char *dir, bool delete)
{
    size_t n = 0;
    DIR *names = opendir(dir);
    check(names != NULL, dir);
    for (struct dirent *entry; (entry = readdir(names)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        n++;
        if (delete &&unlinkat(dirfd(names), entry->d_name, 0) != 0)
            check(unlinkat(dirfd(names), entry->d_name, AT_REMOVEDIR) == 0, entry->d_name);
    }
    closedir(names);
    return n;
}

void test_tempdir_empty(const char *dir)
{
    visit(dir, true);
}

void test_tempdir_remove(char *dir)
{
    visit(dir, true);
    check(rmdir(dir) == 0, dir);
    free(dir);
}

size_t test_tempdir_count(const char *dir)
{
    return visit(dir, false);
}

const char *test_path(const char *dir, const char *name)
{
    static char paths[4][1024];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

void test_write(const char *dir, const char *name, const char *text)
{
    const char *path = test_path(dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0, path);
    check(write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(fd);
}

bool test_exists(const char *dir, const char *name)
{
    struct stat st;
    return lstat(test_path(dir, name), &st) == 0;
}
