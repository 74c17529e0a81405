/* Meshes over real sockets on loopback: linking, refusing, closing, and what a stranger's bytes lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/mesh_uv.h"
#include "test/support/node.h"

#define NODES 3
#define WAIT 8000 /* ms for what should happen within one or two */

typedef struct node {
    lm_mesh *mesh;
    lm_mesh_uv *uv;
    lm_node_record record;
    unsigned joined, left, signals, flushes;
    char last[64];
} node;

static uv_loop_t loop;
static node nodes[NODES];
static const char *salt; /* of the nodes that are opened next */
static uint32_t links_max;

static void tell(void *ctx, lm_ms now, const lm_mesh_output *out)
{
    node *n = ctx;
    (void)now;
    n->joined += out->kind == LM_MESH_JOINED;
    n->left += out->kind == LM_MESH_LEFT;
    n->signals += out->kind == LM_MESH_SIGNAL;
    if (out->kind == LM_MESH_SIGNAL)
        snprintf(n->last, sizeof n->last, "%.60s", out->member.text);
}

static void count_flush(void *ctx)
{
    node *n = ctx;
    n->flushes++;
}

static lm_addr loopback(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

/* Opens node i; listen NULL: it only dials. */
static void open_node(int i, const char *listen)
{
    node *n = &nodes[i];
    lm_mesh_config config = {.salt = salt, .random = lm_random_system()};
    lm_mesh_uv_config uv = {.tell = tell, .flush = count_flush, .ctx = n};
    lm_node_config own;
    uint8_t seed[32], secret[crypto_sign_SECRETKEYBYTES];
    char mesh[LM_MESH_HOST_PORT_MAX];
    lm_error_text why;
    *n = (node){.joined = 0};
    test_node(&own, seed);
    memset(seed, 0x30 + i, sizeof seed);
    crypto_sign_seed_keypair(own.nk, secret, seed);
    config.seed = seed;
    lm_mesh_limits_default(&config.limits);
    config.limits.links_max = links_max;
    config.limits.links_wanted = links_max / 2 + 1;
    uv_update_time(&loop);
    assert_int_equal(lm_mesh_create(&n->mesh, &config, uv_now(&loop)), LM_OK);
    lm_mesh_set_unix_time(n->mesh, uv_now(&loop), 1700000000000 + uv_now(&loop));
    uv.mesh = n->mesh;
    if (listen != NULL)
        uv.listen = loopback(listen);
    assert_int_equal(lm_mesh_uv_open(&n->uv, &loop, &uv, &why), LM_OK);
    snprintf(mesh, sizeof mesh, "127.0.0.1:%u", (unsigned)lm_mesh_uv_port(n->uv));
    lm_node_record_extra extra = {.seq = 1700000000000 + uv_now(&loop), .mesh = listen != NULL ? mesh : NULL};
    assert_int_equal(lm_node_record_make(&n->record, &own, &extra, seed), LM_OK);
    assert_int_equal(lm_mesh_set_record(n->mesh, uv_now(&loop), &n->record), LM_OK);
}

static void dial(int from, const char *host, int to)
{
    char peer[64];
    const char *peers[] = {peer};
    snprintf(peer, sizeof peer, "%s:%u", host, (unsigned)lm_mesh_uv_port(nodes[to].uv));
    assert_int_equal(lm_mesh_set_peers(nodes[from].mesh, uv_now(&loop), peers, 1), LM_OK);
}

static void close_node(int i)
{
    lm_mesh_uv_close(nodes[i].uv);
    lm_mesh_destroy(nodes[i].mesh);
    lm_node_record_clear(&nodes[i].record);
    nodes[i].uv = NULL;
    nodes[i].mesh = NULL;
}

static uint64_t links(int i)
{
    return lm_mesh_get_stats(nodes[i].mesh)->links;
}

static void wake(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until the condition holds; at most WAIT ms. */
#define until(condition)                                     \
    do {                                                     \
        uint64_t end_ = uv_hrtime() / 1000000 + WAIT;        \
        while (!(condition) && uv_hrtime() / 1000000 < end_) \
            uv_run(&loop, UV_RUN_ONCE);                      \
        assert_true(condition);                              \
    } while (0)

static uv_timer_t ticks;

static int set_up(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof nodes);
    salt = "a salt of the tests";
    links_max = 128;
    uv_loop_init(&loop);
    uv_timer_init(&loop, &ticks); /* so that `until` looks at its clock */
    uv_timer_start(&ticks, wake, 10, 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < NODES; i++)
        if (nodes[i].mesh != NULL)
            close_node(i);
    uv_close((uv_handle_t *)&ticks, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop); /* nothing is left open */
}

static void nodes_link_and_carry_signals(void **state)
{
    static const uint8_t room[LM_MESH_ROOM_LEN] = {1};
    static const uint8_t a[LM_MESH_PEER_LEN] = {1}, b[LM_MESH_PEER_LEN] = {2};
    static char data[LM_MESH_DATA_MAX + 1];
    (void)state;
    open_node(0, "127.0.0.1:0");
    open_node(1, NULL);
    dial(1, "localhost", 0); /* a name, looked up */
    until(links(0) == 1 && links(1) == 1);
    assert_int_equal(lm_mesh_join(nodes[0].mesh, uv_now(&loop), room, a, "ia"), LM_OK);
    assert_int_equal(lm_mesh_join(nodes[1].mesh, uv_now(&loop), room, b, "ib"), LM_OK);
    until(nodes[0].joined == 1 && nodes[1].joined == 1);
    assert_in_range(nodes[0].flushes, 1, 2);
    /* More than the network takes at once: 400 of the longest signals. */
    memset(data, 'x', LM_MESH_DATA_MAX);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(lm_mesh_signal(nodes[0].mesh, uv_now(&loop), room, a, b, data), LM_OK);
        assert_int_equal(lm_mesh_signal(nodes[1].mesh, uv_now(&loop), room, b, a, data), LM_OK);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(lm_mesh_signal(nodes[0].mesh, uv_now(&loop), room, a, b, "last"), LM_OK);
    until(nodes[0].signals == 200 && nodes[1].signals == 201);
    assert_string_equal(nodes[1].last, "last");
    close_node(1);
    until(nodes[0].left == 1);
    assert_int_equal(links(0), 0);
}

static void one_listener_serves_both_families(void **state)
{
    (void)state;
    open_node(0, "[::]:0");
    open_node(1, NULL);
    open_node(2, NULL);
    dial(1, "127.0.0.1", 0);
    dial(2, "[::1]", 0);
    until(links(0) == 2);
}

static void an_address_that_is_taken_is_named(void **state)
{
    lm_mesh_uv_config config = {.tell = tell, .flush = count_flush};
    lm_mesh_uv *other;
    lm_error_text why;
    char text[LM_ADDR_STRLEN];
    (void)state;
    open_node(0, "127.0.0.1:0");
    config.mesh = nodes[0].mesh;
    config.listen = loopback("127.0.0.1:1");
    config.listen.port = lm_mesh_uv_port(nodes[0].uv);
    assert_int_equal(lm_mesh_uv_open(&other, &loop, &config, &why), LM_EIO);
    assert_non_null(strstr(why.text, lm_addr_format(&config.listen, text)));
}

static void who_cannot_be_reached_is_tried_again(void **state)
{
    const char *peers[] = {"nobody.invalid:1", "127.0.0.1:1"};
    (void)state;
    open_node(1, NULL);
    assert_int_equal(lm_mesh_set_peers(nodes[1].mesh, uv_now(&loop), peers, 2), LM_OK);
    until(lm_mesh_get_stats(nodes[1].mesh)->dials_failed >= 4);
}

static void both_sides_see_that_the_salt_differs(void **state)
{
    (void)state;
    open_node(0, "127.0.0.1:0");
    salt = "another salt of the tests";
    open_node(1, NULL);
    dial(1, "127.0.0.1", 0);
    until(lm_mesh_get_stats(nodes[0].mesh)->drops.salt > 0 &&
          lm_mesh_get_stats(nodes[1].mesh)->drops.salt > 0);
    assert_int_equal(links(0), 0);
}

/* Its hello and the end come at once, and both arrive. */
static void who_finds_no_place_hears_whose_it_is(void **state)
{
    (void)state;
    links_max = 1;
    open_node(0, "127.0.0.1:0");
    open_node(1, NULL);
    open_node(2, NULL);
    dial(1, "127.0.0.1", 0);
    until(links(0) == 1);
    dial(2, "127.0.0.1", 0);
    until(lm_mesh_get_stats(nodes[0].mesh)->drops.link_limit >= 2);
    until(lm_mesh_get_stats(nodes[2].mesh)->links_up >= 2);
    assert_int_equal(lm_mesh_get_stats(nodes[2].mesh)->drops.salt, 0);
    assert_int_equal(lm_mesh_get_stats(nodes[2].mesh)->drops.handshake, 0);
}

static void who_dials_itself_is_not_warned(void **state)
{
    (void)state;
    open_node(0, "127.0.0.1:0");
    dial(0, "127.0.0.1", 0);
    until(lm_mesh_get_stats(nodes[0].mesh)->dials_failed > 0);
    assert_int_equal(lm_mesh_get_stats(nodes[0].mesh)->drops.salt, 0);
}

/* --- strangers --- */

typedef struct stranger {
    uv_tcp_t handle;
    uv_connect_t connect;
    bool connected, ended;
    bool stays; /* with its half of the connection, when the other side has ended its own */
} stranger;

static void give(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char bytes[4096];
    (void)handle, (void)size;
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    stranger *s = stream->data;
    (void)buf;
    if (len < 0) {
        s->ended = true;
        uv_read_stop(stream);
    }
    if (len < 0 && !s->stays) {
        uv_close((uv_handle_t *)stream, NULL);
    }
}

static void on_connect(uv_connect_t *request, int status)
{
    stranger *s = request->handle->data;
    s->connected = status == 0;
    if (status == 0)
        uv_read_start(request->handle, give, on_read);
}

static void connect_stranger(stranger *s, int to)
{
    struct sockaddr_in name;
    uv_ip4_addr("127.0.0.1", lm_mesh_uv_port(nodes[to].uv), &name);
    uv_tcp_init(&loop, &s->handle);
    s->handle.data = s;
    uv_tcp_connect(&s->connect, &s->handle, (struct sockaddr *)&name, on_connect);
}

static int count_ended(const stranger *strangers, int count)
{
    int ended = 0;
    for (int i = 0; i < count; i++)
        ended += strangers[i].ended;
    return ended;
}

static void one_address_takes_only_so_many_places(void **state)
{
    static stranger strangers[LM_MESH_PER_ADDRESS + 8];
    (void)state;
    memset(strangers, 0, sizeof strangers);
    open_node(0, "127.0.0.1:0");
    for (int i = 0; i < LM_MESH_PER_ADDRESS + 8; i++)
        connect_stranger(&strangers[i], 0);
    until(lm_mesh_uv_get_stats(nodes[0].uv)->accepted == LM_MESH_PER_ADDRESS + 8);
    assert_int_equal(lm_mesh_uv_get_stats(nodes[0].uv)->refused, 8);
    /* The others are closed when they have said nothing for the time of a handshake. */
    until(count_ended(strangers, LM_MESH_PER_ADDRESS + 8) == LM_MESH_PER_ADDRESS + 8);
}

static void garbage_closes_its_link(void **state)
{
    static stranger s;
    static char noise[2048];
    uv_buf_t buf = uv_buf_init(noise, sizeof noise);
    (void)state;
    memset(&s, 0, sizeof s);
    memset(noise, 'G', sizeof noise);
    open_node(0, "127.0.0.1:0");
    connect_stranger(&s, 0);
    until(s.connected);
    assert_int_equal(uv_try_write((uv_stream_t *)&s.handle, &buf, 1), sizeof noise);
    until(s.ended);
    assert_int_equal(lm_mesh_get_stats(nodes[0].mesh)->drops.handshake, 1);
}

/* A reset, in answer to what comes after the end, could overtake what was said before it. */
static void who_goes_on_talking_is_not_reset(void **state)
{
    static stranger s;
    char text[] = "GGGGGGGG";
    uv_buf_t buf = uv_buf_init(text, 8);
    (void)state;
    memset(&s, 0, sizeof s);
    s.stays = true;
    open_node(0, "127.0.0.1:0");
    connect_stranger(&s, 0);
    until(s.connected);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(uv_try_write((uv_stream_t *)&s.handle, &buf, 1), 8);
        for (int turns = 0; turns < 10; turns++)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    until(s.ended);
    assert_int_equal(uv_try_write((uv_stream_t *)&s.handle, &buf, 1), 8);
    uv_close((uv_handle_t *)&s.handle, NULL);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(nodes_link_and_carry_signals),          test(one_listener_serves_both_families),
        test(an_address_that_is_taken_is_named),     test(who_cannot_be_reached_is_tried_again),
        test(both_sides_see_that_the_salt_differs),  test(who_dials_itself_is_not_warned),
        test(one_address_takes_only_so_many_places), test(garbage_closes_its_link),
        test(who_finds_no_place_hears_whose_it_is),  test(who_goes_on_talking_is_not_reset),
    };
    signal(SIGPIPE, SIG_IGN);
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
