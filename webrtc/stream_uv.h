/*
 * Binds a sans-IO core to a TCP port on libuv, bare or under TLS: takes connections in, finds the datagrams
 * in their bytes (stream.h), hands them to the core as if they had come by UDP, from addresses whose
 * transport is LM_TCP or LM_TLS, and writes what goes to such an address.
 *
 *     connection -> tls.c, if TLS -> stream.c -> core.relay -> config.send
 *                                             -> core.input    config.flush -> ... -> lm_streams_send()
 *
 * A stranger can do little: connections are limited in all and for each address, each has to bring a whole
 * datagram soon and then a session or an allocation, and takes little memory meanwhile. The expensive steps
 * of TLS handshakes are rationed to a few milliseconds in each turn of the loop; the others wait unread.
 *
 * The process has to ignore SIGPIPE.
 */
#ifndef LM_WEBRTC_STREAM_UV_H
#define LM_WEBRTC_STREAM_UV_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/error_text.h"
#include "common/log.h"
#include "webrtc/port_core.h"
#include "webrtc/stream.h"
#include "webrtc/stream_stats.h"
#include "webrtc/tls.h"

/* Time until a connection has brought its first whole datagram, TLS handshake included, in ms. */
#define LM_STREAMS_FIRST_TIMEOUT 10000

/* A connection that has neither session nor allocation for so long is closed, in ms (down to half of it). */
#define LM_STREAMS_UNUSED_TIMEOUT 30000

/*
 * One without any datagram for so long is closed, in ms: longer than an allocation's longest lifetime, which
 * it may live through in silence.
 */
#define LM_STREAMS_IDLE_TIMEOUT (65 * 60 * 1000)

/*
 * Bytes that may wait for one connection, and for all of a listener; what is over that is dropped, as on a
 * full link, since TURN carries datagrams. An ICE-TCP connection is closed instead: its client is not there
 * any more, or no match for what is sent to it.
 */
#define LM_STREAMS_QUEUE_MAX (256 * 1024)
#define LM_STREAMS_QUEUE_TOTAL (16 * 1024 * 1024)

/*
 * CPU time of TLS handshakes in one turn of the loop after which no more steps are taken, in µs. A step
 * cannot be cut: the longest takes some 0.8 ms with a P-256 key, 2.2 with one of RSA 2048.
 */
#define LM_STREAMS_HANDSHAKE_BUDGET 1000

/*
 * Memory of a connection in bytes, at the most: its state, the beginning of a datagram, the end of one that
 * was not written in one go. Under TLS LM_TLS_CONNECTION_BYTES more.
 */
#define LM_STREAMS_CONNECTION_BYTES (16 * 1024)

typedef struct lm_streams_limits {
    uint32_t connections; /* at once; 0: none is let in any more */
    uint32_t per_address; /* of them, from one address (IPv6: a /64); 0: no limit */
    uint32_t tls_rate;    /* TLS handshakes a second from one address (IPv6: a /64); 0: no limit */
    uint32_t tls_burst;
    lm_ms first_timeout;  /* 0: LM_STREAMS_FIRST_TIMEOUT */
    lm_ms unused_timeout; /* 0: LM_STREAMS_UNUSED_TIMEOUT */
    lm_ms idle_timeout;   /* 0: LM_STREAMS_IDLE_TIMEOUT */
} lm_streams_limits;

typedef struct lm_streams_config {
    uint16_t port;      /* 0: one that the kernel chooses, the same for both families */
    lm_tls_server *tls; /* shared; NULL: bare TCP */
    lm_port_core core;  /* what it points to is borrowed; poll, next_timeout and timeout are not called */
    lm_streams_limits limits;
    /*
     * Sends what core.relay() has turned, wherever it goes, lm_streams_send() included. The packet's bytes
     * are borrowed for the call alone: those of the next one lie behind them, with its headroom over these.
     */
    void (*send)(void *user, const lm_packet *packet);
    /* Sends what the core has to give, since it has taken datagrams in; as lm_udp_flush(). */
    void (*flush)(void *user);
    void *user;
    const lm_log *log; /* may be NULL */
} lm_streams_config;

typedef struct lm_streams lm_streams;

/*
 * Opens the port for IPv4 and IPv6 and starts; config is copied. LM_EIO, LM_ENOMEM, with *why saying what
 * failed. A machine without IPv6, or without IPv4, is no error. After an error the loop needs a few turns to
 * clean up.
 */
int lm_streams_open(lm_streams **streams, uv_loop_t *loop, const lm_streams_config *config,
                    lm_error_text *why);

/* The port that is open. */
uint16_t lm_streams_port(const lm_streams *streams);

/*
 * Sends one datagram (borrowed) in the stream between two addresses. LM_ENOTFOUND: there is none; LM_ELIMIT:
 * dropped, since too much waits already; LM_ETOOBIG. All of them are counted.
 */
int lm_streams_send(lm_streams *streams, const lm_addr *remote, const lm_addr *local, const uint8_t *data,
                    size_t len);

/* Newcomers get these limits, or this certificate (shared); connections that are there stay as they are. */
void lm_streams_set_limits(lm_streams *streams, const lm_streams_limits *limits);
void lm_streams_set_tls(lm_streams *streams, lm_tls_server *tls);

const lm_stream_stats *lm_streams_get_stats(const lm_streams *streams);

/* Memory in bytes that a listener with so many connections takes at the most, the kernel's aside. */
uint64_t lm_streams_memory(uint32_t connections, bool tls);

/*
 * Closes the port and all connections, and calls the core no more; the memory is freed by the loop's next
 * turns. streams may be NULL.
 */
void lm_streams_close(lm_streams *streams);

#endif
