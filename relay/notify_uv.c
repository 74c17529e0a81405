#include "relay/notify_uv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_SIZE 2304 /* a line of error text, and the rest */

/* What an end may take beyond the draining, in seconds, before the manager loses its patience. */
#define STOP_MARGIN 10

struct lm_notify {
    uv_loop_t *loop;
    const lm_log *log;
    int fd;
    struct sockaddr_un to;
    socklen_t to_len;
    uv_timer_t watchdog;
    bool refused; /* a message could not be sent: warned of once */
};

/* The address of a path or an abstract name; false if text is neither, or too long. */
static bool parse_socket(struct sockaddr_un *to, socklen_t *to_len, const char *text)
{
    size_t len = strlen(text);
    memset(to, 0, sizeof *to);
    to->sun_family = AF_UNIX;
    if ((text[0] != '/' && text[0] != '@') || len < 2 || len >= sizeof to->sun_path)
        return false;
    memcpy(to->sun_path, text, len);
    /* An abstract name begins with a NUL and ends where the address does, not at a NUL (unix(7)). */
    if (text[0] == '@')
        to->sun_path[0] = '\0';
    *to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (text[0] == '/'));
    return true;
}

static void tell(lm_notify *n, const char *message)
{
    /* Never waits: a manager that does not read must not stop the relay. */
    ssize_t sent = sendto(n->fd, message, strlen(message), MSG_DONTWAIT | MSG_NOSIGNAL,
                          (const struct sockaddr *)&n->to, n->to_len);
    if (sent < 0 && !n->refused) {
        n->refused = true;
        LM_LOGW(n->log, "NOTIFY_SOCKET: the service manager cannot be told: %s", strerror(errno));
    }
}

static void on_watchdog(uv_timer_t *timer)
{
    tell(timer->data, "WATCHDOG=1");
}

/* Microseconds, 0 if there is no watchdog, or one for another process. */
static uint64_t watchdog_interval(const char *usec, const char *pid)
{
    char *end;
    if (usec == NULL || usec[0] < '0' || usec[0] > '9')
        return 0;
    if (pid != NULL && pid[0] != '\0' && strtoull(pid, NULL, 10) != (unsigned long long)getpid())
        return 0;
    errno = 0;
    unsigned long long interval = strtoull(usec, &end, 10);
    return *end == '\0' && errno == 0 ? interval : 0;
}

void lm_notify_start(lm_notify **notify, uv_loop_t *loop, const char *(*get)(void *ctx, const char *name),
                     void *ctx, const lm_log *log)
{
    const char *text = get(ctx, "NOTIFY_SOCKET");
    *notify = NULL;
    if (text == NULL || text[0] == '\0')
        return;
    lm_notify *n = calloc(1, sizeof *n);
    if (n == NULL) {
        LM_LOGW(log, "NOTIFY_SOCKET: out of memory");
        return;
    }
    n->loop = loop;
    n->log = log;
    n->fd = -1;
    if (!parse_socket(&n->to, &n->to_len, text)) {
        LM_LOGW(log, "NOTIFY_SOCKET: '%.120s' is neither a path nor an abstract name", text);
    } else if ((n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0) {
        LM_LOGW(log, "NOTIFY_SOCKET: there is no socket to be had: %s", strerror(errno));
    }
    if (n->fd < 0) {
        free(n);
        return;
    }
    uv_timer_init(loop, &n->watchdog);
    n->watchdog.data = n;
    uint64_t half = watchdog_interval(get(ctx, "WATCHDOG_USEC"), get(ctx, "WATCHDOG_PID")) / 2000;
    if (half > 0)
        uv_timer_start(&n->watchdog, on_watchdog, 0, half);
    uv_unref((uv_handle_t *)&n->watchdog); /* no reason by itself to go on */
    *notify = n;
}

void lm_notify_ready(lm_notify *n, const char *status)
{
    char message[MESSAGE_SIZE];
    if (n == NULL)
        return;
    snprintf(message, sizeof message, "READY=1\nSTATUS=%s", status);
    tell(n, message);
}

void lm_notify_status(lm_notify *n, const char *status)
{
    char message[MESSAGE_SIZE];
    if (n == NULL)
        return;
    snprintf(message, sizeof message, "STATUS=%s", status);
    tell(n, message);
}

void lm_notify_reloading(lm_notify *n)
{
    char message[MESSAGE_SIZE];
    if (n == NULL)
        return;
    /* uv_hrtime() is CLOCK_MONOTONIC, by which the manager tells this reload from one before. */
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(uv_hrtime() / 1000));
    tell(n, message);
}

void lm_notify_stopping(lm_notify *n, uint32_t seconds, const char *status)
{
    char message[MESSAGE_SIZE];
    if (n == NULL)
        return;
    snprintf(message, sizeof message, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\nSTATUS=%s",
             ((unsigned long long)seconds + STOP_MARGIN) * 1000000, status);
    tell(n, message);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lm_notify_stop(lm_notify *n)
{
    if (n == NULL)
        return;
    close(n->fd);
    uv_close((uv_handle_t *)&n->watchdog, on_closed);
}
