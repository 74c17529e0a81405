/*
 * LM_API marks what programs outside may call: the functions of the headers that are installed. All others
 * are hidden in the shared library.
 */
#ifndef LM_COMMON_API_H
#define LM_COMMON_API_H

#ifdef __cplusplus
#define LM_API extern "C" __attribute__((visibility("default")))
#else
#define LM_API __attribute__((visibility("default")))
#endif

#endif
