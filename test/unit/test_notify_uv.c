/* What the service manager hears, on a socket of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "relay/notify_uv.h"
#include "test/support/tempdir.h"

/* The manager's side, and the environment that it gives. */
typedef struct manager {
    int fd;
    char *dir; /* of the socket; NULL: it is abstract */
    char socket[160], pid[24];
    const char *usec;
    char heard[4096];
    uv_loop_t loop;
    unsigned warnings;
    lm_log log;
} manager;

static const char *get(void *ctx, const char *name)
{
    const manager *m = ctx;
    if (strcmp(name, "NOTIFY_SOCKET") == 0)
        return m->socket;
    if (strcmp(name, "WATCHDOG_USEC") == 0)
        return m->usec;
    return strcmp(name, "WATCHDOG_PID") == 0 ? m->pid : NULL;
}

static void count_warning(void *ctx, lm_log_level level, const char *text)
{
    assert_int_equal(level, LM_LOG_WARN);
    assert_non_null(strstr(text, "NOTIFY_SOCKET"));
    ((manager *)ctx)->warnings++;
}

static void begin(manager *m, bool abstract)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memset(m, 0, sizeof *m);
    m->log = (lm_log){.level = LM_LOG_DEBUG, .handler = count_warning, .ctx = m};
    if (abstract) {
        snprintf(m->socket, sizeof m->socket, "@lumamesh-test-%d", (int)getpid());
    } else {
        m->dir = test_tempdir_make();
        snprintf(m->socket, sizeof m->socket, "%s", test_path(m->dir, "notify"));
    }
    size_t len = strlen(m->socket);
    memcpy(addr.sun_path, m->socket, len);
    if (abstract)
        addr.sun_path[0] = '\0';
    m->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(m->fd >= 0);
    socklen_t addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(m->fd, (struct sockaddr *)&addr, abstract ? addr_len : sizeof addr), 0);
    assert_int_equal(uv_loop_init(&m->loop), 0);
}

static void end(manager *m, lm_notify *notify)
{
    lm_notify_stop(notify);
    uv_run(&m->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&m->loop), 0);
    close(m->fd);
    if (m->dir != NULL)
        test_tempdir_remove(m->dir);
}

/* The next message, "" if there is none. */
static const char *hear(manager *m)
{
    ssize_t n = recv(m->fd, m->heard, sizeof m->heard - 1, MSG_DONTWAIT);
    m->heard[n > 0 ? n : 0] = '\0';
    return m->heard;
}

static void tells_what_happens(manager *m)
{
    lm_notify *notify;
    struct timespec now;
    unsigned long long usec;
    lm_notify_start(&notify, &m->loop, get, m, &m->log);
    assert_non_null(notify);
    lm_notify_ready(notify, "up on UDP port 3478");
    assert_string_equal(hear(m), "READY=1\nSTATUS=up on UDP port 3478");
    lm_notify_status(notify, "draining");
    assert_string_equal(hear(m), "STATUS=draining");
    lm_notify_reloading(notify);
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_int_equal(sscanf(hear(m), "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
    unsigned long long expected =
        (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
    assert_in_range(usec, expected - 5000000, expected);
    lm_notify_stopping(notify, 3600, "going");
    assert_string_equal(hear(m), "STOPPING=1\nEXTEND_TIMEOUT_USEC=3610000000\nSTATUS=going");
    uv_run(&m->loop, UV_RUN_DEFAULT); /* nothing keeps it, and there is no watchdog */
    assert_string_equal(hear(m), "");
    assert_int_equal(m->warnings, 0);
    end(m, notify);
}

static void over_a_path(void **state)
{
    manager m;
    (void)state;
    begin(&m, false);
    tells_what_happens(&m);
}

static void over_an_abstract_name(void **state)
{
    manager m;
    (void)state;
    begin(&m, true);
    tells_what_happens(&m);
}

static void on_over(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

/* How often the watchdog hears of us in 500 ms. */
static unsigned watched(const char *usec, const char *pid)
{
    manager m;
    lm_notify *notify;
    uv_timer_t over;
    unsigned count = 0;
    begin(&m, false);
    m.usec = usec;
    snprintf(m.pid, sizeof m.pid, "%s", pid);
    lm_notify_start(&notify, &m.loop, get, &m, &m.log);
    uv_timer_init(&m.loop, &over);
    uv_timer_start(&over, on_over, 500, 0);
    uv_run(&m.loop, UV_RUN_DEFAULT);
    while (strcmp(hear(&m), "WATCHDOG=1") == 0)
        count++;
    assert_string_equal(m.heard, "");
    end(&m, notify);
    return count;
}

static void the_watchdog_is_fed(void **state)
{
    char own[24], other[24];
    (void)state;
    snprintf(own, sizeof own, "%d", (int)getpid());
    snprintf(other, sizeof other, "%d", (int)getpid() + 1);
    assert_in_range(watched("200000", own), 3, 7);
    assert_in_range(watched("200000", ""), 3, 7); /* no word of whom it is for */
    assert_int_equal(watched("200000", other), 0);
    assert_int_equal(watched("", own), 0);
    assert_int_equal(watched("0", own), 0);
    assert_int_equal(watched("200000x", own), 0);
    assert_int_equal(watched("99999999999999999999999", own), 0);
}

static void nobody_to_tell(void **state)
{
    char longer[120] = "/"; /* than any socket's name */
    const char *const bad[] = {"relative", "vsock:2:1234", "@", "/", longer};
    manager m;
    lm_notify *notify;
    (void)state;
    memset(longer + 1, 'x', sizeof longer - 2);
    begin(&m, false);
    char socket[sizeof m.socket];
    memcpy(socket, m.socket, sizeof socket);
    m.socket[0] = '\0';
    lm_notify_start(&notify, &m.loop, get, &m, &m.log);
    assert_null(notify);
    lm_notify_ready(notify, "x");
    lm_notify_status(notify, "x");
    lm_notify_reloading(notify);
    lm_notify_stopping(notify, 1, "x");
    lm_notify_stop(notify);
    assert_int_equal(m.warnings, 0);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(m.socket, sizeof m.socket, "%s", bad[i]);
        lm_notify_start(&notify, &m.loop, get, &m, &m.log);
        assert_null(notify);
        assert_int_equal(m.warnings, i + 1);
    }
    /* A socket where nobody listens is warned of once. */
    snprintf(m.socket, sizeof m.socket, "%.100s.none", socket);
    m.warnings = 0;
    lm_notify_start(&notify, &m.loop, get, &m, &m.log);
    assert_non_null(notify);
    lm_notify_ready(notify, "x");
    lm_notify_status(notify, "x");
    assert_int_equal(m.warnings, 1);
    end(&m, notify);
}

static void a_manager_that_does_not_read(void **state)
{
    manager m;
    lm_notify *notify;
    (void)state;
    begin(&m, false);
    lm_notify_start(&notify, &m.loop, get, &m, &m.log);
    for (int i = 0; i < 10000; i++)
        lm_notify_status(notify, "x"); /* would wait for ever */
    assert_int_equal(m.warnings, 1);
    end(&m, notify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_a_path),
        cmocka_unit_test(over_an_abstract_name),
        cmocka_unit_test(the_watchdog_is_fed),
        cmocka_unit_test(nobody_to_tell),
        cmocka_unit_test(a_manager_that_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
