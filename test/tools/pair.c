/*
 * Two TURN clients of a relay on loopback that talk to each other through it:
 *
 *     lumamesh-pair RELAY-BLOB SECRET [--user USER] [--tcp] [--seconds N]
 *
 * Each has an allocation of its own, and a channel to the other's relayed address; one sends, the other
 * answers with the same, a hundred times a second. Prints a JSON line at the start, five times a second, and
 * at the end:
 *
 *     {"error":0,"sent":120,"lost":0,"longest_us":350,"bytes":48000}
 *
 * and ends with status 1 if anything was refused: error is the number, -1 where there was no answer.
 */
#include <getopt.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "mesh/node_config.h"
#include "test/support/turn_socket.h"

#define PACKET 200
#define CHANNEL 0x4001
#define PAUSE_US 10000
#define NEWS_US 200000

static void die(const char *what)
{
    fprintf(stderr, "lumamesh-pair: %s\n", what);
    exit(2);
}

static uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

typedef struct tally {
    unsigned long long sent, lost, longest_us;
} tally;

static void tell(int error, const tally *t)
{
    printf("{\"error\":%d,\"sent\":%llu,\"lost\":%llu,\"longest_us\":%llu,\"bytes\":%llu}\n", error, t->sent,
           t->lost, t->longest_us, (t->sent - t->lost) * PACKET * 2);
    fflush(stdout);
}

/* There and back. */
static int talk(turn_socket pair[2], tally *t)
{
    uint8_t data[PACKET];
    randombytes_buf(data, sizeof data);
    uint64_t began = now_us();
    t->sent++;
    int result = turn_socket_pass(&pair[0], CHANNEL, &pair[1], CHANNEL, data, sizeof data);
    if (result == LM_OK)
        result = turn_socket_pass(&pair[1], CHANNEL, &pair[0], CHANNEL, data, sizeof data);
    t->lost += result != LM_OK;
    uint64_t took = now_us() - began;
    if (took > t->longest_us)
        t->longest_us = took;
    return result;
}

static int meet(turn_socket pair[2], const lm_addr *server, lm_transport transport, const char *secret,
                const char *user)
{
    int result = LM_OK;
    for (int i = 0; i < 2 && result == LM_OK; i++) {
        if (turn_socket_open(&pair[i], server, i == 0 ? LM_UDP : transport, NULL, secret, user) != LM_OK)
            die("there is nobody at the relay's address");
        result = turn_socket_allocate(&pair[i]);
    }
    for (int i = 0; i < 2 && result == LM_OK; i++)
        result = turn_socket_bind(&pair[i], CHANNEL, &pair[1 - i].client.relayed);
    return result;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"user", required_argument, NULL, 'u'},
                                            {"tcp", no_argument, NULL, 't'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    static lm_node_config relay;
    turn_socket pair[2] = {{.fd = -1}, {.fd = -1}};
    const char *user = "pair";
    bool tcp = false;
    uint64_t seconds = 0;
    tally t = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'u')
            user = optarg;
        else if (c == 't')
            tcp = true;
        else if (c == 's')
            seconds = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (optind + 2 != argc || sodium_init() < 0)
        die("usage: lumamesh-pair RELAY-BLOB SECRET [--user USER] [--tcp] [--seconds N]");
    if (lm_node_config_parse_blob(&relay, argv[optind], strlen(argv[optind])) != LM_OK)
        die("that is no relay blob");
    lm_addr server = relay.ip;
    server.port = relay.port;
    if (tcp && relay.tcp != relay.port)
        die("the relay has no TCP port of that number");

    int error = meet(pair, &server, tcp ? LM_TCP : LM_UDP, argv[optind + 1], user);
    uint64_t end = now_us() + seconds * 1000000, news = 0;
    while (error == 0 && now_us() < end) {
        if (talk(pair, &t) == LM_EIO)
            error = -1; /* it is gone */
        if (now_us() >= news) {
            tell(error, &t);
            news = now_us() + NEWS_US;
        }
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_US * 1000}, NULL);
    }
    tell(error < 0 ? -1 : error, &t);
    for (int i = 0; i < 2; i++) {
        if (pair[i].fd >= 0 && pair[i].client.relayed.family != LM_AF_NONE && error >= 0)
            (void)turn_socket_refresh(&pair[i], 0); /* its place is somebody else's now */
        turn_socket_close(&pair[i]);
    }
    return error != 0;
}
