#include "webrtc/udp_socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"

/* Linux's numbers, for C libraries that are older than the kernel. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

/*
 * Wished for sizes of the kernel's buffers in bytes: some 100 ms of 10,000 sessions' bursts, and half a
 * second of one allocation at 10 Mbit/s. The kernel may cap them.
 */
#define PORT_BUFFER (4 * 1024 * 1024)
#define RELAYED_BUFFER (512 * 1024)

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* The options that a socket cannot do without. */
static int prepare(int fd, bool v6, bool relayed)
{
    if (v6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
        return -1;
    if (!relayed)
        return v6 ? set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) : set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    return v6 ? set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT)
              : set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
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

int lm_udp_socket_open(lm_udp_socket *s, lm_family family, uint16_t port, bool relayed)
{
    bool v6 = family == LM_AF_INET6;
    lm_addr any = {.family = (uint8_t)family, .port = port};
    struct sockaddr_storage name;
    socklen_t len = lm_sockaddr_from_addr(&name, &any);
    int buffer = relayed ? RELAYED_BUFFER : PORT_BUFFER;

    *s = (lm_udp_socket){.family = family, .relayed = relayed};
    s->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    if (prepare(s->fd, v6, relayed) != 0 || bind(s->fd, (struct sockaddr *)&name, len) != 0) {
        int error = errno;
        lm_udp_socket_close(s);
        return -error;
    }
    s->port = bound_port(s->fd);
    set(s->fd, SOL_SOCKET, SO_RCVBUF, buffer);
    set(s->fd, SOL_SOCKET, SO_SNDBUF, buffer);
    set(s->fd, SOL_UDP, UDP_GRO, 1); /* Linux 5.0: datagrams of one flow come in one message; else, singly */
    return 0;
}

void lm_udp_socket_close(lm_udp_socket *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void lm_udp_socket_set_dont_fragment(const lm_udp_socket *s, bool on)
{
    if (s->family == LM_AF_INET6) {
        set(s->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
            on           ? IPV6_PMTUDISC_DO
            : s->relayed ? IPV6_PMTUDISC_DONT
                         : IPV6_PMTUDISC_WANT);
        set(s->fd, IPPROTO_IPV6, IPV6_DONTFRAG, on);
    } else {
        set(s->fd, IPPROTO_IP, IP_MTU_DISCOVER,
            on           ? IP_PMTUDISC_DO
            : s->relayed ? IP_PMTUDISC_DONT
                         : IP_PMTUDISC_WANT);
    }
}

bool lm_udp_segments_known(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool known = set(fd, SOL_UDP, UDP_SEGMENT, 1200) == 0;
    close(fd);
    return known;
}

void lm_udp_control_read(struct msghdr *message, lm_addr *local, size_t *segment)
{
    memset(local, 0, sizeof *local);
    *segment = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        struct in_pktinfo info4;
        struct in6_pktinfo info6;
        int length;
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&info4, CMSG_DATA(c), sizeof info4);
            lm_addr_set(local, (const uint8_t *)&info4.ipi_addr, 4, 0);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&info6, CMSG_DATA(c), sizeof info6);
            lm_addr_set(local, (const uint8_t *)&info6.ipi6_addr, 16, 0);
        } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            memcpy(&length, CMSG_DATA(c), sizeof length);
            *segment = length > 0 ? (size_t)length : 0;
        }
    }
}

/* Puts a control message behind the `len` bytes that are there; returns the length with it. */
static size_t add(lm_udp_control *control, size_t len, int level, int type, const void *data, size_t data_len)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(data_len), .cmsg_level = level, .cmsg_type = type};
    memcpy(control->bytes + len, &header, sizeof header);
    memcpy(control->bytes + len + CMSG_LEN(0), data, data_len);
    return len + CMSG_SPACE(data_len);
}

size_t lm_udp_control_set_source(lm_udp_control *control, const lm_addr *local)
{
    if (lm_addr_is_unspecified(local))
        return 0;
    if (local->family == LM_AF_INET) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        return add(control, 0, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    struct in6_pktinfo info = {0};
    memcpy(&info.ipi6_addr, local->ip, 16);
    return add(control, 0, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

size_t lm_udp_control_add_segment(lm_udp_control *control, size_t len, uint16_t segment)
{
    return add(control, len, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
}
