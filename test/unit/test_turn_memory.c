/*
 * The TURN server when memory runs out: each allocation that it makes for two clients that meet fails in
 * turn. Nothing may crash or leak, gauges stay right, and the next clients are served as if nothing had been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/error.h"
#include "test/support/scarce_memory.h"
#include "test/support/turn_world.h"

/* The linker puts these before the server's: test/unit/CMakeLists.txt. */
int __real_lm_turn_create(lm_turn **turn, const lm_turn_config *config);
int __wrap_lm_turn_create(lm_turn **turn, const lm_turn_config *config);
int __real_lm_turn_relay(lm_turn *turn, lm_ms now, lm_packet *packet);
int __wrap_lm_turn_relay(lm_turn *turn, lm_ms now, lm_packet *packet);
void __real_lm_turn_port_opened(lm_turn *turn, lm_ms now, const lm_addr *port, bool opened);
void __wrap_lm_turn_port_opened(lm_turn *turn, lm_ms now, const lm_addr *port, bool opened);

int __wrap_lm_turn_create(lm_turn **turn, const lm_turn_config *config)
{
    int result;
    do { /* the world insists */
        memory.armed = true;
        result = __real_lm_turn_create(turn, config);
        memory.armed = false;
        assert_true(result == LM_OK || result == LM_ENOMEM);
    } while (result != LM_OK);
    return result;
}

int __wrap_lm_turn_relay(lm_turn *turn, lm_ms now, lm_packet *packet)
{
    memory.armed = true;
    int result = __real_lm_turn_relay(turn, now, packet);
    memory.armed = false;
    return result;
}

void __wrap_lm_turn_port_opened(lm_turn *turn, lm_ms now, const lm_addr *port, bool opened)
{
    memory.armed = true;
    __real_lm_turn_port_opened(turn, now, port, opened);
    memory.armed = false;
}

static bool say(turn_world *w, const turn_client *c)
{
    uint8_t buf[16];
    size_t len = turn_client_channel_data(buf, sizeof buf, 0x4000, "hello", 5, false);
    return turn_world_put(w, &c->address, &c->server, false, buf, len) == 1;
}

/* Two clients meet and leave; false if they did not come through. */
static bool visit(turn_world *w)
{
    turn_client_answer answer;
    turn_client a = turn_world_client(w, "192.0.2.1:1000", "ada"),
                b = turn_world_client(w, "192.0.2.2:1", "bob");
    bool well = turn_world_allocate(w, &a, &(turn_client_wish){.even = true, .next = true}, &answer) == 0;
    well = turn_world_allocate(w, &b, NULL, &answer) == 0 && well;
    well = turn_world_permit(w, &a, "198.51.100.1") == 0 && well;
    lm_addr peer = b.relayed.family != LM_AF_NONE ? b.relayed : a.address;
    well = turn_world_bind(w, &a, 0x4000, &peer) == 0 && well;
    peer = a.relayed.family != LM_AF_NONE ? a.relayed : b.address;
    well = turn_world_bind(w, &b, 0x4000, &peer) == 0 && well;
    well = say(w, &a) && well;
    well = say(w, &b) && well;
    well = turn_world_refresh(w, &a, 0) == 0 && well;
    turn_world_pass(w, LM_TURN_LIFETIME_MAX);
    return well;
}

static void check(lm_turn_mode mode, unsigned long failure, unsigned long length)
{
    turn_world w;
    scarce_memory_plan(failure, length);
    turn_world_start(&w, mode, NULL);
    bool came_through = visit(&w);
    if (memory.count < failure) /* no allocation was left to fail */
        assert_true(came_through);
    scarce_memory_relent();
    if (!visit(&w))
        fail_msg("mode %d, allocations %lu to %lu: the next were not served", mode, failure,
                 failure + length - 1);
    const lm_turn_stats *s = lm_turn_get_stats(w.turn);
    assert_true(s->allocations == 0 && s->permissions == 0 && s->channels == 0);
    assert_int_equal(w.port_count, 0);
    turn_world_stop(&w);
}

static unsigned long allocations(lm_turn_mode mode)
{
    check(mode, 1000000, 1);
    assert_in_range(memory.count, 20, 1000);
    return memory.count;
}

static void each_allocation_may_fail(void **state)
{
    (void)state;
    for (int mode = LM_TURN_CLOSED; mode <= LM_TURN_OPEN; mode++) {
        unsigned long all = allocations((lm_turn_mode)mode);
        for (unsigned long i = 1; i <= all; i++)
            check((lm_turn_mode)mode, i, 1);
    }
}

static void several_allocations_may_fail(void **state)
{
    (void)state;
    for (int mode = LM_TURN_CLOSED; mode <= LM_TURN_OPEN; mode++) {
        for (unsigned long i = 1; i <= 60; i++) {
            check((lm_turn_mode)mode, i, 3);
            if (i > 10) /* the server itself is there */
                check((lm_turn_mode)mode, i, 1000000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(several_allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
