/* Expectations on what the relay said; include cmocka.h first. */
#ifndef LM_TEST_RELAY_EXPECT_H
#define LM_TEST_RELAY_EXPECT_H

#include <stdio.h>

#include "test/support/relay_world.h"

/* The session's next message is exactly this text, made as by printf. */
#define expect_json(world, session, ...)                                 \
    do {                                                                 \
        char expected_[4096];                                            \
        const char *got_ = memory_stack_take((world)->stack, (session)); \
        snprintf(expected_, sizeof expected_, __VA_ARGS__);              \
        assert_non_null(got_);                                           \
        assert_string_equal(got_, expected_);                            \
    } while (0)

/* Nothing more was said to the session. */
#define expect_silence(world, session)                                   \
    do {                                                                 \
        const char *got_ = memory_stack_take((world)->stack, (session)); \
        if (got_ != NULL)                                                \
            fail_msg("not expected: %s", got_);                          \
    } while (0)

/* All tables and counts of the relay agree. */
#define expect_sound(world)                                        \
    do {                                                           \
        const char *fault_ = relay_world_fault(world);             \
        if (fault_ != NULL)                                        \
            fail_msg("the relay's state is at fault: %s", fault_); \
    } while (0)

#endif
