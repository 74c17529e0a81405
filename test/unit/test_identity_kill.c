/*
 * The first run under kill -9. The linker puts the functions below in front of the system calls that change
 * files (--wrap), so that a child process can die before, in the middle of, or after any one of them.
 * Whatever the moment, each file is then whole or absent, and the next start comes to a whole set in which
 * nothing that was there has changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/identity.h"
#include "test/support/data.h"
#include "test/support/tempdir.h"

static const char *const file_names[] = {"server.crt", "server.key", "server.key.icepwd", "node.key"};
#define N_FILES (sizeof file_names / sizeof file_names[0])

enum moment { BEFORE, AMID, AFTER, MOMENTS };

/*
 * 0: nothing happens. Else the call with this number is the last one, or fails with fail_with if that is set.
 */
static int last_call;
static enum moment last_moment;
static int fail_with;
static int calls;

/* What the calls were, in order: o(pen for writing) w(rite) s(ync) d(irectory sync) r(ename) u(nlink). */
static char journal[256];
static int dir_fd = -1;

static void reach(enum moment moment)
{
    if (last_call != 0 && calls == last_call && moment == last_moment && fail_with == 0)
        kill(getpid(), SIGKILL);
}

/* Returns true if the call is to fail. */
static int count(char what)
{
    calls++;
    if (calls < (int)sizeof journal)
        journal[calls - 1] = what;
    reach(BEFORE);
    errno = fail_with;
    return fail_with != 0 && calls == last_call;
}

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t len);
int __real_fsync(int fd);
int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __real_unlink(const char *path);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __wrap_fsync(int fd);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_unlink(const char *path);

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_CREAT) != 0 && count('o'))
        return -1;
    int fd = __real_open(path, flags, mode);
    if ((flags & O_CREAT) != 0)
        reach(AFTER);
    if ((flags & O_DIRECTORY) != 0)
        dir_fd = fd;
    else if (fd == dir_fd)
        dir_fd = -1;
    return fd;
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (count('w'))
        return -1;
    if (last_call == calls && last_moment == AMID && fail_with == 0) {
        __real_write(fd, data, len / 2);
        reach(AMID);
    }
    ssize_t n = __real_write(fd, data, len);
    reach(AFTER);
    return n;
}

int __wrap_fsync(int fd)
{
    if (count(fd == dir_fd ? 'd' : 's'))
        return -1;
    int result = __real_fsync(fd);
    reach(AFTER);
    return result;
}

int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    if (count('r'))
        return -1;
    int result = __real_renameat2(from_dir, from, to_dir, to, flags);
    reach(AFTER);
    return result;
}

int __wrap_unlink(const char *path)
{
    if (count('u'))
        return -1;
    int result = __real_unlink(path);
    reach(AFTER);
    return result;
}

static int load(const char *dir, lm_identity *identity, lm_error_text *error)
{
    lm_identity_config config = {.state_dir = dir,
                                 .cert_file = "server.crt",
                                 .key_file = "server.key",
                                 .node_key_file = "node.key",
                                 .random = lm_random_system()};
    calls = 0;
    memset(journal, 0, sizeof journal);
    return lm_identity_load(identity, &config, error);
}

/* Starts in a child that dies at the given call; true if it came to its end before. */
static int start_killed(const char *dir, int call, enum moment moment)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        lm_identity identity;
        last_call = call;
        last_moment = moment;
        _exit(load(dir, &identity, NULL) != LM_OK);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGKILL);
        return 0;
    }
    assert_int_equal(status, 0);
    return 1;
}

/*
 * Starts undisturbed and checks that it works, leaves nothing over, and changes none of the files that were
 * there.
 */
static void start_again(const char *dir)
{
    uint8_t *before[N_FILES] = {NULL};
    size_t len;
    lm_identity identity, again;
    lm_error_text error = {""};
    for (size_t i = 0; i < N_FILES; i++) {
        if (test_exists(dir, file_names[i]))
            before[i] = test_read_file(test_path(dir, file_names[i]), &len);
    }
    int result = load(dir, &identity, &error);
    if (result != LM_OK)
        fail_msg("%s: %s", lm_strerror(result), error.text);
    assert_int_equal(test_tempdir_count(dir), N_FILES);
    for (size_t i = 0; i < N_FILES; i++) {
        uint8_t *after = test_read_file(test_path(dir, file_names[i]), &len);
        if (before[i] != NULL)
            assert_string_equal((char *)before[i], (char *)after);
        free(before[i]);
        free(after);
    }
    assert_int_equal(load(dir, &again, &error), LM_OK);
    assert_memory_equal(identity.cert.fingerprint, again.cert.fingerprint, 32);
    assert_memory_equal(identity.node_seed, again.node_seed, 32);
    assert_string_equal(identity.ice_pwd, again.ice_pwd);
    lm_identity_clear(&identity);
    lm_identity_clear(&again);
}

static int set_up(void **state)
{
    *state = test_tempdir_make();
    last_call = fail_with = 0;
    return sodium_init() < 0;
}

static int tear_down(void **state)
{
    last_call = fail_with = 0;
    test_tempdir_remove(*state);
    return 0;
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void every_file_is_on_disk_before_it_has_its_name(void **state)
{
    lm_identity identity;
    assert_int_equal(load(*state, &identity, NULL), LM_OK);
    assert_string_equal(journal, "owsowsowsows"
                                 "dddd"
                                 "rrrr"
                                 "dddd");
    lm_identity_clear(&identity);
}

static void killed_at_every_call(void **state)
{
    int n = 0;
    for (int moment = BEFORE; moment < MOMENTS; moment++) {
        for (int call = 1; call < 1000; call++, n++) {
            int finished = start_killed(*state, call, (enum moment)moment);
            start_again(*state);
            test_tempdir_empty(*state);
            if (finished && moment != AMID)
                break;
            if (moment == AMID && call > 24)
                break;
        }
    }
    assert_true(n > 60); /* or the hooks do not work */
}

/* The start that tidies up dies too, and the one after it. */
static void killed_again_and_again(void **state)
{
    double end = seconds() + 6;
    for (int round = 0; round < 200 && seconds() < end; round++) {
        for (int i = 0; i < 3; i++)
            start_killed(*state, 1 + (int)randombytes_uniform(26), (enum moment)randombytes_uniform(MOMENTS));
        start_again(*state);
        test_tempdir_empty(*state);
    }
}

/* Kills come at times up to what a start takes, as the starts themselves teach: a disk's pace changes. */
static void killed_at_any_time(void **state)
{
    double end = seconds() + 8;
    uint32_t usual = 20000; /* us */
    int n = 0, killed = 0;
    for (; n < 300 && (seconds() < end || killed == 0); n++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            lm_identity identity;
            _exit(load(*state, &identity, NULL) != LM_OK);
        }
        usleep(randombytes_uniform(usual));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFSIGNALED(status)) {
            killed++;
            usual += usual / 8;
        } else {
            usual -= usual / 4;
        }
        start_again(*state);
        test_tempdir_empty(*state);
    }
    print_message("killed %d of %d first runs\n", killed, n);
    assert_true(killed > 0);
}

/* A disk that is full or broken: an error, no file half there, and the next start works. */
static void every_call_can_fail(void **state)
{
    int result;
    fail_with = ENOSPC;
    last_call = 0;
    do {
        lm_identity identity;
        lm_error_text error = {""};
        last_call++;
        fail_with = ENOSPC;
        result = load(*state, &identity, &error);
        fail_with = 0;
        if (result == LM_OK) {
            lm_identity_clear(&identity);
        } else {
            assert_int_equal(result, LM_EIO);
            assert_non_null(strstr(error.text, "No space left"));
        }
        int was = last_call;
        last_call = 0;
        start_again(*state);
        last_call = was;
        test_tempdir_empty(*state);
    } while (result != LM_OK);
    assert_true(last_call > 20);
}

/* Staged files complete the very certificate that they were made with, and no other. */
static void staged_files_of_another_set_are_not_used(void **state)
{
    lm_identity identity;
    lm_error_text error = {""};
    assert_false(start_killed(*state, 18, AFTER)); /* the certificate and its key have their names */
    assert_true(test_exists(*state, "server.key"));
    assert_false(test_exists(*state, "node.key"));
    size_t len;
    uint8_t *pem = test_read_file(LM_TEST_DATA "/identity/other.crt", &len);
    test_write(*state, "server.crt", (char *)pem);
    free(pem);
    pem = test_read_file(LM_TEST_DATA "/identity/other.key", &len);
    test_write(*state, "server.key", (char *)pem);
    free(pem);
    assert_int_equal(load(*state, &identity, &error), LM_EIO);
    assert_non_null(strstr(error.text, "node.key are missing"));
    assert_int_equal(test_tempdir_count(*state), N_FILES);
}

/* A staged file that is damaged is not given its final name. */
static void damaged_staged_files_are_not_used(void **state)
{
    char path[1024] = "";
    lm_identity identity;
    lm_error_text error = {""};
    assert_int_equal(load(*state, &identity, NULL), LM_OK);
    char hex[17];
    sodium_bin2hex(hex, sizeof hex, identity.cert.fingerprint, 8);
    lm_identity_clear(&identity);
    snprintf(path, sizeof path, "node.key.new-%s", hex);
    assert_int_equal(unlink(test_path(*state, "node.key")), 0);
    test_write(*state, path, "AAAA");
    assert_int_equal(load(*state, &identity, &error), LM_EMALFORMED);
    assert_non_null(strstr(error.text, path));
    assert_false(test_exists(*state, "node.key"));
    assert_true(test_exists(*state, path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_file_is_on_disk_before_it_has_its_name),
        TEST(killed_at_every_call),
        TEST(killed_again_and_again),
        TEST(killed_at_any_time),
        TEST(every_call_can_fail),
        TEST(staged_files_of_another_set_are_not_used),
        TEST(damaged_staged_files_are_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
