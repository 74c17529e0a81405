#include "mesh/mesh_uv.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "common/table.h"
#include "mesh/own_address_uv.h"

#define READ_SIZE 65536
#define ADDRESSES_MAX 8  /* of a name that are tried */
#define NEXT_ADDRESS 250 /* ms after which the next one is tried beside those before (RFC 8305 section 5) */
#define LINGER 5000      /* ms for the other side to end its half, once a link is to be closed */
#define LOG_INTERVAL 60000

typedef struct wire wire;

/* A link of the mesh; a dialled one has several wires until one of them is connected. */
typedef struct link_uv {
    lm_mesh_uv *owner;
    lm_link_id id;
    wire *open;             /* NULL: not connected yet */
    wire *tries;            /* being connected */
    struct addrinfo *found; /* what the name stands for */
    struct addrinfo *untried;
    struct resolving *resolving; /* NULL: done */
    lm_addr addr;                /* accepted links: who it is */
    bool accepted;
    lm_ms next_try; /* LM_MS_NEVER: none waits */
    UT_hash_handle hh;
} link_uv;

/* A TCP connection, or the attempt at one. */
struct wire {
    uv_tcp_t handle;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    lm_mesh_uv *owner;
    link_uv *link;     /* NULL: nobody's any more */
    lm_ms closes_at;   /* lingering: when it is closed at the latest */
    wire *prev, *next; /* link->tries; owner->lingering */
};

/* A lookup outlives the link that asked for it. */
struct resolving {
    uv_getaddrinfo_t request;
    lm_mesh_uv *owner;
    link_uv *link; /* NULL: it has ended */
};

/* Bytes on their way. */
typedef struct writing {
    uv_write_t request;
    lm_mesh_uv *owner;
    lm_link_id link;
    size_t len;
    uint8_t data[];
} writing;

struct lm_mesh_uv {
    lm_mesh_uv_config config;
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    uv_prepare_t prepare;
    bool listening;
    bool closing;
    unsigned handles; /* open ones and requests: the memory goes with the last */
    uint16_t port;
    link_uv *links;
    wire *lingering; /* the oldest first */
    unsigned lingering_count;
    lm_ms armed; /* what the timer is set to */
    lm_log_limit accept_limit;
    lm_mesh_uv_stats stats;
    char read[READ_SIZE];
};

static void on_timer(uv_timer_t *timer);
static void try_next(link_uv *link);

static lm_ms now_of(const lm_mesh_uv *m)
{
    return uv_now(m->loop);
}

static void release(lm_mesh_uv *m)
{
    if (--m->handles == 0)
        free(m);
}

static link_uv *find(const lm_mesh_uv *m, lm_link_id id)
{
    link_uv *link;
    HASH_FIND(hh, m->links, &id, sizeof id, link);
    return link;
}

/* --- the end of wires and links --- */

static void on_wire_closed(uv_handle_t *handle)
{
    wire *w = handle->data;
    lm_mesh_uv *m = w->owner;
    free(w);
    release(m);
}

static void close_wire(wire *w)
{
    w->link = NULL;
    if (!uv_is_closing((uv_handle_t *)&w->handle))
        uv_close((uv_handle_t *)&w->handle, on_wire_closed);
}

static void stop_lingering(wire *w)
{
    if (w->closes_at == LM_MS_NEVER)
        return;
    w->closes_at = LM_MS_NEVER;
    DL_DELETE(w->owner->lingering, w);
    w->owner->lingering_count--;
    close_wire(w);
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
    if (status != 0)
        stop_lingering(request->handle->data);
}

/*
 * Ends our half of it, and closes it when the other side has ended its own, or after a while. What comes
 * until then is read and dropped: bytes that come to a closed socket are answered by a reset, which can
 * overtake what was sent last.
 */
static void linger(wire *w)
{
    lm_mesh_uv *m = w->owner;
    w->link = NULL;
    if (m->closing || uv_shutdown(&w->shutdown, (uv_stream_t *)&w->handle, on_shut_down) != 0) {
        close_wire(w);
        return;
    }
    w->closes_at = now_of(m) + LINGER;
    DL_APPEND(m->lingering, w);
    if (++m->lingering_count > LM_MESH_LINGERING_MAX)
        stop_lingering(m->lingering);
}

static void free_link(link_uv *link)
{
    lm_mesh_uv *m = link->owner;
    while (link->tries != NULL) {
        wire *w = link->tries;
        DL_DELETE(link->tries, w);
        close_wire(w);
    }
    if (link->resolving != NULL) {
        link->resolving->link = NULL;
        uv_cancel((uv_req_t *)&link->resolving->request);
    }
    if (link->found != NULL)
        uv_freeaddrinfo(link->found);
    HASH_DEL(m->links, link);
    free(link);
}

/* A link has ended by itself. */
static void lose(link_uv *link)
{
    lm_mesh_uv *m = link->owner;
    lm_link_id id = link->id;
    if (link->open != NULL)
        close_wire(link->open);
    free_link(link);
    lm_mesh_closed(m->config.mesh, now_of(m), id);
}

/* --- bytes --- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    wire *w = handle->data;
    (void)suggested;
    *buf = uv_buf_init(w->owner->read, READ_SIZE);
}

static void drain(lm_mesh_uv *m);

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    wire *w = stream->data;
    lm_mesh_uv *m = w->owner;
    if (w->link == NULL && len < 0)
        stop_lingering(w);
    if (w->link == NULL || len == 0)
        return;
    if (len < 0)
        lose(w->link);
    else
        lm_mesh_input(m->config.mesh, now_of(m), w->link->id, buf->base, (size_t)len);
    drain(m);
}

static void on_written(uv_write_t *request, int status)
{
    writing *done = request->data;
    lm_mesh_uv *m = done->owner;
    if (status == 0 && !m->closing) /* otherwise reading says what has become of it */
        lm_mesh_sent(m->config.mesh, now_of(m), done->link, done->len);
    free(done);
    release(m);
}

/* Writes what the socket takes at once, and has libuv write the rest. */
static void send_bytes(lm_mesh_uv *m, const lm_mesh_output *out)
{
    link_uv *link = find(m, out->link);
    wire *w = link != NULL ? link->open : NULL;
    size_t len = out->bytes.len, done = 0;
    if (w == NULL)
        return;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)out->bytes.data, (unsigned)len);
    int taken = uv_try_write((uv_stream_t *)&w->handle, &buf, 1);
    if (taken > 0) {
        done = (size_t)taken;
        lm_mesh_sent(m->config.mesh, now_of(m), out->link, done);
    }
    if (done == len)
        return;
    writing *rest = malloc(sizeof *rest + len - done);
    if (rest == NULL) { /* a stream with a hole is of no use */
        lose(link);
        return;
    }
    rest->owner = m;
    rest->link = out->link;
    rest->len = len - done;
    rest->request.data = rest;
    memcpy(rest->data, out->bytes.data + done, rest->len);
    buf = uv_buf_init((char *)rest->data, (unsigned)rest->len);
    m->handles++;
    if (uv_write(&rest->request, (uv_stream_t *)&w->handle, &buf, 1, on_written) != 0) {
        m->handles--;
        free(rest);
        lose(link);
    }
}

static int start(wire *w)
{
    uv_tcp_nodelay(&w->handle, 1);
    return uv_read_start((uv_stream_t *)&w->handle, give_buffer, on_read);
}

static wire *new_wire(lm_mesh_uv *m)
{
    wire *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->owner = m;
    w->closes_at = LM_MS_NEVER;
    uv_tcp_init(m->loop, &w->handle);
    w->handle.data = w;
    m->handles++;
    return w;
}

static link_uv *new_link(lm_mesh_uv *m, lm_link_id id)
{
    link_uv *link = calloc(1, sizeof *link);
    if (link == NULL)
        return NULL;
    link->owner = m;
    link->id = id;
    link->next_try = LM_MS_NEVER;
    HASH_ADD(hh, m->links, id, sizeof link->id, link);
    if (link->hh.tbl == NULL) {
        free(link);
        return NULL;
    }
    return link;
}

/* --- dialling --- */

static void on_connected(uv_connect_t *request, int status)
{
    wire *w = request->handle->data;
    lm_mesh_uv *m = w->owner;
    link_uv *link = w->link;
    struct sockaddr_storage name;
    int len = sizeof name;
    lm_addr to = {.family = LM_AF_NONE};
    if (link == NULL) /* another one was faster, or the link has ended */
        return;
    DL_DELETE(link->tries, w);
    if (status == 0 && (uv_tcp_getpeername(&w->handle, (struct sockaddr *)&name, &len) != 0 ||
                        lm_sockaddr_to_addr(&to, (struct sockaddr *)&name) != LM_OK || start(w) != 0))
        status = UV_EIO;
    if (status != 0) {
        close_wire(w);
        try_next(link);
        drain(m);
        return;
    }
    link->open = w;
    link->next_try = LM_MS_NEVER;
    while (link->tries != NULL) {
        wire *slower = link->tries;
        DL_DELETE(link->tries, slower);
        close_wire(slower);
    }
    lm_mesh_connected(m->config.mesh, now_of(m), link->id, &to);
    drain(m);
}

/*
 * Of the addresses of a mesh's name the system gives this node's own first, as the nearest. Behind it are the
 * nodes that the name was given for.
 */
static bool is_passed_over(const link_uv *link, const struct addrinfo *info)
{
    const lm_mesh_uv *m = link->owner;
    return link->found->ai_next != NULL && lm_own_address(&m->config.listen, m->port, info->ai_addr);
}

/* Tries the next address; without one, and without others that are being tried, the link has failed. */
static void try_next(link_uv *link)
{
    lm_mesh_uv *m = link->owner;
    link->next_try = LM_MS_NEVER;
    while (link->untried != NULL) {
        const struct addrinfo *info = link->untried;
        link->untried = info->ai_next;
        if (is_passed_over(link, info))
            continue;
        wire *w = new_wire(m);
        if (w == NULL)
            break;
        w->link = link;
        if (uv_tcp_connect(&w->connect, &w->handle, info->ai_addr, on_connected) != 0) {
            close_wire(w); /* no way there, or no file descriptor left */
            continue;
        }
        DL_APPEND(link->tries, w);
        if (link->untried != NULL)
            link->next_try = now_of(m) + NEXT_ADDRESS;
        return;
    }
    if (link->tries == NULL)
        lose(link);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolving *r = request->data;
    lm_mesh_uv *m = r->owner;
    link_uv *link = r->link;
    free(r);
    if (link == NULL) {
        uv_freeaddrinfo(found);
    } else {
        link->resolving = NULL;
        if (status == 0) {
            struct addrinfo *last = found;
            for (int i = 1; i < ADDRESSES_MAX && last->ai_next != NULL; i++)
                last = last->ai_next;
            if (last->ai_next != NULL) {
                uv_freeaddrinfo(last->ai_next);
                last->ai_next = NULL;
            }
            link->found = link->untried = found;
        }
        try_next(link);
        drain(m);
    }
    release(m);
}

/* "host:port" or "[address]:port" in its two parts. */
static bool split(const char *text, char host[LM_MESH_HOST_PORT_MAX], char port[8])
{
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len == 0 || len >= LM_MESH_HOST_PORT_MAX || strlen(colon + 1) >= 8)
        return false;
    if (text[0] == '[' && text[len - 1] == ']' && len > 2) {
        text++;
        len -= 2;
    }
    memcpy(host, text, len);
    host[len] = '\0';
    strcpy(port, colon + 1);
    return true;
}

static void dial(lm_mesh_uv *m, lm_link_id id, const char *host_port)
{
    static const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char host[LM_MESH_HOST_PORT_MAX], port[8];
    link_uv *link = new_link(m, id);
    struct resolving *r = link != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        if (link != NULL)
            free_link(link);
        lm_mesh_closed(m->config.mesh, now_of(m), id);
        return;
    }
    r->owner = m;
    r->link = link;
    r->request.data = r;
    link->resolving = r;
    m->handles++;
    if (split(host_port, host, port) &&
        uv_getaddrinfo(m->loop, &r->request, on_resolved, host, port, &hints) == 0)
        return;
    m->handles--;
    link->resolving = NULL;
    free(r);
    lose(link);
}

/* --- what the mesh says --- */

static void hang_up(lm_mesh_uv *m, lm_link_id id)
{
    link_uv *link = find(m, id);
    if (link == NULL)
        return;
    wire *w = link->open;
    link->open = NULL;
    free_link(link);
    if (w != NULL)
        linger(w);
}

/* Sets the timer to whatever comes first. */
static void arm(lm_mesh_uv *m)
{
    lm_ms now = now_of(m), at = lm_mesh_next_timeout(m->config.mesh);
    const link_uv *link;
    const wire *w;
    for (link = m->links; link != NULL; link = link->hh.next)
        at = lm_ms_min(at, link->next_try);
    DL_FOREACH(m->lingering, w)
    {
        at = lm_ms_min(at, w->closes_at);
    }
    if (at == m->armed && uv_is_active((uv_handle_t *)&m->timer))
        return;
    m->armed = at;
    if (at == LM_MS_NEVER)
        uv_timer_stop(&m->timer);
    else
        uv_timer_start(&m->timer, on_timer, at > now ? at - now : 0, 0);
}

static void drain(lm_mesh_uv *m)
{
    lm_mesh_output out;
    bool told = false;
    while (!m->closing && lm_mesh_poll(m->config.mesh, now_of(m), &out) == 1) {
        switch (out.kind) {
        case LM_MESH_CONNECT:
            dial(m, out.link, out.host_port);
            break;
        case LM_MESH_SEND:
            send_bytes(m, &out);
            break;
        case LM_MESH_CLOSE:
            hang_up(m, out.link);
            break;
        default:
            told = true;
            m->config.tell(m->config.ctx, now_of(m), &out);
            break;
        }
    }
    if (told)
        m->config.flush(m->config.ctx);
}

/* The relay may have changed the mesh in this turn of the loop: before it waits, all is sent. */
static void on_prepare(uv_prepare_t *prepare)
{
    lm_mesh_uv *m = prepare->data;
    drain(m);
    arm(m);
}

static void on_timer(uv_timer_t *timer)
{
    lm_mesh_uv *m = timer->data;
    lm_ms now = now_of(m);
    link_uv *link, *next;
    wire *w, *next_wire;
    m->armed = LM_MS_NEVER;
    HASH_ITER(hh, m->links, link, next) {
        if (link->next_try <= now)
            try_next(link);
    }
    DL_FOREACH_SAFE(m->lingering, w, next_wire) {
        if (w->closes_at <= now)
            stop_lingering(w);
    }
    if (lm_mesh_next_timeout(m->config.mesh) <= now)
        lm_mesh_timeout(m->config.mesh, now);
    drain(m);
}

/* --- accepting --- */

/* Accepted links whose address is in the same network. */
static unsigned count_from(const lm_mesh_uv *m, const lm_addr *from)
{
    uint8_t network[LM_ADDR_NETWORK_LEN], other[LM_ADDR_NETWORK_LEN];
    unsigned count = 0;
    lm_addr_network(from, network);
    for (const link_uv *link = m->links; link != NULL; link = link->hh.next) {
        if (!link->accepted)
            continue;
        lm_addr_network(&link->addr, other);
        count += memcmp(network, other, sizeof network) == 0;
    }
    return count;
}

/* Makes a link of a connection, or says that there is no place for it. */
static int enter(lm_mesh_uv *m, wire *w)
{
    struct sockaddr_storage name;
    int len = sizeof name;
    lm_addr from;
    lm_link_id id;
    if (uv_tcp_getpeername(&w->handle, (struct sockaddr *)&name, &len) != 0 ||
        lm_sockaddr_to_addr(&from, (struct sockaddr *)&name) != LM_OK)
        return LM_EIO; /* it has gone again */
    if (count_from(m, &from) >= LM_MESH_PER_ADDRESS)
        return LM_ELIMIT;
    int result = lm_mesh_accepted(m->config.mesh, now_of(m), &from, &id);
    if (result != LM_OK)
        return result;
    link_uv *link = new_link(m, id);
    if (link == NULL || start(w) != 0) {
        if (link != NULL)
            free_link(link);
        lm_mesh_closed(m->config.mesh, now_of(m), id);
        return LM_EIO;
    }
    link->accepted = true;
    link->addr = from;
    link->open = w;
    w->link = link;
    return LM_OK;
}

static void on_connection(uv_stream_t *server, int status)
{
    lm_mesh_uv *m = server->data;
    wire *w = status == 0 ? new_wire(m) : NULL;
    uint64_t more;
    if (w == NULL) {
        m->stats.accept_errors++;
        if (lm_log_allow(&m->accept_limit, now_of(m), LOG_INTERVAL, &more))
            LM_LOGW(m->config.log, "mesh: cannot accept links: %s (%llu since the last such line)",
                    status != 0 ? uv_strerror(status) : "out of memory", (unsigned long long)more);
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&w->handle) != 0) {
        close_wire(w);
        return;
    }
    m->stats.accepted++;
    if (enter(m, w) != LM_OK) {
        m->stats.refused++;
        close_wire(w);
    }
    drain(m);
}

/* --- opening and closing --- */

static int listen_on(lm_mesh_uv *m, const lm_addr *addr)
{
    struct sockaddr_storage name;
    lm_addr bound;
    int len = sizeof name;
    lm_sockaddr_from_addr(&name, addr);
    int error = uv_tcp_init(m->loop, &m->listener);
    if (error != 0)
        return error;
    m->listener.data = m;
    m->listening = true;
    m->handles++;
    error = uv_tcp_bind(&m->listener, (struct sockaddr *)&name, 0); /* [::] takes IPv4, too */
    if (error == 0)
        error = uv_listen((uv_stream_t *)&m->listener, LM_MESH_BACKLOG, on_connection);
    if (error == 0)
        error = uv_tcp_getsockname(&m->listener, (struct sockaddr *)&name, &len);
    if (error == 0 && lm_sockaddr_to_addr(&bound, (struct sockaddr *)&name) == LM_OK)
        m->port = bound.port;
    return error;
}

int lm_mesh_uv_open(lm_mesh_uv **out, uv_loop_t *loop, const lm_mesh_uv_config *config, lm_error_text *why)
{
    char text[LM_ADDR_STRLEN];
    lm_mesh_uv *m = calloc(1, sizeof *m);
    if (m == NULL)
        return lm_error_text_set(why, LM_ENOMEM, "out of memory");
    m->config = *config;
    m->loop = loop;
    m->armed = LM_MS_NEVER;
    uv_timer_init(loop, &m->timer);
    uv_prepare_init(loop, &m->prepare);
    m->timer.data = m->prepare.data = m;
    m->handles = 2;
    int error = config->listen.family != LM_AF_NONE ? listen_on(m, &config->listen) : 0;
    if (error != 0) {
        lm_mesh_uv_close(m);
        return lm_error_text_set(why, LM_EIO, "cannot open MESH_LISTEN %s: %s",
                                 lm_addr_format(&config->listen, text), uv_strerror(error));
    }
    uv_prepare_start(&m->prepare, on_prepare);
    uv_unref((uv_handle_t *)&m->prepare);
    *out = m;
    return LM_OK;
}

uint16_t lm_mesh_uv_port(const lm_mesh_uv *m)
{
    return m->port;
}

const lm_mesh_uv_stats *lm_mesh_uv_get_stats(const lm_mesh_uv *m)
{
    return &m->stats;
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

void lm_mesh_uv_close(lm_mesh_uv *m)
{
    link_uv *link, *next;
    wire *w, *next_wire;
    if (m == NULL || m->closing)
        return;
    if (uv_is_active((uv_handle_t *)&m->prepare)) /* it has begun */
        drain(m);
    m->closing = true;
    HASH_ITER(hh, m->links, link, next) {
        if (link->open != NULL)
            close_wire(link->open);
        free_link(link);
    }
    DL_FOREACH_SAFE(m->lingering, w, next_wire) {
        stop_lingering(w);
    }
    if (m->listening)
        uv_close((uv_handle_t *)&m->listener, on_closed);
    uv_close((uv_handle_t *)&m->timer, on_closed);
    uv_close((uv_handle_t *)&m->prepare, on_closed);
}
