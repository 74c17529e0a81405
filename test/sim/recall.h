/*
 * libsodium's slow sums, each done once. All nodes of the simulator are in one process, so the same signature
 * is checked by hundreds of them, and both sides of a key agreement work out the same secret. The linker puts
 * these functions in the place of libsodium's (--wrap): they answer what libsodium has answered before to the
 * same question, and ask it where there is no answer yet.
 */
#ifndef LM_SIM_RECALL_H
#define LM_SIM_RECALL_H

/* Seconds of CPU that sums would have taken which were not done again: a node by itself would do them. */
double sim_recall_saved(void);

#endif
