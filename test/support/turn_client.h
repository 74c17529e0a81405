/*
 * A TURN client without a network: builds requests and packets, reads answers. What a test does wrong itself
 * aborts. Zero allocations; a client may be copied.
 */
#ifndef LM_TEST_TURN_CLIENT_H
#define LM_TEST_TURN_CLIENT_H

#include "webrtc/turn_credentials.h"
#include "webrtc/turn_message.h"

/* Room for a request with 32 peers. */
#define TURN_CLIENT_REQUEST_MAX 1024

typedef struct turn_client {
    lm_addr address; /* its own, as the server sees it */
    lm_addr server;
    char username[LM_TURN_USERNAME_MAX + 1];
    char password[LM_TURN_PASSWORD_LEN + 1];
    char realm[LM_TURN_REALM_MAX + 1];
    char nonce[128]; /* "": none yet, requests go out without credentials */
    uint8_t key[LM_TURN_KEY_LEN];
    uint64_t transactions;
    uint8_t transaction[LM_STUN_TRANSACTION_LEN]; /* of the last request */
    bool repeat;                                  /* the next request has the same one again */
    bool sha256;                                  /* MESSAGE-INTEGRITY-SHA256 instead of MESSAGE-INTEGRITY */
    bool fingerprint;
    lm_addr relayed;
} turn_client;

/* What an answer says. */
typedef struct turn_client_answer {
    uint16_t method;
    bool success;
    bool integrity; /* and it is right */
    bool fingerprint;
    unsigned error; /* 0: none */
    bool reason;    /* the error has its reason phrase */
    lm_addr relayed, mapped;
    uint32_t lifetime; /* seconds */
    bool has_lifetime, has_token;
    uint8_t token[LM_TURN_TOKEN_LEN];
    uint16_t unknown[8]; /* of UNKNOWN-ATTRIBUTES, 0 behind the last */
} turn_client_answer;

/* With a credential for `user` under `secret` that is good until `expiry`, seconds since 1970. */
void turn_client_init(turn_client *c, const char *address, const char *server, const char *secret,
                      const char *user, uint64_t expiry);

/* The transport of both its addresses. */
void turn_client_set_transport(turn_client *c, lm_transport transport);

/* Any request: begin, add attributes, end; end adds credentials if a nonce is known, and returns the length.
 */
void turn_client_begin(turn_client *c, lm_stun_builder *b, uint8_t *buf, size_t cap, uint16_t method);
size_t turn_client_end(turn_client *c, lm_stun_builder *b);

/* What Allocate may ask for besides UDP; zero-initialised: nothing. */
typedef struct turn_client_wish {
    uint32_t lifetime; /* seconds */
    uint8_t family;    /* as it goes over the wire: 1, 2 */
    bool even, next;   /* EVEN-PORT, and its R bit */
    bool dont_fragment;
    const uint8_t *token;
    uint8_t transport; /* 0: UDP */
} turn_client_wish;

/* These write one request or packet into buf, which has TURN_CLIENT_REQUEST_MAX bytes, and return its length.
 */
size_t turn_client_allocate(turn_client *c, uint8_t *buf, const turn_client_wish *wish);
size_t turn_client_refresh(turn_client *c, uint8_t *buf, uint32_t lifetime);
size_t turn_client_permit(turn_client *c, uint8_t *buf, const lm_addr *peers, size_t count);
size_t turn_client_bind(turn_client *c, uint8_t *buf, uint16_t channel, const lm_addr *peer);

/* The same with room for the data. */
size_t turn_client_send(turn_client *c, uint8_t *buf, size_t cap, const lm_addr *peer, const void *data,
                        size_t len, bool dont_fragment);
size_t turn_client_channel_data(uint8_t *buf, size_t cap, uint16_t channel, const void *data, size_t len,
                                bool padded);

/*
 * Reads an answer: learns realm and nonce of 401 and 438, and the relayed address. LM_EMALFORMED: it is none,
 * or its integrity is wrong.
 */
int turn_client_read(turn_client *c, turn_client_answer *answer, const uint8_t *data, size_t len);

/* Reads ChannelData (*channel is its number) or a Data indication (0, and *peer). LM_EMALFORMED. */
int turn_client_read_data(uint16_t *channel, lm_addr *peer, const uint8_t **payload, size_t *payload_len,
                          const uint8_t *data, size_t len);

#endif
