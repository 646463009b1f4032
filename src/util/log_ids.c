/*
 * The table of events; see log_ids.h.
 *
 * A row is never changed: an id that was once logged means this event for ever. A new event gets a
 * new id (systemd-id128 new), and its explanation in systemd/sasha-callbackd.catalog.
 */

#include "util/log_ids.h"

#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

static const struct log_id rows[] = {
    {"accept-failed", "a0a2e300ca53476daf16d52c40a95796"},
    {"accept-recovered", "cacd3508e5574ded9ecbcee7cb0f8ff4"},
    {"admin-action", "e9e773c986ee4e738b7eb1658939ce18"},
    {"admin-listening", "43e7b6b619bc4d6780e0e79e769ff46e"},
    {"backup-made", "1c9a0baa9f134772be8e06d87b737935"},
    {"backup-not-made", "4e23b49c659e45b0b9cfd1b664181ec9"},
    {"breaker-closed", "b7ae4d9260c84a85ad11821410dfddb0"},
    {"breaker-opened", "9027ebd11cc1458586f7be6a8ed1756b"},
    {"conf-fault", "d067e87a2b574727b9c3dcf18821232a"},
    {"connection-cut", "54f5c25d21e245679c1980c9759218e0"},
    {"connections-free", "7f45f10365de40779de7ce47771adfc8"},
    {"connections-full", "39a51d84b918418eb1fcf28462d9b465"},
    {"deliveries-missing", "228230fa892442e781054a9cdc8ac3d7"},
    {"delivery-dead", "d0a66825b059498a9709d844c8afc5dc"},
    {"delivery-failed", "c05b6ecd458e4303837fd4c0a619a56a"},
    {"file-changed", "6f65402654684aafb26fb9f3f42eb650"},
    {"file-lost", "2195ccbd18c242d7abb603e882f2a622"},
    {"file-mark", "815d1dba45244cd18ea932616d294715"},
    {"file-mended", "586864d0798c4b558a3f0cfcb40714cf"},
    {"file-rotated", "97a38193f096403ab8323f406103bb9e"},
    {"listening", "736a7fed40444cee80887666c31252ad"},
    {"loop-failed", "4c6fd83399584b43978e957761cefa82"},
    {"needs-restart", "27a05e260100488fbff864cf98696885"},
    {"prune-held", "1101d7abadfc47228dccd193f49959cb"},
    {"ready", "b81be2fc13df4807a62ce374540ca627"},
    {"reload-failed", "2f696ce733974fb7a9f64af433c80a7b"},
    {"reloaded", "2c9ce34ab60d4fd79f5108f7f84dc97d"},
    {"report-mode", "1384ad76bca64e5995b70797c8a6a014"},
    {"report-would-refuse", "f309a20d2b644de494603fe4752ebf15"},
    {"request-accepted", "645ff9967f4a4ad59142e5407dd435ea"},
    {"request-conflict", "dd86ae208b1042a19f6f3334fce7505c"},
    {"request-refused", "5417b156d54f45e9b8251ace8c8a4d87"},
    {"sink-deferred", "a5757ba350d149d4b8fdba4736aaaed8"},
    {"sink-full", "08d12061bfba4835b08d012ef9754cd9"},
    {"sink-not-full", "471bb4dac7b64489898f18431d4ce2a0"},
    {"sink-not-reopened", "65c78edefd264f699c36a92d7f287fa3"},
    {"sink-not-settled", "f9b0832f5b27431b98fc4c8618c9db8e"},
    {"sink-not-started", "a45e4a69d0ad4ed8b3a92aa09da65c88"},
    {"sink-read-failed", "cfeded4652014a82b6b0895a43d4e568"},
    {"sink-recovered", "b898d5dcf2144baeb318977eef17167a"},
    {"sink-started", "f20d2deed1ce4abdace978b1b81cbb24"},
    {"sinks-not-set", "4e1e3406db174f51bd56dea3d2ced9a3"},
    {"start-failed", "20e21db1a55c4307ab2bd66d055fe2e8"},
    {"stopped", "3cff3645799c4e119f5706b7d970eb24"},
    {"stopping", "1550310d7dfa43a0a9a9c40ebbde67eb"},
    {"store-available", "173077ade28c4dc2bb3bff14e58c8477"},
    {"store-failed", "e4fe06c24c0f4ab19451662ae2b3609d"},
    {"store-unavailable", "a7beb43632ef4f0c8ac48d449167fc15"},
};

static int compare_event(const void *event, const void *row)
{
    return strcmp(event, ((const struct log_id *)row)->event);
}

const char *log_id_find(const char *event)
{
    const struct log_id *row =
        bsearch(event, rows, ARRAY_SIZE(rows), sizeof(rows[0]), compare_event);

    return row ? row->id : NULL;
}

const struct log_id *log_id_rows(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(rows);
    return rows;
}
