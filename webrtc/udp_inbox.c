#include "webrtc/udp_inbox.h"

#include <string.h>
#include <sys/mman.h>

#include "common/error.h"
#include "common/packet.h"
#include "common/sockaddr.h"

/* Bytes of one message, at the most: 64 kB is the most that the kernel puts together. */
#define MESSAGE_MAX 65536

/*
 * From one buffer to the next. Not a power of two: the first bytes of all buffers would compete for the same
 * few lines of the processor's cache.
 */
#define STRIDE (MESSAGE_MAX + 21 * 64)

_Static_assert(STRIDE - MESSAGE_MAX >= LM_PACKET_HEADROOM + LM_PACKET_TAILROOM, "room around a message");

static void prepare(lm_udp_inbox *inbox, unsigned i)
{
    inbox->messages[i].msg_hdr.msg_namelen = sizeof inbox->names[i];
    inbox->messages[i].msg_hdr.msg_controllen = sizeof inbox->controls[i];
}

int lm_udp_inbox_init(lm_udp_inbox *inbox)
{
    const size_t size = (size_t)LM_UDP_INBOX * STRIDE;
    memset(inbox, 0, sizeof *inbox);
    inbox->bytes =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (inbox->bytes == MAP_FAILED) {
        inbox->bytes = NULL;
        return LM_ENOMEM;
    }
#ifdef MADV_NOHUGEPAGE
    madvise(inbox->bytes, size, MADV_NOHUGEPAGE); /* a large page would bring in what is never used */
#endif
    for (unsigned i = 0; i < LM_UDP_INBOX; i++) {
        inbox->vectors[i] = (struct iovec){.iov_base = inbox->bytes + (size_t)i * STRIDE + LM_PACKET_HEADROOM,
                                           .iov_len = MESSAGE_MAX};
        inbox->messages[i].msg_hdr = (struct msghdr){.msg_name = &inbox->names[i],
                                                     .msg_iov = &inbox->vectors[i],
                                                     .msg_iovlen = 1,
                                                     .msg_control = &inbox->controls[i]};
        prepare(inbox, i);
    }
    return LM_OK;
}

void lm_udp_inbox_clear(lm_udp_inbox *inbox)
{
    if (inbox->bytes != NULL)
        munmap(inbox->bytes, (size_t)LM_UDP_INBOX * STRIDE);
    inbox->bytes = NULL;
}

unsigned lm_udp_inbox_room(const lm_udp_inbox *inbox)
{
    return LM_UDP_INBOX - inbox->used;
}

int lm_udp_inbox_receive(lm_udp_inbox *inbox, const lm_udp_socket *s)
{
    int n = recvmmsg(s->fd, inbox->messages + inbox->used, lm_udp_inbox_room(inbox), MSG_DONTWAIT, NULL);
    if (n > 0)
        inbox->used += (unsigned)n;
    return n;
}

bool lm_udp_inbox_take(lm_udp_inbox *inbox, unsigned i, const lm_udp_socket *s, lm_udp_arrival *arrival)
{
    struct msghdr *message = &inbox->messages[i].msg_hdr;
    bool known = lm_sockaddr_to_addr(&arrival->remote, (struct sockaddr *)&inbox->names[i]) == LM_OK;
    lm_udp_control_read(message, &arrival->local, &arrival->segment);
    arrival->local.port = s->port;
    arrival->local.family = (uint8_t)s->family;
    arrival->data = message->msg_iov->iov_base;
    arrival->len = inbox->messages[i].msg_len;
    arrival->truncated = (message->msg_flags & MSG_TRUNC) != 0;
    if (arrival->segment == 0 || arrival->segment > arrival->len)
        arrival->segment = arrival->len;
    prepare(inbox, i);
    return known;
}

void lm_udp_inbox_reuse(lm_udp_inbox *inbox)
{
    inbox->used = 0;
}
