/* Reading the test data files. */
#ifndef LM_TEST_DATA_H
#define LM_TEST_DATA_H

#include <stddef.h>
#include <stdint.h>

/* The whole file as malloc'ed bytes with a NUL behind them; aborts with a message when it cannot be read. */
uint8_t *test_read_file(const char *path, size_t *len);

/* A file of one line of hex digits, decoded; malloc'ed. */
uint8_t *test_read_hex(const char *path, size_t *len);

#endif
