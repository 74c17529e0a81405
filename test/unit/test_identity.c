/* The identity set: made once, loaded ever after, and never overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mbedtls/x509_crt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/identity.h"
#include "test/support/data.h"
#include "test/support/tempdir.h"

static const char *const file_names[] = {"server.crt", "server.key", "server.key.icepwd", "node.key"};
#define N_FILES (sizeof file_names / sizeof file_names[0])

static char warnings[4096];

static void keep_warning(void *ctx, lm_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", text);
}

static const lm_log test_log = {.level = LM_LOG_WARN, .handler = keep_warning};

static lm_identity_config config_of(const char *dir)
{
    return (lm_identity_config){.state_dir = dir,
                                .cert_file = "server.crt",
                                .key_file = "server.key",
                                .node_key_file = "node.key",
                                .random = lm_random_system(),
                                .log = &test_log};
}

static void load_ok(lm_identity *identity, const lm_identity_config *config)
{
    lm_error_text error = {""};
    int result = lm_identity_load(identity, config, &error);
    if (result != LM_OK)
        fail_msg("%s: %s", lm_strerror(result), error.text);
}

/* Expects an error whose text has both parts in it. */
static void load_fails(const lm_identity_config *config, int code, const char *file, const char *what)
{
    lm_identity identity;
    lm_error_text error = {""};
    assert_int_equal(lm_identity_load(&identity, config, &error), code);
    if (strstr(error.text, file) == NULL || strstr(error.text, what) == NULL)
        fail_msg("'%s' does not name '%s' and '%s'", error.text, file, what);
    assert_null(strchr(error.text, '\n'));
}

static int set_up(void **state)
{
    *state = test_tempdir_make();
    warnings[0] = '\0';
    return sodium_init() < 0;
}

static int tear_down(void **state)
{
    test_tempdir_remove(*state);
    return 0;
}

static void first_run_makes_four_files(void **state)
{
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    assert_true(identity.created);
    assert_int_equal(test_tempdir_count(*state), N_FILES);
    for (size_t i = 0; i < N_FILES; i++) {
        struct stat st;
        assert_int_equal(stat(test_path(*state, file_names[i]), &st), 0);
        if (i > 0)
            assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_string_equal(warnings, "");

    uint8_t fingerprint[32];
    crypto_hash_sha256(fingerprint, identity.cert.der, identity.cert.der_len);
    assert_memory_equal(fingerprint, identity.cert.fingerprint, 32);
    assert_int_equal(strlen(identity.ice_pwd), 32);
    assert_int_equal(strspn(identity.ice_pwd, "0123456789abcdef"), 32);

    size_t len;
    uint8_t *text = test_read_file(test_path(*state, "server.key.icepwd"), &len);
    assert_string_equal((char *)text, identity.ice_pwd);
    free(text);
    text = test_read_file(test_path(*state, "node.key"), &len);
    assert_int_equal(len, 43);
    free(text);
    lm_identity_clear(&identity);
}

static void read_only_makes_nothing(void **state)
{
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    config.read_only = true;
    load_fails(&config, LM_ENOTFOUND, "server.crt", "the first run makes an identity");
    assert_int_equal(test_tempdir_count(*state), 0);
    if (geteuid() != 0) { /* root writes everywhere */
        assert_int_equal(chmod(*state, 0500), 0);
        load_fails(&config, LM_EIO, "server.crt", "cannot be made");
        assert_int_equal(chmod(*state, 0700), 0);
    }
    config.read_only = false;
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    config.read_only = true;
    load_ok(&identity, &config);
    assert_false(identity.created);
    lm_identity_clear(&identity);
    assert_int_equal(test_tempdir_count(*state), N_FILES);

    /* What a start that was interrupted has left is read, but it stays for the next start to finish. */
    char staged[64], hex[17];
    load_ok(&identity, &config);
    sodium_bin2hex(hex, sizeof hex, identity.cert.fingerprint, 8);
    lm_identity_clear(&identity);
    snprintf(staged, sizeof staged, "node.key.new-%s", hex);
    assert_int_equal(rename(test_path(*state, "node.key"), test_path(*state, staged)), 0);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    assert_true(test_exists(*state, staged));
    assert_false(test_exists(*state, "node.key"));
    assert_int_equal(unlink(test_path(*state, staged)), 0);
    load_fails(&config, LM_EIO, "node.key", "missing");
}

static void the_certificate_is_sound(void **state)
{
    lm_identity identity, other;
    mbedtls_x509_crt crt;
    uint32_t flags;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    mbedtls_x509_crt_init(&crt);
    assert_int_equal(mbedtls_x509_crt_parse_der(&crt, identity.cert.der, identity.cert.der_len), 0);
    assert_int_equal(crt.version, 3);
    assert_int_equal(crt.serial.len, 16);
    assert_true(crt.serial.p[0] < 0x80);
    assert_true(crt.valid_from.year <= 2024);
    assert_int_equal(crt.valid_to.year, 9999);
    /* Self-signed: it verifies under itself. */
    assert_int_equal(mbedtls_x509_crt_verify(&crt, &crt, NULL, NULL, &flags, NULL, NULL), 0);

    test_tempdir_empty(*state);
    load_ok(&other, &config);
    assert_memory_not_equal(identity.cert.fingerprint, other.cert.fingerprint, 32);
    assert_memory_not_equal(identity.node_seed, other.node_seed, 32);
    assert_string_not_equal(identity.ice_pwd, other.ice_pwd);
    mbedtls_x509_crt_free(&crt);
    lm_identity_clear(&identity);
    lm_identity_clear(&other);
}

static void the_second_start_loads_the_same(void **state)
{
    lm_identity a, b;
    lm_identity_config config = config_of(*state);
    load_ok(&a, &config);
    load_ok(&b, &config);
    assert_false(b.created);
    assert_int_equal(a.cert.der_len, b.cert.der_len);
    assert_memory_equal(a.cert.der, b.cert.der, a.cert.der_len);
    assert_int_equal(a.key.der_len, b.key.der_len);
    assert_memory_equal(a.key.der, b.key.der, a.key.der_len);
    assert_memory_equal(a.cert.fingerprint, b.cert.fingerprint, 32);
    assert_memory_equal(a.node_seed, b.node_seed, 32);
    assert_memory_equal(a.node_public_key, b.node_public_key, 32);
    assert_string_equal(a.ice_pwd, b.ice_pwd);
    lm_identity_clear(&a);
    lm_identity_clear(&b);
}

static void each_missing_file_is_named(void **state)
{
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    for (size_t i = 0; i < N_FILES; i++) {
        char kept[1024];
        snprintf(kept, sizeof kept, "%s", test_path(*state, "kept"));
        assert_int_equal(rename(test_path(*state, file_names[i]), kept), 0);
        char expected[1100];
        snprintf(expected, sizeof expected, "%s is missing", test_path(*state, file_names[i]));
        load_fails(&config, LM_EIO, expected, "restore what is missing from the backup");
        assert_false(test_exists(*state, file_names[i]));
        assert_int_equal(rename(kept, test_path(*state, file_names[i])), 0);
    }
    unlink(test_path(*state, "server.crt"));
    unlink(test_path(*state, "node.key"));
    load_fails(&config, LM_EIO, "server.crt and ", "node.key are missing");
}

static void a_given_password_needs_no_file(void **state)
{
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    config.ice_pwd = "0123456789abcdefghij++";
    load_ok(&identity, &config);
    assert_string_equal(identity.ice_pwd, config.ice_pwd);
    assert_false(test_exists(*state, "server.key.icepwd"));
    assert_int_equal(test_tempdir_count(*state), N_FILES - 1);
    lm_identity_clear(&identity);

    test_write(*state, "server.key.icepwd", "not even read");
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    unlink(test_path(*state, "server.key.icepwd"));

    config.ice_pwd = "";
    load_fails(&config, LM_EIO, "server.key.icepwd is missing", "set ICE_PWD");
}

/* Puts text into a file of a whole set, expects the error, and sees that the file stays as it is. */
static void refuse_text(const char *dir, const char *name, const char *text, int code, const char *what)
{
    lm_identity_config config = config_of(dir);
    size_t len, after_len;
    uint8_t *good = test_read_file(test_path(dir, name), &len);
    test_write(dir, name, text);
    load_fails(&config, code, name, what);
    uint8_t *after = test_read_file(test_path(dir, name), &after_len);
    assert_string_equal((char *)after, text);
    free(after);
    test_write(dir, name, (char *)good);
    free(good);
}

static void refuse_data(const char *dir, const char *name, const char *data, int code, const char *what)
{
    size_t len;
    uint8_t *text = test_read_file(test_path(LM_TEST_DATA "/identity", data), &len);
    refuse_text(dir, name, (char *)text, code, what);
    free(text);
}

static void foreign_files_are_refused(void **state)
{
    static char long_line[70000];
    memset(long_line, 'x', sizeof long_line - 1);
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    for (size_t i = 0; i < N_FILES; i++) {
        refuse_text(*state, file_names[i], "", LM_EMALFORMED, "is empty");
        refuse_text(*state, file_names[i], "garbage\n", LM_EMALFORMED, "restore it from the backup");
        refuse_text(*state, file_names[i], long_line, LM_EMALFORMED, "is longer than");
    }
    refuse_data(*state, "server.crt", "rsa.crt", LM_EMALFORMED, "is not an ECDSA P-256 certificate");
    refuse_data(*state, "server.crt", "p384.crt", LM_EMALFORMED, "is not an ECDSA P-256 certificate");
    refuse_data(*state, "server.crt", "other.key", LM_EMALFORMED, "is not a PEM certificate");
    refuse_data(*state, "server.crt", "other.crt", LM_EAUTH,
                "server.key does not belong to the certificate in");
    refuse_data(*state, "server.key", "rsa.key", LM_EMALFORMED, "is not an ECDSA P-256 key");
    refuse_data(*state, "server.key", "p384.key", LM_EMALFORMED, "is not an ECDSA P-256 key");
    refuse_data(*state, "server.key", "other.crt", LM_EMALFORMED, "is not a PEM private key");
    refuse_data(*state, "server.key", "encrypted.key", LM_EMALFORMED, "is encrypted");
    refuse_data(*state, "server.key", "encrypted-sec1.key", LM_EMALFORMED, "is encrypted");
    refuse_data(*state, "server.key", "other.key", LM_EAUTH, "does not belong to the certificate");
    refuse_text(*state, "server.key.icepwd", "0123456789abcdef0123456789abcde", LM_EMALFORMED,
                "32 hex digits");
    refuse_text(*state, "server.key.icepwd", "0123456789abcdef0123456789abcdef0", LM_EMALFORMED,
                "32 hex digits");
    refuse_text(*state, "server.key.icepwd", "0123456789abcdef0123456789abcdeg", LM_EMALFORMED,
                "32 hex digits");
    refuse_text(*state, "node.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", LM_EMALFORMED,
                "43 characters");
    refuse_text(*state, "node.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", LM_EMALFORMED,
                "43 characters");
    refuse_text(*state, "node.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", LM_EMALFORMED,
                "43 characters");
    load_ok(&identity, &config); /* it is whole again */
    lm_identity_clear(&identity);
}

static void two_certificates_are_refused(void **state)
{
    char both[8192];
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    size_t len;
    uint8_t *own = test_read_file(test_path(*state, "server.crt"), &len);
    snprintf(both, sizeof both, "%s%s", (char *)own, (char *)own);
    free(own);
    refuse_text(*state, "server.crt", both, LM_EMALFORMED, "more than one certificate");
}

static void unusual_nodes_are_refused(void **state)
{
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    for (size_t i = 0; i < N_FILES; i++) {
        char path[1024], kept[1024];
        snprintf(path, sizeof path, "%s", test_path(*state, file_names[i]));
        snprintf(kept, sizeof kept, "%s", test_path(*state, "kept"));
        assert_int_equal(rename(path, kept), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        load_fails(&config, LM_EIO, path, "is a directory");
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("nowhere", path), 0); /* dangling: exists, but cannot be read */
        load_fails(&config, LM_EIO, path, "cannot be read");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
        load_fails(&config, LM_EIO, path, "is not a regular file");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink(kept, path), 0); /* a working link is fine */
        load_ok(&identity, &config);
        lm_identity_clear(&identity);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rename(kept, path), 0);
    }
}

/* Root reads everything, so the check runs in a child that is nobody. */
static void unreadable_files_are_named(void **state)
{
    int status;
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    chmod(*state, 0755);
    chmod(test_path(*state, "node.key"), 0);
    if (geteuid() == 0) {
        for (size_t i = 0; i < N_FILES - 1; i++)
            assert_int_equal(chown(test_path(*state, file_names[i]), 65534, 65534), 0);
    }
    pid_t pid = fork();
    if (pid == 0) {
        lm_error_text error = {""};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(3);
        int result = lm_identity_load(&identity, &config, &error);
        _exit(result == LM_EIO && strstr(error.text, "node.key cannot be read: Permission denied") != NULL
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void line_ends_and_own_keys_are_accepted(void **state)
{
    char text[600];
    lm_identity a, b;
    lm_identity_config config = config_of(*state);
    load_ok(&a, &config);
    snprintf(text, sizeof text, "%s\r\n", a.ice_pwd);
    test_write(*state, "server.key.icepwd", text);
    size_t len;
    uint8_t *seed = test_read_file(test_path(*state, "node.key"), &len);
    snprintf(text, sizeof text, "%s\n", (char *)seed);
    free(seed);
    test_write(*state, "node.key", text);
    load_ok(&b, &config);
    assert_string_equal(a.ice_pwd, b.ice_pwd);
    assert_memory_equal(a.node_seed, b.node_seed, 32);
    lm_identity_clear(&b);

    static const char *const keys[] = {"other.key", "other-pkcs8.key"};
    for (size_t i = 0; i < 2; i++) {
        uint8_t *pem = test_read_file(LM_TEST_DATA "/identity/other.crt", &len);
        test_write(*state, "server.crt", (char *)pem);
        free(pem);
        pem = test_read_file(test_path(LM_TEST_DATA "/identity", keys[i]), &len);
        test_write(*state, "server.key", (char *)pem);
        free(pem);
        load_ok(&b, &config);
        assert_memory_not_equal(a.cert.fingerprint, b.cert.fingerprint, 32);
        lm_identity_clear(&b);
    }
    lm_identity_clear(&a);
}

static void warns_of_open_modes(void **state)
{
    lm_identity identity;
    lm_identity_config config = config_of(*state);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    chmod(test_path(*state, "server.crt"), 0666);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    assert_string_equal(warnings, "");
    chmod(test_path(*state, "server.key"), 0640);
    chmod(test_path(*state, "node.key"), 0604);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    assert_non_null(strstr(warnings, "server.key is private"));
    assert_non_null(strstr(warnings, "node.key is private"));
    assert_null(strstr(warnings, "icepwd"));
}

static void odd_places(void **state)
{
    char other[1024];
    lm_identity a, b;
    lm_identity_config config = config_of(*state);
    config.node_key_file = "server.crt";
    load_fails(&config, LM_EINVAL, "server.crt", "named for two files");
    config = config_of(*state);
    config.node_key_file = "server.key.icepwd";
    load_fails(&config, LM_EINVAL, "server.key.icepwd", "named for two files");

    config = config_of("/nonexistent/state");
    load_fails(&config, LM_EIO, "/nonexistent/state", "create it");

    /* Files of one set in two directories, one of them named absolutely. */
    config = config_of(*state);
    char *second = test_tempdir_make();
    snprintf(other, sizeof other, "%s/node.key", second);
    config.node_key_file = other;
    load_ok(&a, &config);
    assert_true(test_exists(second, "node.key"));
    assert_int_equal(test_tempdir_count(*state), 3);
    load_ok(&b, &config);
    assert_false(b.created);
    assert_memory_equal(a.node_seed, b.node_seed, 32);
    lm_identity_clear(&a);
    lm_identity_clear(&b);
    test_tempdir_remove(second);
}

/* Daemons that are started at once must come to one identity. */
static void concurrent_first_runs_agree(void **state)
{
    enum { ROUNDS = 8, STARTS = 6 };
    for (int round = 0; round < ROUNDS; round++) {
        int out[2], created = 0;
        assert_int_equal(pipe(out), 0);
        for (int i = 0; i < STARTS; i++) {
            if (fork() == 0) {
                struct {
                    uint8_t hash[32];
                    int created;
                } report = {.created = -1};
                lm_identity identity;
                lm_identity_config config = config_of(*state);
                if (lm_identity_load(&identity, &config, NULL) == LM_OK) {
                    crypto_hash_sha256_state h;
                    crypto_hash_sha256_init(&h);
                    crypto_hash_sha256_update(&h, identity.cert.fingerprint, 32);
                    crypto_hash_sha256_update(&h, identity.node_seed, 32);
                    crypto_hash_sha256_update(&h, (uint8_t *)identity.ice_pwd, 32);
                    crypto_hash_sha256_final(&h, report.hash);
                    report.created = identity.created;
                }
                _exit(write(out[1], &report, sizeof report) != sizeof report);
            }
        }
        close(out[1]);
        uint8_t first[32];
        for (int i = 0; i < STARTS; i++) {
            struct {
                uint8_t hash[32];
                int created;
            } report;
            assert_int_equal(read(out[0], &report, sizeof report), sizeof report);
            assert_in_range(report.created, 0, 1);
            created += report.created;
            if (i == 0)
                memcpy(first, report.hash, sizeof first);
            assert_memory_equal(first, report.hash, sizeof first);
        }
        close(out[0]);
        for (int i = 0; i < STARTS; i++)
            wait(NULL);
        assert_int_equal(created, 1);
        assert_int_equal(test_tempdir_count(*state), N_FILES);
        test_tempdir_empty(*state);
    }
}

static void keep_error(void *ctx, const char *text)
{
    char *all = ctx;
    size_t len = strlen(all);
    snprintf(all + len, 4096 - len, "%s\n", text);
}

/* Loads a broken identity without making anything; all that is wrong with it, a line each. */
static const char *all_that_is_wrong(const char *dir, unsigned count)
{
    static char all[4096];
    lm_error_list errors = {.tell = keep_error, .ctx = all};
    lm_identity_config config = config_of(dir);
    lm_identity identity;
    config.read_only = true;
    config.errors = &errors;
    all[0] = '\0';
    assert_int_not_equal(lm_identity_load(&identity, &config, NULL), LM_OK);
    assert_int_equal(errors.count, count);
    return all;
}

static void every_broken_file_is_told(void **state)
{
    const char *dir = *state;
    lm_identity identity;
    lm_identity_config config = config_of(dir);
    load_ok(&identity, &config);
    lm_identity_clear(&identity);
    unlink(test_path(dir, "node.key"));
    test_write(dir, "node.key", "x");
    unlink(test_path(dir, "server.key.icepwd"));
    test_write(dir, "server.key.icepwd", "x");
    const char *all = all_that_is_wrong(dir, 2);
    assert_non_null(strstr(all, "node.key does not hold a node key"));
    assert_non_null(strstr(all, "server.key.icepwd does not hold an ICE password"));
    /* Whether a key belongs to a certificate that is none, nobody knows. */
    unlink(test_path(dir, "server.crt"));
    test_write(dir, "server.crt", "x");
    assert_null(strstr(all_that_is_wrong(dir, 3), "server.key is"));
    /* What is missing is one problem, and what is there is looked at nevertheless. */
    unlink(test_path(dir, "server.crt"));
    unlink(test_path(dir, "server.key"));
    all = all_that_is_wrong(dir, 3);
    assert_non_null(strstr(all, "server.key are missing"));
    assert_non_null(strstr(all, "node.key does not hold"));
    unlink(test_path(dir, "node.key"));
    assert_int_equal(symlink("node.key", test_path(dir, "node.key")), 0);
    assert_non_null(strstr(all_that_is_wrong(dir, 3), "node.key cannot be read"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_run_makes_four_files),
        TEST(read_only_makes_nothing),
        TEST(the_certificate_is_sound),
        TEST(the_second_start_loads_the_same),
        TEST(each_missing_file_is_named),
        TEST(a_given_password_needs_no_file),
        TEST(foreign_files_are_refused),
        TEST(two_certificates_are_refused),
        TEST(unusual_nodes_are_refused),
        TEST(unreadable_files_are_named),
        TEST(line_ends_and_own_keys_are_accepted),
        TEST(warns_of_open_modes),
        TEST(every_broken_file_is_told),
        TEST(odd_places),
        TEST(concurrent_first_runs_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
