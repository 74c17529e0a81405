/* A whole relay in a loop, as a program outside has it: what starts, what is refused, what a reload changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/features.h"
#include "relay/node_uv.h"
#include "test/support/tempdir.h"

static uv_loop_t loop;
static char *dir;
static char state_dir[512], udp_port[32];
static char logged[4096];

static void log_line(void *ctx, lm_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    size_t len = strlen(logged);
    snprintf(logged + len, sizeof logged - len, "%s\n", text);
}

static const lm_log to_memory = {.level = LM_LOG_WARN, .handler = log_line};

/* A port of UDP that is free now. */
static unsigned free_port(void)
{
    uv_udp_t udp;
    struct sockaddr_in addr;
    int len = sizeof addr;
    uv_ip4_addr("127.0.0.1", 0, &addr);
    uv_udp_init(&loop, &udp);
    assert_int_equal(uv_udp_bind(&udp, (const struct sockaddr *)&addr, 0), 0);
    assert_int_equal(uv_udp_getsockname(&udp, (struct sockaddr *)&addr, &len), 0);
    uv_close((uv_handle_t *)&udp, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return ntohs(addr.sin_port);
}

static int set_up(void **state)
{
    (void)state;
    uv_loop_init(&loop);
    dir = test_tempdir_make();
    logged[0] = '\0';
    snprintf(state_dir, sizeof state_dir, "--state-dir=%s", dir);
    snprintf(udp_port, sizeof udp_port, "--udp-port=%u", free_port());
    return 0;
}

/* Nothing that a node has made is left in the loop. */
static int tear_down(void **state)
{
    (void)state;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    test_tempdir_remove(dir);
    return 0;
}

static lm_node *start(void)
{
    const char *settings[] = {state_dir, udp_port, "--tcp-port=0", NULL};
    lm_error_text error = {""};
    lm_node *node = NULL;
    assert_int_equal(lm_node_start(&node, &loop, settings, &to_memory, &error), LM_OK);
    return node;
}

/* Starting with one more flag is refused with a text that has this in it, and leaves nothing behind. */
static void refuses(const char *flag, int code, const char *text)
{
    const char *settings[] = {state_dir, udp_port, flag, NULL};
    lm_error_text error = {""};
    lm_node *node = NULL;
    assert_int_equal(lm_node_start(&node, &loop, settings, NULL, &error), code);
    assert_null(node);
    assert_non_null(strstr(error.text, text));
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(test_tempdir_count(dir), 0);
}

static void test_runs(void **state)
{
    (void)state;
    static char report[LM_NODE_REPORT_MAX];
    lm_node *node = start();
    assert_int_equal(lm_node_port(node), strtoul(strchr(udp_port, '=') + 1, NULL, 10));
    assert_memory_equal(lm_node_blob(node), "lm1.", 4);
    assert_non_null(strstr(lm_node_json(node), "\"ufrag\": \"luma\""));
    assert_int_equal(lm_node_sessions(node), 0);
    int len = lm_node_report(node, report, sizeof report - 1);
    assert_true(len > 0);
    report[len] = '\0';
    assert_non_null(strstr(report, "\"version\""));
    assert_null(strstr(report, "\"nodeId\":\"\""));
    assert_int_equal(lm_node_report(node, report, 10), LM_ETOOBIG);
    lm_node_drain(node);
    len = lm_node_report(node, report, sizeof report - 1);
    report[len] = '\0';
    assert_non_null(strstr(report, "\"draining\":true"));
    lm_node_stop(node);
    lm_node_stop(NULL);
}

static void test_is_the_same_after_a_restart(void **state)
{
    (void)state;
    char blob[2048];
    lm_node *node = start();
    snprintf(blob, sizeof blob, "%s", lm_node_blob(node));
    lm_node_stop(node);
    uv_run(&loop, UV_RUN_DEFAULT);
    node = start();
    assert_string_equal(lm_node_blob(node), blob);
    lm_node_stop(node);
}

static void test_refuses(void **state)
{
    (void)state;
    refuses("--udp-prot=1", LM_EINVAL, "--udp-prot");
    refuses("--max-sessions=many", LM_EINVAL, "--max-sessions");
    refuses("--help", LM_EINVAL, "command");
    refuses("--print-blob", LM_EINVAL, "command");
    refuses("--health-listen=127.0.0.1:1", LM_EINVAL, LM_WITH_HEALTH ? "HEALTH_LISTEN" : "--health-listen");
    refuses("--state-dir=/nonexistent", LM_EIO, "/nonexistent");
}

static void test_says_that_a_port_is_taken(void **state)
{
    (void)state;
    const char *settings[] = {state_dir, udp_port, "--tcp-port=0", NULL};
    lm_error_text error = {""};
    lm_node *second = NULL, *node = start();
    assert_int_equal(lm_node_start(&second, &loop, settings, NULL, &error), LM_EIO);
    assert_null(second);
    assert_non_null(strstr(error.text, strchr(udp_port, '=') + 1));
    assert_int_equal(lm_node_start(&second, &loop, settings, NULL, NULL), LM_EIO);
    lm_node_stop(node);
}

static void test_reload(void **state)
{
    (void)state;
    lm_node *node = start();
    const char *other[] = {state_dir, "--udp-port=4000", "--tcp-port=0", "--ice-ufrag=another", NULL};
    const char *bad[] = {state_dir, udp_port, "--tcp-port=0", "--ice-ufrag=x", NULL};
    lm_error_text error = {""};
    assert_int_equal(lm_node_reload(node, bad, &error), LM_EINVAL);
    assert_non_null(strstr(error.text, "--ice-ufrag"));
    assert_int_equal(lm_node_reload(node, (const char *[]){"--version", NULL}, NULL), LM_EINVAL);
    assert_non_null(strstr(lm_node_json(node), "\"ufrag\": \"luma\""));
    assert_int_equal(lm_node_reload(node, other, &error), LM_OK);
    assert_non_null(strstr(lm_node_json(node), "\"ufrag\": \"another\""));
    assert_non_null(strstr(logged, "UDP_PORT: a change of this needs a restart"));
    assert_null(strstr(lm_node_json(node), "4000"));
    lm_node_stop(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is_the_same_after_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_says_that_a_port_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
