/* The steps of an atomic write, each for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/file.h"
#include "test/support/data.h"
#include "test/support/tempdir.h"

static void holds(const char *dir, const char *name, const char *expected)
{
    size_t len;
    uint8_t *text = test_read_file(test_path(dir, name), &len);
    assert_string_equal((char *)text, expected);
    free(text);
}

static void paths_are_joined(void **state)
{
    static const struct {
        const char *dir, *name, *path, *parent;
    } cases[] = {{".", "a", "a", "."},       {"d", "a", "d/a", "d"},      {"d/", "a", "d/a", "d"},
                 {"/", "a", "/a", "/"},      {"d", "/x/a", "/x/a", "/x"}, {"d", "e/a", "d/e/a", "d/e"},
                 {".", "../a", "../a", ".."}};
    char path[LM_PATH_SIZE], parent[LM_PATH_SIZE], longest[LM_PATH_SIZE + 1];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lm_path_join(path, cases[i].dir, cases[i].name, NULL), LM_OK);
        assert_string_equal(path, cases[i].path);
        assert_string_equal(lm_path_dir(parent, path), cases[i].parent);
    }
    memset(longest, 'x', sizeof longest);
    longest[LM_PATH_SIZE - 3] = '\0';
    assert_int_equal(lm_path_join(path, "d", longest, NULL), LM_OK);
    longest[LM_PATH_SIZE - 3] = 'x';
    longest[LM_PATH_SIZE - 2] = '\0';
    assert_int_equal(lm_path_join(path, "d", longest, NULL), LM_ETOOBIG);
}

static void nothing_is_overwritten(void **state)
{
    char from[LM_PATH_SIZE];
    lm_error_text error;
    test_write(*state, "from", "new");
    test_write(*state, "to", "old");
    strcpy(from, test_path(*state, "from"));
    assert_int_equal(lm_file_move(from, test_path(*state, "to"), &error), LM_EEXIST);
    assert_non_null(strstr(error.text, "/to"));
    holds(*state, "to", "old");
    holds(*state, "from", "new");
    assert_int_equal(lm_file_move(from, test_path(*state, "other"), &error), LM_OK);
    holds(*state, "other", "new");
    assert_false(test_exists(*state, "from"));
    assert_int_equal(lm_file_move(from, test_path(*state, "other2"), &error), LM_EIO);

    assert_int_equal(lm_file_write_new(test_path(*state, "to"), 0600, "new", 3, &error), LM_EIO);
    holds(*state, "to", "old");
}

static void new_files_have_their_mode(void **state)
{
    struct stat st;
    lm_file file;
    assert_int_equal(lm_file_write_new(test_path(*state, "a"), 0600, "hello", 5, NULL), LM_OK);
    assert_int_equal(stat(test_path(*state, "a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(lm_file_read(&file, test_path(*state, "a"), 5, NULL), LM_OK);
    assert_int_equal(file.len, 5);
    assert_int_equal(file.mode, 0600);
    assert_string_equal(file.data, "hello");
    lm_file_clear(&file);
    assert_null(file.data);
    assert_int_equal(lm_file_read(&file, test_path(*state, "a"), 4, NULL), LM_EMALFORMED);
    assert_int_equal(lm_file_sync_dir(test_path(*state, "a"), NULL), LM_OK);
    assert_int_equal(lm_file_sync_dir("/nonexistent/a", NULL), LM_EIO);
}

static void only_staged_names_are_removed(void **state)
{
    static const char *const kept[] = {"k",          "k.new-",      "k.new-012",  "k.new-01234", "k.new-012g",
                                       "k.new-012A", "xk.new-0123", "k.old-0123", "k2.new-0123"};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        test_write(*state, kept[i], "x");
    test_write(*state, "k.new-0123", "x");
    test_write(*state, "k.new-abcd", "x");
    assert_int_equal(lm_file_remove_staged(test_path(*state, "k"), ".new-", 4, NULL), LM_OK);
    assert_int_equal(test_tempdir_count(*state), sizeof kept / sizeof kept[0]);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        assert_true(test_exists(*state, kept[i]));
}

static void texts_stay_one_line(void **state)
{
    lm_error_text error;
    (void)state;
    assert_int_equal(lm_error_text_set(&error, LM_EIO, "a\nb\x1b[31m%s", "\t\x7f"), LM_EIO);
    assert_string_equal(error.text, "a?b?[31m??");
    assert_int_equal(lm_error_text_set(NULL, LM_EIO, "x"), LM_EIO);
}

static int set_up(void **state)
{
    *state = test_tempdir_make();
    return 0;
}

static int tear_down(void **state)
{
    test_tempdir_remove(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_are_joined),          TEST(nothing_is_overwritten),
        TEST(new_files_have_their_mode), TEST(only_staged_names_are_removed),
        TEST(texts_stay_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
