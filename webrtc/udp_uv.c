#include "webrtc/udp_uv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "webrtc/udp_batch.h"
#include "webrtc/udp_inbox.h"
#include "webrtc/udp_pace.h"
#include "webrtc/udp_socket.h"

/*
 * Receiving system calls in one turn of the loop, so that a flood leaves time for timers and other handles:
 * for the port's own sockets, and for one relayed address.
 */
#define ROUNDS_PER_TURN 8
#define ROUNDS_RELAYED 2

/* The same in ms: a batch of costly messages, of joins to full rooms say, is the last one of its turn. */
#define RECEIVING_MS 1

/* Fewer messages than this are not received at once while more are there: the buffers are emptied first. */
#define ROOM_MIN 16

/* Ports of a family. */
#define PORTS 65536

/* A socket in the loop. */
typedef struct endpoint {
    lm_udp *udp;
    lm_udp_socket socket; /* fd -1: this family is not there, or it is being closed */
    uv_poll_t poll;
} endpoint;

struct lm_udp {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_idle_t due;       /* active while the core's deadline has come: its timeout is called once in a turn */
    uv_check_t turn_end; /* called after all sockets that were ready */
    uv_prepare_t turns;  /* called when the loop has done all there is to do, and is about to wait */
    uint64_t worked;     /* CPU time of this thread at the latest call, in us; 0: none yet */
    endpoint port_sockets[2];
    endpoint **relayed[2]; /* by family and port; NULL until the first one is opened */
    unsigned open_handles;
    bool closing;
    bool blocked;  /* outputs stay in the core until the kernel takes those in `outputs` */
    bool received; /* in this turn */
    uint16_t port;
    lm_ms armed; /* what the timer is set to */
    lm_port_core core;
    lm_udp_stream_sink sink;
    void *sink_self;
    lm_udp_stats stats;
    lm_udp_pace pace;
    unsigned turn_packets; /* messages received in this turn */
    lm_udp_inbox inbox;
    lm_udp_batch *transit; /* packets that are passed on, in the inbox's buffers */
    lm_udp_batch *outputs; /* of the core, copied */
};

static void on_ready(uv_poll_t *poll, int status, int events);

/* --- sending --- */

static void watch(endpoint *e)
{
    bool waits = lm_udp_batch_waits(e->udp->outputs, &e->socket);
    uv_poll_start(&e->poll, UV_READABLE | (waits ? UV_WRITABLE : 0), on_ready);
}

/* False when some have to wait until a socket is writable. */
static bool send_outputs(lm_udp *udp)
{
    bool was_blocked = udp->blocked;
    udp->blocked = !lm_udp_batch_send(udp->outputs);
    if (was_blocked || udp->blocked)
        for (int i = 0; i < 2; i++)
            if (udp->port_sockets[i].socket.fd >= 0 && !udp->closing)
                watch(&udp->port_sockets[i]);
    return !udp->blocked;
}

/* The socket that a packet leaves from, or NULL. */
static lm_udp_socket *socket_for(lm_udp *udp, const lm_packet *p)
{
    bool v6 = p->remote.family == LM_AF_INET6;
    endpoint *e = &udp->port_sockets[v6];
    if (p->relayed)
        e = udp->relayed[v6] != NULL ? udp->relayed[v6][p->local.port] : NULL;
    return e != NULL && e->socket.fd >= 0 ? &e->socket : NULL;
}

static void to_stream(lm_udp *udp, const lm_addr *remote, const lm_addr *local, const uint8_t *data,
                      size_t len)
{
    if (udp->sink != NULL)
        udp->sink(udp->sink_self, remote, local, data, len);
    else
        udp->stats.send_errors++;
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
        lm_packet p = {
            .remote = d.remote, .local = d.local, .data = (uint8_t *)(uintptr_t)d.data, .len = d.len};
        if (d.remote.transport != LM_UDP) {
            to_stream(udp, &d.remote, &d.local, d.data, d.len);
            continue;
        }
        lm_udp_socket *s = socket_for(udp, &p);
        if (s == NULL || d.len > LM_UDP_DATAGRAM_MAX) {
            udp->stats.send_errors++;
            continue;
        }
        lm_udp_batch_copy(udp->outputs, s, &p);
        if (lm_udp_batch_full(udp->outputs) && !send_outputs(udp))
            return;
    }
    send_outputs(udp);
}

/* Sends what is passed on: the buffers that it lies in are free then. */
static void send_transit(lm_udp *udp)
{
    lm_udp_batch_send(udp->transit);
}

void lm_udp_send(lm_udp *udp, const lm_packet *packet)
{
    lm_udp_socket *s = udp->closing ? NULL : socket_for(udp, packet);
    if (s == NULL || packet->len > LM_UDP_COPY_MAX) {
        udp->stats.send_errors++;
        return;
    }
    lm_udp_batch_copy(udp->transit, s, packet);
    if (lm_udp_batch_full(udp->transit))
        send_transit(udp);
}

/* --- the timer --- */

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
    send_transit(udp);
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

/* Where a datagram lies. */
typedef struct place {
    uint8_t *data;
    size_t len;
    bool alone; /* in its message */
} place;

/* The packet is what has to be sent; its bytes stay in the inbox until the batch has gone. */
static void pass_on(lm_udp *udp, const lm_packet *p, const place *at)
{
    if (p->remote.transport != LM_UDP) {
        to_stream(udp, &p->remote, &p->local, p->data, p->len);
        return;
    }
    lm_udp_socket *s = socket_for(udp, p);
    if (s == NULL || p->len > LM_UDP_COPY_MAX) {
        udp->stats.send_errors++;
        return;
    }
    if (at->alone) {
        lm_udp_batch_put(udp->transit, s, p, 0);
    } else if (p->data + p->len > at->data + at->len) { /* in its neighbour's bytes, at the wrong end */
        lm_udp_batch_copy(udp->transit, s, p);
    } else {
        size_t head = p->data < at->data ? (size_t)(at->data - p->data) : 0;
        lm_udp_batch_put(udp->transit, s, p, head < p->len ? head : p->len);
    }
    if (lm_udp_batch_full(udp->transit))
        send_transit(udp);
}

/* Lets the core turn a packet; returns what it says. */
static int relay(lm_udp *udp, lm_packet *p, const place *at, lm_ms now)
{
    int result = udp->core.relay(udp->core.self, now, p);
    if (result == 1)
        pass_on(udp, p, at);
    return result;
}

/*
 * The same among others of its message, which may wait to be sent, or to be looked at: a header that is put
 * before it may stand in their bytes for the time of the call alone.
 */
static int relay_among(lm_udp *udp, lm_packet *p, const place *at, lm_ms now)
{
    uint8_t before[LM_PACKET_HEADROOM], after[LM_PACKET_TAILROOM];
    memcpy(before, at->data - sizeof before, sizeof before);
    memcpy(after, at->data + at->len, sizeof after);
    int result = relay(udp, p, at, now);
    memcpy(at->data - sizeof before, before, sizeof before);
    memcpy(at->data + at->len, after, sizeof after);
    return result;
}

static void take_datagram(endpoint *e, const lm_udp_arrival *a, const place *at, lm_ms now)
{
    lm_udp *udp = e->udp;
    lm_packet p = {.remote = a->remote,
                   .local = a->local,
                   .data = at->data,
                   .len = at->len,
                   .relayed = e->socket.relayed};
    if (udp->core.relay != NULL &&
        (at->alone ? relay(udp, &p, at, now) : relay_among(udp, &p, at, now)) != LM_EAGAIN)
        return;
    if (!e->socket.relayed)
        udp->core.input(
            udp->core.self, now,
            &(lm_dgram){.remote = a->remote, .local = a->local, .data = at->data, .len = at->len});
}

/* One message, with one datagram in it or many. */
static void take(endpoint *e, unsigned index, lm_ms now)
{
    lm_udp_stats *stats = &e->udp->stats;
    lm_udp_arrival a;
    place at;
    if (!lm_udp_inbox_take(&e->udp->inbox, index, &e->socket, &a))
        return;
    if (a.truncated || a.segment > LM_UDP_DATAGRAM_MAX) {
        stats->truncated += (a.len + a.segment - 1) / a.segment;
        return;
    }
    at.alone = a.segment == a.len;
    if (!at.alone)
        stats->merged_receives++;
    for (size_t done = 0; done == 0 || done < a.len; done += a.segment) {
        at.data = a.data + done;
        at.len = a.len - done < a.segment ? a.len - done : a.segment;
        take_datagram(e, &a, &at, now);
        if (a.segment == 0)
            break;
    }
}

/* Buffers for a batch. */
static void make_room(lm_udp *udp)
{
    if (lm_udp_inbox_room(&udp->inbox) >= ROOM_MIN)
        return;
    send_transit(udp);
    lm_udp_inbox_reuse(&udp->inbox);
}

static void receive(endpoint *e)
{
    lm_udp *udp = e->udp;
    int rounds = e->socket.relayed ? ROUNDS_RELAYED : ROUNDS_PER_TURN;
    lm_ms begin = uv_now(udp->loop);
    udp->received = true;
    for (int round = 0; round < rounds && e->socket.fd >= 0 && uv_now(udp->loop) <= begin + RECEIVING_MS;
         round++) {
        make_room(udp);
        unsigned first = udp->inbox.used, room = lm_udp_inbox_room(&udp->inbox);
        int n = lm_udp_inbox_receive(&udp->inbox, &e->socket);
        udp->stats.receive_calls++;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            continue; /* what an earlier datagram met with: the call has cleared it */
        udp->turn_packets += n > 0 ? (unsigned)n : 0;
        lm_ms now = uv_now(udp->loop);
        for (int i = 0; i < n; i++)
            take(e, first + (unsigned)i, now);
        if (n > 0)
            drain(udp);
        if (n < (int)room)
            break;
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    endpoint *e = poll->data;
    lm_udp *udp = e->udp;

    /* 1. What could not be sent before goes first, */
    if ((events & UV_WRITABLE) && udp->blocked)
        send_outputs(udp);
    /* 2. then a bounded number of batches is taken in, for as long as that is quick. */
    receive(e);
    if (status < 0 && e->socket.fd >= 0)
        watch(e); /* libuv lets go of a socket with an error; receiving has cleared it */
}

/* 3. When all sockets had their turn, what is passed on is sent, and the timer set to what the core waits
 * for. */
static void on_turn_end(uv_check_t *check)
{
    lm_udp *udp = check->data;
    if (!udp->received)
        return;
    udp->received = false;
    send_transit(udp);
    lm_udp_inbox_reuse(&udp->inbox);
    lm_udp_flush(udp);
    bool busy = uv_is_active((uv_handle_t *)&udp->due) || udp->blocked;
    uint64_t pause = lm_udp_pace_pause(&udp->pace, uv_hrtime(), udp->turn_packets, busy);
    udp->turn_packets = 0;
    if (pause > 0) {
        udp->stats.pauses++;
        nanosleep(&(struct timespec){.tv_nsec = (long)pause}, NULL);
    }
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

/* --- relayed addresses --- */

static void on_relayed_closed(uv_handle_t *handle);

int lm_udp_open_relayed(lm_udp *udp, const lm_addr *addr)
{
    bool v6 = addr->family == LM_AF_INET6;
    if (udp->closing)
        return LM_EIO;
    if (udp->relayed[v6] == NULL)
        udp->relayed[v6] = calloc(PORTS, sizeof(endpoint *));
    if (udp->relayed[v6] == NULL || addr->port == 0 || udp->relayed[v6][addr->port] != NULL)
        return LM_EIO;
    endpoint *e = calloc(1, sizeof *e);
    if (e == NULL)
        return LM_EIO;
    e->udp = udp;
    if (lm_udp_socket_open(&e->socket, v6 ? LM_AF_INET6 : LM_AF_INET, addr->port, true) != 0) {
        free(e);
        return LM_EIO;
    }
    if (uv_poll_init(udp->loop, &e->poll, e->socket.fd) != 0) {
        lm_udp_socket_close(&e->socket);
        free(e);
        return LM_EIO;
    }
    e->poll.data = e;
    udp->open_handles++;
    udp->relayed[v6][addr->port] = e;
    watch(e);
    return LM_OK;
}

static void close_endpoint(endpoint *e, uv_close_cb closed)
{
    uv_poll_stop(&e->poll);
    uv_close((uv_handle_t *)&e->poll, closed);
    lm_udp_socket_close(&e->socket);
}

void lm_udp_close_relayed(lm_udp *udp, const lm_addr *addr)
{
    endpoint **table = udp->relayed[addr->family == LM_AF_INET6];
    endpoint *e = table != NULL ? table[addr->port] : NULL;
    if (e == NULL)
        return;
    send_transit(udp); /* the batch knows the socket */
    table[addr->port] = NULL;
    close_endpoint(e, on_relayed_closed);
}

/* --- opening and closing --- */

/* Both families; one that the machine does not have is left out. */
static int open_sockets(lm_udp *udp, lm_error_text *why)
{
    for (int i = 0; i < 2; i++) {
        lm_udp_socket *s = &udp->port_sockets[i].socket;
        int error = lm_udp_socket_open(s, i == 1 ? LM_AF_INET6 : LM_AF_INET, udp->port, false);
        if (error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL || error == -EPROTONOSUPPORT)
            continue;
        if (error != 0)
            return lm_error_text_set(why, LM_EIO, "cannot open UDP port %u (%s): %s", (unsigned)udp->port,
                                     i == 1 ? "IPv6" : "IPv4", strerror(-error));
        udp->port = s->port;
    }
    if (udp->port_sockets[0].socket.fd < 0 && udp->port_sockets[1].socket.fd < 0)
        return lm_error_text_set(why, LM_EIO,
                                 "cannot open UDP port %u: this machine has neither IPv4 nor IPv6",
                                 (unsigned)udp->port);
    return LM_OK;
}

static void free_udp(lm_udp *udp)
{
    for (int i = 0; i < 2; i++) {
        lm_udp_socket_close(&udp->port_sockets[i].socket);
        free(udp->relayed[i]);
    }
    lm_udp_batch_destroy(udp->transit);
    lm_udp_batch_destroy(udp->outputs);
    lm_udp_inbox_clear(&udp->inbox);
    free(udp);
}

static void let_go(lm_udp *udp)
{
    if (--udp->open_handles == 0)
        free_udp(udp);
}

static void on_port_closed(uv_handle_t *handle)
{
    let_go(((endpoint *)handle->data)->udp);
}

static void on_relayed_closed(uv_handle_t *handle)
{
    endpoint *e = handle->data;
    let_go(e->udp);
    free(e);
}

static void on_closed(uv_handle_t *handle)
{
    let_go(handle->data);
}

static lm_udp *create(uv_loop_t *loop, uint16_t port, const lm_port_core *core)
{
    lm_udp *udp = calloc(1, sizeof *udp);
    if (udp == NULL)
        return NULL;
    udp->loop = loop;
    udp->port = port;
    udp->core = *core;
    udp->armed = LM_MS_NEVER;
    for (int i = 0; i < 2; i++)
        udp->port_sockets[i] = (endpoint){.udp = udp, .socket.fd = -1};
    if (lm_udp_inbox_init(&udp->inbox) != LM_OK ||
        lm_udp_batch_create(&udp->transit, LM_UDP_DROP, &udp->stats) != LM_OK ||
        lm_udp_batch_create(&udp->outputs, LM_UDP_KEEP, &udp->stats) != LM_OK) {
        free_udp(udp);
        return NULL;
    }
    return udp;
}

int lm_udp_open(lm_udp **out, uv_loop_t *loop, uint16_t port, const lm_port_core *core, lm_error_text *why)
{
    lm_udp *udp = create(loop, port, core);
    if (udp == NULL)
        return lm_error_text_set(why, LM_ENOMEM, "cannot open UDP port %u: out of memory", (unsigned)port);
    int error = open_sockets(udp, why);
    if (error != LM_OK) {
        free_udp(udp);
        return error;
    }
    uv_timer_init(loop, &udp->timer);
    uv_idle_init(loop, &udp->due);
    uv_check_init(loop, &udp->turn_end);
    uv_prepare_init(loop, &udp->turns);
    udp->timer.data = udp->due.data = udp->turn_end.data = udp->turns.data = udp;
    uv_check_start(&udp->turn_end, on_turn_end);
    uv_prepare_start(&udp->turns, on_turn);
    udp->open_handles = 4;
    for (int i = 0; i < 2; i++) {
        endpoint *e = &udp->port_sockets[i];
        if (e->socket.fd < 0)
            continue;
        uv_poll_init(loop, &e->poll, e->socket.fd);
        e->poll.data = e;
        udp->open_handles++;
        watch(e);
    }
    lm_udp_flush(udp);
    *out = udp;
    return LM_OK;
}

uint16_t lm_udp_port(const lm_udp *udp)
{
    return udp->port;
}

void lm_udp_set_stream_sink(lm_udp *udp, lm_udp_stream_sink sink, void *self)
{
    udp->sink = sink;
    udp->sink_self = self;
}

const lm_udp_stats *lm_udp_get_stats(const lm_udp *udp)
{
    return &udp->stats;
}

void lm_udp_close(lm_udp *udp)
{
    if (udp == NULL || udp->closing)
        return;
    send_transit(udp);
    drain(udp); /* the last words: ABORT and close_notify */
    udp->closing = true;
    uv_close((uv_handle_t *)&udp->timer, on_closed);
    uv_close((uv_handle_t *)&udp->due, on_closed);
    uv_close((uv_handle_t *)&udp->turn_end, on_closed);
    uv_close((uv_handle_t *)&udp->turns, on_closed);
    for (int i = 0; i < 2; i++) {
        if (udp->port_sockets[i].socket.fd >= 0)
            close_endpoint(&udp->port_sockets[i], on_port_closed);
        for (unsigned port = 0; udp->relayed[i] != NULL && port < PORTS; port++)
            if (udp->relayed[i][port] != NULL)
                close_endpoint(udp->relayed[i][port], on_relayed_closed);
    }
}
