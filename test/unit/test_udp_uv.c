/* The UDP binding with an echoing core, over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "webrtc/udp_uv.h"

#define WAITING 200

/* Sends everything back to where it came from, and one datagram by itself when its deadline comes. */
typedef struct echo {
    lm_dgram waiting[WAITING];
    uint8_t bytes[WAITING][2048];
    unsigned first, last;
    lm_ms deadline;
    unsigned timeouts;
    lm_ms now;           /* of the latest call: time never runs backwards */
    useconds_t work;     /* that an input takes */
    lm_ms cpu;           /* the same of the CPU's time */
    bool eager;          /* is always due, as a core that works something off bit by bit */
    lm_ms longest_delay; /* from an input's time to the next poll's */
} echo;

static void set_now(echo *e, lm_ms now)
{
    assert_true(now >= e->now);
    e->now = now;
}

static int echo_input(void *self, lm_ms now, const lm_dgram *in)
{
    echo *e = self;
    set_now(e, now);
    if (e->work > 0)
        usleep(e->work);
    for (clock_t end = clock() + (clock_t)e->cpu * CLOCKS_PER_SEC / 1000; clock() < end;)
        ;
    assert_true(e->last < WAITING);
    e->waiting[e->last] = *in;
    memcpy(e->bytes[e->last], in->data, in->len);
    e->waiting[e->last].data = e->bytes[e->last];
    e->last++;
    return LM_OK;
}

static int echo_poll(void *self, lm_ms now, lm_dgram *out)
{
    echo *e = self;
    if (now - e->now > e->longest_delay && e->first != e->last)
        e->longest_delay = now - e->now;
    set_now(e, now);
    if (e->first == e->last)
        return 0;
    *out = e->waiting[e->first++];
    return 1;
}

static lm_ms echo_next_timeout(const void *self)
{
    return ((const echo *)self)->deadline;
}

static void echo_timeout(void *self, lm_ms now)
{
    echo *e = self;
    set_now(e, now);
    assert_true(now >= e->deadline);
    e->deadline = e->eager ? 0 : LM_MS_NEVER;
    e->timeouts++;
    assert_true(e->timeouts < 10000);
}

static echo the_echo;
static uv_loop_t loop;
static lm_udp *udp;

static int open_echo(void **state)
{
    lm_error_text why;
    lm_port_core core = {.self = &the_echo,
                         .input = echo_input,
                         .poll = echo_poll,
                         .next_timeout = echo_next_timeout,
                         .timeout = echo_timeout};
    (void)state;
    memset(&the_echo, 0, sizeof the_echo);
    the_echo.deadline = LM_MS_NEVER;
    uv_loop_init(&loop);
    return lm_udp_open(&udp, &loop, 0, &core, &why);
}

static int close_echo(void **state)
{
    (void)state;
    lm_udp_close(udp);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static int client_socket(const char *from)
{
    struct sockaddr_storage name;
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, from), LM_OK);
    int fd = socket(addr.family == LM_AF_INET6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &addr)), 0);
    return fd;
}

static void send_from(int fd, const char *to_ip, const void *data, size_t len)
{
    struct sockaddr_storage name;
    lm_addr addr;
    assert_int_equal(lm_addr_parse_ip(&addr, to_ip, lm_udp_port(udp)), LM_OK);
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &addr)),
                     len);
}

/* Runs the loop until a datagram comes back; its length, and the sender's address in from. */
static ssize_t await(int fd, uint8_t *buf, size_t cap, lm_addr *from)
{
    for (int turns = 0; turns < 100; turns++) {
        struct sockaddr_storage name;
        socklen_t name_len = sizeof name;
        ssize_t n = recvfrom(fd, buf, cap, 0, (struct sockaddr *)&name, &name_len);
        if (n >= 0) {
            lm_sockaddr_to_addr(from, (struct sockaddr *)&name);
            return n;
        }
        uv_run(&loop, UV_RUN_ONCE);
    }
    return -1;
}

static void answers_come_from_the_address_that_was_asked(void **state)
{
    static const char *const asked[] = {"127.0.0.1", "127.0.0.2", "127.45.6.7"};
    int fd = client_socket("127.0.0.9:0");
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t buf[16];
        lm_addr from, expected;
        send_from(fd, asked[i], "hello", 5);
        assert_int_equal(await(fd, buf, sizeof buf, &from), 5);
        assert_memory_equal(buf, "hello", 5);
        assert_int_equal(lm_addr_parse_ip(&expected, asked[i], lm_udp_port(udp)), LM_OK);
        assert_true(lm_addr_equal(&from, &expected));
    }
    close(fd);
}

static void ipv6_is_served_on_the_same_port(void **state)
{
    uint8_t buf[16];
    lm_addr from;
    int fd = client_socket("[::1]:0");
    (void)state;
    send_from(fd, "::1", "six", 3);
    assert_int_equal(await(fd, buf, sizeof buf, &from), 3);
    assert_int_equal(from.family, LM_AF_INET6);
    assert_int_equal(from.port, lm_udp_port(udp));
    close(fd);
}

static void many_datagrams_keep_their_order_and_families(void **state)
{
    int v4 = client_socket("127.0.0.1:0"), v6 = client_socket("[::1]:0");
    (void)state;
    for (uint8_t i = 0; i < 90; i++) {
        send_from(v4, "127.0.0.1", &i, 1);
        send_from(v6, "::1", &i, 1);
    }
    for (uint8_t i = 0; i < 90; i++) {
        uint8_t byte;
        lm_addr from;
        assert_int_equal(await(v4, &byte, 1, &from), 1);
        assert_int_equal(byte, i);
        assert_int_equal(await(v6, &byte, 1, &from), 1);
        assert_int_equal(byte, i);
    }
    assert_int_equal(lm_udp_get_stats(udp)->send_errors, 0);
    close(v4);
    close(v6);
}

static void too_long_datagrams_are_dropped_and_counted(void **state)
{
    static uint8_t big[4000];
    uint8_t buf[16];
    lm_addr from;
    int fd = client_socket("127.0.0.1:0");
    (void)state;
    send_from(fd, "127.0.0.1", big, sizeof big);
    send_from(fd, "127.0.0.1", "after", 5);
    assert_int_equal(await(fd, buf, sizeof buf, &from), 5);
    assert_int_equal(lm_udp_get_stats(udp)->truncated, 1);
    assert_int_equal(the_echo.last, 1);
    close(fd);
}

static void the_timer_follows_the_deadline(void **state)
{
    (void)state;
    uv_update_time(&loop);
    lm_ms start = uv_now(&loop);
    the_echo.deadline = start + 60000;
    lm_udp_flush(udp);
    the_echo.deadline = start + 30; /* moved to an earlier time: the timer must follow */
    lm_udp_flush(udp);
    while (the_echo.timeouts == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_true(uv_now(&loop) - start < 60000);
    assert_int_equal(the_echo.timeouts, 1);
}

/* One call in a turn, however much there is to do: what has come in meanwhile is taken in between. */
static void a_core_that_is_always_due_keeps_nobody_waiting(void **state)
{
    int fd = client_socket("127.0.0.1:0");
    uint8_t byte;
    lm_addr from;
    (void)state;
    the_echo.eager = true;
    the_echo.deadline = uv_now(&loop) + 2; /* from the timer on, */
    lm_udp_flush(udp);
    while (the_echo.timeouts == 0)
        uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 20; i++) {
        unsigned timeouts = the_echo.timeouts;
        send_from(fd, "127.0.0.1", "x", 1);
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(the_echo.timeouts, timeouts + 1);
        assert_int_equal(await(fd, &byte, 1, &from), 1);
    }
    the_echo.eager = false; /* and it comes to an end */
    while (the_echo.deadline == 0)
        uv_run(&loop, UV_RUN_ONCE);
    unsigned timeouts = the_echo.timeouts;
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(the_echo.timeouts, timeouts);
    close(fd);
}

static void a_taken_port_is_named(void **state)
{
    lm_error_text why;
    lm_udp *second;
    lm_port_core core = {0};
    (void)state;
    assert_int_equal(lm_udp_open(&second, &loop, lm_udp_port(udp), &core, &why), LM_EIO);
    assert_non_null(strstr(why.text, "cannot open UDP port"));
    assert_non_null(strstr(why.text, "in use"));
}

/* What a batch takes to work off is seen by the core, for it to measure delays. */
static void time_goes_on_while_a_batch_is_worked_off(void **state)
{
    int fd = client_socket("127.0.0.1:0");
    (void)state;
    the_echo.work = 2000;
    for (int i = 0; i < 40; i++) /* more than a batch */
        send_from(fd, "127.0.0.1", "x", 1);
    for (int i = 0; i < 1000 && the_echo.first < 40; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(the_echo.first, 40);
    assert_in_range(the_echo.longest_delay, 20, 10000);
    close(fd);
}

/* What the loop works is counted, what it waits or sleeps is not. */
static void the_cpu_time_of_a_turn_is_counted(void **state)
{
    int fd = client_socket("127.0.0.1:0");
    uint8_t byte;
    lm_addr from;
    const lm_histogram *turns = &lm_udp_get_stats(udp)->turn_time;
    uint64_t over_10_ms = 0;
    (void)state;
    the_echo.work = 30000;
    send_from(fd, "127.0.0.1", "x", 1);
    assert_int_equal(await(fd, &byte, 1, &from), 1);
    uv_run(&loop, UV_RUN_NOWAIT);
    uint64_t before = turns->sum;
    assert_in_range(before, 0, 20);
    the_echo.work = 0;
    the_echo.cpu = 12;
    send_from(fd, "127.0.0.1", "x", 1);
    assert_int_equal(await(fd, &byte, 1, &from), 1);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(turns->sum >= before + 11);
    for (size_t i = 0; i < LM_HISTOGRAM_BUCKETS; i++)
        if (lm_histogram_bound(i) > 10)
            over_10_ms += turns->buckets[i];
    assert_true(over_10_ms >= 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_come_from_the_address_that_was_asked, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(ipv6_is_served_on_the_same_port, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(many_datagrams_keep_their_order_and_families, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(too_long_datagrams_are_dropped_and_counted, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(the_timer_follows_the_deadline, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(a_core_that_is_always_due_keeps_nobody_waiting, open_echo,
                                        close_echo),
        cmocka_unit_test_setup_teardown(a_taken_port_is_named, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(time_goes_on_while_a_batch_is_worked_off, open_echo, close_echo),
        cmocka_unit_test_setup_teardown(the_cpu_time_of_a_turn_is_counted, open_echo, close_echo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
