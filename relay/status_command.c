#include "relay/status_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h> /* a command of its own process: it asks once, and blocks */
#include <sys/time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "relay/report.h"
#include "relay/status_text.h"

#define TIMEOUT_S 5
#define ANSWER_MAX (LM_REPORT_MAX + 8192) /* the body and its head */

static int take_health(lm_status_arguments *arguments, const char *text, lm_error_text *error)
{
    lm_addr addr;
    if (lm_addr_parse(&addr, text) != LM_OK || addr.port == 0)
        return lm_error_text_set(error, LM_EINVAL,
                                 "--health: '%.80s' is not usable: it has to be an address and port such as "
                                 "127.0.0.1:7401 or [::1]:7401",
                                 text);
    arguments->health = addr;
    return LM_OK;
}

int lm_status_arguments_take(lm_status_arguments *arguments, int *argc, char **argv, lm_error_text *error)
{
    static const char health[] = "--health";
    const size_t len = sizeof health - 1;
    int kept = 1, result = LM_OK;
    *arguments = (lm_status_arguments){.json = false};
    for (int i = 2; i < *argc && result == LM_OK; i++) {
        if (strcmp(argv[i], "--json") == 0)
            arguments->json = true;
        else if (strcmp(argv[i], health) == 0 && i + 1 < *argc)
            result = take_health(arguments, argv[++i], error);
        else if (strcmp(argv[i], health) == 0)
            result = lm_error_text_set(error, LM_EINVAL, "--health needs a value: --health=ADDRESS:PORT");
        else if (strncmp(argv[i], health, len) == 0 && argv[i][len] == '=')
            result = take_health(arguments, argv[i] + len + 1, error);
        else
            argv[kept++] = argv[i];
    }
    argv[kept] = NULL;
    *argc = kept;
    return result;
}

/* A connection with time limits; negative: errno says why not. */
static int dial(const lm_addr *addr)
{
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    struct sockaddr_storage name;
    socklen_t len = lm_sockaddr_from_addr(&name, addr);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&name, len) == 0)
        return fd;
    int reason = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = reason;
    return -1;
}

/* Sends the request and reads to the end of the answer. Its length; negative: errno says what went wrong. */
static ssize_t ask(int fd, char answer[ANSWER_MAX])
{
    static const char request[] = "GET /statsz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";
    size_t len = 0;
    ssize_t n;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
        return -1;
    while (len < ANSWER_MAX && (n = recv(fd, answer + len, ANSWER_MAX - len, 0)) != 0) {
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EINTR) {
            errno = errno == EAGAIN ? ETIMEDOUT : errno;
            return -1;
        }
    }
    return (ssize_t)len;
}

/* The body of a good answer, NULL if it is none. */
static const char *body_of(const char *answer, size_t len, size_t *body_len)
{
    static const char good[] = "HTTP/1.1 200 ";
    const char *end = memmem(answer, len, "\r\n\r\n", 4);
    if (len < sizeof good - 1 || memcmp(answer, good, sizeof good - 1) != 0 || end == NULL)
        return NULL;
    *body_len = len - (size_t)(end + 4 - answer);
    return end + 4;
}

static int print_answer(const char *answer, size_t len, bool json, const char *where, lm_error_text *error)
{
    size_t body_len = 0;
    const char *body = body_of(answer, len, &body_len);
    int result = LM_EMALFORMED;
    if (body != NULL && json)
        result = fwrite(body, 1, body_len, stdout) == body_len && putchar('\n') != EOF ? LM_OK : LM_EIO;
    else if (body != NULL)
        result = lm_status_text(stdout, body, body_len);
    if (result == LM_EMALFORMED)
        return lm_error_text_set(error, LM_EIO, "what answers at %s is no relay of this kind", where);
    if (result != LM_OK || fflush(stdout) != 0)
        return lm_error_text_set(error, LM_EIO, "the status cannot be written to the standard output");
    return LM_OK;
}

int lm_status_print(const lm_addr *health, bool json, lm_error_text *error)
{
    char where[LM_ADDR_STRLEN];
    lm_addr addr = *health;
    if (addr.family == LM_AF_NONE)
        return lm_error_text_set(error, LM_EIO,
                                 "where the relay tells its status is not known: give --health ADDRESS:PORT, "
                                 "or HEALTH_LISTEN as the relay has it");
    if (lm_addr_is_unspecified(&addr)) { /* it listens everywhere: also here */
        memset(addr.ip, 0, sizeof addr.ip);
        addr.ip[addr.family == LM_AF_INET6 ? 15 : 3] = 1;
        addr.ip[0] = addr.family == LM_AF_INET6 ? 0 : 127;
    }
    lm_addr_format(&addr, where);
    char *answer = malloc(ANSWER_MAX);
    if (answer == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    int fd = dial(&addr);
    ssize_t len = fd >= 0 ? ask(fd, answer) : -1;
    int result = len >= 0 ? print_answer(answer, (size_t)len, json, where, error)
                          : lm_error_text_set(error, LM_EIO, "no relay can be reached at %s: %s", where,
                                              strerror(errno));
    if (fd >= 0)
        close(fd);
    free(answer);
    return result;
}
