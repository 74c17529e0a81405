#include "test/support/scarce_memory.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

scarce_memory memory;

static bool fails(void)
{
    return memory.armed && ++memory.count >= memory.first && memory.first != 0 && memory.count <= memory.last;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

void scarce_memory_plan(unsigned long first, unsigned long length)
{
    memory.count = 0;
    memory.first = first;
    memory.last = first + length - 1;
}

void scarce_memory_relent(void)
{
    memory.first = memory.last = 0;
}
