/* Floods of those who never get as far as a session with a channel: checks, ClientHellos, half handshakes. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "test/support/short_hello.h"
#include "test/tools/flood.h"
#include "webrtc/hello_cookie.h"
#include "webrtc/stun.h"

#define UFRAGS_A_SECOND 10000
#define HANDSHAKES_A_SECOND 600
#define HANDSHAKE_BURST 60 /* that come together: a relay that takes them all at once is busy for long */

/* Types of DTLS records and of handshake messages (RFC 5246 section 6.2.1 and 7.4). */
enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, SERVER_HELLO = 2, HELLO_VERIFY_REQUEST = 3 };

typedef struct strangers {
    flood *flood;
    int fd;         /* one socket for all of them: each datagram has its own source address */
    uint32_t first; /* where their addresses begin: those of another flood are not ours */
    uint32_t count; /* that have come so far */
    bool hello;     /* they go on with a ClientHello, */
    bool alert;     /* and then an alert */
} strangers;

typedef union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
} control;

static void start(strangers *s, flood *f)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    const int on = 1;
    *s = (strangers){.flood = f, .first = randombytes_uniform(1u << 24)};
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
        bind(s->fd, (struct sockaddr *)&any, sizeof any) != 0)
        flood_die(strerror(errno));
}

static void send_from(strangers *s, const uint8_t source[4], const void *data, size_t len)
{
    struct sockaddr_storage name;
    struct in_pktinfo info = {0};
    uint8_t copy[512]; /* sendmsg() takes no const */
    control c;
    struct iovec vector = {.iov_base = copy, .iov_len = len};
    struct msghdr message = {.msg_name = &name,
                             .msg_namelen = lm_sockaddr_from_addr(&name, &s->flood->addr),
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &c,
                             .msg_controllen = sizeof c};
    memcpy(copy, data, len);
    memset(&c, 0, sizeof c);
    memcpy(&info.ipi_spec_dst, source, 4);
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = IPPROTO_IP;
    cmsg->cmsg_type = IP_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(cmsg), &info, sizeof info);
    if (sendmsg(s->fd, &message, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
        flood_die(strerror(errno));
}

static void send_check(strangers *s, const uint8_t source[4])
{
    uint8_t buf[512], transaction[LM_STUN_TRANSACTION_LEN];
    char username[300];
    lm_stun_builder b;
    uint64_t tie_breaker;
    randombytes_buf(transaction, sizeof transaction);
    randombytes_buf(&tie_breaker, sizeof tie_breaker);
    snprintf(username, sizeof username, "%.256s:%08x", s->flood->relay.ufrag, (unsigned)randombytes_random());
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_uint(&b, LM_STUN_PRIORITY, 0x6E7F1EFF, 4);
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, tie_breaker, 8);
    lm_stun_add_integrity(&b, s->flood->relay.pwd);
    send_from(s, source, buf, (size_t)lm_stun_finish(&b));
    s->flood->counts.checks++;
}

static void send_hello(strangers *s, const uint8_t source[4])
{
    send_from(s, source, test_short_hello, sizeof test_short_hello);
    s->flood->counts.hellos++;
}

/* The same ClientHello as the second message and record, with the cookie of a HelloVerifyRequest. */
static void send_cookie(strangers *s, const uint8_t source[4], const uint8_t *request, size_t len)
{
    uint8_t hello[sizeof test_short_hello + LM_HELLO_COOKIE_LEN];
    const size_t head = TEST_SHORT_HELLO_COOKIE + 1;
    if (len != LM_HELLO_VERIFY_LEN)
        return;
    memcpy(hello, test_short_hello, head);
    memcpy(hello + head, request + LM_HELLO_VERIFY_LEN - LM_HELLO_COOKIE_LEN, LM_HELLO_COOKIE_LEN);
    memcpy(hello + head + LM_HELLO_COOKIE_LEN, test_short_hello + head, sizeof test_short_hello - head);
    hello[head - 1] = LM_HELLO_COOKIE_LEN;
    hello[10] = 1;                    /* the record's sequence number, */
    hello[12] += LM_HELLO_COOKIE_LEN; /* its length, */
    hello[16] += LM_HELLO_COOKIE_LEN; /* the message's, */
    hello[18] = 1;                    /* its sequence number, */
    hello[24] += LM_HELLO_COOKIE_LEN; /* and the length of its only fragment */
    send_from(s, source, hello, sizeof hello);
    s->flood->counts.cookies++;
}

static void send_alert(strangers *s, const uint8_t source[4])
{
    static const uint8_t alert[] = {RECORD_ALERT, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    send_from(s, source, alert, sizeof alert); /* fatal, handshake_failure */
}

static void take(strangers *s, const uint8_t source[4], const uint8_t *data, size_t len)
{
    lm_stun_msg answer;
    if (lm_stun_parse(&answer, data, len) == LM_OK) {
        if (answer.class == LM_STUN_SUCCESS) {
            s->flood->counts.successes++;
            if (s->hello)
                send_hello(s, source);
        } else if (lm_stun_error_number(&answer) == 486) {
            s->flood->counts.refused++;
        }
    } else if (len > 13 && data[0] == RECORD_HANDSHAKE && data[13] == HELLO_VERIFY_REQUEST) {
        send_cookie(s, source, data, len);
    } else if (len > 13 && data[0] == RECORD_HANDSHAKE && data[13] == SERVER_HELLO) {
        s->flood->counts.flights++;
        if (s->alert)
            send_alert(s, source);
    }
}

/* Takes what has come: the address that a datagram came to is the stranger's. */
static void receive(strangers *s)
{
    for (;;) {
        uint8_t buf[2048];
        control c;
        struct iovec vector = {.iov_base = buf, .iov_len = sizeof buf};
        struct msghdr message = {
            .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
        ssize_t n = recvmsg(s->fd, &message, 0);
        if (n < 0)
            return;
        for (struct cmsghdr *m = CMSG_FIRSTHDR(&message); m != NULL; m = CMSG_NXTHDR(&message, m)) {
            struct in_pktinfo info;
            if (m->cmsg_level != IPPROTO_IP || m->cmsg_type != IP_PKTINFO)
                continue;
            memcpy(&info, CMSG_DATA(m), sizeof info);
            take(s, (const uint8_t *)&info.ipi_addr, buf, (size_t)n);
        }
    }
}

/* `burst` at a time, or more if the machine is slow. */
static void run(strangers *s, unsigned rate, unsigned burst)
{
    const lm_ms begin = flood_now();
    while (flood_now() < s->flood->end) {
        unsigned n = flood_allowance(begin, rate, s->count);
        for (n = n >= burst ? n : 0; n > 0; n--) {
            uint8_t source[4];
            flood_source(source, s->first + s->count++);
            send_check(s, source);
        }
        struct pollfd ready = {.fd = s->fd, .events = POLLIN};
        poll(&ready, 1, 1);
        receive(s);
    }
    close(s->fd);
}

void flood_ufrags(flood *f)
{
    strangers s;
    start(&s, f);
    run(&s, f->rate > 0 ? f->rate : UFRAGS_A_SECOND, 1);
}

void flood_hellos(flood *f)
{
    strangers s;
    start(&s, f);
    s.hello = s.alert = true;
    run(&s, f->rate > 0 ? f->rate : HANDSHAKES_A_SECOND, HANDSHAKE_BURST);
}

void flood_half_open(flood *f)
{
    strangers s;
    start(&s, f);
    s.hello = true;
    run(&s, f->rate > 0 ? f->rate : HANDSHAKES_A_SECOND, HANDSHAKE_BURST);
}
