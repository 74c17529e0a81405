/*
 * What the UDP binding passes on, with a core that forwards: from its own port and from relayed addresses, in
 * batches that the kernel cuts (UDP_SEGMENT) and puts together (UDP_GRO). The test stands between the binding
 * and sendmmsg.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "webrtc/udp_uv.h"

#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define LENGTH_MAX 2048

/* What sendmmsg does instead of sending. */
static struct {
    int refuse_segments; /* errno for messages with segments, 0: none */
    int refuse_all;      /* errno for everything, 0: none */
    unsigned segmented;  /* messages with segments that were tried */
    unsigned single;     /* messages without */
} kernel;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags);

static bool has_segments(struct msghdr *message)
{
    if (message->msg_controllen == 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT)
            return true;
    return false;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    unsigned good = 0;
    if (kernel.refuse_all != 0) {
        errno = kernel.refuse_all;
        return -1;
    }
    for (; good < n; good++) {
        bool segments = has_segments(&messages[good].msg_hdr);
        *(segments ? &kernel.segmented : &kernel.single) += 1;
        if (segments && kernel.refuse_segments != 0)
            break;
    }
    if (good > 0)
        return __real_sendmmsg(fd, messages, good, flags);
    errno = kernel.refuse_segments;
    return -1;
}

/*
 * Forwards by the first byte of a packet: to where `to` says, with a header of `grow` bytes of 'h' more in
 * front, and `tail` bytes after.
 */
typedef struct forwarder {
    lm_packet to[4];
    size_t grow, tail;
    size_t shrink; /* bytes taken off at the front */
    unsigned inputs;
    unsigned relayed; /* packets from relayed sockets */
} forwarder;

static int forward(void *self, lm_ms now, lm_packet *packet)
{
    forwarder *f = self;
    (void)now;
    if (packet->len == 0 || packet->data[0] >= 4)
        return LM_EAGAIN;
    const lm_packet *to = &f->to[packet->data[0]];
    if (to->remote.family == LM_AF_NONE) {
        memset(packet->data - LM_PACKET_HEADROOM, 'x', LM_PACKET_HEADROOM);
        return 0;
    }
    f->relayed += packet->relayed;
    packet->remote = to->remote;
    if (to->relayed || packet->relayed)
        packet->local = to->local;
    packet->relayed = to->relayed;
    packet->dont_fragment = to->dont_fragment;
    packet->data += f->shrink;
    packet->len -= f->shrink;
    packet->data -= f->grow;
    packet->len += f->grow;
    memset(packet->data, 'h', f->grow);
    memset(packet->data + packet->len, 't', f->tail);
    packet->len += f->tail;
    return 1;
}

static int count_input(void *self, lm_ms now, const lm_dgram *in)
{
    (void)now;
    (void)in;
    ((forwarder *)self)->inputs++;
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

static forwarder core_state;
static uv_loop_t loop;
static lm_udp *udp;
static int sender, receiver;
static lm_addr receiver_addr;

static int bound_socket(const char *at, lm_addr *addr)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    const int size = 4 * 1024 * 1024;
    assert_int_equal(lm_addr_parse(addr, at), LM_OK);
    int fd = socket(addr->family == LM_AF_INET6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, addr)), 0);
    len = sizeof name;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    assert_int_equal(lm_sockaddr_to_addr(addr, (struct sockaddr *)&name), LM_OK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static int open_forwarder(const char *at)
{
    lm_error_text why;
    lm_addr addr;
    lm_port_core core = {.self = &core_state,
                         .relay = forward,
                         .input = count_input,
                         .poll = poll_nothing,
                         .next_timeout = never};
    memset(&core_state, 0, sizeof core_state);
    memset(&kernel, 0, sizeof kernel);
    uv_loop_init(&loop);
    sender = bound_socket(at, &addr);
    receiver = bound_socket(at, &receiver_addr);
    core_state.to[0].remote = receiver_addr;
    return lm_udp_open(&udp, &loop, 0, &core, &why);
}

static int open_forwarder4(void **state)
{
    (void)state;
    return open_forwarder("127.0.0.1:0");
}

static int open_forwarder6(void **state)
{
    (void)state;
    return open_forwarder("[::1]:0");
}

static int close_forwarder(void **state)
{
    (void)state;
    close(sender);
    close(receiver);
    lm_udp_close(udp);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

/* Packet number n: where to, its number, and bytes that follow from it. */
static void make(uint8_t *packet, size_t len, uint8_t to, unsigned n)
{
    packet[0] = to;
    packet[1] = (uint8_t)(n >> 8);
    packet[2] = (uint8_t)n;
    for (size_t i = 3; i < len; i++)
        packet[i] = (uint8_t)(n * 31 + i);
}

/* Sends bytes to the binding (port 0: its own), cut into segments if they have a length. */
static void send_bytes(uint16_t port, const uint8_t *bytes, size_t len, uint16_t segment)
{
    struct sockaddr_storage name;
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof segment)];
    } control = {
        .header = {.cmsg_len = CMSG_LEN(sizeof segment), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT}};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    lm_addr to = receiver_addr; /* the same address, whatever family */
    to.port = port != 0 ? port : lm_udp_port(udp);
    struct msghdr message = {.msg_name = &name,
                             .msg_namelen = lm_sockaddr_from_addr(&name, &to),
                             .msg_iov = &iov,
                             .msg_iovlen = 1};
    if (segment > 0) {
        memcpy(CMSG_DATA(&control.header), &segment, sizeof segment);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    assert_int_equal(sendmsg(sender, &message, 0), len);
}

static void send_packet(uint16_t port, size_t len, uint8_t to, unsigned n)
{
    uint8_t packet[LENGTH_MAX];
    make(packet, len, to, n);
    send_bytes(port, packet, len, 0);
}

/* Runs the loop until a datagram comes; its length, -1: none did. */
static ssize_t await(int fd, uint8_t *buf, size_t cap)
{
    for (int turns = 0; turns < 200; turns++) {
        ssize_t n = recv(fd, buf, cap, 0);
        if (n >= 0)
            return n;
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    return -1;
}

static void expect_packet(int fd, size_t len, uint8_t to, unsigned n)
{
    uint8_t packet[LENGTH_MAX], expected[LENGTH_MAX];
    ssize_t got = await(fd, packet, sizeof packet);
    size_t grow = core_state.grow, tail = core_state.tail, shrink = core_state.shrink;
    assert_int_equal(got, len + grow + tail - shrink);
    make(expected, len, to, n);
    assert_memory_equal(packet + grow, expected + shrink, len - shrink);
    for (size_t i = 0; i < grow; i++)
        assert_int_equal(packet[i], 'h');
    for (size_t i = 0; i < tail; i++)
        assert_int_equal(packet[grow + len - shrink + i], 't');
}

static void expect_nothing(int fd)
{
    uint8_t buf[LENGTH_MAX];
    assert_int_equal(await(fd, buf, sizeof buf), -1);
}

/* --- merging --- */

static void packets_of_one_length_leave_as_one_message(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        send_packet(0, 172, 0, i);
    for (unsigned i = 0; i < 20; i++)
        expect_packet(receiver, 172, 0, i);
    assert_int_equal(kernel.segmented, 1);
    assert_int_equal(kernel.single, 0);
    assert_int_equal(lm_udp_get_stats(udp)->merged_sends, 1);
    assert_int_equal(lm_udp_get_stats(udp)->send_calls, 1);
}

static void a_shorter_packet_ends_a_message_and_a_longer_one_begins_another(void **state)
{
    static const size_t lengths[] = {500, 500, 200, 200, 200, 900, 10, 10, 9, 1, 1};
    const unsigned n = sizeof lengths / sizeof lengths[0];
    (void)state;
    for (unsigned i = 0; i < n; i++)
        send_packet(0, lengths[i] + 3, 0, i);
    for (unsigned i = 0; i < n; i++)
        expect_packet(receiver, lengths[i] + 3, 0, i);
    assert_int_equal(kernel.segmented, 5); /* 500 500 200 | 200 200 | 900 10 | 10 9 | 1 1 */
    assert_int_equal(kernel.single, 0);
}

static void flows_that_alternate_keep_their_order(void **state)
{
    lm_addr other_addr;
    int other = bound_socket(receiver_addr.family == LM_AF_INET6 ? "[::1]:0" : "127.0.0.1:0", &other_addr);
    (void)state;
    core_state.to[1].remote = other_addr;
    for (unsigned i = 0; i < 60; i++)
        send_packet(0, 100 + (i * 7) % 300, i % 2, i);
    for (unsigned i = 0; i < 60; i++)
        expect_packet(i % 2 ? other : receiver, 100 + (i * 7) % 300, i % 2, i);
    close(other);
}

static void a_thousand_at_once_arrive_whole(void **state)
{
    unsigned next = 0;
    uint8_t packet[LENGTH_MAX], expected[LENGTH_MAX];
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        send_packet(0, i % 3 == 0 ? 172 : 1200, 0, i);
    core_state.shrink = 0;
    for (ssize_t n; (n = await(receiver, packet, sizeof packet)) > 0; next++) {
        size_t len = next % 3 == 0 ? 172 : 1200;
        assert_int_equal(n, len);
        make(expected, len, 0, next);
        assert_memory_equal(packet, expected, len);
    }
    /* The kernel may cap the buffer of the binding's socket: what it has taken, comes. */
    assert_in_range(next, 100, 1000);
    assert_int_equal(lm_udp_get_stats(udp)->send_blocked_packets, 0);
}

/* --- without UDP_SEGMENT --- */

static void refused_for_good_they_go_singly_from_then_on(void **state)
{
    (void)state;
    kernel.refuse_segments = EIO;
    for (unsigned i = 0; i < 10; i++)
        send_packet(0, 172, 0, i);
    for (unsigned i = 0; i < 10; i++)
        expect_packet(receiver, 172, 0, i);
    for (unsigned i = 0; i < 10; i++)
        send_packet(0, 172, 0, i);
    for (unsigned i = 0; i < 10; i++)
        expect_packet(receiver, 172, 0, i);
    assert_int_equal(kernel.segmented, 1); /* asked once */
    assert_int_equal(kernel.single, 20);
    assert_int_equal(lm_udp_get_stats(udp)->send_errors, 0);
}

static void refused_for_a_path_they_go_singly_this_time(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        kernel.refuse_segments = round == 1 ? EMSGSIZE : 0;
        for (unsigned i = 0; i < 10; i++)
            send_packet(0, 172, 0, i);
        for (unsigned i = 0; i < 10; i++)
            expect_packet(receiver, 172, 0, i);
    }
    assert_int_equal(kernel.segmented, 3);
    assert_int_equal(kernel.single, 10);
}

static void refused_each_time_they_are_not_tried_any_more(void **state)
{
    (void)state;
    kernel.refuse_segments = EINVAL;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 3; i++)
            send_packet(0, 172, 0, i);
        for (unsigned i = 0; i < 3; i++)
            expect_packet(receiver, 172, 0, i);
    }
    assert_int_equal(kernel.segmented, 16);
    assert_int_equal(kernel.single, 60);
}

static void a_full_kernel_buffer_drops_and_counts(void **state)
{
    (void)state;
    kernel.refuse_all = EAGAIN;
    for (unsigned i = 0; i < 10; i++)
        send_packet(0, i < 5 ? 172 : 300, 0, i);
    expect_nothing(receiver);
    assert_int_equal(lm_udp_get_stats(udp)->send_blocked_packets, 10);
    kernel.refuse_all = 0;
    send_packet(0, 172, 0, 77);
    expect_packet(receiver, 172, 0, 77);
}

static void a_packet_that_cannot_be_sent_does_not_stop_the_others(void **state)
{
    (void)state;
    core_state.to[1].remote = receiver_addr;
    core_state.to[1].remote.port = 0; /* EINVAL */
    send_packet(0, 172, 0, 1);
    send_packet(0, 172, 1, 2);
    send_packet(0, 172, 0, 3);
    expect_packet(receiver, 172, 0, 1);
    expect_packet(receiver, 172, 0, 3);
    assert_int_equal(lm_udp_get_stats(udp)->send_errors, 1);
}

/* --- UDP_GRO --- */

/* Loopback keeps a message of segments together when its receiver takes it so. */
static void super_packet(size_t segment, unsigned count, size_t last)
{
    static uint8_t bytes[65000];
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t one = i + 1 == count ? last : segment;
        make(bytes + len, one, 0, i);
        len += one;
    }
    send_bytes(0, bytes, len, (uint16_t)segment);
    for (unsigned i = 0; i < count; i++)
        expect_packet(receiver, i + 1 == count ? last : segment, 0, i);
}

static void a_super_packet_is_passed_on_as_one(void **state)
{
    (void)state;
    super_packet(1200, 40, 700);
    assert_int_equal(lm_udp_get_stats(udp)->merged_receives, 1);
    assert_int_equal(kernel.segmented, 1);
    assert_int_equal(kernel.single, 0);
}

static void headers_in_a_super_packet_do_not_hurt_its_neighbours(void **state)
{
    (void)state;
    core_state.grow = 36;
    super_packet(300, 30, 300);
    core_state.shrink = 3;
    core_state.grow = 64;
    super_packet(172, 50, 20);
    core_state.shrink = 4;
    core_state.grow = 0;
    super_packet(172, 50, 20);
    core_state.tail = 3;
    super_packet(172, 50, 20);
    core_state.grow = 20;
    super_packet(172, 50, 20);
    assert_int_equal(lm_udp_get_stats(udp)->merged_receives, 5);
}

/* Used up, with all of its headroom written to; and not the core's, which gets it as it was. */
static void what_is_not_passed_on_leaves_its_neighbours_alone(void **state)
{
    static uint8_t bytes[5 * 200];
    static const uint8_t to[] = {0, 1, 0, 9, 0};
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        make(bytes + (size_t)i * 200, 200, to[i], i);
    send_bytes(0, bytes, sizeof bytes, 200);
    for (unsigned i = 0; i < 5; i += 2)
        expect_packet(receiver, 200, 0, i);
    assert_int_equal(core_state.inputs, 1);
}

static void too_long_segments_are_dropped_and_counted(void **state)
{
    static uint8_t bytes[3000 * 3];
    (void)state;
    send_bytes(0, bytes, sizeof bytes, 3000);
    send_packet(0, 172, 0, 1);
    expect_packet(receiver, 172, 0, 1);
    assert_int_equal(lm_udp_get_stats(udp)->truncated, 3);
}

/* --- relayed addresses --- */

/* A port that was free a moment ago. */
static lm_addr free_port(void)
{
    lm_addr addr;
    close(bound_socket(receiver_addr.family == LM_AF_INET6 ? "[::]:0" : "0.0.0.0:0", &addr));
    return (lm_addr){.family = addr.family, .port = addr.port};
}

/* Others on this machine look for free ports too. */
static lm_addr open_relayed(void)
{
    for (int tries = 0; tries < 20; tries++) {
        lm_addr addr = free_port();
        if (lm_udp_open_relayed(udp, &addr) == LM_OK)
            return addr;
    }
    fail_msg("no port is free");
    return (lm_addr){0};
}

static void relayed_addresses_receive_and_send(void **state)
{
    lm_addr a = open_relayed();
    uint8_t packet[LENGTH_MAX];
    struct sockaddr_storage name;
    socklen_t name_len = sizeof name;
    lm_addr from;
    (void)state;
    assert_int_equal(lm_udp_open_relayed(udp, &a), LM_EIO);
    /* The core knows it by the address that others see, which this machine need not have. */
    lm_addr_parse_ip(&a, a.family == LM_AF_INET6 ? "2001:db8::1" : "203.0.113.1", a.port);
    core_state.to[1] = (lm_packet){.remote = receiver_addr, .local = a, .relayed = true};

    for (unsigned i = 0; i < 100; i++) /* out of it */
        send_packet(0, 172, 1, i);
    ssize_t n = -1;
    for (int turns = 0; turns < 200 && n < 0; turns++) {
        n = recvfrom(receiver, packet, sizeof packet, 0, (struct sockaddr *)&name, &name_len);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(n, 172);
    assert_int_equal(lm_sockaddr_to_addr(&from, (struct sockaddr *)&name), LM_OK);
    assert_int_equal(from.port, a.port);
    for (unsigned i = 1; i < 100; i++)
        expect_packet(receiver, 172, 1, i);

    core_state.grow = 4;
    for (unsigned i = 0; i < 100; i++) /* into it, and out of the port */
        send_packet(a.port, 1200, 0, i);
    for (unsigned i = 0; i < 100; i++)
        expect_packet(receiver, 1204 - 4, 0, i);
    assert_int_equal(core_state.relayed, 100);

    send_packet(a.port, 100, 9, 0); /* what is not the core's to pass on is not for its input either */
    send_packet(a.port, 100, 0, 0);
    expect_packet(receiver, 100, 0, 0);
    assert_int_equal(core_state.inputs, 0);
}

static void relayed_addresses_come_and_go_while_data_flows(void **state)
{
    lm_addr a[20];
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 20; i++)
            a[i] = open_relayed();
        for (unsigned i = 0; i < 20; i++) {
            core_state.to[1] = (lm_packet){.remote = receiver_addr, .local = a[i], .relayed = true};
            send_packet(0, 172, 1, i);
            send_packet(a[i].port, 172, 0, i + 100);
            expect_packet(receiver, 172, 1, i);
            expect_packet(receiver, 172, 0, i + 100);
            if (i % 2 == 1) {
                send_packet(0, 172, 1, i);
                expect_packet(receiver, 172, 1, i);
                continue;
            }
            uint64_t errors = lm_udp_get_stats(udp)->send_errors;
            send_packet(a[i].port, 172, 0, i); /* what lies in a socket that closes is lost */
            lm_udp_close_relayed(udp, &a[i]);
            send_packet(0, 172, 1, i);
            expect_nothing(receiver);
            assert_int_equal(lm_udp_get_stats(udp)->send_errors, errors + 1);
        }
        for (unsigned i = 1; i < 20; i += 2)
            lm_udp_close_relayed(udp, &a[i]);
    }
}

/* ICMP says that nobody listens there. */
static void a_peer_that_is_not_there_stops_nothing(void **state)
{
    lm_addr a = open_relayed(), nobody = free_port();
    (void)state;
    core_state.to[1] = (lm_packet){.remote = receiver_addr, .local = a, .relayed = true};
    core_state.to[2] = core_state.to[1];
    core_state.to[2].remote.port = nobody.port;
    for (unsigned i = 0; i < 10; i++) {
        send_packet(0, 172, 2, i);
        send_packet(0, 172, 1, i);
        expect_packet(receiver, 172, 1, i);
    }
    uint64_t calls = lm_udp_get_stats(udp)->receive_calls;
    for (int i = 0; i < 50; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_in_range(lm_udp_get_stats(udp)->receive_calls - calls, 0, 2); /* it does not spin */
    send_packet(a.port, 172, 0, 5);
    expect_packet(receiver, 172, 0, 5);
}

static int path_mtu_discovery_of(int fd)
{
    int value = -1;
    socklen_t len = sizeof value;
    bool v6 = receiver_addr.family == LM_AF_INET6;
    getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &value, &len);
    return value;
}

/* Packets with DF are sent between the others, in order, and leave the socket as it was. */
static void dont_fragment_is_for_one_packet(void **state)
{
    int next = dup(0); /* the number that the socket gets */
    close(next);
    lm_addr a = open_relayed();
    (void)state;
    core_state.to[1] = (lm_packet){.remote = receiver_addr, .local = a, .relayed = true};
    core_state.to[2] = core_state.to[1];
    core_state.to[2].dont_fragment = true;
    for (unsigned i = 0; i < 9; i++)
        send_packet(0, 172, i % 3 == 2 ? 2 : 1, i);
    for (unsigned i = 0; i < 9; i++)
        expect_packet(receiver, 172, i % 3 == 2 ? 2 : 1, i);
    assert_int_equal(path_mtu_discovery_of(next), IP_PMTUDISC_DONT);
}

/* --- streams --- */

typedef struct sunk {
    unsigned count;
    size_t bytes;
    lm_addr remote;
} sunk;

static void sink(void *self, const lm_addr *remote, const lm_addr *local, const uint8_t *data, size_t len)
{
    sunk *s = self;
    (void)local;
    s->count++;
    s->bytes += len;
    s->remote = *remote;
    assert_int_equal(data[0], 1);
}

static void packets_for_streams_go_to_their_sink(void **state)
{
    sunk s = {0};
    (void)state;
    core_state.to[1] = (lm_packet){.remote = receiver_addr};
    core_state.to[1].remote.transport = LM_TCP;
    send_packet(0, 100, 1, 0);
    send_packet(0, 100, 0, 1);
    expect_packet(receiver, 100, 0, 1);
    assert_int_equal(lm_udp_get_stats(udp)->send_errors, 1); /* nobody takes it */
    lm_udp_set_stream_sink(udp, sink, &s);
    send_packet(0, 100, 1, 0);
    send_packet(0, 100, 0, 1);
    expect_packet(receiver, 100, 0, 1);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.bytes, 100);
    assert_true(lm_addr_equal(&s.remote, &core_state.to[1].remote));
}

#define BOTH(f)                                                 \
    {#f " (IPv4)", f, open_forwarder4, close_forwarder, NULL},  \
    {                                                           \
#f " (IPv6)", f, open_forwarder6, close_forwarder, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(packets_of_one_length_leave_as_one_message),
        BOTH(a_shorter_packet_ends_a_message_and_a_longer_one_begins_another),
        BOTH(flows_that_alternate_keep_their_order),
        BOTH(a_thousand_at_once_arrive_whole),
        BOTH(refused_for_good_they_go_singly_from_then_on),
        BOTH(refused_for_a_path_they_go_singly_this_time),
        BOTH(refused_each_time_they_are_not_tried_any_more),
        BOTH(a_full_kernel_buffer_drops_and_counts),
        BOTH(a_packet_that_cannot_be_sent_does_not_stop_the_others),
        BOTH(a_super_packet_is_passed_on_as_one),
        BOTH(headers_in_a_super_packet_do_not_hurt_its_neighbours),
        BOTH(what_is_not_passed_on_leaves_its_neighbours_alone),
        BOTH(too_long_segments_are_dropped_and_counted),
        BOTH(relayed_addresses_receive_and_send),
        BOTH(relayed_addresses_come_and_go_while_data_flows),
        BOTH(a_peer_that_is_not_there_stops_nothing),
        BOTH(dont_fragment_is_for_one_packet),
        BOTH(packets_for_streams_go_to_their_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
