/*
 * A Content-Security-Policy for a page whose script and style stand in it: they are let through by their
 * SHA-256, so that nothing else that could ever get into the page runs.
 */
#ifndef LM_RELAY_CSP_H
#define LM_RELAY_CSP_H

#include <stddef.h>

#define LM_CSP_SIZE 1024 /* room for a page with about five inline blocks */

/*
 * Writes the policy's text for the page, html_len bytes of UTF-8. Scripts and styles come from the page
 * itself or its origin, requests go to its origin; WebRTC is not restricted. LM_ETOOBIG if there are too many
 * inline blocks.
 */
int lm_csp_for_page(char policy[LM_CSP_SIZE], const char *html, size_t html_len);

#endif
