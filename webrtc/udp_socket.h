/*
 * UDP sockets with the options that the port needs, and the control messages that go with its datagrams.
 *
 * The port's own sockets learn the address of ours that each datagram came to (IP_PKTINFO), and answer from
 * it. A relayed address has a socket of its own and one address is as good as another: it does without.
 */
#ifndef LM_WEBRTC_UDP_SOCKET_H
#define LM_WEBRTC_UDP_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h> /* a part of udp_uv, the binding */

#include "common/addr.h"

/* Longest datagram taken and sent, in bytes. No browser sends one over its path's MTU. */
#define LM_UDP_DATAGRAM_MAX 2048

typedef struct lm_udp_socket {
    int fd; /* -1: not open */
    lm_family family;
    uint16_t port;
    bool relayed;      /* of a relayed address */
    uint16_t queue[2]; /* for the outgoing batches: where its datagrams wait, if any do */
} lm_udp_socket;

/* Room for the control messages of a datagram: its address of ours, and the length of its segments. */
typedef union lm_udp_control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
} lm_udp_control;

/*
 * Opens a non-blocking socket on the wildcard address. port 0: one that the kernel chooses, in s->port then.
 * Returns 0 or a negative errno; s->fd is -1 in that case.
 */
int lm_udp_socket_open(lm_udp_socket *s, lm_family family, uint16_t port, bool relayed);
void lm_udp_socket_close(lm_udp_socket *s);

/* Whether datagrams that are sent from now on have DF set (IPv6: are not fragmented here). */
void lm_udp_socket_set_dont_fragment(const lm_udp_socket *s, bool dont_fragment);

/* Whether the kernel cuts one message into datagrams of equal length (UDP_SEGMENT, Linux 4.18). */
bool lm_udp_segments_known(void);

/* What a datagram was received with: its address of ours (without a port) and segment length, or 0. */
void lm_udp_control_read(struct msghdr *message, lm_addr *local, size_t *segment);

/* Writes the address to send from, if one is given; returns the length. */
size_t lm_udp_control_set_source(lm_udp_control *control, const lm_addr *local);

/* Puts the length of segments behind the `len` bytes that are there; returns the length with it. */
size_t lm_udp_control_add_segment(lm_udp_control *control, size_t len, uint16_t segment);

#endif
