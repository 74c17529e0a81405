/* The health listener on a real loop, with plain sockets as its clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "common/error.h"
#include "relay/health_uv.h"

static char warnings[1024];

static void keep_warning(void *ctx, lm_log_level level, const char *text)
{
    (void)ctx;
    (void)level;
    snprintf(warnings, sizeof warnings, "%s", text);
}

static const lm_log test_log = {.level = LM_LOG_WARN, .handler = keep_warning};

typedef struct fixture {
    uv_loop_t loop;
    lm_pages pages;
    lm_health *health;
    lm_addr addr;
    char *script; /* a large file */
    lm_page_file files[2];
    unsigned timeout; /* ms that a connection has */
} fixture;

#define SCRIPT_LEN 16000000 /* more than the system buffers for one connection */

static int start(fixture *f, const char *listen, lm_error_text *error)
{
    lm_health_config config = {.pages = &f->pages, .log = &test_log, .timeout_ms = f->timeout};
    assert_int_equal(lm_addr_parse(&config.listen, listen), LM_OK);
    return lm_health_start(&f->health, &f->loop, &config, error);
}

static void fill_report(void *ctx, lm_report *report)
{
    static const lm_webrtc_stats webrtc;
    static const lm_relay_stats relay;
    static const lm_udp_stats udp;
    static const lm_stream_stats streams;
    static const lm_turn_stats turn;
    static const lm_mesh_stats mesh;
    (void)ctx;
    *report = (lm_report){.version = "1",
                          .open = true,
                          .webrtc = &webrtc,
                          .relay = &relay,
                          .udp = &udp,
                          .tcp = &streams,
                          .tls = &streams,
                          .turn = &turn,
                          .mesh = &mesh};
}

static int set_up_with(void **state, unsigned timeout)
{
    lm_node_config config = {.port = 3478, .ufrag = "luma", .pwd = "0123456789abcdef0123456789abcdef"};
    fixture *f = calloc(1, sizeof *f);
    f->timeout = timeout;
    f->script = malloc(SCRIPT_LEN);
    memset(f->script, 'x', SCRIPT_LEN);
    f->files[0] = (lm_page_file){"/demo", (const unsigned char *)"<p>", 3};
    f->files[1] = (lm_page_file){"/demo/lumamesh.js", (const unsigned char *)f->script, SCRIPT_LEN};
    warnings[0] = '\0';
    *state = f;
    if (sodium_init() < 0 || uv_loop_init(&f->loop) != 0 ||
        lm_pages_init(&f->pages, &config, &(lm_page_files){f->files, 2}) != LM_OK ||
        lm_pages_set_report(&f->pages, &(lm_report_source){.get = fill_report}) != LM_OK)
        return -1;
    if (start(f, "127.0.0.1:0", NULL) != LM_OK)
        return -1;
    f->addr = lm_health_address(f->health);
    return f->addr.port == 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 10000);
}

static int set_up_impatient(void **state)
{
    return set_up_with(state, 300);
}

static int tear_down(void **state)
{
    fixture *f = *state;
    lm_health_stop(f->health);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    int busy = uv_loop_close(&f->loop); /* every handle must be gone */
    lm_pages_clear(&f->pages);
    free(f->script);
    free(f);
    return busy;
}

static int dial(const fixture *f)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(f->addr.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(&in.sin_addr, f->addr.ip, 4);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Turns the loop until the connection ends, and returns what came. */
static char *read_to_end(fixture *f, int fd, size_t *len, bool *reset)
{
    size_t cap = SCRIPT_LEN + 10000;
    char *text = malloc(cap + 1);
    *len = 0;
    *reset = false;
    for (;;) {
        ssize_t n = recv(fd, text + *len, cap - *len, MSG_DONTWAIT);
        if (n == 0)
            break;
        if (n < 0 && errno != EAGAIN) {
            *reset = true;
            break;
        }
        if (n > 0)
            *len += (size_t)n;
        uv_run(&f->loop, UV_RUN_NOWAIT);
        if (n < 0)
            usleep(500);
    }
    text[*len] = '\0';
    return text;
}

static void expect(fixture *f, int fd, const char *beginning, const char *end)
{
    size_t len;
    bool reset;
    char *text = read_to_end(f, fd, &len, &reset);
    if (reset || strncmp(text, beginning, strlen(beginning)) != 0 || len < strlen(end) ||
        strcmp(text + len - strlen(end), end) != 0)
        fail_msg("%s%.300s", reset ? "reset after " : "", text);
    free(text);
    close(fd);
}

static void answers_and_closes(void **state)
{
    int fd = dial(*state);
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(*state, fd, "HTTP/1.1 200 OK\r\n", "}");
    fd = dial(*state);
    say(fd, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(*state, fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
    fd = dial(*state);
    say(fd, "PUT / HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(*state, fd, "HTTP/1.1 405 ", "Method Not Allowed");
}

/* The Content-Length of the answer to a method on a path; the body's own length in *body. */
static size_t ask(fixture *f, const char *method, const char *path, size_t *body)
{
    char request[256];
    size_t len;
    bool reset;
    int fd = dial(f);
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path);
    say(fd, request);
    char *text = read_to_end(f, fd, &len, &reset), *end = strstr(text, "\r\n\r\n");
    assert_false(reset);
    assert_non_null(end);
    assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
    const char *header = strstr(text, "\r\nContent-Length: ");
    assert_non_null(header);
    size_t told = strtoul(header + 18, NULL, 10);
    *body = len - (size_t)(end + 4 - text);
    free(text);
    close(fd);
    return told;
}

static void head_is_get_without_the_body(void **state)
{
    static const char *const paths[] = {"/readyz", "/statsz", "/metrics", "/demo"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        size_t got, headed;
        size_t told = ask(*state, "GET", paths[i], &got);
        assert_true(told > 0 && got == told);
        /* A report may be a digit longer by now. */
        assert_in_range(ask(*state, "HEAD", paths[i], &headed), told - told / 10, told + told / 10);
        assert_int_equal(headed, 0);
    }
}

static void only_get_and_head_are_served(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char request[256];
        int fd = dial(*state);
        snprintf(request, sizeof request, "%s /statsz HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
        say(fd, request);
        expect(*state, fd, "HTTP/1.1 405 ", "Method Not Allowed");
    }
}

/* A head of 8,192 bytes is served, and a byte more is not. */
static void heads_have_a_limit(void **state)
{
    static const char beginning[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", end[] = "\r\n\r\n";
    for (size_t more = 0; more < 2; more++) {
        char request[LM_HTTP_REQUEST_MAX + 8];
        size_t filling = LM_HTTP_REQUEST_MAX + more - strlen(beginning) - strlen(end);
        memcpy(request, beginning, strlen(beginning));
        memset(request + strlen(beginning), 'x', filling);
        memcpy(request + strlen(beginning) + filling, end, sizeof end);
        assert_int_equal(strlen(request), LM_HTTP_REQUEST_MAX + more);
        int fd = dial(*state);
        say(fd, request);
        if (more == 0)
            expect(*state, fd, "HTTP/1.1 200 OK\r\n", "}");
        else
            expect(*state, fd, "HTTP/1.1 431 ", "Request Header Fields Too Large");
    }
}

static void takes_a_request_in_pieces(void **state)
{
    static const char request[] = "GET /demo HTTP/1.1\r\nHost: x\r\n\r\n";
    fixture *f = *state;
    int fd = dial(f);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        say(fd, (const char[]){request[i], '\0'});
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    expect(f, fd, "HTTP/1.1 200 OK\r\n", "\r\n\r\n<p>");
}

static void a_client_that_shuts_its_side_gets_its_answer(void **state)
{
    fixture *f = *state;
    int fd = dial(f);
    say(fd, "GET /demo/lumamesh.js HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(fd, SHUT_WR);
    size_t len;
    bool reset;
    char *text = read_to_end(f, fd, &len, &reset);
    assert_false(reset);
    char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(len - (size_t)(body + 4 - text), SCRIPT_LEN);
    free(text);
    close(fd);
}

/* Bytes that are left unread would turn the close into a reset, and the client might lose its answer. */
static void surplus_bytes_do_no_harm(void **state)
{
    fixture *f = *state;
    char junk[10000];
    int fd = dial(f);
    memset(junk, 'j', sizeof junk - 1);
    junk[sizeof junk - 1] = '\0';
    say(fd, "GET /demo HTTP/1.1\r\nHost: x\r\n\r\n");
    say(fd, junk);
    expect(f, fd, "HTTP/1.1 200 OK\r\n", "<p>");
    fd = dial(f);
    say(fd, junk); /* no request at all */
    expect(f, fd, "HTTP/1.1 431 ", "Request Header Fields Too Large");
}

static void slow_clients_are_closed(void **state)
{
    fixture *f = *state;
    int silent = dial(f), greedy = dial(f);
    say(silent, "GET / HT");
    say(greedy, "GET /demo/lumamesh.js HTTP/1.1\r\nHost: x\r\n\r\n");
    uint64_t begin = uv_hrtime();
    expect(f, silent, "", ""); /* an end, without a word */
    assert_true(uv_hrtime() - begin >= 250u * 1000 * 1000);
    assert_true(uv_hrtime() - begin < 5000u * 1000 * 1000);
    size_t len;
    bool reset;
    free(read_to_end(f, greedy, &len, &reset)); /* had read nothing all the time */
    assert_true(len < SCRIPT_LEN);
    close(greedy);
}

/* A byte now and then does not buy time: the limit is for the whole connection. */
static void a_trickle_is_closed_too(void **state)
{
    fixture *f = *state;
    int fd = dial(f);
    uint64_t begin = uv_hrtime();
    ssize_t n;
    char c;
    say(fd, "GET / HTTP/1.1\r\nX: ");
    do {
        send(fd, "x", 1, MSG_NOSIGNAL);
        uv_run(&f->loop, UV_RUN_NOWAIT);
        usleep(20000);
        n = recv(fd, &c, 1, MSG_DONTWAIT);
        assert_true(uv_hrtime() - begin < 5000u * 1000 * 1000);
    } while (n < 0 && errno == EAGAIN);
    assert_true(n <= 0);
    assert_true(uv_hrtime() - begin >= 250u * 1000 * 1000);
    close(fd);
}

static void only_so_many_at_once(void **state)
{
    fixture *f = *state;
    int fds[LM_HEALTH_CONNECTIONS_MAX + 8];
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        fds[i] = dial(f);
        uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        char c;
        ssize_t n = recv(fds[i], &c, 1, MSG_DONTWAIT);
        if (i < LM_HEALTH_CONNECTIONS_MAX)
            assert_true(n < 0 && errno == EAGAIN);
        else
            assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    }
    say(fds[0], "GET /demo HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(f, fds[0], "HTTP/1.1 200 OK\r\n", "<p>");
    for (size_t i = 1; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    for (int i = 0; i < 20; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    int fd = dial(f); /* there is room again */
    say(fd, "GET /demo HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(f, fd, "HTTP/1.1 200 OK\r\n", "<p>");
}

static void a_taken_port_is_an_error(void **state)
{
    fixture *f = *state;
    char text[LM_ADDR_STRLEN];
    lm_error_text error;
    lm_health *first = f->health;
    assert_int_equal(start(f, lm_addr_format(&f->addr, text), &error), LM_EIO);
    assert_ptr_equal(f->health, first);
    assert_non_null(strstr(error.text, text));
    assert_non_null(strstr(error.text, "in use"));
    assert_int_equal(start(f, "203.0.113.1:7401", &error), LM_EIO);
    assert_non_null(strstr(error.text, "this machine does not have the address"));
}

static void warns_of_public_addresses(void **state)
{
    fixture *f = *state;
    assert_string_equal(warnings, "");
    lm_health_stop(f->health);
    assert_int_equal(start(f, "127.0.0.2:0", NULL), LM_OK);
    assert_string_equal(warnings, "");
    lm_health_stop(f->health);
    assert_int_equal(start(f, "0.0.0.0:0", NULL), LM_OK);
    assert_non_null(strstr(warnings, "HEALTH_LISTEN is 0.0.0.0:0, which strangers may reach"));
}

static void stops_in_the_middle(void **state)
{
    fixture *f = *state;
    int fd = dial(f), other = dial(f);
    say(fd, "GET /demo/lumamesh.js HTTP/1.1\r\nHost: x\r\n\r\n");
    say(other, "GET ");
    for (int i = 0; i < 10; i++)
        uv_run(&f->loop, UV_RUN_NOWAIT);
    lm_health_stop(f->health);
    f->health = NULL;
    uv_run(&f->loop, UV_RUN_DEFAULT); /* returns, because nothing is left */
    close(fd);
    close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, set_up_impatient, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_and_closes),           TEST(head_is_get_without_the_body),
        TEST(only_get_and_head_are_served), TEST(heads_have_a_limit),
        TEST(takes_a_request_in_pieces),    TEST(a_client_that_shuts_its_side_gets_its_answer),
        TEST(surplus_bytes_do_no_harm),     IMPATIENT(slow_clients_are_closed),
        IMPATIENT(a_trickle_is_closed_too), TEST(only_so_many_at_once),
        TEST(a_taken_port_is_an_error),     TEST(warns_of_public_addresses),
        TEST(stops_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
