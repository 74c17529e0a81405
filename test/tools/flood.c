/*
 * Floods a relay on loopback, at a bounded rate and for a bounded time:
 *
 *     lumamesh-flood RELAY-BLOB KIND [--seconds N] [--rate N] [--sessions N] [--secret SECRET] [--tls-port N]
 *
 * ufrags       checks of clients that never came before, each from an address of its own
 * hellos       the same with a ClientHello behind each; once the relay has answered it with its half of the
 *              handshake, an alert frees the place for the next
 * half-open    the same, cookies included, but for the alert: the handshakes are left as they are
 * rooms        sessions that enter ever new rooms
 * slow-reader  sessions that signal members who read nothing, until the relay cuts these off; then to new
 * ones
 *
 * allocations  TURN allocations with SECRET's credentials, each with all its channels, over UDP and TCP in
 * turn: those of one user until they are refused, then those of ever new users spoofed      Allocate and
 * Refresh requests without credentials, as if of clients that never were wrong        the same, and once more
 * with the relay's nonce and a credential of another secret silent       TCP connections that say nothing
 * garbage      TCP connections that say what is no protocol
 * drip         TCP connections that bring a request byte by byte
 * tls          TCP connections to N that bring a ClientHello, and go when the relay has done its half
 *
 * Strangers come from ever new addresses in 127.0.0.0/8, so that the limit on each address stops none. Prints
 * one JSON line of what was sent and what came back.
 */
#include "test/tools/flood.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/error.h"
#include "common/sockaddr.h"

/* At most so many at once: what the relay's socket has room for. */
#define BURST 64

lm_ms flood_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (lm_ms)ts.tv_sec * 1000 + (lm_ms)ts.tv_nsec / 1000000;
}

void flood_die(const char *what)
{
    fprintf(stderr, "lumamesh-flood: %s\n", what);
    exit(1);
}

unsigned flood_allowance(lm_ms start, unsigned rate, uint64_t sent)
{
    uint64_t due = (flood_now() - start) * rate / 1000;
    return due <= sent ? 0 : due - sent > BURST ? BURST : (unsigned)(due - sent);
}

void flood_source(uint8_t ip[4], uint32_t number)
{
    ip[0] = 127;
    ip[1] = (uint8_t)(1 + (number >> 16) % 254);
    ip[2] = (uint8_t)(number >> 8);
    ip[3] = (uint8_t)number;
}

int flood_socket(const flood *f, uint32_t number)
{
    struct sockaddr_storage name;
    struct sockaddr_in source = {.sin_family = AF_INET};
    socklen_t len = lm_sockaddr_from_addr(&name, &f->addr);
    uint8_t ip[4];
    flood_source(ip, number);
    memcpy(&source.sin_addr, ip, sizeof ip);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&source, sizeof source) != 0 ||
        connect(fd, (struct sockaddr *)&name, len) != 0)
        flood_die(strerror(errno));
    return fd;
}

static void print_counts(const char *kind, const flood *f)
{
    printf("{\"kind\":\"%s\"", kind);
#define X(name) printf(",\"" #name "\":%llu", (unsigned long long)f->counts.name);
    FLOOD_COUNTS(X)
#undef X
    printf("}\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(flood *f);
    } kinds[] = {{"ufrags", flood_ufrags},
                 {"hellos", flood_hellos},
                 {"half-open", flood_half_open},
                 {"rooms", flood_rooms},
                 {"slow-reader", flood_slow_reader},
                 {"allocations", flood_allocations},
                 {"spoofed", flood_spoofed},
                 {"wrong", flood_wrong},
                 {"silent", flood_silent},
                 {"garbage", flood_garbage},
                 {"drip", flood_drip},
                 {"tls", flood_tls}};
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'},  {"rate", required_argument, NULL, 'r'},
        {"sessions", required_argument, NULL, 'n'}, {"secret", required_argument, NULL, 'k'},
        {"tls-port", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
    static flood f = {.secret = ""};
    unsigned seconds = 5;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        unsigned number = (unsigned)strtoul(optarg != NULL ? optarg : "", NULL, 10);
        if (c == 's')
            seconds = number;
        else if (c == 'r')
            f.rate = number;
        else if (c == 'n')
            f.count = number;
        else if (c == 'k')
            f.secret = optarg;
        else if (c == 't')
            f.tls_port = (uint16_t)number;
        else
            return 2;
    }
    if (optind + 2 != argc || sodium_init() < 0)
        flood_die("usage: lumamesh-flood RELAY-BLOB KIND [--seconds N] [--rate N] [--sessions N] "
                  "[--secret SECRET] [--tls-port N]");
    if (lm_node_config_parse_blob(&f.relay, argv[optind], strlen(argv[optind])) != LM_OK)
        flood_die("that is no relay blob");
    f.addr = f.relay.ip;
    f.addr.port = f.relay.port;
    if (f.addr.family != LM_AF_INET || !lm_addr_is_loopback(&f.addr))
        flood_die("only a relay on loopback is a target");
    f.end = flood_now() + (lm_ms)seconds * 1000;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, argv[optind + 1]) != 0)
            continue;
        kinds[i].run(&f);
        print_counts(kinds[i].name, &f);
        return 0;
    }
    flood_die("no such kind");
}
