#include "common/sockaddr.h"

#include <netinet/in.h>
#include <string.h>

#include "common/error.h"

socklen_t lm_sockaddr_from_addr(struct sockaddr_storage *sockaddr, const lm_addr *addr)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
    switch (addr->family) {
    case LM_AF_INET:
        memcpy(&in4.sin_addr, addr->ip, 4);
        memcpy(sockaddr, &in4, sizeof in4);
        return sizeof in4;
    case LM_AF_INET6:
        memcpy(&in6.sin6_addr, addr->ip, 16);
        memcpy(sockaddr, &in6, sizeof in6);
        return sizeof in6;
    default:
        return 0;
    }
}

int lm_sockaddr_to_addr(lm_addr *addr, const struct sockaddr *sockaddr)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    switch (sockaddr->sa_family) {
    case AF_INET:
        memcpy(&in4, sockaddr, sizeof in4);
        lm_addr_set(addr, (const uint8_t *)&in4.sin_addr, 4, ntohs(in4.sin_port));
        return LM_OK;
    case AF_INET6:
        memcpy(&in6, sockaddr, sizeof in6);
        lm_addr_set(addr, (const uint8_t *)&in6.sin6_addr, 16, ntohs(in6.sin6_port));
        return LM_OK;
    default:
        return LM_EUNSUPPORTED;
    }
}
