/* lm_addr to and from the operating system's socket addresses; for the bindings alone (*_uv.c and udp_*). */
#ifndef LM_COMMON_SOCKADDR_H
#define LM_COMMON_SOCKADDR_H

#include <sys/socket.h> /* what it is about */

#include "common/addr.h"

/* Writes sockaddr_in or sockaddr_in6 and returns its length; 0 for LM_AF_NONE. */
socklen_t lm_sockaddr_from_addr(struct sockaddr_storage *sockaddr, const lm_addr *addr);

/* LM_EUNSUPPORTED for any family but AF_INET and AF_INET6. */
int lm_sockaddr_to_addr(lm_addr *addr, const struct sockaddr *sockaddr);

#endif
