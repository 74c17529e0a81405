/* Reading everything again while a relay runs: what is kept, what is refused, and that nothing is made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "relay/configuration.h"
#include "relay/tls_files.h"
#include "test/support/tempdir.h"

/* A relay in a directory of its own, whose settings come from relay.env in it. */
typedef struct place {
    char *dir, config_flag[1024];
    char *argv[3];
    lm_settings_source source;
    lm_configuration running, fresh;
    char kept[LM_SETTINGS_KEPT_SIZE];
    lm_error_text error;
} place;

static const char *no_variable(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return NULL;
}

static void write_config(place *p, const char *text)
{
    char all[2048];
    snprintf(all, sizeof all, "STATE_DIR=%s\n%s", p->dir, text);
    unlink(test_path(p->dir, "relay.env"));
    test_write(p->dir, "relay.env", all);
}

static place *begin(const char *text)
{
    static char program[] = "lumamesh-relay";
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_true(sodium_init() >= 0);
    p->dir = test_tempdir_make();
    snprintf(p->config_flag, sizeof p->config_flag, "--config=%s", test_path(p->dir, "relay.env"));
    p->argv[0] = program;
    p->argv[1] = p->config_flag;
    p->source = (lm_settings_source){.argc = 2, .argv = p->argv, .get = no_variable};
    write_config(p, text);
    assert_int_equal(lm_settings_read(&p->running.settings, &p->source, NULL), LM_OK);
    assert_int_equal(lm_configuration_load(&p->running, false, NULL, NULL), LM_OK);
    return p;
}

static void end(place *p)
{
    lm_configuration_clear(&p->running);
    lm_configuration_clear(&p->fresh);
    test_tempdir_remove(p->dir);
    free(p);
}

static int reload(place *p)
{
    lm_configuration_clear(&p->fresh);
    return lm_configuration_reload(&p->fresh, &p->running, &p->source, p->kept, NULL, &p->error);
}

static void what_can_change_changes(void **state)
{
    place *p = begin("MAX_SESSIONS=5\n");
    (void)state;
    assert_int_equal(reload(p), LM_OK);
    assert_string_equal(p->kept, "");
    assert_memory_equal(&p->fresh.settings, &p->running.settings, sizeof p->fresh.settings);
    write_config(p,
                 "MAX_SESSIONS=6\nMESSAGE_RATE=7\nICE_PWD=abcdefghijklmnopqrstuvwxyz\nPUBLIC_IP=192.0.2.9\n");
    assert_int_equal(reload(p), LM_OK);
    assert_string_equal(p->kept, "");
    assert_int_equal(p->fresh.settings.max_sessions, 6);
    assert_int_equal(p->fresh.settings.message_rate, 7);
    assert_string_equal(p->fresh.node.pwd, "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(p->fresh.node.ip.ip[3], 9);
    assert_memory_equal(p->fresh.node.nk, p->running.node.nk, sizeof p->running.node.nk);
    end(p);
}

static void what_cannot_is_kept_and_named(void **state)
{
    place *p = begin("UDP_PORT=4000\n");
    (void)state;
    write_config(p, "UDP_PORT=4001\nMAX_SESSIONS=6\n");
    assert_int_equal(reload(p), LM_OK);
    assert_string_equal(p->kept, "UDP_PORT");
    assert_int_equal(p->fresh.settings.udp_port, 4000);
    assert_int_equal(p->fresh.node.port, 4000);
    assert_int_equal(p->fresh.settings.max_sessions, 6);
    write_config(p, "UDP_PORT=4001\nDEMO=1\nHEALTH_LISTEN=127.0.0.1:7401\nSTATE_DIR=/nowhere\n");
    assert_int_equal(reload(p), LM_OK); /* the identity is looked for where it was */
    assert_string_equal(p->kept, "UDP_PORT, HEALTH_LISTEN, DEMO, STATE_DIR");
    assert_string_equal(p->fresh.settings.state_dir, p->dir);
    assert_int_equal(p->fresh.settings.health_listen.family, LM_AF_NONE);
    assert_false(p->fresh.settings.demo);
    end(p);
}

static void errors_leave_nothing(void **state)
{
    static const lm_configuration nothing;
    place *p = begin("MAX_SESSIONS=5\n");
    size_t files = test_tempdir_count(p->dir);
    (void)state;
    write_config(p, "MAX_SESSIONS=6\nMAX_SESSION=6\n");
    assert_int_equal(reload(p), LM_EINVAL);
    assert_non_null(strstr(p->error.text, "relay.env:3: unknown setting 'MAX_SESSION'"));
    assert_memory_equal(&p->fresh, &nothing, sizeof nothing);

    write_config(p, "");
    assert_int_equal(unlink(test_path(p->dir, "server.key")), 0);
    assert_int_equal(reload(p), LM_EIO);
    assert_non_null(strstr(p->error.text, "server.key is missing"));
    test_write(p->dir, "server.key", "garbage");
    assert_int_equal(reload(p), LM_EMALFORMED);
    unlink(test_path(p->dir, "server.key"));
    unlink(test_path(p->dir, "server.crt"));
    unlink(test_path(p->dir, "server.key.icepwd"));
    unlink(test_path(p->dir, "node.key"));
    assert_int_equal(reload(p), LM_ENOTFOUND); /* an identity is made at a start, not in passing */
    assert_int_equal(test_tempdir_count(p->dir), files - 4);
    assert_memory_equal(&p->fresh, &nothing, sizeof nothing);
    end(p);
}

static void another_node_is_refused(void **state)
{
    place *p = begin(""), *other = begin("");
    char config[1200];
    (void)state;
    snprintf(config, sizeof config, "NODE_KEY=%s\n", test_path(other->dir, "node.key"));
    write_config(p, config);
    assert_int_equal(reload(p), LM_EINVAL);
    assert_non_null(strstr(p->error.text, "node.key holds the key of another node"));
    snprintf(config, sizeof config, "CERT_FILE=%s\nKEY_FILE=%s\nICE_PWD=abcdefghijklmnopqrstuvwxyz\n",
             test_path(other->dir, "server.crt"), test_path(other->dir, "server.key"));
    write_config(p, config); /* another certificate is not another node */
    assert_int_equal(reload(p), LM_OK);
    assert_memory_equal(p->fresh.node.fingerprint, other->running.node.fingerprint, 32);
    end(p);
    end(other);
}

static void copy_tls(const place *p, const char *from, const char *to)
{
    char path[512];
    snprintf(path, sizeof path, LM_TEST_DATA "/tls/%s", from);
    lm_file file = {0};
    lm_error_text error;
    assert_int_equal(lm_file_read(&file, path, LM_TLS_FILE_MAX, &error), LM_OK);
    unlink(test_path(p->dir, to));
    test_write(p->dir, to, (const char *)file.data);
    lm_file_clear(&file);
}

static void a_certificate_is_read_again_or_nothing_is(void **state)
{
    static const lm_configuration nothing;
    place *p = begin("MAX_SESSIONS=5\n");
    (void)state;
    lm_configuration_clear(&p->running);
    copy_tls(p, "p256.pem", "tls.pem");
    copy_tls(p, "p256.key", "tls.key");
    write_config(p, "TLS_PORT=5349\nTLS_CERT=tls.pem\nTLS_KEY=tls.key\n");
    assert_int_equal(lm_settings_read(&p->running.settings, &p->source, NULL), LM_OK);
    assert_int_equal(lm_configuration_load(&p->running, false, NULL, NULL), LM_OK);
    assert_non_null(p->running.tls);
    assert_int_equal(reload(p), LM_OK);
    assert_non_null(p->fresh.tls);
    assert_ptr_not_equal(p->fresh.tls, p->running.tls);

    copy_tls(p, "p384.key", "tls.key");
    assert_int_equal(reload(p), LM_EAUTH);
    assert_non_null(strstr(p->error.text, "tls.key"));
    assert_memory_equal(&p->fresh, &nothing, sizeof nothing);
    copy_tls(p, "README.md", "tls.pem");
    assert_int_equal(reload(p), LM_EMALFORMED);
    assert_non_null(strstr(p->error.text, "tls.pem"));
    unlink(test_path(p->dir, "tls.pem"));
    assert_int_equal(reload(p), LM_EIO);
    assert_non_null(strstr(p->error.text, "tls.pem"));
    copy_tls(p, "p384.pem", "tls.pem");
    assert_int_equal(reload(p), LM_OK);

    write_config(p, "MAX_SESSIONS=6\n"); /* the port stays until the restart, and its files with it */
    assert_int_equal(reload(p), LM_OK);
    assert_string_equal(p->kept, "TLS_PORT");
    assert_int_equal(p->fresh.settings.tls_port, 5349);
    assert_string_equal(p->fresh.settings.tls_cert, "tls.pem");
    assert_non_null(p->fresh.tls);
    end(p);
}

static void the_open_tcp_port_is_told(void **state)
{
    place *p = begin("UDP_PORT=4000\n");
    (void)state;
    p->running.node.tcp = 0; /* it could not be had */
    assert_int_equal(reload(p), LM_OK);
    assert_int_equal(p->fresh.node.tcp, 0);
    p->running.node.tcp = 4000;
    write_config(p, "UDP_PORT=4000\nTCP_PORT=4001\nTURN=off\nTURN_PORTS=2000-3000\n");
    assert_int_equal(reload(p), LM_OK);
    assert_string_equal(p->kept, "TCP_PORT, TURN, TURN_PORTS");
    assert_int_equal(p->fresh.node.tcp, 4000);
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_change_changes),
        cmocka_unit_test(what_cannot_is_kept_and_named),
        cmocka_unit_test(errors_leave_nothing),
        cmocka_unit_test(another_node_is_refused),
        cmocka_unit_test(a_certificate_is_read_again_or_nothing_is),
        cmocka_unit_test(the_open_tcp_port_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
