/* pipeline.c: stages in a row, each reads from the last and writes to the next one, over pipes,
 * Unix pairs and connections; a stage may break off, and then both neighbours learn of it.
 */
#include "tests/sim/scenario.h"

enum { STAGES_MOST = 6, BUFFER = 5000, BYTES_MOST = 60000 };

static int to[STAGES_MOST + 1][2]; /* to[i] leads into stage i */
static unsigned stages;
static bool somebody_broke_off;
static uint64_t sent, bytes;

static void broken_off(long err)
{
    PROMISE(broke(err), "a stage: %s", strerror((int)-err));
    PROMISE(somebody_broke_off || !in_peace, "a stage: %s", strerror((int)-err));
    somebody_broke_off = true;
}

static int stage(void *arg)
{
    unsigned i = *(unsigned *)arg;
    int in = to[i][0], out = to[i + 1][1];
    char buf[BUFFER];
    size_t len = from_to(1, sizeof buf);
    ssize_t n;
    int err = 0;

    rv_name("stage %u", i);
    while ((n = rv_read(in, buf, len)) > 0 && (err = rv_write_all(out, buf, (size_t)n)) == 0)
        if (one_in(100)) {
            somebody_broke_off = true;
            seen("pipeline: a stage breaks off");
            break;
        }
    if (n < 0 || err < 0)
        broken_off(n < 0 ? n : err);
    close_fd(in);
    close_fd(out);
    return 0;
}

static int source(void *unused)
{
    char buf[BUFFER];

    (void)unused;
    while (sent < bytes) {
        size_t len = from_to(1, sizeof buf);
        ssize_t n;

        len = len < bytes - sent ? len : (size_t)(bytes - sent);
        fill(buf, len, 1, sent);
        n = rv_write(to[0][1], buf, len);
        if (n < 0) {
            broken_off(n);
            break;
        }
        PROMISE(n > 0 && (size_t)n <= len, "a write of %zu bytes wrote %zd", len, n);
        sent += (uint64_t)n;
    }
    close_fd(to[0][1]);
    return 0;
}

static int sink(void *unused)
{
    char buf[BUFFER];
    uint64_t got = 0;
    ssize_t n;

    (void)unused;
    while ((n = rv_read(to[stages][0], buf, from_to(1, sizeof buf))) > 0) {
        check_bytes(buf, (size_t)n, 1, got);
        got += (uint64_t)n;
    }
    if (n < 0)
        broken_off(n);
    PROMISE(somebody_broke_off || got == bytes, "%llu of %llu bytes came through",
            (unsigned long long)got, (unsigned long long)bytes);
    if (got == bytes)
        seen("pipeline: all came through");
    close_fd(to[stages][0]);
    return 0;
}

SCENARIO(pipeline, "what goes in comes out, through any number of stages")
{
    rv_group g;

    stages = (unsigned)below(STAGES_MOST);
    bytes = below(BYTES_MOST);
    sent = 0;
    somebody_broke_off = false;
    for (unsigned i = 0; i <= stages; i++)
        open_way((enum way)below(WAY_SEQPACKET), to[i]);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, source, NULL);
    for (unsigned i = 0; i < stages; i++)
        rv_go_copy(&g, stage, &i, sizeof i);
    rv_go(&g, sink, NULL);
    return rv_group_close(&g, 0);
}
