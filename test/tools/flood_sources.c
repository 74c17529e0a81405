/* Datagrams from ever new addresses of this machine, out of one socket. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sockaddr.h"
#include "test/tools/flood.h"

typedef union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
} control;

void flood_sources_open(flood_sources *s, const flood *f)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    const int on = 1;
    *s = (flood_sources){.relay = f->addr, .first = randombytes_uniform(1u << 24)};
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
        bind(s->fd, (struct sockaddr *)&any, sizeof any) != 0)
        flood_die(strerror(errno));
}

void flood_sources_send(flood_sources *s, const uint8_t source[4], const void *data, size_t len)
{
    struct sockaddr_storage name;
    struct in_pktinfo info = {0};
    control c;
    struct iovec vector = {.iov_base = (void *)(uintptr_t)data, .iov_len = len}; /* is not written to */
    struct msghdr message = {.msg_name = &name,
                             .msg_namelen = lm_sockaddr_from_addr(&name, &s->relay),
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &c,
                             .msg_controllen = sizeof c};
    memset(&c, 0, sizeof c);
    memcpy(&info.ipi_spec_dst, source, 4);
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = IPPROTO_IP;
    cmsg->cmsg_type = IP_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(cmsg), &info, sizeof info);
    if (sendmsg(s->fd, &message, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
        flood_die(strerror(errno));
}

/* The address that a datagram came to is that of the one whom it answers. */
void flood_sources_receive(flood_sources *s,
                           void (*take)(void *user, const uint8_t source[4], const uint8_t *data, size_t len),
                           void *user)
{
    struct pollfd ready = {.fd = s->fd, .events = POLLIN};
    poll(&ready, 1, 1);
    for (;;) {
        uint8_t buf[2048];
        control c;
        struct iovec vector = {.iov_base = buf, .iov_len = sizeof buf};
        struct msghdr message = {
            .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
        ssize_t n = recvmsg(s->fd, &message, 0);
        if (n < 0)
            return;
        for (struct cmsghdr *m = CMSG_FIRSTHDR(&message); m != NULL; m = CMSG_NXTHDR(&message, m)) {
            struct in_pktinfo info;
            if (m->cmsg_level != IPPROTO_IP || m->cmsg_type != IP_PKTINFO)
                continue;
            memcpy(&info, CMSG_DATA(m), sizeof info);
            take(user, (const uint8_t *)&info.ipi_addr, buf, (size_t)n);
        }
    }
}

void flood_sources_close(flood_sources *s)
{
    close(s->fd);
}
