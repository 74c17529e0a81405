/*
 * Which addresses are this node's own: the name of a whole mesh, as a headless Service of Kubernetes or a DNS
 * round robin has it, stands for this node, too.
 */
#ifndef LM_MESH_OWN_ADDRESS_UV_H
#define LM_MESH_OWN_ADDRESS_UV_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/addr.h"

/*
 * True if a connection to name ends at a listener of this process: on address listen, which may be
 * unspecified or of the family LM_AF_NONE, and port. An IPv4 address that [::] takes is one, too.
 */
bool lm_own_address(const lm_addr *listen, uint16_t port, const struct sockaddr *name);

#endif
