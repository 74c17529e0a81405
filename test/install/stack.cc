// A program in C++ that drives the sans-IO stack: it makes a certificate, and has one datagram answered by a drop.
#include <lumamesh/common/certificate.h>
#include <lumamesh/common/error.h>
#include <lumamesh/common/version.h>
#include <lumamesh/webrtc/stack.h>

#include <cstdio>
#include <cstring>

int main()
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    const lm_random random = lm_random_system();
    const char *why = "";
    lm_certificate cert = {};
    lm_private_key key = {};
    if (lm_certificate_make(cert_pem, key_pem, &random) != LM_OK ||
        lm_certificate_parse(&cert, cert_pem, std::strlen(cert_pem), &why) != LM_OK ||
        lm_private_key_parse(&key, key_pem, std::strlen(key_pem), &cert, &random, &why) != LM_OK)
        return std::printf("certificate: %s\n", why), 1;

    lm_stack_config config = {};
    config.identity.ufrag = "luma";
    config.identity.pwd = "a-password-of-the-tests";
    config.identity.cert_der = cert.der;
    config.identity.cert_len = cert.der_len;
    config.identity.key_der = key.der;
    config.identity.key_len = key.der_len;
    config.limits.max_sessions = 1;
    config.random = random;
    lm_webrtc *stack;
    int result = lm_stack_create(&stack, &config);
    lm_certificate_clear(&cert);
    lm_private_key_clear(&key);
    if (result != LM_OK)
        return std::printf("stack: %s\n", lm_strerror(result)), 1;

    const uint8_t letter = 'x';
    lm_dgram dgram = {};
    dgram.data = &letter;
    dgram.len = 1;
    result = lm_webrtc_input(stack, 0, &dgram);
    const bool dropped = lm_webrtc_get_stats(stack)->drops.not_ours == 1;
    lm_webrtc_destroy(stack);
    std::printf("lumamesh %s\n", lm_version());
    return result == LM_OK && dropped ? 0 : 1;
}
