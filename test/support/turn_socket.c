#include "test/support/turn_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/sockaddr.h"

/* Since Linux 4.2: ports are chosen at connect(), of which each destination has its own. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static int connect_from(int fd, const uint8_t source[4], const lm_addr *server)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_storage to;
    const struct timeval patience = {.tv_sec = TURN_SOCKET_PATIENCE / 1000};
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (source != NULL) {
        memcpy(&from.sin_addr, source, 4);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
            return -1;
    }
    return connect(fd, (struct sockaddr *)&to, lm_sockaddr_from_addr(&to, server));
}

int turn_socket_open(turn_socket *s, const lm_addr *server, lm_transport transport, const uint8_t source[4],
                     const char *secret, const char *user)
{
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    char name[LM_ADDR_STRLEN];
    const int on = 1;
    turn_client_init(&s->client, "127.0.0.1:1", lm_addr_format(server, name), secret, user,
                     (uint64_t)time(NULL) + LM_TURN_CREDENTIAL_TTL);
    s->fd = socket(server->family == LM_AF_INET6 ? AF_INET6 : AF_INET,
                   (transport == LM_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return LM_EIO;
    if (connect_from(s->fd, source, server) != 0 || getsockname(s->fd, (struct sockaddr *)&own, &len) != 0 ||
        lm_sockaddr_to_addr(&s->client.address, (struct sockaddr *)&own) != LM_OK) {
        turn_socket_close(s);
        return LM_EIO;
    }
    if (transport != LM_UDP)
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    turn_client_set_transport(&s->client, transport);
    return LM_OK;
}

void turn_socket_close(turn_socket *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int turn_socket_send(turn_socket *s, const void *data, size_t len)
{
    return send(s->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len ? LM_OK : LM_EIO;
}

static int receive(turn_socket *s, uint8_t *buf, size_t len, int flags)
{
    ssize_t n = recv(s->fd, buf, len, flags);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? LM_EAGAIN : LM_EIO;
    return n == 0 && len > 0 ? LM_EIO : (int)n;
}

int turn_socket_receive(turn_socket *s, uint8_t *buf)
{
    if (s->client.server.transport == LM_UDP)
        return receive(s, buf, TURN_SOCKET_PACKET_MAX, 0);
    int n = receive(s, buf, LM_CHANNEL_HEADER_LEN, MSG_WAITALL);
    if (n != LM_CHANNEL_HEADER_LEN)
        return n < 0 ? n : LM_EIO;
    lm_reader r = lm_reader_init(buf + 2, 2);
    const size_t payload = lm_read_u16(&r);
    const size_t rest = buf[0] < 0x40
                            ? LM_STUN_HEADER_LEN - LM_CHANNEL_HEADER_LEN + payload /* a STUN message */
                            : payload + (4 - payload % 4) % 4;
    if (LM_CHANNEL_HEADER_LEN + rest > TURN_SOCKET_PACKET_MAX)
        return LM_ETOOBIG;
    n = receive(s, buf + LM_CHANNEL_HEADER_LEN, rest, MSG_WAITALL);
    return n == (int)rest ? (int)(LM_CHANNEL_HEADER_LEN + (buf[0] < 0x40 ? rest : payload))
                          : (n < 0 ? n : LM_EIO);
}

int turn_socket_ask(turn_socket *s, const uint8_t *request, size_t len, turn_client_answer *answer)
{
    uint8_t buf[TURN_SOCKET_PACKET_MAX];
    int result = turn_socket_send(s, request, len);
    while (result == LM_OK) {
        int n = turn_socket_receive(s, buf);
        if (n < 0)
            return n;
        if (turn_client_read(&s->client, answer, buf, (size_t)n) == LM_OK)
            return (int)answer->error;
    }
    return result;
}

int turn_socket_allocate(turn_socket *s)
{
    uint8_t request[TURN_CLIENT_REQUEST_MAX];
    turn_client_answer answer;
    int result = turn_socket_ask(s, request, turn_client_allocate(&s->client, request, NULL), &answer);
    if (result == 401 || result == 438)
        result = turn_socket_ask(s, request, turn_client_allocate(&s->client, request, NULL), &answer);
    return result;
}

int turn_socket_refresh(turn_socket *s, uint32_t seconds)
{
    uint8_t request[TURN_CLIENT_REQUEST_MAX];
    turn_client_answer answer;
    return turn_socket_ask(s, request, turn_client_refresh(&s->client, request, seconds), &answer);
}

int turn_socket_bind(turn_socket *s, uint16_t channel, const lm_addr *peer)
{
    uint8_t request[TURN_CLIENT_REQUEST_MAX];
    turn_client_answer answer;
    return turn_socket_ask(s, request, turn_client_bind(&s->client, request, channel, peer), &answer);
}

int turn_socket_pass(turn_socket *from, uint16_t channel, turn_socket *to, uint16_t to_channel,
                     const void *data, size_t len)
{
    uint8_t buf[TURN_SOCKET_PACKET_MAX];
    const uint8_t *payload;
    size_t payload_len;
    uint16_t number;
    lm_addr peer;
    size_t n = turn_client_channel_data(buf, sizeof buf, channel, data, len,
                                        from->client.server.transport != LM_UDP);
    int result = turn_socket_send(from, buf, n);
    if (result != LM_OK)
        return result;
    result = turn_socket_receive(to, buf);
    if (result < 0)
        return result;
    if (turn_client_read_data(&number, &peer, &payload, &payload_len, buf, (size_t)result) != LM_OK ||
        number != to_channel || payload_len != len || memcmp(payload, data, len) != 0)
        return LM_EMALFORMED;
    return LM_OK;
}
