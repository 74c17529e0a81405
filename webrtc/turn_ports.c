#include "webrtc/turn_ports.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "webrtc/turn_allocation.h"

/* So many ports are looked at that are drawn one by one; then all, from a port on that is drawn. */
#define DRAWS 16

/* Stands in the table for a port that is reserved. */
static lm_turn_allocation reserved;

static lm_turn_allocation **table_of(const lm_turn_ports *ports, uint8_t family)
{
    return family == LM_AF_INET ? ports->table[0] : family == LM_AF_INET6 ? ports->table[1] : NULL;
}

int lm_turn_ports_init(lm_turn_ports *ports, uint16_t min, uint16_t max, bool ipv4, bool ipv6)
{
    const bool wanted[2] = {ipv4, ipv6};
    *ports = (lm_turn_ports){.min = min, .max = max};
    for (size_t i = 0; i < 2; i++) {
        if (!wanted[i])
            continue;
        ports->table[i] = calloc((size_t)(max - min) + 1, sizeof *ports->table[i]);
        if (ports->table[i] == NULL) {
            lm_turn_ports_clear(ports);
            return LM_ENOMEM;
        }
    }
    return LM_OK;
}

void lm_turn_ports_clear(lm_turn_ports *ports)
{
    for (size_t i = 0; i < 2; i++) {
        free(ports->table[i]);
        ports->table[i] = NULL;
    }
}

lm_turn_allocation *lm_turn_ports_find(const lm_turn_ports *ports, const lm_addr *port)
{
    lm_turn_allocation **table = table_of(ports, port->family);
    if (table == NULL || port->port < ports->min || port->port > ports->max)
        return NULL;
    lm_turn_allocation *found = table[port->port - ports->min];
    return found == &reserved ? NULL : found;
}

uint16_t lm_turn_ports_draw(const lm_turn_ports *ports, const lm_random *random, lm_family family,
                            lm_turn_port_choice choice)
{
    lm_turn_allocation **table = table_of(ports, family);
    const uint32_t step = choice == LM_TURN_PORT_ANY ? 1 : 2;
    const uint32_t first = choice == LM_TURN_PORT_ANY ? ports->min : (ports->min + 1u) & ~1u;
    const uint32_t last = choice == LM_TURN_PORT_PAIR ? ports->max - 1u : ports->max;
    if (table == NULL || first > last)
        return 0;
    const uint32_t count = (last - first) / step + 1;
    uint32_t drawn = 0;
    for (uint32_t i = 0; i < DRAWS + count; i++) {
        if (i <= DRAWS)
            lm_random_fill(random, &drawn, sizeof drawn);
        else
            drawn++;
        uint32_t port = first + step * (drawn % count);
        if (table[port - ports->min] == NULL &&
            (choice != LM_TURN_PORT_PAIR || table[port + 1 - ports->min] == NULL))
            return (uint16_t)port;
        drawn %= count;
    }
    return 0;
}

void lm_turn_ports_set(lm_turn_ports *ports, const lm_addr *port, lm_turn_allocation *allocation)
{
    table_of(ports, port->family)[port->port - ports->min] = allocation;
}

int lm_turn_ports_reserve(lm_turn_ports *ports, lm_ms now, const lm_random *random, const lm_addr *port,
                          uint8_t token[LM_TURN_TOKEN_LEN])
{
    lm_turn_ports_expire(ports, now);
    for (size_t i = 0; i < LM_TURN_RESERVATIONS_MAX; i++) {
        lm_turn_reservation *r = &ports->reservations[i];
        if (r->port.family != LM_AF_NONE)
            continue;
        r->port = *port;
        r->expires = now + LM_TURN_RESERVATION_LIFETIME;
        lm_random_fill(random, r->token, sizeof r->token);
        memcpy(token, r->token, sizeof r->token);
        lm_turn_ports_set(ports, port, &reserved);
        return LM_OK;
    }
    return LM_ELIMIT;
}

int lm_turn_ports_claim(lm_turn_ports *ports, lm_ms now, const uint8_t token[LM_TURN_TOKEN_LEN],
                        lm_addr *port)
{
    lm_turn_ports_expire(ports, now);
    for (size_t i = 0; i < LM_TURN_RESERVATIONS_MAX; i++) {
        lm_turn_reservation *r = &ports->reservations[i];
        if (r->port.family != LM_AF_NONE && sodium_memcmp(r->token, token, sizeof r->token) == 0) {
            *port = r->port;
            *r = (lm_turn_reservation){.expires = 0};
            return LM_OK;
        }
    }
    return LM_ENOTFOUND;
}

lm_ms lm_turn_ports_expire(lm_turn_ports *ports, lm_ms now)
{
    lm_ms next = LM_MS_NEVER;
    for (size_t i = 0; i < LM_TURN_RESERVATIONS_MAX; i++) {
        lm_turn_reservation *r = &ports->reservations[i];
        if (r->port.family == LM_AF_NONE)
            continue;
        if (r->expires <= now) {
            lm_turn_ports_set(ports, &r->port, NULL);
            *r = (lm_turn_reservation){.expires = 0};
        } else {
            next = lm_ms_min(next, r->expires);
        }
    }
    return next;
}
