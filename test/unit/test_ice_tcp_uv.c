/*
 * A session over ICE-TCP from end to end, over a real socket:
 *
 *     test client -- RFC 4571 -- socket -- loopback -- lm_streams -- in-tree stack
 *
 * The stack's side answers each message with the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/certificate.h"
#include "common/error.h"
#include "common/sockaddr.h"
#include "test/support/client.h"
#include "webrtc/sctp.h"
#include "webrtc/stack.h"
#include "webrtc/stream_uv.h"

#define UFRAG "luma"
#define PWD "0123456789abcdef0123456789abcdef"
#define PATIENCE 20000 /* ms that anything may take */

static uv_loop_t loop;
static lm_random rng;
static lm_webrtc *stack;
static lm_streams *streams;
static lm_certificate cert;
static lm_private_key key;
static unsigned opened, closed, messages;

typedef struct peer {
    test_client *client;
    int fd;
    lm_addr local, remote;
    lm_stream stream;
    unsigned answers;
    bool byte_by_byte;
} peer;

/* --- the stack's side --- */

static int core_input(void *self, lm_ms now, const lm_dgram *in)
{
    return lm_webrtc_input(self, now, in);
}

static bool core_stream_used(const void *self, const lm_addr *remote, const lm_addr *local)
{
    return lm_webrtc_has_path(self, remote, local);
}

static void core_stream_closed(void *self, lm_ms now, const lm_addr *remote, const lm_addr *local)
{
    (void)now;
    lm_webrtc_path_closed(self, remote, local);
}

static void flush(void *user)
{
    lm_webrtc_output out;
    (void)user;
    while (lm_webrtc_poll(stack, &out) == 1) {
        switch (out.kind) {
        case LM_WEBRTC_SEND:
            lm_streams_send(streams, &out.send.remote, &out.send.local, out.send.data, out.send.len);
            break;
        case LM_WEBRTC_OPEN:
            opened++;
            break;
        case LM_WEBRTC_MESSAGE:
            messages++;
            lm_webrtc_send(stack, uv_now(&loop), out.session, out.message.data, out.message.len);
            break;
        case LM_WEBRTC_CLOSED:
            closed++;
            break;
        }
    }
}

static int start(void **state)
{
    const lm_stack_config stack_config = {.identity = {.ufrag = UFRAG,
                                                       .pwd = PWD,
                                                       .cert_der = cert.der,
                                                       .cert_len = cert.der_len,
                                                       .key_der = key.der,
                                                       .key_len = key.der_len},
                                          .limits = {.max_sessions = 100},
                                          .cookie_threshold = 0,
                                          .random = rng};
    lm_error_text why;
    (void)state;
    opened = closed = messages = 0;
    if (uv_loop_init(&loop) != 0 || lm_stack_create(&stack, &stack_config) != LM_OK)
        return -1;
    const lm_streams_config config = {
        .core = {.self = stack,
                 .input = core_input,
                 .stream_used = core_stream_used,
                 .stream_closed = core_stream_closed},
        .limits = {.connections = 100, .first_timeout = 2000, .unused_timeout = 1000},
        .flush = flush};
    return lm_streams_open(&streams, &loop, &config, &why);
}

static int stop(void **state)
{
    (void)state;
    lm_streams_close(streams);
    lm_webrtc_destroy(stack);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

/* --- the client's side --- */

static void connect_peer(peer *p)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    assert_int_equal(lm_addr_parse_ip(&p->remote, "127.0.0.1", lm_streams_port(streams)), LM_OK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(p->fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &p->remote)), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&name, &len), 0);
    assert_int_equal(lm_sockaddr_to_addr(&p->local, (struct sockaddr *)&name), LM_OK);
    p->remote.transport = p->local.transport = LM_TCP;
    lm_stream_clear(&p->stream);
}

static void on_client_message(void *user, test_client *client, const char *data, size_t len)
{
    (void)client, (void)data, (void)len;
    ((peer *)user)->answers++;
}

static void start_peer(peer *p, const char *ufrag)
{
    *p = (peer){.byte_by_byte = p->byte_by_byte};
    connect_peer(p);
    const test_client_config config = {.relay_ufrag = UFRAG,
                                       .relay_pwd = PWD,
                                       .ufrag = ufrag,
                                       .relay = p->remote,
                                       .local = p->local,
                                       .random = rng,
                                       .fingerprint = cert.fingerprint,
                                       .message = on_client_message,
                                       .user = p};
    p->client = test_client_create(&config);
}

static void end_peer(peer *p)
{
    test_client_destroy(p->client);
    if (p->fd >= 0)
        close(p->fd);
    lm_stream_clear(&p->stream);
}

static void write_all(peer *p, const uint8_t *data, size_t len)
{
    size_t step = p->byte_by_byte ? 1 : len;
    for (size_t at = 0; at < len; at += step) {
        assert_int_equal(send(p->fd, data + at, step, MSG_NOSIGNAL), step);
        if (p->byte_by_byte)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static void pump_peer(peer *p)
{
    static lm_stream_buffer buffer;
    lm_ms now = uv_now(&loop);
    uint8_t *data, framed[LM_STREAM_ICE_MAX];
    size_t len;
    lm_dgram d;
    if (test_client_next_timeout(p->client) <= now)
        test_client_timeout(p->client, now);
    while (p->fd >= 0) {
        ssize_t n = recv(p->fd, lm_stream_begin(&buffer, &p->stream), LM_STREAM_READ, MSG_DONTWAIT);
        if (n <= 0)
            break;
        lm_stream_input(&buffer, (size_t)n);
        int result;
        while ((result = lm_stream_next(&buffer, &data, &len)) == 1) {
            d = (lm_dgram){.remote = p->remote, .local = p->local, .data = data, .len = len};
            test_client_input(p->client, now, &d);
        }
        assert_int_equal(result, 0);
    }
    while (test_client_poll(p->client, &d) == 1) {
        if (p->fd < 0)
            continue; /* lost with the stream */
        framed[0] = (uint8_t)(d.len >> 8);
        framed[1] = (uint8_t)d.len;
        memcpy(framed + 2, d.data, d.len);
        write_all(p, framed, d.len + 2);
    }
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* One turn of everything, of 2 ms at the most. */
static void turn(peer *peers, size_t count)
{
    static uv_timer_t timer;
    for (size_t i = 0; i < count; i++)
        pump_peer(&peers[i]);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_tick, 2, 0);
    uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    if (lm_webrtc_next_timeout(stack) <= uv_now(&loop))
        lm_webrtc_timeout(stack, uv_now(&loop));
    flush(NULL);
}

#define AWAIT(peers, count, condition)                    \
    do {                                                  \
        uv_update_time(&loop);                            \
        lm_ms await_end = uv_now(&loop) + PATIENCE;       \
        while (!(condition) && uv_now(&loop) < await_end) \
            turn((peers), (count));                       \
        assert_true(condition);                           \
    } while (0)

static bool is_open(const peer *p)
{
    return test_client_get_state(p->client) == TEST_CLIENT_OPEN;
}

static void a_channel_opens_and_pings(void **state)
{
    peer p = {0};
    (void)state;
    start_peer(&p, "abcd");
    AWAIT(&p, 1, is_open(&p));
    for (unsigned i = 1; i <= 50; i++) {
        assert_true(test_client_send(p.client, uv_now(&loop), "ping", 4));
        AWAIT(&p, 1, p.answers == i);
    }
    lm_addr mapped = test_client_mapped(p.client), local = p.local;
    local.transport = LM_UDP; /* which the attribute does not know */
    assert_true(lm_addr_equal(&mapped, &local));
    assert_int_equal(lm_streams_get_stats(streams)->connections_ice, 1);
    test_client_close(p.client, uv_now(&loop));
    AWAIT(&p, 1, closed == 1);
    AWAIT(&p, 1, lm_streams_get_stats(streams)->ended[LM_STREAM_END_unused] == 1); /* by the relay */
    end_peer(&p);
}

static void a_long_message_goes_both_ways(void **state)
{
    static char text[60000];
    peer p = {0};
    (void)state;
    memset(text, 'x', sizeof text);
    start_peer(&p, "abcd");
    AWAIT(&p, 1, is_open(&p));
    assert_true(test_client_send(p.client, uv_now(&loop), text, sizeof text));
    AWAIT(&p, 1, p.answers == 1);
    end_peer(&p);
}

static void bytes_may_come_one_by_one(void **state)
{
    peer p = {.byte_by_byte = true};
    (void)state;
    start_peer(&p, "abcd");
    AWAIT(&p, 1, is_open(&p));
    assert_true(test_client_send(p.client, uv_now(&loop), "ping", 4));
    AWAIT(&p, 1, p.answers == 1);
    end_peer(&p);
}

/* The network goes for a moment: the stream breaks, and the session goes on in another. */
static void a_session_goes_on_in_another_stream(void **state)
{
    peer p = {0};
    (void)state;
    start_peer(&p, "abcd");
    AWAIT(&p, 1, is_open(&p));
    lm_addr remote = p.local, local = p.remote;
    assert_true(lm_webrtc_has_path(stack, &remote, &local));
    close(p.fd);
    p.fd = -1;
    AWAIT(&p, 1, !lm_webrtc_has_path(stack, &remote, &local));
    connect_peer(&p);
    test_client_move(p.client, &p.local); /* its first datagram is a check, as any browser's */
    AWAIT(&p, 1, lm_webrtc_has_path(stack, &p.local, &p.remote));
    assert_true(test_client_send(p.client, uv_now(&loop), "ping", 4));
    AWAIT(&p, 1, p.answers == 1);
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 0);
    assert_int_equal(lm_webrtc_get_stats(stack)->sessions_created, 1);
    end_peer(&p);
}

static void a_crowd_is_served(void **state)
{
    enum { CROWD = 40 };
    static peer peers[CROWD];
    char ufrags[CROWD][8];
    unsigned open = 0, answered = 0;
    (void)state;
    for (int i = 0; i < CROWD; i++) {
        snprintf(ufrags[i], sizeof ufrags[i], "c%03d", i);
        start_peer(&peers[i], ufrags[i]);
    }
    while (open < CROWD) {
        open = 0;
        turn(peers, CROWD);
        for (int i = 0; i < CROWD; i++)
            open += is_open(&peers[i]);
    }
    for (int i = 0; i < CROWD; i++)
        assert_true(test_client_send(peers[i].client, uv_now(&loop), "ping", 4));
    while (answered < CROWD) {
        answered = 0;
        turn(peers, CROWD);
        for (int i = 0; i < CROWD; i++)
            answered += peers[i].answers;
    }
    assert_int_equal(messages, CROWD);
    for (int i = 0; i < CROWD; i++)
        end_peer(&peers[i]);
}

static int start_all(void **state)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    const char *why;
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    rng = lm_random_system();
    return sodium_init() < 0 || lm_certificate_make(cert_pem, key_pem, &rng) != LM_OK ||
           lm_certificate_parse(&cert, cert_pem, strlen(cert_pem), &why) != LM_OK ||
           lm_private_key_parse(&key, key_pem, strlen(key_pem), &cert, &rng, &why) != LM_OK;
}

static int stop_all(void **state)
{
    (void)state;
    lm_certificate_clear(&cert);
    lm_private_key_clear(&key);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_channel_opens_and_pings), TEST(a_long_message_goes_both_ways),
        TEST(bytes_may_come_one_by_one), TEST(a_session_goes_on_in_another_stream),
        TEST(a_crowd_is_served),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
