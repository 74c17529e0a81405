/* Floods of TCP connections, none of which comes to anything. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "test/tools/flood.h"

#define CONNECTIONS_A_SECOND 1000
#define HANDSHAKES_A_SECOND 400
#define HANDSHAKE_BURST 60
#define HELD_MAX 4096
#define DRIP_PAUSE 100 /* ms between two bytes */

/* Since Linux 4.2: ports are chosen at connect(), of which each destination has its own. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

typedef struct connection {
    unsigned sent; /* bytes */
    lm_ms next;    /* when the next byte is due */
} connection;

typedef struct connections {
    flood *flood;
    lm_addr to;
    uint32_t first;
    uint32_t made;
    unsigned held_max;
    unsigned count; /* that are open */
    struct pollfd fds[HELD_MAX];
    connection each[HELD_MAX];
    const uint8_t *words; /* that each says, NULL: nothing */
    size_t words_len;
    bool drip;   /* byte by byte */
    bool answer; /* one that has got an answer goes */
} connections;

static connections all;

static void leave(connections *c, unsigned i)
{
    const struct linger reset = {.l_onoff = 1}; /* no port of ours waits in TIME_WAIT */
    setsockopt(c->fds[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(c->fds[i].fd);
    c->fds[i] = c->fds[--c->count];
    c->each[i] = c->each[c->count];
}

static void connect_one(connections *c)
{
    struct sockaddr_storage to;
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint8_t ip[4];
    const int on = 1;
    flood_source(ip, c->first + c->made++);
    memcpy(&from.sin_addr, ip, sizeof ip);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
        flood_die(strerror(errno));
    if (connect(fd, (struct sockaddr *)&to, lm_sockaddr_from_addr(&to, &c->to)) != 0 &&
        errno != EINPROGRESS) {
        close(fd); /* the relay's queue is full, or nobody is there */
        c->flood->counts.unexpected++;
        return;
    }
    c->fds[c->count] = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
    c->each[c->count++] = (connection){.sent = 0};
    c->flood->counts.connected++;
    if (c->count > c->flood->counts.reached)
        c->flood->counts.reached = c->count;
}

/* Says what is due. */
static void speak(connections *c, unsigned i)
{
    connection *one = &c->each[i];
    size_t left = c->words_len - one->sent;
    lm_ms now = flood_now();
    if (left > 0 && now >= one->next) {
        ssize_t n = send(c->fds[i].fd, c->words + one->sent, c->drip ? 1 : left, MSG_NOSIGNAL);
        one->sent += n > 0 ? (unsigned)n : 0;
        one->next = now + DRIP_PAUSE;
    }
    if (one->sent == c->words_len)
        c->fds[i].events = POLLIN;
}

static void look(connections *c)
{
    poll(c->fds, c->count, 1);
    for (unsigned i = 0; i < c->count;) {
        uint8_t buf[4096];
        ssize_t n = -1;
        errno = EAGAIN;
        if (c->fds[i].revents & (POLLIN | POLLERR | POLLHUP))
            n = recv(c->fds[i].fd, buf, sizeof buf, 0);
        c->flood->counts.flights += n > 0 && c->answer;
        c->flood->counts.closed += n == 0 || (n < 0 && errno != EAGAIN);
        if (n == 0 || (n < 0 && errno != EAGAIN) || (n > 0 && c->answer)) {
            leave(c, i);
            continue;
        }
        if (c->fds[i].revents & POLLOUT || (c->drip && c->fds[i].revents == 0))
            speak(c, i);
        i++;
    }
}

static void run(flood *f, unsigned rate, unsigned burst)
{
    connections *c = &all;
    const lm_ms start = flood_now();
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    c->flood = f;
    c->to = f->addr;
    if (c->answer)
        c->to.port = f->tls_port;
    c->first = randombytes_uniform(1u << 24);
    c->held_max = f->count > 0 && f->count < HELD_MAX ? f->count : HELD_MAX;
    while (flood_now() < f->end) {
        unsigned n = flood_allowance(start, f->rate > 0 ? f->rate : rate, c->made);
        for (n = n >= burst ? n : 0; n > 0 && c->count < c->held_max; n--)
            connect_one(c);
        look(c);
    }
    while (c->count > 0)
        leave(c, 0);
}

void flood_silent(flood *f)
{
    run(f, CONNECTIONS_A_SECOND, 1);
}

void flood_garbage(flood *f)
{
    static uint8_t words[64];
    randombytes_buf(words, sizeof words);
    words[0] = 0xff; /* the longest datagram of ICE-TCP, far too long */
    all.words = words;
    all.words_len = sizeof words;
    run(f, CONNECTIONS_A_SECOND, 1);
}

void flood_drip(flood *f)
{
    /* An Allocate request with far to go. */
    static const uint8_t words[512] = {0, 3, 2, 0, 0x21, 0x12, 0xa4, 0x42};
    all.words = words;
    all.words_len = sizeof words;
    all.drip = true;
    run(f, CONNECTIONS_A_SECOND, 1);
}

/* TLS 1.2, ECDHE with P-256, AES-128-GCM, certificates of either kind (RFC 5246, RFC 8422). */
void flood_tls(flood *f)
{
    /* clang-format off */
    static uint8_t words[] = {
        22, 3, 1, 0, 75,                                /* record: handshake */
        1, 0, 0, 71, 3, 3,                              /* ClientHello, TLS 1.2 */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* random */
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0,                                              /* no session */
        0, 4, 0xc0, 0x2b, 0xc0, 0x2f,                   /* cipher suites */
        1, 0,                                           /* no compression */
        0, 26,                                          /* extensions: */
        0, 10, 0, 4, 0, 2, 0, 23,                       /* supported_groups: P-256 */
        0, 11, 0, 2, 1, 0,                              /* ec_point_formats: uncompressed */
        0, 13, 0, 8, 0, 6, 4, 3, 4, 1, 8, 4,            /* signature_algorithms */
    };
    /* clang-format on */
    _Static_assert(sizeof words == 5 + 75, "the lengths in it are right");
    randombytes_buf(words + 11, 32);
    all.words = words;
    all.words_len = sizeof words;
    all.answer = true;
    run(f, HANDSHAKES_A_SECOND, HANDSHAKE_BURST);
}
