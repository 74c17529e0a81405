/* A relay in a mesh that is given other settings while it runs: all of them, or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"
#include "common/file.h"
#include "relay/service_uv.h"
#include "test/support/tempdir.h"

#define QUIET 400 /* ms: new peers are dialled within half of it */

/* A relay in a directory of its own, whose settings come from relay.env in it. */
typedef struct place {
    char *dir, config_flag[1024];
    char *argv[3];
    lm_settings_source source;
    lm_configuration running, fresh;
    char kept[LM_SETTINGS_KEPT_SIZE];
    lm_error_text error;
    uv_loop_t loop;
    uv_timer_t timer;
    lm_service *service;
    unsigned port;
} place;

static const char *no_variable(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return NULL;
}

/* A port that nobody has, UDP and TCP. */
static unsigned free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    close(fd);
    return ntohs(name.sin_port);
}

static void write_config(place *p, const char *text)
{
    char all[2048];
    snprintf(
        all, sizeof all,
        "STATE_DIR=%s\nUDP_PORT=%u\nTCP_PORT=0\nMESH_SALT=a salt of the tests\nMESH_LISTEN=127.0.0.1:%u\n%s",
        p->dir, p->port, p->port, text);
    unlink(test_path(p->dir, "relay.env"));
    test_write(p->dir, "relay.env", all);
}

static void wake(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void run(place *p, uint64_t ms)
{
    uv_update_time(&p->loop);
    uv_timer_start(&p->timer, wake, ms, 0);
    uv_run(&p->loop, UV_RUN_DEFAULT);
}

static void begin(place *p, const char *text)
{
    static char program[] = "lumamesh-relay";
    memset(p, 0, sizeof *p);
    p->dir = test_tempdir_make();
    p->port = free_port();
    snprintf(p->config_flag, sizeof p->config_flag, "--config=%s", test_path(p->dir, "relay.env"));
    p->argv[0] = program;
    p->argv[1] = p->config_flag;
    p->source = (lm_settings_source){.argc = 2, .argv = p->argv, .get = no_variable};
    write_config(p, text);
    assert_int_equal(lm_settings_read(&p->running.settings, &p->source, NULL), LM_OK);
    assert_int_equal(lm_configuration_load(&p->running, false, NULL, NULL), LM_OK);
    uv_loop_init(&p->loop);
    uv_timer_init(&p->loop, &p->timer);
    assert_int_equal(lm_service_start(&p->service, &p->loop, &p->running, NULL, &p->error), LM_OK);
}

static void end(place *p)
{
    lm_service_stop(p->service);
    uv_close((uv_handle_t *)&p->timer, NULL);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&p->loop), 0);
    lm_configuration_clear(&p->running);
    lm_configuration_clear(&p->fresh);
    test_tempdir_remove(p->dir);
}

static uint64_t dials(const place *p)
{
    lm_report report;
    lm_service_report(p->service, &report);
    return report.mesh->dials;
}

/* The certificate is one that the stack does not take: it is found out last. */
static void what_fails_at_last_has_changed_nothing(void **state)
{
    static place p;
    (void)state;
    begin(&p, "");
    run(&p, QUIET);
    assert_int_equal(dials(&p), 0);
    write_config(&p, "MESH_PEERS=127.0.0.1:1\n");
    assert_int_equal(lm_configuration_reload(&p.fresh, &p.running, &p.source, p.kept, NULL, &p.error), LM_OK);
    size_t whole = p.fresh.identity.cert.der_len;
    p.fresh.identity.cert.der_len = whole / 2;
    assert_int_not_equal(lm_service_reconfigure(p.service, &p.fresh, &p.error), LM_OK);
    assert_non_null(strstr(p.error.text, "the relay cannot be changed"));
    run(&p, QUIET);
    assert_int_equal(dials(&p), 0);
    p.fresh.identity.cert.der_len = whole;
    assert_int_equal(lm_service_reconfigure(p.service, &p.fresh, &p.error), LM_OK);
    run(&p, QUIET);
    assert_int_equal(dials(&p), 1);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_fails_at_last_has_changed_nothing)};
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
