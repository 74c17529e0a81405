/*
 * Sends a relay everything that it must not trip over, on loopback and bounded: random bytes, cut and flipped
 * captures, wrong passwords, half ClientHellos; then, in sessions of its own, bad SCTP, other channels, and
 * messages that are no messages. The relay has to answer an honest client afterwards; what it has logged is
 * for the caller to look at.
 *
 *     lumamesh-hostile RELAY-BLOB [SEED]
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/sockaddr.h"
#include "mesh/node_config.h"
#include "test/support/client.h"
#include "test/support/data.h"
#include "webrtc/dcep.h"
#include "webrtc/sctp.h"
#include "webrtc/stun.h"

#define RANDOM_DATAGRAMS 3000
#define FLIPS 40 /* of each capture */

static lm_node_config relay;
static lm_addr relay_addr;
static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static lm_ms now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (lm_ms)ts.tv_sec * 1000 + (lm_ms)ts.tv_nsec / 1000000;
}

static void die(const char *what)
{
    fprintf(stderr, "lumamesh-hostile: %s\n", what);
    exit(1);
}

static int open_socket(void)
{
    struct sockaddr_storage name;
    socklen_t len = lm_sockaddr_from_addr(&name, &relay_addr);
    int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&name, len) != 0)
        die(strerror(errno));
    return fd;
}

/* Now and then a pause, so that the datagrams reach the relay rather than overflow its socket. */
static void shoot(int fd, const void *data, size_t len)
{
    static unsigned count;
    struct timespec pause = {.tv_nsec = 1000 * 1000};
    if (send(fd, data, len, 0) < 0 && errno != ECONNREFUSED)
        die(strerror(errno));
    if (++count % 64 == 0)
        nanosleep(&pause, NULL);
}

/* --- without a session --- */

static void random_bytes(int fd)
{
    uint8_t data[1500];
    for (int i = 0; i < RANDOM_DATAGRAMS; i++) {
        size_t len = draw(3) == 0 ? draw(sizeof data) : draw(64);
        for (size_t k = 0; k < len; k++)
            data[k] = (uint8_t)draw(256);
        if (len > 0 && i % 2 == 0)
            data[0] = (uint8_t[]){0, 1, 20, 22, 23, 25, 64, 128}[draw(8)]; /* past the demultiplexer */
        shoot(fd, data, len);
    }
}

static void mutated_captures(int fd)
{
    DIR *dir = opendir(LM_TEST_DATA "/captures");
    if (dir == NULL)
        die("no captures");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        size_t len;
        if (strstr(entry->d_name, ".hex") == NULL)
            continue;
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%.200s", entry->d_name);
        uint8_t *data = test_read_hex(path, &len);
        shoot(fd, data, len);
        for (size_t cut = 1; cut < len; cut += 1 + draw(16))
            shoot(fd, data, cut);
        for (int i = 0; i < FLIPS; i++) {
            size_t at = draw((uint32_t)len);
            data[at] ^= (uint8_t)(1u << draw(8));
            shoot(fd, data, len);
        }
        free(data);
    }
    closedir(dir);
}

/* A check as a client would send it, under a password that may be wrong. */
static void check(int fd, const char *ufrag, const char *pwd, bool odd)
{
    uint8_t buf[512], transaction[LM_STUN_TRANSACTION_LEN];
    char username[300];
    lm_stun_builder b;
    for (size_t i = 0; i < sizeof transaction; i++)
        transaction[i] = (uint8_t)draw(256);
    snprintf(username, sizeof username, "%.100s:%.100s", relay.ufrag, ufrag);
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_uint(&b, odd ? LM_STUN_ICE_CONTROLLED : LM_STUN_ICE_CONTROLLING, 42, 8);
    if (odd)
        lm_stun_add(&b, 0x7FFE, "?", 1);
    lm_stun_add_integrity(&b, pwd);
    int len = lm_stun_finish(&b);
    shoot(fd, buf, (size_t)len);
}

static void bad_checks(int fd)
{
    for (int i = 0; i < 100; i++) {
        check(fd, "nobody", "this is not the relay's password", false);
        check(fd, "odd", relay.pwd, true);
    }
}

/* Captured records on a session of their own, as far as they let it live. */
static void records_of(int fd, const char *ufrag, const char *const *files, size_t count)
{
    check(fd, ufrag, relay.pwd, false);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        size_t len;
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", files[i]);
        uint8_t *data = test_read_hex(path, &len);
        shoot(fd, data, len);
        free(data);
    }
}

/*
 * A session that never gets further than half a ClientHello, and hears plain records before one; and one that
 * begins with an encrypted record, as the browsers do that were connected before a restart.
 */
static void half_hellos(int fd)
{
    static const char *const half[] = {"chromium156-clientkeyexchange", "firefox153-clienthello-1",
                                       "chromium156-clienthello-1",     "chromium156-alert-close",
                                       "chromium156-appdata-init",      "firefox153-clienthello-unanswered-8",
                                       "chromium156-clientkeyexchange", "firefox153-clientkeyexchange"};
    static const char *const zombie[] = {"chromium156-appdata-init", "firefox153-clienthello-1"};
    records_of(fd, "half", half, sizeof half / sizeof half[0]);
    records_of(fd, "zombie", zombie, sizeof zombie / sizeof zombie[0]);
}

/* --- in a session --- */

static bool answered;

static void on_message(void *user, test_client *client, const char *data, size_t len)
{
    (void)user;
    (void)client;
    (void)data;
    (void)len;
    answered = true;
}

/*
 * Runs the client until it is in a state (or, with TEST_CLIENT_CHECKING, has an answer); false after two
 * seconds.
 */
static bool run(int fd, test_client *client, test_client_state state, lm_ms limit)
{
    lm_ms end = now_ms() + limit;
    answered = false;
    for (;;) {
        uint8_t buf[2048];
        lm_dgram d;
        lm_ms now = now_ms();
        if (now >= lm_sctp_next_timeout())
            lm_sctp_timeout(now);
        if (now >= test_client_next_timeout(client))
            test_client_timeout(client, now);
        while (test_client_poll(client, &d) == 1)
            shoot(fd, d.data, d.len);
        if (state == TEST_CLIENT_CHECKING ? answered : test_client_get_state(client) == state)
            return true;
        if (now >= end)
            return false;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 5) > 0) {
            ssize_t n = recv(fd, buf, sizeof buf, 0);
            d = (lm_dgram){
                .remote = relay_addr, .local = relay_addr, .data = buf, .len = n > 0 ? (size_t)n : 0};
            test_client_input(client, now_ms(), &d);
        }
    }
}

static test_client *make_client(const char *ufrag, const char *label)
{
    return test_client_create(&(test_client_config){.relay_ufrag = relay.ufrag,
                                                    .relay_pwd = relay.pwd,
                                                    .ufrag = ufrag,
                                                    .label = label,
                                                    .relay = relay_addr,
                                                    .local = relay_addr,
                                                    .random = lm_random_system(),
                                                    .fingerprint = relay.fingerprint,
                                                    .message = on_message});
}

static void other_channel(void)
{
    int fd = open_socket();
    test_client *client = make_client("label", "chat");
    if (run(fd, client, TEST_CLIENT_OPEN, 1000))
        die("a channel with another label was opened");
    test_client_close(client, now_ms());
    test_client_destroy(client);
    close(fd);
}

static void bad_messages(void)
{
    static char brackets[65536];
    int fd = open_socket();
    test_client *client = make_client("messages", NULL);
    if (!run(fd, client, TEST_CLIENT_OPEN, 5000))
        die("no session for bad messages");

    memset(brackets, '[', sizeof brackets);
    if (!test_client_send(client, now_ms(), brackets, sizeof brackets) ||
        !run(fd, client, TEST_CLIENT_CHECKING, 5000))
        die("no answer to 64 kB of [");
    test_client_send_raw(client, now_ms(), 0, LM_PPID_BINARY, "\0\1\2", 3);
    test_client_send_raw(client, now_ms(), 7, LM_PPID_STRING, "x", 1);
    test_client_send_raw(client, now_ms(), 0, LM_PPID_DCEP, "\3\0\0", 3);
    test_client_send_raw(client, now_ms(), 0, 9999, "x", 1);
    for (int i = 0; i < 200; i++) {
        char text[200];
        size_t len = draw(sizeof text);
        for (size_t k = 0; k < len; k++)
            text[k] = draw(2) ? (char)draw(256) : "{}[]\":,\\u0eaction"[draw(17)];
        test_client_send(client, now_ms(), text, len);
        run(fd, client, TEST_CLIENT_CLOSED, 2);
    }
    for (int i = 0; i < 100; i++) {
        uint8_t packet[60];
        size_t len = 1 + draw(sizeof packet - 1);
        for (size_t k = 0; k < len; k++)
            packet[k] = (uint8_t)draw(256);
        packet[0] = packet[2] = 0x13; /* port 5000 */
        packet[1] = packet[3] = 0x88;
        test_client_send_record(client, now_ms(), packet, len);
        run(fd, client, TEST_CLIENT_CLOSED, 2);
    }
    /* After all that the session still talks. */
    static const char hello[] =
        "{\"action\":\"hello\",\"v\":1,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
    run(fd, client, TEST_CLIENT_CLOSED, 200);
    if (!test_client_send(client, now_ms(), hello, sizeof hello - 1) ||
        !run(fd, client, TEST_CLIENT_CHECKING, 5000))
        die("no welcome after bad messages");
    test_client_close(client, now_ms());
    run(fd, client, TEST_CLIENT_CHECKING, 10);
    test_client_destroy(client);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3 || sodium_init() < 0)
        die("usage: lumamesh-hostile RELAY-BLOB [SEED]");
    if (lm_node_config_parse_blob(&relay, argv[1], strlen(argv[1])) != LM_OK)
        die("that is no relay blob");
    if (argc == 3)
        seed = (uint32_t)strtoul(argv[2], NULL, 10);
    relay_addr = relay.ip;
    relay_addr.port = relay.port;
    if (!lm_addr_is_loopback(&relay_addr))
        die("only a relay on loopback is a target");
    if (lm_sctp_start() != LM_OK)
        die("out of memory");

    int fd = open_socket();
    random_bytes(fd);
    mutated_captures(fd);
    bad_checks(fd);
    half_hellos(fd);
    close(fd);
    other_channel();
    bad_messages();
    lm_sctp_stop();
    return 0;
}
