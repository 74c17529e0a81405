/*
 * One connection of a stream listener; for stream_uv.c and connection_uv.c alone. A connection ends in two
 * steps: lm_connection_doom() wherever the reason turns up, in the midst of whatever is going on; and
 * lm_connection_end() between two turns of the loop, when nobody is looking at it.
 */
#ifndef LM_WEBRTC_CONNECTION_UV_H
#define LM_WEBRTC_CONNECTION_UV_H

#include "common/deadlines.h"
#include "common/table.h"
#include "webrtc/admission.h"
#include "webrtc/stream_uv.h"

typedef struct lm_connection {
    lm_streams *streams;
    uv_tcp_t handle;
    struct { /* the key of the table: no padding in it */
        lm_addr remote;
        lm_addr local;
    } ends;
    lm_stream stream;
    lm_tls *tls; /* NULL: bare TCP, or no byte has come yet */
    lm_ms created;
    lm_ms heard; /* last datagram, either way */
    lm_deadline deadline;
    size_t queued;     /* bytes that wait to be written, with what they cost */
    lm_stream_end end; /* once doomed */
    bool in;           /* in the table, and counted for its address */
    bool doomed;
    bool last_words; /* doomed, but what TLS has to say still goes out */
    bool broken;     /* takes no more bytes; what it has sent is still read, then it ends */
    bool talked;     /* has brought a datagram */
    bool unused;     /* was, when last looked at */
    bool waiting;    /* for its turn in a TLS handshake, unread */
    bool admitted;   /* its turn has come */
    struct lm_connection *next_doomed;
    struct lm_connection *prev, *next; /* of those that wait */
    UT_hash_handle hh;
} lm_connection;

typedef struct lm_stream_listener {
    uv_tcp_t handle;
    lm_streams *streams;
    bool used;    /* the handle is */
    bool pending; /* a connection waits in it that could not be taken for want of memory */
} lm_stream_listener;

/* Connections of one address. */
typedef struct lm_stream_network {
    uint8_t network[LM_ADDR_NETWORK_LEN];
    uint32_t connections;
    UT_hash_handle hh;
} lm_stream_network;

struct lm_streams {
    lm_streams_config config;
    uv_loop_t *loop;
    lm_stream_listener listeners[2];
    uv_timer_t timer;
    uv_prepare_t prepare; /* between two turns */
    uv_idle_t idle;       /* keeps the loop turning while a handshake waits */
    unsigned handles;
    bool closing;
    uint16_t port;
    lm_transport transport;
    lm_connection *connections;
    lm_stream_network *networks;
    lm_admission admission; /* of TLS handshakes */
    lm_deadlines deadlines;
    lm_connection *doomed;
    lm_connection *waiting;
    uint64_t handshake_ns; /* spent in this turn */
    lm_stream_stats stats;
    lm_log_limit accept_limit; /* of warnings */
    lm_stream_buffer buffer;
    uint8_t ciphertext[LM_STREAM_READ];
    uint8_t record[LM_STREAM_PREFIX_MAX + LM_TLS_PLAINTEXT_MAX];
};

/* Starts to read. LM_EIO. */
int lm_connection_start(lm_connection *connection);

/* As lm_streams_send(). */
int lm_connection_send(lm_connection *connection, const uint8_t *data, size_t len);

/* It is to end for this reason, unless it is already to end for another. */
void lm_connection_doom(lm_connection *connection, lm_stream_end end);

/* Ends it: the last words of TLS, and no event after it but the closing of its handle. */
void lm_connection_end(lm_connection *connection, uv_close_cb closed);

/* Lets one that waits go on with its handshake. */
void lm_connection_admit(lm_connection *connection);

#endif
