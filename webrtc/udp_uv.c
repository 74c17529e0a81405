#include "webrtc/udp_uv.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"

/* Datagrams a system call. */
#define BATCH 32

/* Longest datagram taken, in bytes. No browser sends one over its path's MTU. */
#define DATAGRAM_MAX 2048

/*
 * Receiving system calls in one turn of the loop, so that a flood leaves time for timers and other handles.
 */
#define ROUNDS_PER_TURN 8

/* The same in ms: a batch of costly messages, of joins to full rooms say, is the last one of its turn. */
#define RECEIVING_MS 1

/*
 * Wished for sizes of the kernel's buffers in bytes: some 100 ms of 10,000 sessions' bursts. The kernel may
 * cap them.
 */
#define KERNEL_BUFFER (4 * 1024 * 1024)

typedef union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} control;

typedef struct udp_socket {
    lm_udp *udp;
    uv_poll_t poll;
    int fd; /* -1: this family is not there */
    lm_family family;
} udp_socket;

/* Memory for one batch, used for receiving and for sending in turn. */
typedef struct batch {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage names[BATCH];
    control controls[BATCH];
    uint8_t bytes[BATCH][DATAGRAM_MAX];
} batch;

struct lm_udp {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_idle_t due;      /* active while the core's deadline has come: its timeout is called once in a turn */
    uv_prepare_t turns; /* called when the loop has done all there is to do, and is about to wait */
    uint64_t worked;    /* CPU time of this thread at the latest call, in us; 0: none yet */
    udp_socket sockets[2];
    unsigned open_handles;
    bool closing;
    bool blocked; /* a kernel buffer is full: outputs stay in the core until it is writable */
    uint16_t port;
    lm_ms armed; /* what the timer is set to */
    lm_udp_core core;
    lm_udp_stats stats;
    batch in;
    batch out;
    unsigned out_count; /* datagrams in `out` that are not sent yet, all for one socket */
    unsigned out_sent;  /* of them, sent already */
    udp_socket *out_socket;
};

static void on_ready(uv_poll_t *poll, int status, int events);

/* --- sending --- */

static void watch(lm_udp *udp, udp_socket *s)
{
    int events = UV_READABLE | (udp->blocked && udp->out_socket == s ? UV_WRITABLE : 0);
    uv_poll_start(&s->poll, events, on_ready);
}

static void set_source(struct msghdr *message, control *c, const lm_addr *local)
{
    struct cmsghdr *cmsg;
    memset(c, 0, sizeof *c);
    message->msg_control = c;
    message->msg_controllen = local->family == LM_AF_INET ? CMSG_SPACE(sizeof(struct in_pktinfo))
                                                          : CMSG_SPACE(sizeof(struct in6_pktinfo));
    cmsg = CMSG_FIRSTHDR(message);
    if (local->family == LM_AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        cmsg->cmsg_level = IPPROTO_IP;
        cmsg->cmsg_type = IP_PKTINFO;
        cmsg->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(cmsg), &info, sizeof info);
    } else {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, local->ip, 16);
        cmsg->cmsg_level = IPPROTO_IPV6;
        cmsg->cmsg_type = IPV6_PKTINFO;
        cmsg->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(cmsg), &info, sizeof info);
    }
}

static void put(lm_udp *udp, const lm_dgram *d)
{
    unsigned i = udp->out_count++;
    struct msghdr *message = &udp->out.messages[i].msg_hdr;
    memcpy(udp->out.bytes[i], d->data, d->len);
    udp->out.vectors[i] = (struct iovec){.iov_base = udp->out.bytes[i], .iov_len = d->len};
    *message = (struct msghdr){.msg_name = &udp->out.names[i],
                               .msg_namelen = lm_sockaddr_from_addr(&udp->out.names[i], &d->remote),
                               .msg_iov = &udp->out.vectors[i],
                               .msg_iovlen = 1};
    if (!lm_addr_is_unspecified(&d->local))
        set_source(message, &udp->out.controls[i], &d->local);
}

/* Sends the batch. False when the kernel's buffer is full: the rest goes when it is writable. */
static bool send_batch(lm_udp *udp)
{
    while (udp->out_sent < udp->out_count) {
        int n = sendmmsg(udp->out_socket->fd, udp->out.messages + udp->out_sent,
                         udp->out_count - udp->out_sent, 0);
        if (n > 0) {
            udp->out_sent += (unsigned)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            udp->stats.send_blocked++;
            udp->blocked = true;
            watch(udp, udp->out_socket);
            return false;
        } else if (errno !=
                   EINTR) { /* this one cannot be sent: no route, an address that has gone, a firewall */
            udp->stats.send_errors++;
            udp->out_sent++;
        }
    }
    udp->out_count = udp->out_sent = 0;
    return true;
}

static udp_socket *socket_for(lm_udp *udp, const lm_dgram *d)
{
    udp_socket *s = &udp->sockets[d->remote.family == LM_AF_INET6];
    return s->fd >= 0 ? s : NULL;
}

/* Moves the core's outputs to the network, batch by batch. */
static void drain(lm_udp *udp)
{
    lm_dgram d;
    if (udp->blocked)
        return;
    /* Handshakes and a crowd's messages take time: what the core measures must not stand still meanwhile. */
    uv_update_time(udp->loop);
    lm_ms now = uv_now(udp->loop);
    while (udp->core.poll(udp->core.self, now, &d) == 1) {
        udp_socket *s = socket_for(udp, &d);
        if (s == NULL || d.len > DATAGRAM_MAX) {
            udp->stats.send_errors++;
            continue;
        }
        bool other = udp->out_count > 0 && udp->out_socket != s;
        if (!other) {
            udp->out_socket = s;
            put(udp, &d);
        }
        if ((other || udp->out_count == BATCH) && !send_batch(udp)) {
            if (other) /* rare: both families in one turn, and one is full. The network may lose a datagram
                          too. */
                udp->stats.send_errors++;
            return;
        }
        if (other) {
            udp->out_socket = s;
            put(udp, &d);
        }
    }
    send_batch(udp);
}

static void on_due(uv_idle_t *due);
static void on_timer(uv_timer_t *timer);

/*
 * A deadline that has come is not given to the timer: libuv calls a timer that is set to now from within its
 * own call again, and again, before it looks at the sockets. A core that wants to go on at once, since it
 * works a crowd's handshakes off bit by bit, would keep everybody else waiting until it is done.
 */
void lm_udp_flush(lm_udp *udp)
{
    if (udp->closing)
        return;
    drain(udp);
    lm_ms at = udp->core.next_timeout(udp->core.self), now = uv_now(udp->loop);
    if (at <= now)
        uv_idle_start(&udp->due, on_due);
    else
        uv_idle_stop(&udp->due);
    if (at <= now || at == LM_MS_NEVER) {
        uv_timer_stop(&udp->timer);
    } else if (at != udp->armed || !uv_is_active((uv_handle_t *)&udp->timer)) {
        udp->armed = at;
        uv_timer_start(&udp->timer, on_timer, at - now, 0);
    }
}

/* After the timers, and before the sockets are looked at. */
static void on_due(uv_idle_t *due)
{
    lm_udp *udp = due->data;
    udp->core.timeout(udp->core.self, uv_now(udp->loop));
    lm_udp_flush(udp);
}

static void on_timer(uv_timer_t *timer)
{
    lm_udp *udp = timer->data;
    uv_idle_start(&udp->due, on_due); /* in this turn still */
}

/* --- receiving --- */

static void prepare_receive(batch *b)
{
    for (unsigned i = 0; i < BATCH; i++) {
        b->vectors[i] = (struct iovec){.iov_base = b->bytes[i], .iov_len = DATAGRAM_MAX};
        b->messages[i].msg_hdr = (struct msghdr){.msg_name = &b->names[i],
                                                 .msg_namelen = sizeof b->names[i],
                                                 .msg_iov = &b->vectors[i],
                                                 .msg_iovlen = 1,
                                                 .msg_control = &b->controls[i],
                                                 .msg_controllen = sizeof b->controls[i]};
    }
}

/* The address of ours that a datagram came to. */
static void destination(struct msghdr *message, uint16_t port, lm_addr *local)
{
    memset(local, 0, sizeof *local);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        struct in_pktinfo info4;
        struct in6_pktinfo info6;
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&info4, CMSG_DATA(c), sizeof info4);
            lm_addr_set(local, (const uint8_t *)&info4.ipi_addr, 4, port);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info6, CMSG_DATA(c), sizeof info6);
            lm_addr_set(local, (const uint8_t *)&info6.ipi6_addr, 16, port);
        }
    }
}

static void take(lm_udp *udp, unsigned index, lm_ms now)
{
    struct msghdr *message = &udp->in.messages[index].msg_hdr;
    lm_dgram d = {.data = udp->in.bytes[index], .len = udp->in.messages[index].msg_len};
    if (message->msg_flags & MSG_TRUNC) {
        udp->stats.truncated++;
        return;
    }
    if (lm_sockaddr_to_addr(&d.remote, (struct sockaddr *)&udp->in.names[index]) != LM_OK)
        return;
    destination(message, udp->port, &d.local);
    udp->core.input(udp->core.self, now, &d);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    udp_socket *s = poll->data;
    lm_udp *udp = s->udp;
    (void)status; /* an error on the socket shows in recvmmsg, which clears it */

    /* 1. What could not be sent before goes first, */
    if ((events & UV_WRITABLE) && udp->blocked && udp->out_socket == s) {
        udp->blocked = false;
        send_batch(udp);
        watch(udp, s);
    }
    /* 2. then a bounded number of batches is taken in, for as long as that is quick, */
    lm_ms begin = uv_now(udp->loop);
    for (int round = 0; round < ROUNDS_PER_TURN && uv_now(udp->loop) <= begin + RECEIVING_MS; round++) {
        prepare_receive(&udp->in);
        int n = recvmmsg(s->fd, udp->in.messages, BATCH, MSG_DONTWAIT, NULL);
        lm_ms now = uv_now(udp->loop);
        for (int i = 0; i < n; i++)
            take(udp, (unsigned)i, now);
        if (n > 0)
            drain(udp);
        if (n < BATCH)
            break;
    }
    /* 3. and the timer is set to what the core waits for now. */
    lm_udp_flush(udp);
}

/* --- how long a turn takes --- */

/*
 * The CPU's time, not the wall's: it stands still while the loop waits and while the machine has given the
 * CPU to somebody else, so what it has gained from one wait to the next is what one turn has cost.
 */
static uint64_t worked_us(void)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void on_turn(uv_prepare_t *turns)
{
    lm_udp *udp = turns->data;
    uint64_t worked = worked_us();
    if (udp->worked != 0) /* what was done before the loop began was no turn */
        lm_histogram_add_us(&udp->stats.turn_time, worked - udp->worked);
    udp->worked = worked;
}

/* --- opening and closing --- */

static int open_socket(udp_socket *s, uint16_t port)
{
    const int on = 1, size = KERNEL_BUFFER;
    bool v6 = s->family == LM_AF_INET6;
    lm_addr any = {.family = (uint8_t)s->family, .port = port};
    struct sockaddr_storage name;
    socklen_t len = lm_sockaddr_from_addr(&name, &any);

    s->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    if ((v6 && setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        setsockopt(s->fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on,
                   sizeof on) != 0 ||
        bind(s->fd, (struct sockaddr *)&name, len) != 0) {
        int error = errno;
        close(s->fd);
        s->fd = -1;
        return -error;
    }
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    lm_addr addr = {0};
    if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
        lm_sockaddr_to_addr(&addr, (struct sockaddr *)&name);
    return addr.port;
}

/* Both families; one that the machine does not have is left out. */
static int open_sockets(lm_udp *udp, lm_error_text *why)
{
    for (int i = 0; i < 2; i++) {
        udp_socket *s = &udp->sockets[i];
        int error = open_socket(s, udp->port);
        if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL || error == -EPROTONOSUPPORT)
            continue;
        if (error != 0)
            return lm_error_text_set(why, LM_EIO, "cannot open UDP port %u (%s): %s", (unsigned)udp->port,
                                     s->family == LM_AF_INET6 ? "IPv6" : "IPv4", strerror(-error));
        udp->port = bound_port(s->fd);
    }
    if (udp->sockets[0].fd < 0 && udp->sockets[1].fd < 0)
        return lm_error_text_set(why, LM_EIO,
                                 "cannot open UDP port %u: this machine has neither IPv4 nor IPv6",
                                 (unsigned)udp->port);
    return LM_OK;
}

static void on_closed(uv_handle_t *handle)
{
    lm_udp *udp = handle->type == UV_POLL ? ((udp_socket *)handle->data)->udp : handle->data;
    if (--udp->open_handles == 0)
        free(udp);
}

int lm_udp_open(lm_udp **out, uv_loop_t *loop, uint16_t port, const lm_udp_core *core, lm_error_text *why)
{
    lm_udp *udp = calloc(1, sizeof *udp);
    if (udp == NULL)
        return lm_error_text_set(why, LM_ENOMEM, "cannot open UDP port %u: out of memory", (unsigned)port);
    udp->loop = loop;
    udp->port = port;
    udp->core = *core;
    udp->armed = LM_MS_NEVER;
    udp->sockets[0] = (udp_socket){.udp = udp, .fd = -1, .family = LM_AF_INET};
    udp->sockets[1] = (udp_socket){.udp = udp, .fd = -1, .family = LM_AF_INET6};

    int error = open_sockets(udp, why);
    if (error != LM_OK) {
        for (int i = 0; i < 2; i++)
            if (udp->sockets[i].fd >= 0)
                close(udp->sockets[i].fd);
        free(udp);
        return error;
    }
    uv_timer_init(loop, &udp->timer);
    uv_idle_init(loop, &udp->due);
    uv_prepare_init(loop, &udp->turns);
    udp->timer.data = udp->due.data = udp->turns.data = udp;
    udp->open_handles = 3;
    uv_prepare_start(&udp->turns, on_turn);
    for (int i = 0; i < 2; i++) {
        udp_socket *s = &udp->sockets[i];
        if (s->fd < 0)
            continue;
        uv_poll_init(loop, &s->poll, s->fd);
        s->poll.data = s;
        udp->open_handles++;
        watch(udp, s);
    }
    lm_udp_flush(udp);
    *out = udp;
    return LM_OK;
}

uint16_t lm_udp_port(const lm_udp *udp)
{
    return udp->port;
}

const lm_udp_stats *lm_udp_get_stats(const lm_udp *udp)
{
    return &udp->stats;
}

void lm_udp_close(lm_udp *udp)
{
    if (udp == NULL || udp->closing)
        return;
    drain(udp); /* the last words: ABORT and close_notify */
    udp->closing = true;
    uv_close((uv_handle_t *)&udp->timer, on_closed);
    uv_close((uv_handle_t *)&udp->due, on_closed);
    uv_close((uv_handle_t *)&udp->turns, on_closed);
    for (int i = 0; i < 2; i++) {
        udp_socket *s = &udp->sockets[i];
        if (s->fd < 0)
            continue;
        uv_poll_stop(&s->poll);
        uv_close((uv_handle_t *)&s->poll, on_closed);
        close(s->fd);
    }
}
