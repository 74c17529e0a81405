/*
 * A TURN client over a real socket, UDP or TCP: asks and waits. What the network fails at, and an answer that
 * is none, abort the caller's question with LM_EIO; a wait that is too long ends with LM_EAGAIN.
 */
#ifndef LM_TEST_TURN_SOCKET_H
#define LM_TEST_TURN_SOCKET_H

#include <stdint.h>

#include "test/support/turn_client.h"

/* Longest packet that is taken. */
#define TURN_SOCKET_PACKET_MAX 4096

/* How long an answer may take, in ms. */
#define TURN_SOCKET_PATIENCE 2000

typedef struct turn_socket {
    turn_client client;
    int fd; /* -1: closed */
} turn_socket;

/*
 * Connects to the server, from `source` (four bytes) if that is not NULL, with a credential for `user` under
 * `secret` that is good for a day. LM_EIO.
 */
int turn_socket_open(turn_socket *s, const lm_addr *server, lm_transport transport, const uint8_t source[4],
                     const char *secret, const char *user);
void turn_socket_close(turn_socket *s);

int turn_socket_send(turn_socket *s, const void *data, size_t len);

/* The next packet, whole, into TURN_SOCKET_PACKET_MAX bytes; its length, LM_EAGAIN or LM_EIO. */
int turn_socket_receive(turn_socket *s, uint8_t *buf);

/*
 * Sends a request and waits for its answer; other packets are passed over. The error's number, 0 for success;
 * LM_EAGAIN or LM_EIO.
 */
int turn_socket_ask(turn_socket *s, const uint8_t *request, size_t len, turn_client_answer *answer);

/* Allocate, a second time for the nonce. As turn_socket_ask(). */
int turn_socket_allocate(turn_socket *s);

/* Asks for so many seconds more; 0 ends the allocation. As turn_socket_ask(). */
int turn_socket_refresh(turn_socket *s, uint32_t seconds);

/* Binds a channel, a permission included. As turn_socket_ask(). */
int turn_socket_bind(turn_socket *s, uint16_t channel, const lm_addr *peer);

/*
 * Sends data on a channel and waits for it at the other end. LM_OK; LM_EAGAIN: it did not come; LM_EIO,
 * LM_EMALFORMED: something else came.
 */
int turn_socket_pass(turn_socket *from, uint16_t channel, turn_socket *to, uint16_t to_channel,
                     const void *data, size_t len);

#endif
