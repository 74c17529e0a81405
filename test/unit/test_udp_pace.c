/* Pauses between turns of the loop, by rate, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "webrtc/udp_pace.h"

#define US UINT64_C(1000)
#define SECOND UINT64_C(1000000000)

/* Turns for a second, each bringing what has come at `rate` since the one before; the longest pause, in ns.
 */
static uint64_t run(lm_udp_pace *pace, uint64_t *now, uint64_t rate, uint64_t turn_takes, unsigned *turns)
{
    uint64_t start = *now, taken = 0, longest = 0;
    *turns = 0;
    while (*now - start < SECOND) {
        uint64_t come = (*now - start) * rate / SECOND;
        *now += turn_takes;
        uint64_t pause = lm_udp_pace_pause(pace, *now, (unsigned)(come - taken), false);
        taken = come;
        *now += pause;
        longest = pause > longest ? pause : longest;
        ++*turns;
    }
    return longest;
}

static void a_low_rate_has_no_pauses(void **state)
{
    lm_udp_pace pace = {0};
    uint64_t now = 1000 * SECOND;
    unsigned turns;
    (void)state;
    assert_int_equal(run(&pace, &now, 20000, 50 * US, &turns), 0);
    assert_int_equal(run(&pace, &now, LM_UDP_PACE_RATE * 9 / 10, 20 * US, &turns), 0);
}

static void a_high_rate_has_turns_of_one_length(void **state)
{
    lm_udp_pace pace = {0};
    uint64_t now = 1000 * SECOND;
    unsigned turns;
    (void)state;
    assert_in_range(run(&pace, &now, 200000, 10 * US, &turns), 1, LM_UDP_PACE_TURN);
    assert_in_range(turns, SECOND / LM_UDP_PACE_TURN, SECOND / LM_UDP_PACE_TURN * 11 / 10);
}

static void a_turn_that_takes_long_has_no_pause(void **state)
{
    lm_udp_pace pace = {0};
    uint64_t now = 1000 * SECOND;
    unsigned turns;
    (void)state;
    assert_int_equal(run(&pace, &now, 300000, LM_UDP_PACE_TURN, &turns), 0);
}

static void pauses_end_with_the_rush(void **state)
{
    lm_udp_pace pace = {0};
    uint64_t now = 1000 * SECOND;
    unsigned turns;
    (void)state;
    run(&pace, &now, 200000, 10 * US, &turns);
    assert_true(lm_udp_pace_pause(&pace, now + 10 * US, 40, false) > 0);
    now += 10 * SECOND; /* nothing came: the first packet then does not wait */
    assert_int_equal(lm_udp_pace_pause(&pace, now, 1, false), 0);
    assert_int_equal(lm_udp_pace_pause(&pace, now + 10 * US, 1, false), 0);
}

static void work_that_is_left_is_not_kept_waiting(void **state)
{
    lm_udp_pace pace = {0};
    uint64_t now = 1000 * SECOND;
    unsigned turns;
    (void)state;
    run(&pace, &now, 200000, 10 * US, &turns);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lm_udp_pace_pause(&pace, now += 10 * US, 2, true), 0);
    assert_true(lm_udp_pace_pause(&pace, now += 10 * US, 2, false) > 0); /* the rate is still known */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_low_rate_has_no_pauses),
        cmocka_unit_test(a_high_rate_has_turns_of_one_length),
        cmocka_unit_test(a_turn_that_takes_long_has_no_pause),
        cmocka_unit_test(pauses_end_with_the_rush),
        cmocka_unit_test(work_that_is_left_is_not_kept_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
