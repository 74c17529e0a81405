/*
 * The wall clock of a program on virtual time. usrsctp asks it how long a chunk has been outstanding; on
 * virtual time it must get a virtual answer, or it holds back retransmissions that it thinks come too soon.
 * So a program that uses this header gets a gettimeofday() that takes the place of the C library's.
 */
#ifndef LM_TEST_VIRTUAL_TIME_H
#define LM_TEST_VIRTUAL_TIME_H

#include "common/clock.h"

/* What gettimeofday() goes by from now on. */
void virtual_time_set(lm_ms now);

#endif
