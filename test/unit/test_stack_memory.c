/*
 * The stack when memory runs out: each allocation that it makes for a client that connects, talks and leaves
 * fails in turn. Nothing may crash or leak, and the stack must serve the next client as if nothing had been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/scarce_memory.h"
#include "test/support/world.h"

/* The linker puts these before the stack's: test/unit/CMakeLists.txt. */
int __real_lm_webrtc_input(lm_webrtc *stack, lm_ms now, const lm_dgram *in);
int __wrap_lm_webrtc_input(lm_webrtc *stack, lm_ms now, const lm_dgram *in);
void __real_lm_webrtc_timeout(lm_webrtc *stack, lm_ms now);
void __wrap_lm_webrtc_timeout(lm_webrtc *stack, lm_ms now);
int __real_lm_webrtc_send(lm_webrtc *stack, lm_ms now, lm_session_id session, const char *text, size_t len);
int __wrap_lm_webrtc_send(lm_webrtc *stack, lm_ms now, lm_session_id session, const char *text, size_t len);

int __wrap_lm_webrtc_input(lm_webrtc *stack, lm_ms now, const lm_dgram *in)
{
    memory.armed = true;
    int result = __real_lm_webrtc_input(stack, now, in);
    memory.armed = false;
    assert_true(result == LM_OK || result == LM_ENOMEM);
    return LM_OK; /* the world insists */
}

void __wrap_lm_webrtc_timeout(lm_webrtc *stack, lm_ms now)
{
    memory.armed = true;
    __real_lm_webrtc_timeout(stack, now);
    memory.armed = false;
}

int __wrap_lm_webrtc_send(lm_webrtc *stack, lm_ms now, lm_session_id session, const char *text, size_t len)
{
    memory.armed = true;
    int result = __real_lm_webrtc_send(stack, now, session, text, len);
    memory.armed = false;
    return result;
}

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    (void)user;
    if (event->kind == LM_WEBRTC_MESSAGE)
        lm_webrtc_send(test_world_stack(w), test_world_now(w), event->session, event->message.data,
                       event->message.len);
}

static void on_message(void *user, test_client *client, const char *data, size_t len)
{
    (void)client;
    (void)data;
    *(size_t *)user = len;
}

/* A client connects, has a message echoed, and leaves; false if it did not come through. */
static bool visit(test_world *w)
{
    size_t echoed = 0;
    test_client *c = test_world_add_client(
        w, &(test_client_config){.large_hello = true, .message = on_message, .user = &echoed});
    if (test_world_await(w, c, TEST_CLIENT_OPEN, 5000))
        test_client_send(c, test_world_now(w), "hello", 5);
    test_world_run(w, NULL, NULL, 3000);
    test_client_close(c, test_world_now(w));
    test_world_run(w, NULL, NULL, 40000); /* whatever is left of it has been given up by now */
    return echoed == 5;
}

static void check(unsigned long failure, unsigned long length)
{
    test_world *w = test_world_create(&(test_world_config){
        .seed = 30, .delay = 1, .session_rate = 100, .session_burst = 100, .event = on_event});
    scarce_memory_plan(failure, length);
    bool came_through = visit(w);
    if (memory.count < failure) /* no allocation was left to fail */
        assert_true(came_through);
    scarce_memory_relent();
    if (!visit(w))
        fail_msg("allocations %lu to %lu: the next client was not served", failure, failure + length - 1);
    assert_int_equal(lm_webrtc_get_stats(test_world_stack(w))->sessions, 0);
    assert_int_equal(lm_webrtc_get_stats(test_world_stack(w))->sessions_open, 0);
    test_world_destroy(w);
}

static unsigned long allocations(void)
{
    check(1000000, 1);
    assert_in_range(memory.count, 20, 5000);
    return memory.count;
}

static void each_allocation_may_fail(void **state)
{
    unsigned long all = allocations();
    (void)state;
    for (unsigned long i = 1; i <= all && i <= 150; i++) /* what comes later is like what came before */
        check(i, 1);
}

static void several_allocations_may_fail(void **state)
{
    (void)state;
    for (unsigned long i = 1; i <= 30; i++) {
        check(i, 3);
        check(i, 1000000); /* until the visit is over */
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
