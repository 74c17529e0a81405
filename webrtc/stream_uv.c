#include "webrtc/stream_uv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "webrtc/connection_uv.h"

/* Connections that wait to be accepted. */
#define BACKLOG 511

/* Handshakes let go on in one turn of the loop; time is the limit, this keeps the queue's order. */
#define ADMITTED_PER_TURN 4

/* Ports that the kernel may choose for IPv4 and somebody else has for IPv6. */
#define CHOICES 16

/* How long to wait when memory for one more connection was not to be had, in ms. */
#define MEMORY_RETRY 1000

_Static_assert(sizeof(lm_connection) + sizeof(lm_stream_network) + LM_STREAM_TURN_MAX + LM_TLS_PLAINTEXT_MAX +
                       1024 <=
                   LM_STREAMS_CONNECTION_BYTES,
               "what a connection takes, with the tables' overhead and the end of a write");

static void on_connection_closed(uv_handle_t *handle);
static void on_timer(uv_timer_t *timer);

static lm_ms or_default(lm_ms value, lm_ms otherwise)
{
    return value != 0 ? value : otherwise;
}

static lm_ms first_timeout(const lm_streams *s)
{
    return or_default(s->config.limits.first_timeout, LM_STREAMS_FIRST_TIMEOUT);
}

/* How often it is looked whether a connection is used: it is closed when it was not, twice. */
static lm_ms unused_interval(const lm_streams *s)
{
    return (or_default(s->config.limits.unused_timeout, LM_STREAMS_UNUSED_TIMEOUT) + 1) / 2;
}

static lm_ms idle_timeout(const lm_streams *s)
{
    return or_default(s->config.limits.idle_timeout, LM_STREAMS_IDLE_TIMEOUT);
}

static void release(lm_streams *s)
{
    if (--s->handles > 0)
        return;
    lm_admission_clear(&s->admission);
    lm_deadlines_clear(&s->deadlines);
    lm_tls_server_destroy(s->config.tls);
    free(s);
}

/* --- tables --- */

static lm_connection *find(const lm_streams *s, const lm_addr *remote, const lm_addr *local)
{
    lm_connection *c, key = {.ends = {.remote = *remote, .local = *local}};
    HASH_FIND(hh, s->connections, &key.ends, sizeof key.ends, c);
    return c;
}

static lm_stream_network *network_of(lm_streams *s, const lm_addr *addr)
{
    lm_stream_network *n;
    uint8_t network[LM_ADDR_NETWORK_LEN];
    lm_addr_network(addr, network);
    HASH_FIND(hh, s->networks, network, sizeof network, n);
    if (n != NULL || (n = calloc(1, sizeof *n)) == NULL)
        return n;
    memcpy(n->network, network, sizeof network);
    HASH_ADD(hh, s->networks, network, sizeof n->network, n);
    if (n->hh.tbl == NULL) {
        free(n);
        return NULL;
    }
    return n;
}

static void leave_network(lm_streams *s, lm_stream_network *n)
{
    if (n->connections > 0)
        return;
    HASH_DEL(s->networks, n);
    free(n);
}

/* Why a newcomer is not let in; LM_STREAM_END_COUNT: it is, and stands in the tables. */
static lm_stream_end enter(lm_streams *s, lm_connection *c)
{
    const lm_streams_limits *limits = &s->config.limits;
    lm_stream_end end = LM_STREAM_END_COUNT;
    if (s->stats.connections >= limits->connections)
        return LM_STREAM_END_limit;
    lm_stream_network *n = network_of(s, &c->ends.remote);
    if (n == NULL)
        return LM_STREAM_END_memory;
    if (limits->per_address > 0 && n->connections >= limits->per_address)
        end = LM_STREAM_END_address_limit;
    else if (lm_deadlines_set(&s->deadlines, &c->deadline, c->created + first_timeout(s)) != LM_OK)
        end = LM_STREAM_END_memory;
    if (end == LM_STREAM_END_COUNT) {
        HASH_ADD(hh, s->connections, ends, sizeof c->ends, c);
        if (c->hh.tbl == NULL) {
            lm_deadlines_remove(&s->deadlines, &c->deadline);
            end = LM_STREAM_END_memory;
        }
    }
    if (end == LM_STREAM_END_COUNT) {
        n->connections++;
        s->stats.connections++;
        c->in = true;
    }
    leave_network(s, n);
    return end;
}

static void leave(lm_streams *s, lm_connection *c)
{
    lm_stream_network *n;
    uint8_t network[LM_ADDR_NETWORK_LEN];
    if (!c->in)
        return;
    c->in = false;
    HASH_DEL(s->connections, c);
    lm_deadlines_remove(&s->deadlines, &c->deadline);
    lm_addr_network(&c->ends.remote, network);
    HASH_FIND(hh, s->networks, network, sizeof network, n);
    n->connections--;
    leave_network(s, n);
    s->stats.connections--;
}

/* --- the end of connections --- */

static void on_connection_closed(uv_handle_t *handle)
{
    lm_connection *c = handle->data;
    lm_streams *s = c->streams;
    free(c);
    release(s);
}

static void end(lm_streams *s, lm_connection *c)
{
    char text[LM_ADDR_STRLEN];
    LM_LOGD(s->config.log, "%s connection from %s (%s) ended: %s", s->transport == LM_TLS ? "TLS" : "TCP",
            lm_log_address(s->config.log, &c->ends.remote, text),
            lm_stream_framing_name((lm_stream_framing)c->stream.framing), lm_stream_end_name(c->end));
    s->stats.ended[c->end]++;
    leave(s, c);
    lm_connection_end(c, on_connection_closed);
}

/* Ends the connections that are doomed, and tells the core. */
static void reap(lm_streams *s)
{
    const lm_port_core *core = &s->config.core;
    while (s->doomed != NULL) {
        lm_connection *c = s->doomed;
        bool tell = c->talked && core->stream_closed != NULL;
        lm_addr remote = c->ends.remote, local = c->ends.local;
        s->doomed = c->next_doomed;
        end(s, c);
        if (!tell)
            continue;
        core->stream_closed(core->self, uv_now(s->loop), &remote, &local);
        s->config.flush(s->config.user);
    }
}

/* --- time --- */

static void arm(lm_streams *s)
{
    lm_ms now = uv_now(s->loop), at = lm_deadlines_next(&s->deadlines);
    if (s->listeners[0].pending || s->listeners[1].pending)
        at = lm_ms_min(at, now + MEMORY_RETRY);
    if (at == LM_MS_NEVER)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, at > now ? at - now : 0, 0);
}

/* Looks whether a connection may go on, and sets its next deadline. */
static void look_at(lm_streams *s, lm_connection *c, lm_ms now)
{
    const lm_port_core *core = &s->config.core;
    if (!c->talked || c->broken) {
        lm_connection_doom(c, c->broken ? LM_STREAM_END_error : LM_STREAM_END_no_datagram);
        return;
    }
    if (now >= c->heard + idle_timeout(s)) {
        lm_connection_doom(c, LM_STREAM_END_idle);
        return;
    }
    bool unused =
        core->stream_used != NULL && !core->stream_used(core->self, &c->ends.remote, &c->ends.local);
    if (unused && c->unused) {
        lm_connection_doom(c, LM_STREAM_END_unused);
        return;
    }
    c->unused = unused;
    lm_ms next = lm_ms_min(now + unused_interval(s), c->heard + idle_timeout(s));
    if (lm_deadlines_set(&s->deadlines, &c->deadline, next) != LM_OK)
        lm_connection_doom(c, LM_STREAM_END_memory);
}

static void accept_one(lm_stream_listener *listener);

static void on_timer(uv_timer_t *timer)
{
    lm_streams *s = timer->data;
    lm_ms now = uv_now(s->loop);
    for (lm_deadline *due; (due = lm_deadlines_pop(&s->deadlines, now)) != NULL;)
        look_at(s, due->owner, now);
    for (int i = 0; i < 2; i++)
        if (s->listeners[i].pending)
            accept_one(&s->listeners[i]);
    arm(s);
}

/* Between two turns: whoever is doomed ends, and handshakes have a new turn's time. */
static void on_prepare(uv_prepare_t *prepare)
{
    lm_streams *s = prepare->data;
    reap(s);
    s->handshake_ns = 0;
    for (int i = 0; i < ADMITTED_PER_TURN && s->waiting != NULL; i++)
        lm_connection_admit(s->waiting);
    if (s->waiting == NULL)
        uv_idle_stop(&s->idle);
}

/* --- accepting --- */

static int ends_of(lm_streams *s, lm_connection *c)
{
    struct sockaddr_storage remote, local;
    int remote_len = sizeof remote, local_len = sizeof local;
    if (uv_tcp_getpeername(&c->handle, (struct sockaddr *)&remote, &remote_len) != 0 ||
        uv_tcp_getsockname(&c->handle, (struct sockaddr *)&local, &local_len) != 0 ||
        lm_sockaddr_to_addr(&c->ends.remote, (struct sockaddr *)&remote) != LM_OK ||
        lm_sockaddr_to_addr(&c->ends.local, (struct sockaddr *)&local) != LM_OK)
        return LM_EIO; /* it has gone again */
    c->ends.remote.transport = c->ends.local.transport = (uint8_t)s->transport;
    return LM_OK;
}

static void warn_of_accept(lm_streams *s, const char *why)
{
    uint64_t more;
    s->stats.accept_errors++;
    if (lm_log_allow(&s->accept_limit, uv_now(s->loop), 60000, &more))
        LM_LOGW(s->config.log, "cannot accept connections on port %u: %s (%llu since the last such line)",
                (unsigned)s->port, why, (unsigned long long)more);
}

static void close_reset(lm_connection *c)
{
    if (uv_tcp_close_reset(&c->handle, on_connection_closed) != 0)
        uv_close((uv_handle_t *)&c->handle, on_connection_closed);
}

/* Takes in the one connection that libuv has accepted. */
static void accept_one(lm_stream_listener *listener)
{
    lm_streams *s = listener->streams;
    lm_connection *c = calloc(1, sizeof *c);
    listener->pending = c == NULL; /* until it is taken, libuv accepts no more */
    if (c == NULL) {
        warn_of_accept(s, "out of memory");
        arm(s);
        return;
    }
    c->streams = s;
    c->deadline.owner = c;
    c->created = c->heard = uv_now(s->loop);
    uv_tcp_init(s->loop, &c->handle);
    c->handle.data = c;
    s->handles++;
    if (uv_accept((uv_stream_t *)&listener->handle, (uv_stream_t *)&c->handle) != 0) {
        uv_close((uv_handle_t *)&c->handle, on_connection_closed);
        return;
    }
    s->stats.accepted++;
    c->end = ends_of(s, c) == LM_OK ? enter(s, c) : LM_STREAM_END_error;
    if (c->end != LM_STREAM_END_COUNT) {
        s->stats.ended[c->end]++;
        close_reset(c);
        return;
    }
    if (lm_connection_start(c) != LM_OK)
        lm_connection_doom(c, LM_STREAM_END_error);
    arm(s);
}

static void on_connection(uv_stream_t *server, int status)
{
    lm_stream_listener *listener = server->data;
    if (status < 0)
        warn_of_accept(listener->streams, uv_strerror(status));
    else
        accept_one(listener);
}

/* --- opening and closing --- */

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void on_listener_closed(uv_handle_t *handle)
{
    lm_stream_listener *listener = handle->data;
    release(listener->streams);
}

static void close_listeners(lm_streams *s)
{
    for (int i = 0; i < 2; i++) {
        if (s->listeners[i].used)
            uv_close((uv_handle_t *)&s->listeners[i].handle, on_listener_closed);
        s->listeners[i].used = false;
    }
}

/* A negative libuv error. */
static int open_listener(lm_streams *s, lm_stream_listener *listener, lm_family family)
{
    lm_addr any = {.family = (uint8_t)family, .port = s->port};
    struct sockaddr_storage name;
    int len = sizeof name;
    lm_sockaddr_from_addr(&name, &any);
    listener->streams = s;
    listener->handle.data = listener;
    int error = uv_tcp_init_ex(s->loop, &listener->handle, family == LM_AF_INET6 ? AF_INET6 : AF_INET);
    if (error != 0)
        return error;
    listener->used = true;
    s->handles++;
    error =
        uv_tcp_bind(&listener->handle, (struct sockaddr *)&name, family == LM_AF_INET6 ? UV_TCP_IPV6ONLY : 0);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&listener->handle, BACKLOG, on_connection);
    if (error == 0)
        error = uv_tcp_getsockname(&listener->handle, (struct sockaddr *)&name, &len);
    if (error == 0 && lm_sockaddr_to_addr(&any, (struct sockaddr *)&name) == LM_OK)
        s->port = any.port;
    return error;
}

static bool is_missing_family(int error)
{
    return error == UV_EAFNOSUPPORT || error == UV_EADDRNOTAVAIL || error == UV_EPROTONOSUPPORT;
}

/* Both families; one that the machine does not have is left out. A negative libuv error. */
static int open_listeners(lm_streams *s)
{
    static const lm_family families[2] = {LM_AF_INET, LM_AF_INET6};
    unsigned open = 0;
    int error = 0;
    for (int i = 0; i < 2 && (error == 0 || is_missing_family(error)); i++) {
        error = open_listener(s, &s->listeners[i], families[i]);
        open += error == 0;
    }
    return open > 0 && (error == 0 || is_missing_family(error)) ? 0 : error;
}

static lm_streams *create(uv_loop_t *loop, const lm_streams_config *config)
{
    lm_streams *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->config.tls = lm_tls_server_share(config->tls);
    s->loop = loop;
    s->port = config->port;
    s->transport = config->tls != NULL ? LM_TLS : LM_TCP;
    lm_streams_set_limits(s, &config->limits);
    uv_timer_init(loop, &s->timer);
    uv_prepare_init(loop, &s->prepare);
    uv_idle_init(loop, &s->idle);
    s->timer.data = s->prepare.data = s->idle.data = s;
    s->handles = 3;
    uv_prepare_start(&s->prepare, on_prepare);
    uv_unref((uv_handle_t *)&s->prepare);
    return s;
}

static void destroy(lm_streams *s)
{
    s->closing = true;
    close_listeners(s);
    uv_close((uv_handle_t *)&s->timer, on_closed);
    uv_close((uv_handle_t *)&s->prepare, on_closed);
    uv_close((uv_handle_t *)&s->idle, on_closed);
}

/*
 * Tries a port. A listener whose port is taken cannot be used again, so each choice has a new one of all.
 */
static int try_port(lm_streams **streams, uv_loop_t *loop, const lm_streams_config *config)
{
    lm_streams *s = create(loop, config);
    if (s == NULL)
        return UV_ENOMEM;
    int error = open_listeners(s);
    if (error != 0)
        destroy(s);
    else
        *streams = s;
    return error;
}

int lm_streams_open(lm_streams **streams, uv_loop_t *loop, const lm_streams_config *config,
                    lm_error_text *why)
{
    int error = UV_EADDRINUSE;
    for (int i = 0; i < (config->port == 0 ? CHOICES : 1) && error == UV_EADDRINUSE; i++)
        error = try_port(streams, loop, config);
    if (error == 0)
        return LM_OK;
    return lm_error_text_set(why, error == UV_ENOMEM ? LM_ENOMEM : LM_EIO, "cannot open %s port %u: %s",
                             config->tls != NULL ? "TLS" : "TCP", (unsigned)config->port, uv_strerror(error));
}

uint16_t lm_streams_port(const lm_streams *s)
{
    return s->port;
}

int lm_streams_send(lm_streams *s, const lm_addr *remote, const lm_addr *local, const uint8_t *data,
                    size_t len)
{
    lm_connection *c = find(s, remote, local);
    if (c != NULL)
        return lm_connection_send(c, data, len);
    s->stats.dropped_gone++;
    return LM_ENOTFOUND;
}

void lm_streams_set_limits(lm_streams *s, const lm_streams_limits *limits)
{
    s->config.limits = *limits;
    s->admission.rate = limits->tls_rate;
    s->admission.burst = limits->tls_burst;
}

void lm_streams_set_tls(lm_streams *s, lm_tls_server *tls)
{
    lm_tls_server *before = s->config.tls;
    s->config.tls = lm_tls_server_share(tls);
    lm_tls_server_destroy(before);
}

const lm_stream_stats *lm_streams_get_stats(const lm_streams *s)
{
    return &s->stats;
}

uint64_t lm_streams_memory(uint32_t connections, bool tls)
{
    uint64_t one = LM_STREAMS_CONNECTION_BYTES + (tls ? LM_TLS_CONNECTION_BYTES : 0);
    return sizeof(lm_streams) + LM_STREAMS_QUEUE_TOTAL + connections * one;
}

void lm_streams_close(lm_streams *s)
{
    lm_connection *c, *next;
    if (s == NULL || s->closing)
        return;
    s->doomed = NULL; /* all of them are in the table */
    HASH_ITER(hh, s->connections, c, next) {
        if (!c->doomed)
            c->end = LM_STREAM_END_stopped;
        end(s, c);
    }
    destroy(s);
}
