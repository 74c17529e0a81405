#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "webrtc/demux.h"

/* RFC 9443 section 5, range by range. */
static void every_first_byte_has_its_class(void **state)
{
    static const struct {
        unsigned first, last;
        lm_demux_class class;
    } ranges[] = {
        {0, 3, LM_DEMUX_STUN},      {4, 15, LM_DEMUX_UNKNOWN}, /* not assigned */
        {16, 19, LM_DEMUX_UNKNOWN},                            /* ZRTP */
        {20, 63, LM_DEMUX_DTLS},    {64, 127, LM_DEMUX_TURN_CHANNEL},
        {128, 191, LM_DEMUX_SRTP},  {192, 255, LM_DEMUX_UNKNOWN}, /* QUIC, long header */
    };
    unsigned checked = 0;
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        for (unsigned byte = ranges[i].first; byte <= ranges[i].last; byte++, checked++)
            assert_int_equal(lm_demux((uint8_t)byte), ranges[i].class);
    assert_int_equal(checked, 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_first_byte_has_its_class)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
