#include "mesh/own_address_uv.h"

#include <uv.h>

#include "common/error.h"
#include "common/sockaddr.h"

/* An address of this machine, or of this container's. */
static bool is_of_an_interface(const lm_addr *addr)
{
    uv_interface_address_t *interfaces = NULL;
    int count = 0;
    bool found = false;
    if (uv_interface_addresses(&interfaces, &count) != 0)
        return false;
    for (int i = 0; i < count && !found; i++) {
        lm_addr own;
        if (lm_sockaddr_to_addr(&own, (const struct sockaddr *)&interfaces[i].address) != LM_OK)
            continue;
        own.port = addr->port;
        found = lm_addr_equal(&own, addr);
    }
    uv_free_interface_addresses(interfaces, count);
    return found;
}

bool lm_own_address(const lm_addr *listen, uint16_t port, const struct sockaddr *name)
{
    lm_addr addr, own = *listen;
    if (listen->family == LM_AF_NONE || lm_sockaddr_to_addr(&addr, name) != LM_OK || addr.port != port)
        return false;
    own.port = port;
    if (!lm_addr_is_unspecified(listen))
        return lm_addr_equal(&own, &addr);
    return lm_addr_is_loopback(&addr) || is_of_an_interface(&addr);
}
