/* The TLS port's certificate and key, out of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "relay/tls_files.h"
#include "test/support/tempdir.h"

#define DATA LM_TEST_DATA "/tls/"

static int load(const char *dir, const char *cert, const char *key, lm_error_text *error)
{
    static lm_settings s;
    lm_tls_server *server = NULL;
    memset(&s, 0, sizeof s);
    s.tls_port = 5349;
    strcpy(s.state_dir, dir);
    strcpy(s.tls_cert, cert);
    strcpy(s.tls_key, key);
    int result = lm_tls_files_load(&server, &s, error);
    assert_true((result == LM_OK) == (server != NULL));
    lm_tls_server_destroy(server);
    return result;
}

static void without_a_port_nothing_is_read(void **state)
{
    static lm_settings s;
    lm_tls_server *server = (lm_tls_server *)&s;
    lm_error_text error;
    (void)state;
    strcpy(s.tls_cert, "/nowhere");
    assert_int_equal(lm_tls_files_load(&server, &s, &error), LM_OK);
    assert_null(server);
}

static void relative_names_start_in_the_state_directory(void **state)
{
    lm_error_text error;
    (void)state;
    assert_int_equal(load("/nowhere", DATA "p256.pem", DATA "p256.key", &error), LM_OK);
    assert_int_equal(load(DATA, "rsa.pem", "rsa.key", &error), LM_OK);
    assert_int_equal(load("/nowhere", "p256.pem", DATA "p256.key", &error), LM_EIO);
    assert_non_null(strstr(error.text, "/nowhere/p256.pem"));
}

static void the_file_that_is_wrong_is_named(void **state)
{
    static char big[LM_TLS_FILE_MAX + 2];
    lm_error_text error;
    char *dir = test_tempdir_make();
    (void)state;
    assert_int_equal(load(DATA, "p256.pem", "none.key", &error), LM_EIO);
    assert_non_null(strstr(error.text, "none.key"));
    assert_int_equal(load(DATA, "p256.pem", "p384.key", &error), LM_EAUTH);
    assert_non_null(strstr(error.text, "p384.key"));
    assert_int_equal(load(DATA, "README.md", "p256.key", &error), LM_EMALFORMED);
    assert_non_null(strstr(error.text, "README.md"));
    assert_int_equal(load(DATA, "p256.pem", "README.md", &error), LM_EMALFORMED);
    assert_non_null(strstr(error.text, "README.md"));
    assert_int_not_equal(load(DATA, "p256.pem", "encrypted.key", &error), LM_OK);
    assert_non_null(strstr(error.text, "encrypted.key"));
    memset(big, '#', sizeof big - 1);
    test_write(dir, "big.pem", big);
    assert_int_not_equal(load(dir, "big.pem", DATA "p256.key", &error), LM_OK);
    assert_non_null(strstr(error.text, "big.pem"));
    test_write(dir, "empty.pem", "");
    assert_int_not_equal(load(dir, "empty.pem", DATA "p256.key", &error), LM_OK);
    assert_non_null(strstr(error.text, "empty.pem"));
    test_tempdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_port_nothing_is_read),
        cmocka_unit_test(relative_names_start_in_the_state_directory),
        cmocka_unit_test(the_file_that_is_wrong_is_named),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
