#include "webrtc/connection_uv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "common/error.h"

/*
 * Bytes that the kernel takes beyond what is on its way, so that what waits is mostly here, where it is
 * bounded and where datagrams can be dropped before they are old.
 */
#define UNSENT_MAX (64 * 1024)

/* Seconds of silence after which the kernel looks whether the other side is still there. */
#define KEEPALIVE 60

typedef struct pending_write {
    uv_write_t request;
    size_t cost;
    uint8_t bytes[];
} pending_write;

void lm_connection_doom(lm_connection *c, lm_stream_end end)
{
    if (c->doomed)
        return;
    c->doomed = true;
    c->end = end;
    c->next_doomed = c->streams->doomed;
    c->streams->doomed = c;
    uv_read_stop((uv_stream_t *)&c->handle);
}

/* --- writing --- */

static void on_written(uv_write_t *request, int status)
{
    pending_write *w = (pending_write *)request;
    lm_connection *c = request->data;
    c->queued -= w->cost;
    c->streams->stats.queued_bytes -= w->cost;
    free(w);
    if (status < 0 && status != UV_ECANCELED)
        c->broken = true;
}

/* Queues what the kernel has not taken: all but the first `taken` bytes of the two. */
static void queue(lm_connection *c, const uv_buf_t bufs[2], size_t taken)
{
    size_t len = bufs[0].len + bufs[1].len - taken, at = 0;
    pending_write *w = malloc(sizeof *w + len);
    if (w == NULL) {
        lm_connection_doom(c, LM_STREAM_END_memory);
        return;
    }
    for (int i = 0; i < 2; i++) {
        size_t skip = taken < bufs[i].len ? taken : bufs[i].len;
        if (bufs[i].len > skip)
            memcpy(w->bytes + at, bufs[i].base + skip, bufs[i].len - skip);
        at += bufs[i].len - skip;
        taken -= skip;
    }
    w->cost = sizeof *w + len;
    w->request.data = c;
    uv_buf_t buf = uv_buf_init((char *)w->bytes, (unsigned)len);
    if (uv_write(&w->request, (uv_stream_t *)&c->handle, &buf, 1, on_written) != 0) {
        free(w);
        c->broken = true;
        return;
    }
    c->queued += w->cost;
    c->streams->stats.queued_bytes += w->cost;
}

/*
 * Writes bytes behind each other, at once as far as the kernel takes them; none may be left out. An error is
 * no reason to end: the other side's last words may still be there to be read, and behind them the end.
 */
static void put(lm_connection *c, const uint8_t *head, size_t head_len, const uint8_t *data, size_t len)
{
    const uv_buf_t bufs[2] = {{.base = (char *)(uintptr_t)head, .len = head_len},
                              {.base = (char *)(uintptr_t)data, .len = len}};
    size_t taken = 0;
    if (c->broken || (c->doomed && !c->last_words))
        return;
    if (c->queued == 0) {
        int n = uv_try_write((uv_stream_t *)&c->handle, bufs, 2);
        if (n < 0 && n != UV_EAGAIN) {
            c->broken = true;
            return;
        }
        taken = n > 0 ? (size_t)n : 0;
    }
    if (taken < head_len + len)
        queue(c, bufs, taken);
}

static void on_tls_output(void *user, const uint8_t *data, size_t len)
{
    put(user, NULL, 0, data, len);
}

static int put_record(lm_connection *c, const uint8_t *prefix, size_t prefix_len, const uint8_t *data,
                      size_t len)
{
    uint8_t *record = c->streams->record;
    if (len > LM_TLS_PLAINTEXT_MAX - prefix_len)
        return LM_ETOOBIG;
    if (prefix_len > 0) {
        memcpy(record, prefix, prefix_len);
        memcpy(record + prefix_len, data, len);
        data = record;
    }
    if (lm_tls_write(c->tls, data, prefix_len + len) == LM_OK)
        return LM_OK;
    lm_connection_doom(c, LM_STREAM_END_tls_failed);
    return LM_ENOTFOUND;
}

/* True when one more datagram may wait. */
static bool has_room(const lm_connection *c, size_t len)
{
    size_t cost = sizeof(pending_write) + LM_STREAM_PREFIX_MAX + LM_TLS_RECORD_OVERHEAD + len;
    return c->queued == 0 || (c->queued + cost <= LM_STREAMS_QUEUE_MAX &&
                              c->streams->stats.queued_bytes + cost <= LM_STREAMS_QUEUE_TOTAL);
}

int lm_connection_send(lm_connection *c, const uint8_t *data, size_t len)
{
    lm_stream_stats *stats = &c->streams->stats;
    uint8_t prefix[LM_STREAM_PREFIX_MAX];
    int result = LM_OK, prefix_len = lm_stream_write_prefix(&c->stream, len, prefix);
    if (c->doomed || c->broken) {
        stats->dropped_gone++;
        return LM_ENOTFOUND;
    }
    if (prefix_len < 0 || !has_room(c, len)) {
        stats->dropped_full++;
        if (prefix_len >= 0 && c->stream.framing == LM_STREAM_ICE)
            lm_connection_doom(c, LM_STREAM_END_slow);
        return prefix_len < 0 ? LM_ETOOBIG : LM_ELIMIT;
    }
    if (c->tls != NULL)
        result = put_record(c, prefix, (size_t)prefix_len, data, len);
    else
        put(c, prefix, (size_t)prefix_len, data, len);
    if (result == LM_ETOOBIG)
        stats->dropped_full++;
    if (result != LM_OK)
        return result;
    c->heard = uv_now(c->streams->loop);
    stats->datagrams_out++;
    stats->bytes_out += len;
    return LM_OK;
}

/* --- reading --- */

static void take_datagram(lm_connection *c, uint8_t *data, size_t len)
{
    lm_streams *s = c->streams;
    const lm_port_core *core = &s->config.core;
    lm_ms now = uv_now(s->loop);
    s->stats.datagrams_in++;
    s->stats.bytes_in += len;
    c->talked = true;
    c->heard = now;
    if (c->stream.framing == LM_STREAM_TURN && core->relay != NULL) {
        lm_packet packet = {.remote = c->ends.remote, .local = c->ends.local, .data = data, .len = len};
        int result = core->relay(core->self, now, &packet);
        if (result == 1)
            s->config.send(s->config.user, &packet);
        if (result != LM_EAGAIN)
            return;
    }
    const lm_dgram d = {.remote = c->ends.remote, .local = c->ends.local, .data = data, .len = len};
    core->input(core->self, now, &d);
}

/* The stream has so many new bytes in the buffer. */
static void take_bytes(lm_connection *c, size_t len)
{
    lm_streams *s = c->streams;
    lm_stream_framing before = (lm_stream_framing)c->stream.framing;
    uint8_t *data;
    size_t data_len;
    int result = 0;
    lm_stream_input(&s->buffer, len);
    while (!c->doomed && (result = lm_stream_next(&s->buffer, &data, &data_len)) == 1)
        take_datagram(c, data, data_len);
    if (result < 0)
        lm_connection_doom(c, result == LM_ETOOBIG  ? LM_STREAM_END_too_big
                              : result == LM_ENOMEM ? LM_STREAM_END_memory
                                                    : LM_STREAM_END_framing);
    s->stats.connections_turn += before == LM_STREAM_UNKNOWN && c->stream.framing == LM_STREAM_TURN;
    s->stats.connections_ice += before == LM_STREAM_UNKNOWN && c->stream.framing == LM_STREAM_ICE;
}

static bool start_tls(lm_connection *c)
{
    lm_streams *s = c->streams;
    if (!lm_admission_take(&s->admission, uv_now(s->loop), &c->ends.remote))
        lm_connection_doom(c, LM_STREAM_END_tls_rate);
    else if (lm_tls_create(&c->tls, s->config.tls, on_tls_output, c) != LM_OK)
        lm_connection_doom(c, LM_STREAM_END_memory);
    return c->tls != NULL;
}

static void take_ciphertext(lm_connection *c, const uint8_t *data, size_t len)
{
    lm_streams *s = c->streams;
    if (c->tls == NULL && !start_tls(c))
        return;
    bool handshake = lm_tls_get_state(c->tls) == LM_TLS_HANDSHAKING;
    uint64_t start = handshake ? uv_hrtime() : 0;
    lm_tls_input(c->tls, data, len);
    if (handshake)
        s->handshake_ns += uv_hrtime() - start;
    s->stats.tls_handshakes += handshake && lm_tls_get_state(c->tls) == LM_TLS_CONNECTED;
    while (!c->doomed) {
        uint8_t *room = lm_stream_begin(&s->buffer, &c->stream);
        int n = lm_tls_read(c->tls, room, LM_STREAM_READ);
        if (n == 0)
            return;
        if (n > 0)
            take_bytes(c, (size_t)n);
        else
            lm_connection_doom(c, lm_tls_get_state(c->tls) == LM_TLS_CLOSED ? LM_STREAM_END_peer
                                                                            : LM_STREAM_END_tls_failed);
    }
}

/* True when the next bytes are of a handshake that has to wait for a later turn. */
static bool must_wait(lm_connection *c)
{
    lm_streams *s = c->streams;
    if (s->config.tls == NULL || (c->tls != NULL && lm_tls_get_state(c->tls) != LM_TLS_HANDSHAKING))
        return false;
    return s->handshake_ns > LM_STREAMS_HANDSHAKE_BUDGET * 1000 || (s->waiting != NULL && !c->admitted);
}

/* Gives the place where the next bytes go; none means that nothing is to be read now. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    lm_connection *c = handle->data;
    lm_streams *s = c->streams;
    (void)suggested;
    *buf = uv_buf_init(NULL, 0);
    if (c->doomed || must_wait(c))
        return;
    *buf = uv_buf_init(s->config.tls != NULL ? (char *)s->ciphertext
                                             : (char *)lm_stream_begin(&s->buffer, &c->stream),
                       LM_STREAM_READ);
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf);

static void wait_for_turn(lm_connection *c)
{
    lm_streams *s = c->streams;
    uv_read_stop((uv_stream_t *)&c->handle);
    s->stats.tls_waits++;
    c->waiting = true;
    if (c->admitted) /* its turn was the last that there was time for: the first one in the next */
        DL_PREPEND(s->waiting, c);
    else
        DL_APPEND(s->waiting, c);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

void lm_connection_admit(lm_connection *c)
{
    DL_DELETE(c->streams->waiting, c);
    c->waiting = false;
    c->admitted = true;
    if (uv_read_start((uv_stream_t *)&c->handle, on_alloc, on_read) != 0)
        lm_connection_doom(c, LM_STREAM_END_error);
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    lm_connection *c = handle->data;
    lm_streams *s = c->streams;
    if (c->doomed)
        return;
    if (n == UV_ENOBUFS) {
        wait_for_turn(c);
        uv_idle_start(&s->idle, on_idle);
        return;
    }
    if (n < 0) {
        lm_connection_doom(c, n == UV_EOF && !c->broken ? LM_STREAM_END_peer : LM_STREAM_END_error);
        return;
    }
    if (n == 0)
        return;
    c->admitted = false;
    if (s->config.tls != NULL)
        take_ciphertext(c, (const uint8_t *)buf->base, (size_t)n);
    else
        take_bytes(c, (size_t)n);
    s->config.flush(s->config.user);
}

/* --- beginning and end --- */

int lm_connection_start(lm_connection *c)
{
    const int unsent = UNSENT_MAX;
    uv_os_fd_t fd;
    uv_tcp_nodelay(&c->handle, 1);
    uv_tcp_keepalive(&c->handle, 1, KEEPALIVE);
    if (uv_fileno((uv_handle_t *)&c->handle, &fd) == 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    return uv_read_start((uv_stream_t *)&c->handle, on_alloc, on_read) == 0 ? LM_OK : LM_EIO;
}

void lm_connection_end(lm_connection *c, uv_close_cb closed)
{
    lm_streams *s = c->streams;
    if (c->waiting)
        DL_DELETE(s->waiting, c);
    c->waiting = false;
    c->doomed = true;
    c->last_words = true;
    if (c->tls != NULL && c->end != LM_STREAM_END_error)
        lm_tls_close(c->tls);
    lm_tls_destroy(c->tls);
    c->tls = NULL;
    s->stats.connections_turn -= c->stream.framing == LM_STREAM_TURN;
    s->stats.connections_ice -= c->stream.framing == LM_STREAM_ICE;
    lm_stream_clear(&c->stream);
    uv_close((uv_handle_t *)&c->handle, closed);
}
