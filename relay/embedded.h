/* The client's and the status page's files, built into the daemon by cmake/EmbedFile.cmake. */
#ifndef LM_RELAY_EMBEDDED_H
#define LM_RELAY_EMBEDDED_H

#include <stddef.h>

extern const unsigned char lm_demo_html[];
extern const size_t lm_demo_html_len;
extern const unsigned char lm_demo_js[];
extern const size_t lm_demo_js_len;
extern const unsigned char lm_lumamesh_js[];
extern const size_t lm_lumamesh_js_len;
extern const unsigned char lm_status_html[];
extern const size_t lm_status_html_len;
extern const unsigned char lm_status_js[];
extern const size_t lm_status_js_len;
extern const unsigned char lm_plots_js[];
extern const size_t lm_plots_js_len;
extern const unsigned char lm_mesh_js[];
extern const size_t lm_mesh_js_len;

#endif
