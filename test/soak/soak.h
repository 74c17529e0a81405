/*
 * The churn: a crowd of members that come, join, signal, move, fall silent, come back as the same peer or
 * another, over a network that loses, doubles and reorders. It knows neither a clock nor a socket: the relay
 * and the way to it are a soak_relay, of which there are two.
 *
 *     member net.1.0.0 --+
 *     member net.1.0.1 --+-- test_network -- soak_relay: virtual.c (in this process, on virtual time)
 *     ...              --+                               real.c (a process, over UDP sockets)
 *
 * Checked: what test/soak/member.h says; and at the end of each round that all who are there are in the rooms
 * that they want, and hear everybody whom they see there.
 */
#ifndef LM_TEST_SOAK_SOAK_H
#define LM_TEST_SOAK_SOAK_H

#include "test/soak/member.h"

#define SOAK_CLIENTS_MAX 2000

typedef struct soak soak;

/* Of a round: the churn's two halves, then all come and are heard, then they leave. */
typedef enum soak_part { SOAK_FIRST_HALF, SOAK_SECOND_HALF, SOAK_CHECK, SOAK_LEAVING, SOAK_PARTS } soak_part;

/* A relay, and how datagrams get to it. The texts are borrowed; functions may be NULL where it says so. */
typedef struct soak_relay {
    const char *ufrag, *pwd;
    const uint8_t *fingerprint;
    lm_addr address;
    uint8_t net; /* first byte of the members' addresses */
    void *ctx;
    /* A member goes by this address from now on. It may be given another port. May be NULL. */
    void (*open)(void *ctx, lm_addr *address);
    /* It does no longer, but what it has sent is still under way. May be NULL. */
    void (*close)(void *ctx, lm_ms now, const lm_addr *address);
    /* A datagram has come to the relay through the network: local is the relay's address, remote a member's.
     */
    void (*send)(void *ctx, lm_ms now, const lm_dgram *dgram);
    /*
     * Lets the relay work until `until`, or for less; returns the time then. What the relay sends goes to
     * soak_hear(); when SCTP's timers have run, soak_settle() follows.
     */
    lm_ms (*wait)(void *ctx, lm_ms now, lm_ms until);
    /* A part of a round begins. */
    void (*begin)(void *ctx, unsigned round, soak_part part);
} soak_relay;

typedef struct soak_config {
    uint64_t seed;    /* not 0 */
    unsigned clients; /* at most SOAK_CLIENTS_MAX */
    unsigned rounds;
    unsigned seconds;     /* of churn in a round */
    lm_ms silence;        /* the longest for which one who fell silent stays away */
    lm_ms calm;           /* between the churn and the check, in which who is away comes back */
    lm_ms give_up;        /* after which the relay has given up who fell silent */
    lm_ms gone;           /* after everybody has left */
    const char *blob;     /* argument that is no option, NULL: none was given */
    unsigned warm_up;     /* clients of a round that warms up */
    int pid;              /* of the relay, 0: not given */
    bool no_memory_bound; /* its memory is not looked at */
} soak_config;

/* What the command line says beside what *config has; false if it is wrong. */
bool soak_config_read(soak_config *config, int argc, char **argv);

/* config and relay are copied. Aborts when memory runs out, as everything here. */
soak *soak_create(const soak_config *config, const soak_relay *relay);
void soak_destroy(soak *soak);

/*
 * One round of so many clients and seconds of churn, at the end of which everybody has left. It has a number
 * that is not that of another.
 */
void soak_play(soak *soak, lm_ms now, unsigned round, unsigned clients, unsigned seconds);

/* For soak_relay.wait: the relay has sent a datagram, as it sees it. */
void soak_hear(soak *soak, lm_ms now, const lm_dgram *dgram);
/* And: members have to look what SCTP's timers have done. */
void soak_settle(soak *soak, lm_ms now);

/* Something is wrong; it is said once, and counted. */
void soak_fault(soak *soak, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What has happened up to now, as the beginning of a line. */
void soak_print(const soak *soak, unsigned round);

/* The seed's generator, for what else is drawn. */
uint64_t *soak_random(soak *soak);

/* What it comes to: the exit status. Says how to repeat it if something was wrong. */
int soak_verdict(const soak *soak);

/* Ends the program with a message if a condition does not hold. */
void soak_must(bool condition, const char *what);

#endif
