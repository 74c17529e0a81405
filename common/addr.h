/*
 * Transport addresses (IP address and port) as plain values: no sockaddr, no host order puzzles. IPv4-mapped
 * IPv6 addresses are kept as IPv4, so that one peer has one value.
 */
#ifndef LM_COMMON_ADDR_H
#define LM_COMMON_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/api.h"

/* Longest text form with its NUL: "[ffff:…:255.255.255.255]:65535". */
#define LM_ADDR_STRLEN 56

typedef enum lm_family { LM_AF_NONE = 0, LM_AF_INET = 4, LM_AF_INET6 = 6 } lm_family;

/* Streams carry datagrams too: framed (RFC 4571), or as STUN messages and ChannelData one after another. */
typedef enum lm_transport { LM_UDP = 0, LM_TCP = 1, LM_TLS = 2 } lm_transport;

/* All bytes count for equality and hashing: unused ones are zero. */
typedef struct lm_addr {
    uint8_t ip[16];    /* network order; the first 4 bytes for IPv4 */
    uint16_t port;     /* host order */
    uint8_t family;    /* lm_family */
    uint8_t transport; /* lm_transport, the same at both ends */
} lm_addr;

/* Number of bytes of ip that count: 4, 16, or 0 for LM_AF_NONE. */
LM_API size_t lm_addr_ip_len(const lm_addr *addr);

/* Sets *addr from 4 or 16 bytes of address in network order, transport UDP; maps ::ffff:a.b.c.d to IPv4. */
LM_API void lm_addr_set(lm_addr *addr, const uint8_t *ip, size_t ip_len, uint16_t port);

/* Parses an IPv4 or IPv6 address without port or brackets. LM_EINVAL if it is none. */
LM_API int lm_addr_parse_ip(lm_addr *addr, const char *text, uint16_t port);

/* Parses "1.2.3.4:5" or "[::1]:5". LM_EINVAL if it is neither. */
LM_API int lm_addr_parse(lm_addr *addr, const char *text);

/* Writes the address without its port; returns text. */
LM_API const char *lm_addr_format_ip(const lm_addr *addr, char text[LM_ADDR_STRLEN]);

/* Writes "1.2.3.4:5" or "[::1]:5"; returns text. */
LM_API const char *lm_addr_format(const lm_addr *addr, char text[LM_ADDR_STRLEN]);

/* Family and network of a host: all of an IPv4 address, the /64 of an IPv6 one, any of which it may take. */
#define LM_ADDR_NETWORK_LEN 9
LM_API void lm_addr_network(const lm_addr *addr, uint8_t network[LM_ADDR_NETWORK_LEN]);

LM_API bool lm_addr_equal(const lm_addr *a, const lm_addr *b);
LM_API bool lm_addr_is_loopback(const lm_addr *addr);

/* Loopback aside, an address of a private network: RFC 1918, RFC 4193, link-local. */
LM_API bool lm_addr_is_private(const lm_addr *addr);
LM_API bool lm_addr_is_unspecified(const lm_addr *addr);

#endif
