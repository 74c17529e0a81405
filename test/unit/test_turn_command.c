/* `lumamesh-relay turn-credential USER`: its words, and what it refuses. daemon.sh looks at what it prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"
#include "relay/turn_command.h"

static void two_words_are_taken(void **state)
{
    char program[] = "lumamesh-relay", command[] = "turn-credential", ada[] = "ada", flag[] = "--turn=open";
    char *argv[] = {program, command, ada, flag, NULL};
    char user[LM_TURN_USER_MAX + 1];
    lm_error_text error;
    int argc = 4;
    (void)state;
    assert_int_equal(lm_turn_command_take(user, &argc, argv, &error), LM_OK);
    assert_string_equal(user, "ada");
    assert_int_equal(argc, 2);
    assert_ptr_equal(argv[0], program);
    assert_ptr_equal(argv[1], flag);
    assert_null(argv[2]);
}

static int take(const char *word, int argc, lm_error_text *error)
{
    char program[] = "lumamesh-relay", command[] = "turn-credential", copy[LM_TURN_USER_MAX + 2];
    char *argv[] = {program, command, copy, NULL};
    char user[LM_TURN_USER_MAX + 1];
    strcpy(copy, word);
    if (argc < 3)
        argv[argc] = NULL;
    return lm_turn_command_take(user, &argc, argv, error);
}

static void a_user_is_needed(void **state)
{
    char longest[LM_TURN_USER_MAX + 2];
    lm_error_text error;
    (void)state;
    assert_int_equal(take("", 2, &error), LM_EINVAL);
    assert_string_equal(error.text, "turn-credential: name the user that it is for");
    assert_int_equal(take("", 3, &error), LM_EINVAL);
    assert_int_equal(take("--turn=open", 3, &error), LM_EINVAL);
    assert_string_equal(error.text, "turn-credential: name the user that it is for");
    memset(longest, 'u', sizeof longest);
    longest[LM_TURN_USER_MAX + 1] = '\0';
    assert_int_equal(take(longest, 3, &error), LM_EINVAL);
    assert_string_equal(error.text, "turn-credential: a user has at most 107 bytes");
    longest[LM_TURN_USER_MAX] = '\0';
    assert_int_equal(take(longest, 3, &error), LM_OK);
}

static void a_secret_is_needed(void **state)
{
    static lm_settings s;
    lm_node_config node = {.port = 3478};
    lm_error_text error;
    (void)state;
    s.turn = LM_TURN_CHOICE_CLOSED;
    assert_int_equal(lm_turn_command_print(&s, &node, "ada", &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "TURN_SECRET is not set"));
    strcpy(s.turn_secret, "a secret of the tests");
    s.turn = LM_TURN_CHOICE_OFF;
    assert_int_equal(lm_turn_command_print(&s, &node, "ada", &error), LM_EINVAL);
    assert_string_equal(error.text, "turn-credential: TURN is off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_words_are_taken),
        cmocka_unit_test(a_user_is_needed),
        cmocka_unit_test(a_secret_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
