/*
 * The relay's ports with real sockets on loopback, and clients of the TURN server at them. A client asks and
 * waits, so it has a thread of its own; what the test looks at afterwards the loop has done with by then.
 *
 *     TURN client (thread) -- UDP, TCP -- lm_port -- relay, TURN server
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/error.h"
#include "common/random.h"
#include "common/sockaddr.h"
#include "relay/port_uv.h"
#include "test/support/relay_world.h"
#include "test/support/turn_socket.h"

#define SECRET "a secret of the tests"
#define CHANNEL 0x4000

static uv_loop_t loop;
static relay_world world;
static lm_turn *turn;
static lm_port *port;
static uv_async_t done;

typedef struct scene {
    void (*play)(struct scene *scene);
    lm_addr server;
    int results[16]; /* of what was tried, in the order of trying; the thread asserts nothing */
    unsigned count;
} scene;

static void note(scene *s, int result)
{
    if (s->count < sizeof s->results / sizeof s->results[0])
        s->results[s->count++] = result;
}

static lm_turn *make_turn(lm_turn_mode mode)
{
    lm_turn_secrets secrets;
    lm_turn_peers peers;
    lm_error_text why;
    lm_turn *made = NULL;
    assert_int_equal(lm_turn_secrets_parse(&secrets, SECRET), LM_OK);
    assert_int_equal(lm_turn_peers_parse(&peers, "127.0.0.0/8", &why), LM_OK);
    lm_turn_config config = {.mode = mode,
                             .port_min = 42000,
                             .port_max = 42999,
                             .realm = "test",
                             .secrets = &secrets,
                             .peers = &peers,
                             .limits = {.max_allocations = 10},
                             .random = lm_random_system()};
    assert_int_equal(lm_addr_parse_ip(&config.public_ip, "127.0.0.1", 0), LM_OK);
    assert_int_equal(lm_turn_create(&made, &config), LM_OK);
    return made;
}

/* A TCP port of the kernel's choice that is bound; *fd keeps it. */
static uint16_t take_tcp_port(int *fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    lm_addr addr;
    assert_int_equal(lm_addr_parse_ip(&addr, "0.0.0.0", 0), LM_OK);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(*fd >= 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&name, lm_sockaddr_from_addr(&name, &addr)), 0);
    assert_int_equal(listen(*fd, 1), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&name, &len), 0);
    assert_int_equal(lm_sockaddr_to_addr(&addr, (struct sockaddr *)&name), LM_OK);
    return addr.port;
}

static uint16_t free_tcp_port(void)
{
    int fd;
    uint16_t number = take_tcp_port(&fd);
    close(fd);
    return number;
}

static lm_port_config config_with(uint16_t tcp)
{
    return (lm_port_config){.tcp = tcp, .tcp_chosen = true, .streams = {.connections = 10}};
}

static void open_ports(lm_turn *with)
{
    lm_error_text why;
    lm_port_config config = config_with(free_tcp_port());
    turn = with;
    assert_int_equal(lm_port_listen(&port, &loop, &config, &why), LM_OK);
    assert_int_equal(lm_port_serve(port, world.relay, turn, &why), LM_OK);
    assert_int_equal(lm_port_tcp(port), config.tcp);
    assert_int_not_equal(lm_port_udp(port), 0);
    assert_int_equal(lm_port_tls(port), 0);
}

static int start(void **state)
{
    (void)state;
    turn = NULL;
    port = NULL;
    return uv_loop_init(&loop) == 0 && relay_world_create(&world, NULL, 1) == LM_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    lm_port_close(port);
    uv_run(&loop, UV_RUN_DEFAULT);
    lm_turn_destroy(turn);
    relay_world_destroy(&world);
    return uv_loop_close(&loop);
}

static void play(void *arg)
{
    scene *s = arg;
    s->play(s);
    uv_async_send(&done);
}

static void on_done(uv_async_t *handle)
{
    uv_close((uv_handle_t *)handle, NULL);
    uv_stop(handle->loop);
}

/* Runs the loop until the scene is over; UDP's port is the server's, of TCP's the scene knows. */
static void run(scene *s)
{
    uv_thread_t thread;
    assert_int_equal(lm_addr_parse_ip(&s->server, "127.0.0.1", lm_port_udp(port)), LM_OK);
    assert_int_equal(uv_async_init(&loop, &done, on_done), 0);
    assert_int_equal(uv_thread_create(&thread, play, s), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_thread_join(&thread);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static int open_client(const scene *s, turn_socket *client, lm_transport transport)
{
    lm_addr server = s->server;
    if (transport == LM_TCP)
        server.port = lm_port_tcp(port);
    return turn_socket_open(client, &server, transport, NULL, SECRET, "ada");
}

/* Two allocations that reach each other; `first` and `second` are open. */
static void meet(scene *s, turn_socket *first, turn_socket *second)
{
    note(s, turn_socket_allocate(first));
    note(s, turn_socket_allocate(second));
    note(s, turn_socket_bind(first, CHANNEL, &second->client.relayed));
    note(s, turn_socket_bind(second, CHANNEL, &first->client.relayed));
}

static void talk_over_both(scene *s)
{
    static uint8_t data[1200];
    turn_socket udp, tcp;
    note(s, open_client(s, &udp, LM_UDP));
    note(s, open_client(s, &tcp, LM_TCP));
    meet(s, &udp, &tcp);
    for (size_t len = 1; len <= sizeof data && s->count < 14; len += 399) {
        randombytes_buf(data, len);
        note(s, turn_socket_pass(&tcp, CHANNEL, &udp, CHANNEL, data, len));
        note(s, turn_socket_pass(&udp, CHANNEL, &tcp, CHANNEL, data, len));
    }
    turn_socket_close(&tcp);
    turn_socket_close(&udp);
}

static void check_all_good(const scene *s, unsigned count)
{
    assert_int_equal(s->count, count);
    for (unsigned i = 0; i < s->count; i++)
        assert_int_equal(s->results[i], 0);
}

static void allocations_over_tcp_and_udp_meet(void **state)
{
    scene s = {.play = talk_over_both};
    (void)state;
    open_ports(make_turn(LM_TURN_CLOSED));
    run(&s);
    check_all_good(&s, 14);
    const lm_turn_stats *stats = lm_turn_get_stats(turn);
    assert_int_equal(stats->packets_from_clients, 8);
    assert_int_equal(stats->packets_to_clients, 8);
    assert_int_equal(stats->bytes_from_clients, 2 * (1 + 400 + 799 + 1198));
    /* The stream has closed, and its allocation with it; UDP's lives on. */
    for (int i = 0; i < 1000 && stats->allocations_stream > 0; i++)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(stats->allocations, 1);
    assert_int_equal(lm_port_tcp_stats(port)->accepted, 1);
    assert_int_equal(lm_port_tcp_stats(port)->connections, 0);
    assert_int_equal(lm_port_tls_stats(port)->accepted, 0);
    assert_int_equal(lm_port_udp_stats(port)->send_errors, 0);
}

static void real_ports_are_opened_and_closed(void **state)
{
    scene s = {.play = talk_over_both};
    (void)state;
    open_ports(make_turn(LM_TURN_OPEN));
    run(&s);
    check_all_good(&s, 14);
    assert_int_equal(lm_turn_get_stats(turn)->allocations_created, 2);
}

static void both_over_tcp(scene *s)
{
    turn_socket first, second;
    note(s, open_client(s, &first, LM_TCP));
    note(s, open_client(s, &second, LM_TCP));
    meet(s, &first, &second);
    note(s, turn_socket_pass(&first, CHANNEL, &second, CHANNEL, "hello", 5));
    note(s, turn_socket_pass(&second, CHANNEL, &first, CHANNEL, "hello!", 6));
    turn_socket_close(&first);
    turn_socket_close(&second);
}

static void two_streams_meet(void **state)
{
    scene s = {.play = both_over_tcp};
    (void)state;
    open_ports(make_turn(LM_TURN_CLOSED));
    run(&s);
    check_all_good(&s, 8);
}

static void allocate_once(scene *s)
{
    turn_socket client;
    note(s, open_client(s, &client, LM_UDP));
    note(s, turn_socket_allocate(&client));
    turn_socket_close(&client);
}

/* Its bytes come out of the stack again, that of the tests, as an answer would. */
static void without_a_turn_server_the_stack_gets_it(void **state)
{
    scene s = {.play = allocate_once};
    (void)state;
    open_ports(NULL);
    run(&s);
    assert_int_equal(s.results[0], LM_OK);
    assert_int_equal(s.results[1], LM_EAGAIN);
}

static void on_log(void *user, lm_log_level level, const char *text)
{
    unsigned *warnings = user;
    *warnings += level == LM_LOG_WARN && strstr(text, "cannot open TCP port") != NULL;
}

/* A start that fails says one line, its error: the warning comes once all is there. */
static void a_port_that_is_taken(void **state)
{
    lm_error_text why = {""};
    char text[32];
    int fd;
    unsigned warnings = 0;
    const lm_log log = {.level = LM_LOG_INFO, .handler = on_log, .ctx = &warnings};
    lm_port_config config = config_with(take_tcp_port(&fd));
    (void)state;
    snprintf(text, sizeof text, "%u", (unsigned)config.tcp);
    assert_int_equal(lm_port_listen(&port, &loop, &config, &why), LM_EIO);
    assert_non_null(strstr(why.text, text));
    assert_null(port);
    config.tcp_chosen = false; /* it would have been nice */
    config.log = &log;
    assert_int_equal(lm_port_listen(&port, &loop, &config, &why), LM_OK);
    assert_int_equal(warnings, 0);
    assert_int_equal(lm_port_serve(port, world.relay, NULL, &why), LM_OK);
    assert_int_equal(warnings, 1);
    assert_int_equal(lm_port_tcp(port), 0);
    assert_int_equal(lm_port_tcp_stats(port)->accepted, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(allocations_over_tcp_and_udp_meet, start, stop),
        cmocka_unit_test_setup_teardown(real_ports_are_opened_and_closed, start, stop),
        cmocka_unit_test_setup_teardown(two_streams_meet, start, stop),
        cmocka_unit_test_setup_teardown(without_a_turn_server_the_stack_gets_it, start, stop),
        cmocka_unit_test_setup_teardown(a_port_that_is_taken, start, stop),
    };
    signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
