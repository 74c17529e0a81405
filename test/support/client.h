/*
 * A client of the relay in C: what a browser does, as little as needed. It checks (full ICE, controlling),
 * starts DTLS 1.2, SCTP, and opens the channel; sans-IO like the stack, so tests join the two by a function,
 * and tools by sockets.
 */
#ifndef LM_TEST_CLIENT_H
#define LM_TEST_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/dgram.h"
#include "common/random.h"

typedef struct test_client test_client;

typedef struct test_client_config {
    const char *relay_ufrag;
    const char *relay_pwd;
    const char *ufrag; /* ours */
    const char *label; /* of the channel; NULL: "signal" */
    lm_addr relay;
    lm_addr local;
    lm_random random;
    const uint8_t *fingerprint; /* SHA-256 that the relay's certificate must have; NULL: not checked */
    bool large_hello;           /* fragment the ClientHello into several datagrams */
    bool nominate_once; /* until the first answer, as Firefox does; else in every check, as Chromium */
    /* Called for each message; may be NULL. */
    void (*message)(void *user, test_client *client, const char *data, size_t len);
    /* Called for each SCTP packet of both ways, in plaintext; may be NULL. */
    void (*packet)(void *user, bool sent, const uint8_t *data, size_t len);
    void *user;
} test_client_config;

typedef enum test_client_state {
    TEST_CLIENT_CHECKING,
    TEST_CLIENT_HANDSHAKING,
    TEST_CLIENT_CONNECTING, /* SCTP and DCEP */
    TEST_CLIENT_OPEN,
    TEST_CLIENT_CLOSED
} test_client_state;

/* Aborts when memory runs out, as everything here. config is copied, its pointers borrowed. */
test_client *test_client_create(const test_client_config *config);
void test_client_destroy(test_client *client);

void test_client_input(test_client *client, lm_ms now, const lm_dgram *in);
int test_client_poll(test_client *client, lm_dgram *out);
/* Not counting SCTP's timers, which all clients of a process share: see lm_sctp_next_timeout(). */
lm_ms test_client_next_timeout(const test_client *client);
void test_client_timeout(test_client *client, lm_ms now);

/* Sends one text message; false if it cannot be taken now. */
bool test_client_send(test_client *client, lm_ms now, const char *data, size_t len);
/* Any message, for tests of what the relay must refuse. */
bool test_client_send_raw(test_client *client, lm_ms now, uint16_t stream, uint32_t ppid, const void *data,
                          size_t len);
/* Opens one more channel on a stream. */
bool test_client_open_channel(test_client *client, lm_ms now, uint16_t stream, const char *label);
/* Resets the stream of the signal channel, as RTCDataChannel.close() does. */
void test_client_close_channel(test_client *client, lm_ms now);
/* Puts raw bytes into a DTLS record. */
void test_client_send_record(test_client *client, lm_ms now, const void *data, size_t len);
/* From now on the relay's SCTP packets go to `packet` alone: the test may speak in the client's stead. */
void test_client_fall_deaf(test_client *client);
/* It takes them again. */
void test_client_hear_again(test_client *client);
/* ABORT and close_notify, as RTCPeerConnection.close() does. */
void test_client_close(test_client *client, lm_ms now);
/* Stops checks, so that consent expires. */
void test_client_fall_silent(test_client *client);
/* Goes on from another address, as after a NAT rebinding. */
void test_client_move(test_client *client, const lm_addr *local);

test_client_state test_client_get_state(const test_client *client);
unsigned test_client_resets(const test_client *client); /* streams that the relay has reset */
unsigned test_client_error(const test_client *client);  /* number in the last answer to a check, 0: success */
/* The address that the relay's last answer said we have (XOR-MAPPED-ADDRESS). */
lm_addr test_client_mapped(const test_client *client);

#endif
