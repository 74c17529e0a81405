/*
 * The shortest ClientHello that the relay answers: one suite, two groups, one signature algorithm. A
 * browser's is fifteen times as long; this is what somebody would send who wants much for little.
 */
#ifndef LM_TEST_SHORT_HELLO_H
#define LM_TEST_SHORT_HELLO_H

#include <stdint.h>

/* Where the length of the cookie stands, which is 0, and the extensions begin after it. */
#define TEST_SHORT_HELLO_COOKIE 60

/* clang-format off */
static const uint8_t test_short_hello[] = {
    22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 74, /* record: handshake, epoch 0, 74 bytes */
    1, 0, 0, 62, 0, 0, 0, 0, 0, 0, 0, 62,          /* ClientHello of 62 bytes in one fragment */
    0xFE, 0xFD,                                    /* DTLS 1.2 */
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31, 32, 0, 0,                          /* random, no session, no cookie */
    0, 2, 0xC0, 0x2B, 1, 0,                        /* the suite, no compression */
    0, 18,                                         /* extensions */
    0, 10, 0, 6, 0, 4, 0, 29, 0, 23,               /* supported_groups: X25519, P-256 */
    0, 13, 0, 4, 0, 2, 4, 3,                       /* signature_algorithms: ECDSA with SHA-256 */
};
/* clang-format on */

#endif
