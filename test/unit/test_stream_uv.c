/*
 * The stream binding with an echoing core, over loopback: ChannelData goes back by the core's relay(),
 * everything else by its input() and the flush that follows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <mbedtls/ssl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/mbedtls_compat.h"
#include "common/sockaddr.h"
#include "test/support/data.h"
#include "webrtc/stream_uv.h"

#define WAITING 4096
#define PATIENCE 10000 /* ms that anything may take */

/* 20 bytes of a Binding request without attributes (RFC 8489 section 5), and the same for ICE-TCP. */
static const uint8_t binding[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42, 't', 'r',
                                    'a',  'n',  's',  'a',  'c',  't',  'i',  'o',  'n', '!'};
static const uint8_t framed[22] = {0,   20,  0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42, 't',
                                   'r', 'a', 'n',  's',  'a',  'c',  't',  'i',  'o',  'n',  '!'};

typedef struct echo {
    lm_dgram waiting[WAITING];
    uint8_t *bytes[WAITING];
    unsigned first, last;
    unsigned relayed, inputs, closed;
    unsigned copies; /* of each answer; 0: 1 */
    bool unused;
    lm_addr remote, local; /* of the last datagram */
} echo;

static echo the_echo;
static uv_loop_t loop;
static lm_streams *streams;
static lm_random rng;

static int echo_relay(void *self, lm_ms now, lm_packet *packet)
{
    echo *e = self;
    (void)now;
    if (packet->data[0] != 0x40)
        return LM_EAGAIN;
    e->relayed++;
    memset(packet->data - LM_PACKET_HEADROOM, 0xEE, LM_PACKET_HEADROOM); /* the room is the core's */
    memset(packet->data + packet->len, 0, LM_PACKET_TAILROOM);
    packet->len = (packet->len + 3) / 4 * 4; /* as lm_turn pads */
    return 1;
}

static int echo_input(void *self, lm_ms now, const lm_dgram *in)
{
    echo *e = self;
    (void)now;
    e->inputs++;
    e->remote = in->remote;
    e->local = in->local;
    for (unsigned i = 0; i < (e->copies ? e->copies : 1); i++) {
        unsigned at = e->last++ % WAITING;
        assert_true(e->last - e->first <= WAITING);
        e->bytes[at] = malloc(in->len);
        memcpy(e->bytes[at], in->data, in->len);
        e->waiting[at] = *in;
        e->waiting[at].data = e->bytes[at];
    }
    return LM_OK;
}

static bool echo_stream_used(const void *self, const lm_addr *remote, const lm_addr *local)
{
    (void)remote, (void)local;
    return !((const echo *)self)->unused;
}

static void echo_stream_closed(void *self, lm_ms now, const lm_addr *remote, const lm_addr *local)
{
    (void)now;
    assert_int_equal(lm_streams_send(streams, remote, local, binding, 20), LM_ENOTFOUND);
    ((echo *)self)->closed++;
}

static void send_packet(void *user, const lm_packet *packet)
{
    (void)user;
    lm_streams_send(streams, &packet->remote, &packet->local, packet->data, packet->len);
}

static void flush(void *user)
{
    echo *e = user;
    while (e->first != e->last) {
        unsigned at = e->first++ % WAITING;
        const lm_dgram *d = &e->waiting[at];
        lm_streams_send(streams, &d->remote, &d->local, d->data, d->len);
        free(e->bytes[at]);
    }
}

static lm_streams_config config_of(lm_streams_limits limits, lm_tls_server *tls)
{
    if (limits.connections == 0)
        limits.connections = 1000;
    return (lm_streams_config){.tls = tls,
                               .core = {.self = &the_echo,
                                        .relay = echo_relay,
                                        .input = echo_input,
                                        .stream_used = echo_stream_used,
                                        .stream_closed = echo_stream_closed},
                               .limits = limits,
                               .send = send_packet,
                               .flush = flush,
                               .user = &the_echo};
}

static void open_with(lm_streams_limits limits, lm_tls_server *tls)
{
    lm_error_text why;
    lm_streams_config config = config_of(limits, tls);
    assert_int_equal(lm_streams_open(&streams, &loop, &config, &why), LM_OK);
}

static int start(void **state)
{
    (void)state;
    memset(&the_echo, 0, sizeof the_echo);
    return uv_loop_init(&loop);
}

static int stop(void **state)
{
    (void)state;
    lm_streams_close(streams);
    streams = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static const lm_stream_stats *stats(void)
{
    return lm_streams_get_stats(streams);
}

static int connect_from(const char *from, const char *to)
{
    struct sockaddr_storage name;
    lm_addr addr;
    assert_int_equal(lm_addr_parse_ip(&addr, from, 0), LM_OK);
    int fd = socket(addr.family == LM_AF_INET6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &addr)), 0);
    assert_int_equal(lm_addr_parse_ip(&addr, to, lm_streams_port(streams)), LM_OK);
    /* The kernel completes the handshake by itself. */
    assert_int_equal(connect(fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &addr)), 0);
    return fd;
}

static int connect_one(void)
{
    return connect_from("127.0.0.1", "127.0.0.1");
}

/* One turn of the loop, which waits for at most 10 ms. */
static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static void turn(void)
{
    static uv_timer_t timer;
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_tick, 10, 0);
    uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static bool within(uint64_t start)
{
    return uv_hrtime() - start < PATIENCE * UINT64_C(1000000);
}

/* Runs the loop until condition; says whether it came true in time. */
#define AWAIT(condition)                            \
    do {                                            \
        uint64_t await_begun = uv_hrtime();         \
        while (!(condition) && within(await_begun)) \
            turn();                                 \
        assert_true(condition);                     \
    } while (0)

static void say(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* Reads exactly so many bytes while the loop runs. */
static void hear(int fd, void *buf, size_t len)
{
    uint64_t begun = uv_hrtime();
    for (size_t at = 0; at < len;) {
        ssize_t n = recv(fd, (uint8_t *)buf + at, len - at, MSG_DONTWAIT);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        at += n > 0 ? (size_t)n : 0;
        assert_true(within(begun));
        if (n <= 0)
            turn();
    }
}

static bool is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void expect_echo(int fd, const void *data, size_t len)
{
    uint8_t buf[4096];
    say(fd, data, len);
    hear(fd, buf, len);
    assert_memory_equal(buf, data, len);
}

static void both_framings_are_echoed(void **state)
{
    static const uint8_t channel[12] = {0x40, 0x00, 0, 5, 'h', 'e', 'l', 'l', 'o'};
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int turn_fd = connect_one(), ice_fd = connect_one();
    expect_echo(turn_fd, binding, sizeof binding);
    expect_echo(turn_fd, channel, sizeof channel);
    expect_echo(ice_fd, framed, sizeof framed);
    assert_int_equal(the_echo.relayed, 1);
    assert_int_equal(the_echo.inputs, 2);
    assert_int_equal(stats()->connections, 2);
    assert_int_equal(stats()->connections_turn, 1);
    assert_int_equal(stats()->connections_ice, 1);
    assert_int_equal(stats()->datagrams_in, 3);
    assert_int_equal(stats()->datagrams_out, 3);
    assert_int_equal(stats()->bytes_in, 20 + 9 + 20);
    assert_int_equal(stats()->bytes_out, 20 + 12 + 20);
    close(turn_fd);
    close(ice_fd);
    AWAIT(stats()->connections == 0);
    assert_int_equal(stats()->connections_turn + stats()->connections_ice, 0);
    assert_int_equal(stats()->ended[LM_STREAM_END_peer], 2);
    assert_int_equal(the_echo.closed, 2);
}

static void addresses_say_how_a_datagram_came(void **state)
{
    lm_addr expected;
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int v4 = connect_from("127.0.0.9", "127.0.0.2"), v6 = connect_from("::1", "::1");
    expect_echo(v4, framed, sizeof framed);
    assert_int_equal(lm_addr_parse_ip(&expected, "127.0.0.2", lm_streams_port(streams)), LM_OK);
    expected.transport = LM_TCP;
    assert_true(lm_addr_equal(&the_echo.local, &expected));
    assert_int_equal(the_echo.remote.transport, LM_TCP);
    assert_int_equal(the_echo.remote.ip[3], 9);
    expect_echo(v6, binding, sizeof binding);
    assert_int_equal(the_echo.remote.family, LM_AF_INET6);
    close(v4);
    close(v6);
}

static void bytes_may_come_one_by_one(void **state)
{
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    for (int i = 0; i < 2; i++) {
        const uint8_t *data = i == 0 ? binding : framed;
        size_t len = i == 0 ? sizeof binding : sizeof framed;
        uint8_t buf[32];
        int fd = connect_one();
        uv_run(&loop, UV_RUN_NOWAIT);
        for (size_t at = 0; at < len; at++) {
            say(fd, data + at, 1);
            turn();
        }
        hear(fd, buf, len);
        assert_memory_equal(buf, data, len);
        close(fd);
    }
    assert_int_equal(stats()->datagrams_in, 2);
}

static void many_datagrams_may_come_at_once(void **state)
{
    static uint8_t sent[1500 * sizeof framed], heard[sizeof sent];
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int fd = connect_one();
    for (size_t at = 0; at < sizeof sent; at += sizeof framed) {
        memcpy(sent + at, framed, sizeof framed);
        sent[at + 21] = (uint8_t)(at / sizeof framed);
    }
    say(fd, sent, sizeof sent);
    hear(fd, heard, sizeof sent);
    assert_memory_equal(sent, heard, sizeof sent);
    assert_int_equal(stats()->datagrams_in, 1500);
    close(fd);
}

static void other_bytes_close_a_stream(void **state)
{
    static const uint8_t too_big[4] = {0x40, 0x00, 0xff, 0xff};
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int fd = connect_one();
    say(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    AWAIT(is_closed(fd));
    close(fd);
    fd = connect_one();
    expect_echo(fd, binding, sizeof binding);
    say(fd, too_big, sizeof too_big);
    AWAIT(is_closed(fd));
    close(fd);
    assert_int_equal(stats()->ended[LM_STREAM_END_framing], 1);
    assert_int_equal(stats()->ended[LM_STREAM_END_too_big], 1);
    assert_int_equal(stats()->connections, 0);
    assert_int_equal(the_echo.closed, 1); /* the core never knew of the other */
}

static void connections_are_limited(void **state)
{
    (void)state;
    open_with((lm_streams_limits){.connections = 3, .per_address = 2}, NULL);
    int a = connect_from("127.0.0.1", "127.0.0.1"), b = connect_from("127.0.0.1", "127.0.0.1");
    AWAIT(stats()->connections == 2);
    int c = connect_from("127.0.0.1", "127.0.0.1");
    AWAIT(is_closed(c));
    assert_int_equal(stats()->ended[LM_STREAM_END_address_limit], 1);
    int d = connect_from("127.0.0.2", "127.0.0.1");
    AWAIT(stats()->connections == 3);
    int e = connect_from("127.0.0.3", "127.0.0.1");
    AWAIT(is_closed(e));
    assert_int_equal(stats()->ended[LM_STREAM_END_limit], 1);
    expect_echo(b, binding, sizeof binding);
    close(a);
    AWAIT(stats()->connections == 2);
    int f = connect_from("127.0.0.1", "127.0.0.1"); /* its address has room again */
    expect_echo(f, binding, sizeof binding);
    const int all[] = {b, c, d, e, f};
    for (int i = 0; i < 5; i++)
        close(all[i]);
}

static void a_datagram_has_to_come_soon(void **state)
{
    (void)state;
    open_with((lm_streams_limits){.first_timeout = 100}, NULL);
    int silent = connect_one(), slow = connect_one(), good = connect_one();
    expect_echo(good, binding, sizeof binding);
    for (size_t i = 0; i < sizeof framed - 1 && !is_closed(slow); i++) {
        say(slow, framed + i, 1);
        for (int j = 0; j < 3 && !is_closed(slow); j++)
            turn();
    }
    AWAIT(is_closed(silent) && is_closed(slow));
    assert_int_equal(stats()->ended[LM_STREAM_END_no_datagram], 2);
    expect_echo(good, binding, sizeof binding);
    close(silent);
    close(slow);
    close(good);
}

static void a_stream_without_use_is_closed(void **state)
{
    (void)state;
    open_with((lm_streams_limits){.first_timeout = 50, .unused_timeout = 100}, NULL);
    int fd = connect_one();
    uint64_t begun = uv_hrtime();
    while (uv_hrtime() - begun < 300000000) { /* used: it stays, whatever the time */
        expect_echo(fd, binding, sizeof binding);
        turn();
    }
    the_echo.unused = true;
    AWAIT(is_closed(fd));
    assert_int_equal(stats()->ended[LM_STREAM_END_unused], 1);
    close(fd);
}

static void an_idle_stream_is_closed(void **state)
{
    (void)state;
    open_with((lm_streams_limits){.first_timeout = 50, .unused_timeout = 60, .idle_timeout = 200}, NULL);
    int fd = connect_one();
    expect_echo(fd, binding, sizeof binding);
    AWAIT(is_closed(fd));
    assert_int_equal(stats()->ended[LM_STREAM_END_idle], 1);
    close(fd);
}

/* What does not fit waits up to a bound; then TURN loses datagrams and ICE-TCP its stream. */
static void a_slow_reader_takes_bounded_memory(void **state)
{
    static uint8_t big[2 + 2000] = {0x07, 0xD0}, channel[4 + 2000] = {0x40, 0x00, 0x07, 0xD0};
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int ice = connect_one(), turn_fd = connect_one();
    say(ice, framed, sizeof framed);
    say(turn_fd, binding, sizeof binding);
    AWAIT(the_echo.inputs == 2);
    uint64_t most = 0, begun = uv_hrtime();
    while (stats()->dropped_full < 1000 && within(begun)) {
        send(turn_fd, channel, sizeof channel, MSG_DONTWAIT | MSG_NOSIGNAL);
        uv_run(&loop, UV_RUN_NOWAIT);
        most = stats()->queued_bytes > most ? stats()->queued_bytes : most;
    }
    assert_in_range(most, LM_STREAMS_QUEUE_MAX / 2, LM_STREAMS_QUEUE_MAX);
    assert_true(stats()->dropped_full >= 1000);
    assert_int_equal(stats()->connections, 2);
    the_echo.copies = 100;
    while (stats()->connections == 2 && within(begun)) {
        say(ice, big, sizeof big);
        turn();
    }
    assert_int_equal(stats()->ended[LM_STREAM_END_slow], 1);
    assert_true(stats()->queued_bytes <= LM_STREAMS_QUEUE_MAX);
    close(ice);
    close(turn_fd);
    AWAIT(stats()->connections == 0);
    assert_int_equal(stats()->queued_bytes, 0);
}

/* What was queued arrives whole and in order once it is read; of long datagrams the kernel takes a part. */
static void what_waits_is_written_later(void **state)
{
    static uint8_t sent[60000], heard[2 + sizeof sent];
    unsigned count = 0;
    (void)state;
    randombytes_buf(sent, sizeof sent);
    for (int piece = 0; piece < 2; piece++) {
        size_t len = piece == 0 ? 2000 : sizeof sent;
        open_with((lm_streams_limits){0}, NULL);
        int fd = connect_one();
        expect_echo(fd, framed, sizeof framed);
        lm_addr remote = the_echo.remote, local = the_echo.local;
        for (count = 0; stats()->queued_bytes < LM_STREAMS_QUEUE_MAX / 2; count++) {
            sent[0] = (uint8_t)count;
            assert_int_equal(lm_streams_send(streams, &remote, &local, sent, len), LM_OK);
        }
        for (unsigned i = 0; i < count; i++) {
            hear(fd, heard, 2 + len);
            sent[0] = (uint8_t)i;
            assert_int_equal(heard[0] << 8 | heard[1], len);
            assert_memory_equal(heard + 2, sent, len);
        }
        assert_int_equal(stats()->dropped_full, 0);
        close(fd);
        AWAIT(stats()->queued_bytes == 0 && stats()->connections == 0);
        lm_streams_close(streams);
        streams = NULL;
    }
}

static void a_half_closed_stream_gets_its_answers(void **state)
{
    uint8_t buf[sizeof framed];
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int fd = connect_one();
    say(fd, framed, sizeof framed);
    shutdown(fd, SHUT_WR);
    hear(fd, buf, sizeof buf);
    assert_memory_equal(buf, framed, sizeof framed);
    AWAIT(is_closed(fd) && the_echo.closed == 1);
    assert_int_equal(stats()->ended[LM_STREAM_END_peer], 1);
    close(fd);
}

static void a_reset_stream_ends(void **state)
{
    const struct linger none = {.l_onoff = 1};
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int fd = connect_one();
    expect_echo(fd, framed, sizeof framed);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
    AWAIT(the_echo.closed == 1);
    assert_int_equal(stats()->ended[LM_STREAM_END_error], 1);
    assert_int_equal(lm_streams_send(streams, &the_echo.remote, &the_echo.local, binding, 20), LM_ENOTFOUND);
    assert_true(stats()->dropped_gone >= 1);
}

/* What came before the reset is taken in, though an answer has already failed by then. */
static void last_words_before_a_reset_are_heard(void **state)
{
    const struct linger none = {.l_onoff = 1};
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int fd = connect_one();
    expect_echo(fd, framed, sizeof framed);
    lm_addr remote = the_echo.remote, local = the_echo.local;
    say(fd, framed, sizeof framed);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
    lm_streams_send(streams, &remote, &local, binding, sizeof binding);
    assert_int_equal(lm_streams_send(streams, &remote, &local, binding, sizeof binding), LM_ENOTFOUND);
    assert_int_equal(the_echo.inputs, 1);
    AWAIT(the_echo.closed == 1);
    assert_int_equal(the_echo.inputs, 2);
    assert_int_equal(stats()->ended[LM_STREAM_END_error], 1);
}

static void a_taken_port_is_named(void **state)
{
    lm_error_text why;
    lm_streams *second;
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    lm_streams_config config = config_of((lm_streams_limits){0}, NULL);
    config.port = lm_streams_port(streams);
    assert_int_equal(lm_streams_open(&second, &loop, &config, &why), LM_EIO);
    assert_non_null(strstr(why.text, "cannot open TCP port"));
    assert_non_null(strstr(why.text, "in use"));
}

static bool no_memory;
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory ? NULL : __real_calloc(count, size);
}

/* A newcomer that there is no memory for waits until there is. */
static void running_out_of_memory_is_survived(void **state)
{
    uint8_t buf[sizeof binding];
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int old = connect_one();
    expect_echo(old, binding, sizeof binding);
    no_memory = true;
    int new = connect_one();
    say(new, binding, sizeof binding);
    AWAIT(stats()->accept_errors > 0);
    expect_echo(old, binding, sizeof binding);
    no_memory = false;
    hear(new, buf, sizeof buf);
    int later = connect_one(); /* and libuv accepts again */
    expect_echo(later, binding, sizeof binding);
    assert_int_equal(stats()->connections, 3);
    close(old);
    close(new);
    close(later);
}

static unsigned count_closed(const int *fds, int count)
{
    unsigned closed = 0;
    for (int i = 0; i < count; i++)
        closed += is_closed(fds[i]);
    return closed;
}

/* The machine has no more file descriptors for a while. */
static void running_out_of_descriptors_is_survived(void **state)
{
    struct rlimit before, few;
    int fds[64], count = 0;
    (void)state;
    open_with((lm_streams_limits){0}, NULL);
    int old = connect_one();
    expect_echo(old, binding, sizeof binding);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 8; i++)
        fds[count++] = socket(AF_INET, SOCK_STREAM, 0);
    few = before;
    few.rlim_cur = (rlim_t)fds[7] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct sockaddr_storage name;
    lm_addr addr;
    assert_int_equal(lm_addr_parse_ip(&addr, "127.0.0.1", lm_streams_port(streams)), LM_OK);
    socklen_t len = lm_sockaddr_from_addr(&name, &addr);
    for (int i = 0; i < 8; i++)
        assert_int_equal(connect(fds[i], (struct sockaddr *)&name, len), 0);
    unsigned closed = 0;
    AWAIT((closed = count_closed(fds, count)) > 0); /* libuv has a descriptor in reserve to do this with */
    expect_echo(old, binding, sizeof binding);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    int new = connect_one();
    expect_echo(new, binding, sizeof binding);
    close(old);
    close(new);
}

/* --- TLS --- */

typedef struct tls_client {
    int fd;
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    bool connected, failed;
} tls_client;

static lm_tls_server *tls_server(const char *name)
{
    char path[512];
    size_t len;
    lm_tls_server *server;
    lm_tls_complaint why;
    snprintf(path, sizeof path, "%s/tls/%s.pem", LM_TEST_DATA, name);
    char *cert = (char *)test_read_file(path, &len);
    snprintf(path, sizeof path, "%s/tls/%s.key", LM_TEST_DATA, name);
    char *key = (char *)test_read_file(path, &len);
    assert_int_equal(lm_tls_server_create(&server, cert, key, &rng, &why), LM_OK);
    free(cert);
    free(key);
    return server;
}

static void open_tls(lm_streams_limits limits, const char *name)
{
    lm_tls_server *server = tls_server(name);
    open_with(limits, server);
    lm_tls_server_destroy(server); /* the listener keeps it */
}

static int client_send(void *ctx, const unsigned char *data, size_t len)
{
    ssize_t n = send(((tls_client *)ctx)->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n >= 0 ? (int)n : errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int client_recv(void *ctx, unsigned char *buf, size_t cap)
{
    ssize_t n = recv(((tls_client *)ctx)->fd, buf, cap, MSG_DONTWAIT);
    return n > 0 ? (int)n : n < 0 && errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static tls_client *tls_connect(void)
{
    tls_client *c = calloc(1, sizeof *c);
    c->fd = connect_one();
    mbedtls_ssl_config_init(&c->config);
    mbedtls_ssl_init(&c->ssl);
    assert_int_equal(mbedtls_ssl_config_defaults(&c->config, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_rng(&c->config, lm_mbedtls_random, &rng);
    mbedtls_ssl_conf_authmode(&c->config, MBEDTLS_SSL_VERIFY_NONE);
    assert_int_equal(mbedtls_ssl_setup(&c->ssl, &c->config), 0);
    mbedtls_ssl_set_hostname(&c->ssl, NULL);
    mbedtls_ssl_set_bio(&c->ssl, c, client_send, client_recv, NULL);
    return c;
}

/* A step of the client's handshake; true when it is over, one way or the other. */
static bool tls_step(tls_client *c)
{
    if (c->connected || c->failed)
        return true;
    int result = mbedtls_ssl_handshake(&c->ssl);
    c->connected = result == 0;
    c->failed = result != 0 && result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE;
    return c->connected || c->failed;
}

static void tls_expect_echo(tls_client *c, const uint8_t *data, size_t len)
{
    uint8_t buf[4096];
    size_t at = 0;
    int n;
    assert_int_equal(mbedtls_ssl_write(&c->ssl, data, len), len);
    uint64_t begun = uv_hrtime();
    while (at < len && within(begun)) {
        n = mbedtls_ssl_read(&c->ssl, buf + at, len - at);
        at += n > 0 ? (size_t)n : 0;
        if (n <= 0)
            turn();
    }
    assert_int_equal(at, len);
    assert_memory_equal(buf, data, len);
}

static void tls_close(tls_client *c)
{
    if (c->connected)
        mbedtls_ssl_close_notify(&c->ssl);
    close(c->fd);
    mbedtls_ssl_free(&c->ssl);
    mbedtls_ssl_config_free(&c->config);
    free(c);
}

static void streams_go_through_tls(void **state)
{
    static const uint8_t channel[12] = {0x40, 0x00, 0, 5, 'h', 'e', 'l', 'l', 'o'};
    (void)state;
    open_tls((lm_streams_limits){0}, "p256");
    tls_client *turner = tls_connect(), *ice = tls_connect();
    AWAIT(tls_step(turner) && tls_step(ice));
    assert_true(turner->connected && ice->connected);
    tls_expect_echo(turner, binding, sizeof binding);
    assert_int_equal(the_echo.remote.transport, LM_TLS);
    assert_int_equal(the_echo.local.transport, LM_TLS);
    for (int i = 0; i < 20; i++)
        tls_expect_echo(turner, channel, sizeof channel);
    tls_expect_echo(ice, framed, sizeof framed);
    assert_int_equal(stats()->tls_handshakes, 2);
    tls_close(turner);
    tls_close(ice);
    AWAIT(stats()->connections == 0);
    assert_int_equal(stats()->ended[LM_STREAM_END_peer], 2);
    assert_int_equal(the_echo.closed, 2);
}

static void what_is_not_tls_fails(void **state)
{
    (void)state;
    open_tls((lm_streams_limits){0}, "p256");
    int fd = connect_one();
    say(fd, binding, sizeof binding);
    AWAIT(stats()->ended[LM_STREAM_END_tls_failed] == 1);
    close(fd);
}

static void tls_handshakes_have_a_rate(void **state)
{
    tls_client *clients[4];
    (void)state;
    open_tls((lm_streams_limits){.tls_rate = 1, .tls_burst = 2}, "p256");
    for (int i = 0; i < 4; i++)
        clients[i] = tls_connect();
    for (int i = 0; i < 4; i++)
        AWAIT(tls_step(clients[i]));
    AWAIT(stats()->ended[LM_STREAM_END_tls_rate] == 2 && stats()->tls_handshakes == 2);
    for (int i = 0; i < 4; i++)
        tls_close(clients[i]);
}

/* Of this thread, in us: other programs on the machine do not count. */
static uint64_t cpu_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A crowd of newcomers: the loop stands still for no more than a few steps in each of its turns. */
static void handshakes_leave_time_for_others(void **state)
{
    enum { CROWD = 60 };
    tls_client *clients[CROWD];
    uint64_t longest = 0, total = 0;
    (void)state;
    open_tls((lm_streams_limits){0}, "rsa");
    for (int i = 0; i < CROWD; i++)
        clients[i] = tls_connect();
    AWAIT(stats()->connections == CROWD);
    for (unsigned done = 0; done < CROWD;) {
        done = 0;
        for (int i = 0; i < CROWD; i++)
            done += tls_step(clients[i]);
        uint64_t begun = cpu_time();
        uv_run(&loop, UV_RUN_NOWAIT);
        uint64_t took = cpu_time() - begun;
        longest = took > longest ? took : longest;
        total += took;
    }
    for (int i = 0; i < CROWD; i++) {
        assert_true(clients[i]->connected);
        tls_expect_echo(clients[i], binding, sizeof binding);
        tls_close(clients[i]);
    }
    print_message("longest turn %u us, of %u us for %d handshakes, %u waits\n", (unsigned)longest,
                  (unsigned)total, CROWD, (unsigned)stats()->tls_waits);
    assert_true(stats()->tls_waits > 0);
    assert_true(longest < total / 4);
}

/* Whose turn it is not may go away meanwhile. */
static void one_that_waits_may_go(void **state)
{
    enum { CROWD = 30 };
    tls_client *clients[CROWD];
    (void)state;
    open_tls((lm_streams_limits){.first_timeout = 400}, "rsa");
    for (int i = 0; i < CROWD; i++)
        clients[i] = tls_connect();
    AWAIT(stats()->connections == CROWD);
    for (int i = 0; i < CROWD; i++)
        tls_step(clients[i]);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(stats()->tls_waits > 0);
    for (int i = 0; i < CROWD; i += 2)
        tls_close(clients[i]);
    AWAIT(stats()->connections == 0); /* the others do not go on */
    assert_int_equal(stats()->ended[LM_STREAM_END_no_datagram] + stats()->ended[LM_STREAM_END_peer] +
                         stats()->ended[LM_STREAM_END_error],
                     CROWD);
    for (int i = 1; i < CROWD; i += 2)
        tls_close(clients[i]);
}

static void a_certificate_may_be_replaced(void **state)
{
    (void)state;
    open_tls((lm_streams_limits){0}, "p256");
    tls_client *before = tls_connect();
    AWAIT(tls_step(before));
    lm_tls_server *next = tls_server("rsa");
    lm_streams_set_tls(streams, next);
    lm_tls_server_destroy(next);
    tls_client *after = tls_connect();
    AWAIT(tls_step(after));
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&after->ssl);
    assert_true(mbedtls_pk_can_do(&crt->pk, MBEDTLS_PK_RSA));
    tls_expect_echo(before, binding, sizeof binding);
    tls_expect_echo(after, binding, sizeof binding);
    tls_close(before);
    tls_close(after);
}

/* OpenSSL's client, which checks the chain, says one datagram and gets it back. */
static char heard[64];
static size_t heard_len;
static bool exited;

static void on_exit_of_client(uv_process_t *process, int64_t status, int signal)
{
    (void)status, (void)signal;
    exited = true;
    uv_close((uv_handle_t *)process, NULL);
}

static void on_heard_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle, (void)suggested;
    *buf = uv_buf_init(heard + heard_len, (unsigned)(sizeof heard - heard_len));
}

static void on_heard(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n > 0)
        heard_len += (size_t)n;
    if (n < 0)
        uv_read_stop(stream);
}

static void openssl_comes_too(void **state)
{
    static const char *const versions[] = {"-tls1_2", "-no_ssl3", "-tls1_3"};
    static const char *const keys[] = {"p256", "p384", "rsa"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        for (int v = 0; v < 3; v++) {
            char to[32], ca[512];
            uv_process_t process;
            uv_pipe_t in, out;
#ifndef MBEDTLS_SSL_PROTO_TLS1_3
            if (v == 2)
                continue;
#endif
            open_tls((lm_streams_limits){0}, keys[i]);
            snprintf(to, sizeof to, "127.0.0.1:%u", (unsigned)lm_streams_port(streams));
            snprintf(ca, sizeof ca, "%s/tls/ca.pem", LM_TEST_DATA);
            const char *const arguments[] = {"openssl",
                                             "s_client",
                                             "-quiet",
                                             "-verify_quiet",
                                             "-verify_return_error",
                                             "-verify_hostname",
                                             "relay.test",
                                             "-CAfile",
                                             ca,
                                             "-connect",
                                             to,
                                             versions[v],
                                             NULL};
            uv_pipe_init(&loop, &in, 0);
            uv_pipe_init(&loop, &out, 0);
            uv_stdio_container_t stdio[3] = {
                {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&in},
                {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&out},
                {.flags = UV_IGNORE}};
            uv_process_options_t options = {.file = "openssl",
                                            .args = (char **)(uintptr_t)arguments,
                                            .stdio = stdio,
                                            .stdio_count = 3,
                                            .exit_cb = on_exit_of_client};
            exited = false;
            heard_len = 0;
            int error = uv_spawn(&loop, &process, &options);
            if (error == 0) {
                uv_buf_t buf = uv_buf_init((char *)(uintptr_t)binding, sizeof binding);
                uv_read_start((uv_stream_t *)&out, on_heard_alloc, on_heard);
                assert_int_equal(uv_try_write((uv_stream_t *)&in, &buf, 1), sizeof binding);
                AWAIT(heard_len == sizeof binding || exited);
                assert_int_equal(heard_len, sizeof binding);
                assert_memory_equal(heard, binding, sizeof binding);
                uv_process_kill(&process, SIGTERM);
            } else {
                uv_close((uv_handle_t *)&process, NULL);
            }
            uv_close((uv_handle_t *)&in, NULL);
            uv_close((uv_handle_t *)&out, NULL);
            AWAIT(exited || error != 0);
            lm_streams_close(streams);
            streams = NULL;
            uv_run(&loop, UV_RUN_DEFAULT);
            if (error != 0) {
                print_message("no openssl here: %s\n", uv_strerror(error));
                return;
            }
        }
    }
}

static int start_all(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    rng = lm_random_system();
    return sodium_init() < 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(both_framings_are_echoed),
        TEST(addresses_say_how_a_datagram_came),
        TEST(bytes_may_come_one_by_one),
        TEST(many_datagrams_may_come_at_once),
        TEST(other_bytes_close_a_stream),
        TEST(connections_are_limited),
        TEST(a_datagram_has_to_come_soon),
        TEST(a_stream_without_use_is_closed),
        TEST(an_idle_stream_is_closed),
        TEST(a_slow_reader_takes_bounded_memory),
        TEST(what_waits_is_written_later),
        TEST(a_half_closed_stream_gets_its_answers),
        TEST(a_reset_stream_ends),
        TEST(last_words_before_a_reset_are_heard),
        TEST(a_taken_port_is_named),
        TEST(running_out_of_memory_is_survived),
        TEST(running_out_of_descriptors_is_survived),
        TEST(streams_go_through_tls),
        TEST(what_is_not_tls_fails),
        TEST(tls_handshakes_have_a_rate),
        TEST(handshakes_leave_time_for_others),
        TEST(one_that_waits_may_go),
        TEST(a_certificate_may_be_replaced),
        TEST(openssl_comes_too),
    };
    return cmocka_run_group_tests(tests, start_all, NULL);
}
