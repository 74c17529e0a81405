#include "relay/health_uv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "relay/http.h"

#define READ_SIZE 4096
#define BACKLOG 64

typedef struct connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    int handles; /* of the two above, not closed yet */
    struct lm_health *health;
    struct connection *next, **link; /* in health->connections */
    lm_http_parser parser;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char *answer;  /* owned until the connection ends */
    bool answered; /* it has been written */
    bool eof;      /* the client has shut its side */
} connection;

struct lm_health {
    uv_tcp_t tcp;
    uv_loop_t *loop;
    lm_health_config config;
    connection *connections;
    size_t len;
    bool closed;              /* the listener; the struct goes with the last connection */
    char read_buf[READ_SIZE]; /* one for all, as each read is used up at once */
};

static uint64_t unix_ms(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_usec / 1000;
}

static void free_if_unused(lm_health *health)
{
    if (health->closed && health->connections == NULL)
        free(health);
}

static void on_connection_handle_closed(uv_handle_t *handle)
{
    connection *c = handle->data;
    lm_health *health = c->health;
    if (--c->handles > 0)
        return;
    if (c->next != NULL)
        c->next->link = c->link;
    *c->link = c->next;
    health->len--;
    free(c->answer);
    free(c);
    free_if_unused(health);
}

static void end_connection(connection *c)
{
    if (uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    uv_close((uv_handle_t *)&c->tcp, on_connection_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_connection_handle_closed);
}

static void on_timeout(uv_timer_t *timer)
{
    end_connection(timer->data);
}

/*
 * The answer is out. Our side is shut, and the client's is read to its end: a close with bytes unread would
 * make the system send a reset, which can overtake the answer.
 */
static void on_written(uv_write_t *write, int status)
{
    connection *c = write->data;
    c->answered = true;
    if (status < 0 || c->eof || uv_is_closing((uv_handle_t *)&c->tcp) ||
        uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, NULL) != 0)
        end_connection(c);
}

static void respond(connection *c, const lm_http_request *request)
{
    char head[LM_HTTP_HEAD_MAX];
    size_t head_len;
    lm_http_response response;
    uint64_t now = unix_ms();
    lm_pages_get(c->health->config.pages, request, now, &response);
    size_t body_len = request->head ? 0 : response.body_len;
    if (lm_http_write_head(head, sizeof head, &head_len, &response, now) != LM_OK ||
        (c->answer = malloc(head_len + body_len)) == NULL) {
        end_connection(c);
        return;
    }
    memcpy(c->answer, head, head_len);
    if (body_len > 0)
        memcpy(c->answer + head_len, response.body, body_len);
    uv_buf_t buf = uv_buf_init(c->answer, (unsigned)(head_len + body_len));
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
        end_connection(c);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    connection *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(c->health->read_buf, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    connection *c = stream->data;
    lm_http_request request;
    if (n < 0) {
        /* A client that has shut its side, but waits for its answer, still gets it. */
        c->eof = true;
        if (n == UV_EOF && c->parser.done && !c->answered)
            uv_read_stop(stream);
        else
            end_connection(c);
        return;
    }
    if (n > 0 && lm_http_parser_input(&c->parser, buf->base, (size_t)n, &request) == 1)
        respond(c, &request);
}

static void on_connection(uv_stream_t *listener, int status)
{
    lm_health *health = listener->data;
    if (status < 0) {
        LM_LOGD(health->config.log, "health listener: %s", uv_strerror(status));
        return;
    }
    connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return; /* libuv keeps it, and the listener waits */
    uv_tcp_init(health->loop, &c->tcp);
    uv_timer_init(health->loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->handles = 2;
    c->health = health;
    c->next = health->connections;
    c->link = &health->connections;
    if (c->next != NULL)
        c->next->link = &c->next;
    health->connections = c;
    health->len++;
    uint64_t timeout = health->config.timeout_ms != 0 ? health->config.timeout_ms : LM_HEALTH_TIMEOUT_MS;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 || health->len > LM_HEALTH_CONNECTIONS_MAX ||
        uv_timer_start(&c->timer, on_timeout, timeout, 0) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
        end_connection(c);
}

static void on_listener_closed(uv_handle_t *handle)
{
    lm_health *health = handle->data;
    health->closed = true;
    free_if_unused(health);
}

int lm_health_start(lm_health **health, uv_loop_t *loop, const lm_health_config *config, lm_error_text *error)
{
    char text[LM_ADDR_STRLEN];
    struct sockaddr_storage addr;
    lm_health *h = calloc(1, sizeof *h);
    if (h == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "HEALTH_LISTEN: out of memory");
    h->loop = loop;
    h->config = *config;
    uv_tcp_init(loop, &h->tcp);
    h->tcp.data = h;
    lm_sockaddr_from_addr(&addr, &config->listen);
    lm_addr_format(&config->listen, text);
    int result = uv_tcp_bind(&h->tcp, (const struct sockaddr *)&addr, 0);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&h->tcp, BACKLOG, on_connection);
    if (result != 0) {
        uv_close((uv_handle_t *)&h->tcp, on_listener_closed);
        const char *advice = result == UV_EADDRINUSE      ? ": stop what uses this port, or choose another"
                             : result == UV_EADDRNOTAVAIL ? ": this machine does not have the address"
                             : result == UV_EACCES        ? ": ports below 1024 need privileges"
                                                          : "";
        return lm_error_text_set(error, LM_EIO, "HEALTH_LISTEN: cannot listen on %s: %s%s", text,
                                 uv_strerror(result), advice);
    }
    if (!lm_addr_is_loopback(&config->listen) && !lm_addr_is_private(&config->listen))
        LM_LOGW(config->log,
                "HEALTH_LISTEN is %s, which strangers may reach: it is meant for this machine or a private "
                "network",
                text);
    *health = h;
    return LM_OK;
}

void lm_health_stop(lm_health *health)
{
    if (health == NULL)
        return;
    for (connection *c = health->connections; c != NULL; c = c->next)
        end_connection(c);
    uv_close((uv_handle_t *)&health->tcp, on_listener_closed);
}

lm_addr lm_health_address(const lm_health *health)
{
    lm_addr addr = health->config.listen;
    struct sockaddr_storage storage;
    int len = sizeof storage;
    if (uv_tcp_getsockname(&health->tcp, (struct sockaddr *)&storage, &len) == 0)
        lm_sockaddr_to_addr(&addr, (const struct sockaddr *)&storage);
    return addr;
}
