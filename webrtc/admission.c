#include "webrtc/admission.h"

#include <stdlib.h>
#include <string.h>

#include "common/table.h"
#include "common/token_bucket.h"

typedef struct lm_admission_entry {
    uint8_t network[LM_ADDR_NETWORK_LEN];
    lm_token_bucket bucket;
    UT_hash_handle hh;
} lm_admission_entry;

static lm_admission_entry *remember(lm_admission *a, lm_ms now, const uint8_t network[LM_ADDR_NETWORK_LEN])
{
    lm_admission_entry *entry;
    if (HASH_COUNT(a->entries) >= LM_ADMISSION_ADDRESSES) {
        entry = a->entries; /* the first in the order of insertion is the one used longest ago */
        HASH_DEL(a->entries, entry);
    } else if ((entry = calloc(1, sizeof *entry)) == NULL) {
        return NULL;
    }
    memcpy(entry->network, network, LM_ADDR_NETWORK_LEN);
    lm_token_bucket_init(&entry->bucket, a->burst, now);
    return entry;
}

bool lm_admission_take(lm_admission *a, lm_ms now, const lm_addr *addr)
{
    uint8_t network[LM_ADDR_NETWORK_LEN];
    lm_admission_entry *entry;
    if (a->rate == 0)
        return true;
    lm_addr_network(addr, network);

    HASH_FIND(hh, a->entries, network, sizeof network, entry);
    if (entry != NULL)
        HASH_DEL(a->entries, entry); /* and in again at the end, as the one used last */
    else if ((entry = remember(a, now, network)) == NULL)
        return true;
    bool admitted = lm_token_bucket_take(&entry->bucket, a->rate, a->burst, now);
    HASH_ADD(hh, a->entries, network, sizeof entry->network, entry);
    if (entry->hh.tbl == NULL)
        free(entry);
    return admitted;
}

void lm_admission_clear(lm_admission *a)
{
    lm_admission_entry *entry, *next;
    HASH_ITER(hh, a->entries, entry, next) {
        HASH_DEL(a->entries, entry);
        free(entry);
    }
}
