#include "test/support/one_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/error.h"

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    one_session *r = user;
    (void)w;
    if (event->kind == LM_WEBRTC_OPEN) {
        r->session = event->session;
        r->opened++;
    } else if (event->kind == LM_WEBRTC_MESSAGE) {
        r->messages++;
    } else if (event->kind == LM_WEBRTC_CLOSED) {
        r->closed++;
        r->reason = event->closed;
    }
}

void one_session_heard(void *user, test_client *client, const char *data, size_t len)
{
    (void)client, (void)data, (void)len;
    ((one_session *)user)->client_messages++;
}

test_world *one_session_open(one_session *r, test_world_config config, test_client_config client,
                             test_client **c)
{
    memset(r, 0, sizeof *r);
    config.event = on_event;
    config.user = r;
    client.message = one_session_heard;
    client.user = r;
    test_world *w = test_world_create(&config);
    *c = test_world_add_client(w, &client);
    assert_true(test_world_await(w, *c, TEST_CLIENT_OPEN, 5000));
    return w;
}

const lm_webrtc_stats *one_session_stats(test_world *w)
{
    return lm_webrtc_get_stats(test_world_stack(w));
}

bool one_session_sends_to(test_world *w, const one_session *r, const lm_addr *remote)
{
    lm_addr present;
    assert_int_equal(lm_webrtc_remote(test_world_stack(w), r->session, &present), LM_OK);
    return lm_addr_equal(remote, &present);
}
