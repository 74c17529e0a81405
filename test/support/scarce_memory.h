/*
 * Allocations that fail when a test says so. The linker puts this between the code under test and the C
 * library: test programs that use it are named in lm_scarce_memory() of test/unit/CMakeLists.txt.
 */
#ifndef LM_TEST_SUPPORT_SCARCE_MEMORY_H
#define LM_TEST_SUPPORT_SCARCE_MEMORY_H

#include <stdbool.h>

typedef struct scarce_memory {
    bool armed;                /* only allocations while it is set count: those of the code under test */
    unsigned long count;       /* of them */
    unsigned long first, last; /* fail, counted from 1; first 0: none */
} scarce_memory;

extern scarce_memory memory;

/* Begins to count anew; `length` allocations from the one with number `first` on fail. */
void scarce_memory_plan(unsigned long first, unsigned long length);

/* No allocation fails any more. */
void scarce_memory_relent(void);

#endif
