/*
 * The UDP binding with hundreds of relayed addresses that are all busy in one turn of the loop: more than a
 * batch has room for. What comes to its port leaves from the relayed address that it names, what comes to one
 * of those leaves from the port.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "webrtc/udp_uv.h"

/* So many packets fit into a socket's buffer of the size that Linux allows by default. */
#define RELAYED 520
#define ROUNDS 3
#define LENGTH 172
#define FIRST_PORT 20000

static uv_loop_t loop;
static lm_udp *udp;
static int fd; /* the client and the peer of all */
static lm_addr fd_addr;
static uint16_t ports[RELAYED];

/* A packet begins with the index of a relayed address. */
static int forward(void *self, lm_ms now, lm_packet *packet)
{
    (void)self;
    (void)now;
    unsigned index = (unsigned)packet->data[0] << 8 | packet->data[1];
    packet->remote = fd_addr;
    packet->local = (lm_addr){.family = LM_AF_INET, .port = packet->relayed ? 0 : ports[index]};
    packet->relayed = !packet->relayed;
    return 1;
}

static int no_input(void *self, lm_ms now, const lm_dgram *in)
{
    (void)self;
    (void)now;
    (void)in;
    return LM_OK;
}

static int poll_nothing(void *self, lm_ms now, lm_dgram *out)
{
    (void)self;
    (void)now;
    (void)out;
    return 0;
}

static lm_ms never(const void *self)
{
    (void)self;
    return LM_MS_NEVER;
}

static void open_relayed(void)
{
    lm_addr addr = {.family = LM_AF_INET, .port = FIRST_PORT};
    for (unsigned i = 0; i < RELAYED; i++) {
        while (lm_udp_open_relayed(udp, &addr) != LM_OK) /* somebody else's */
            assert_true(++addr.port > FIRST_PORT);
        ports[i] = addr.port++;
    }
}

static int open_all(void **state)
{
    const lm_port_core core = {
        .relay = forward, .input = no_input, .poll = poll_nothing, .next_timeout = never};
    const int size = 4 * 1024 * 1024;
    lm_error_text why;
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    (void)state;
    uv_loop_init(&loop);
    assert_int_equal(lm_addr_parse(&fd_addr, "127.0.0.1:0"), LM_OK);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &fd_addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    assert_int_equal(lm_sockaddr_to_addr(&fd_addr, (struct sockaddr *)&name), LM_OK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    assert_int_equal(lm_udp_open(&udp, &loop, 0, &core, &why), LM_OK);
    open_relayed();
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    close(fd);
    lm_udp_close(udp);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void send_packet(uint16_t port, unsigned index, uint8_t number)
{
    struct sockaddr_storage name;
    uint8_t packet[LENGTH] = {(uint8_t)(index >> 8), (uint8_t)index, number};
    lm_addr to = fd_addr;
    to.port = port;
    socklen_t len = lm_sockaddr_from_addr(&name, &to);
    memset(packet + 3, (int)(index + number), sizeof packet - 3);
    assert_int_equal(sendto(fd, packet, sizeof packet, 0, (struct sockaddr *)&name, len), sizeof packet);
}

/* Takes what has come; each relayed address's packets are whole and in order. The number of packets. */
static unsigned take(uint8_t next[RELAYED], bool from_relayed)
{
    uint8_t packet[LENGTH + 1];
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    lm_addr from;
    unsigned count = 0;
    for (ssize_t n; (n = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&name, &len)) >= 0;
         count++) {
        assert_int_equal(n, LENGTH);
        unsigned index = (unsigned)packet[0] << 8 | packet[1];
        assert_in_range(index, 0, RELAYED - 1);
        assert_int_equal(packet[2], next[index]++);
        for (unsigned i = 3; i < LENGTH; i++)
            assert_int_equal(packet[i], (uint8_t)(index + packet[2]));
        assert_int_equal(lm_sockaddr_to_addr(&from, (struct sockaddr *)&name), LM_OK);
        assert_int_equal(from.port, from_relayed ? ports[index] : lm_udp_port(udp));
    }
    return count;
}

/* One packet of each; next: the numbers that they have. */
static void expect_round(uint8_t next[RELAYED], bool from_relayed)
{
    unsigned count = 0;
    for (int turns = 0; turns < 200 && count < RELAYED; turns++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        count += take(next, from_relayed);
    }
    assert_int_equal(count, RELAYED);
    assert_int_equal(lm_udp_get_stats(udp)->send_blocked_packets, 0);
    assert_int_equal(lm_udp_get_stats(udp)->send_errors, 0);
}

static void all_of_them_send_in_one_turn(void **state)
{
    uint8_t next[RELAYED] = {0};
    (void)state;
    for (uint8_t n = 0; n < ROUNDS; n++) {
        for (unsigned i = 0; i < RELAYED; i++)
            send_packet(lm_udp_port(udp), i, n);
        expect_round(next, true);
    }
}

static void all_of_them_receive_in_one_turn(void **state)
{
    uint8_t next[RELAYED] = {0};
    (void)state;
    for (uint8_t n = 0; n < ROUNDS; n++) {
        for (unsigned i = 0; i < RELAYED; i++)
            send_packet(ports[i], i, n);
        expect_round(next, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_them_send_in_one_turn, open_all, close_all),
        cmocka_unit_test_setup_teardown(all_of_them_receive_in_one_turn, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
