/* whole.c: rv_read_full() and rv_write_all() while scopes end around them.
 *
 * The writer knows what was acknowledged to it (a 0) and stops at the first failure, behind which
 * an unknown part was written. The reader asks for whole blocks, is cut short by deadlines and goes
 * on where the returned count says. Nobody loses or repeats a byte: each is checked by its place.
 */
#include "tests/sim/scenario.h"

enum { BLOCK = 100000, ASKED_MOST = 9000, BLOCKS_MOST = 12 };

static struct stream {
    int fds[2];
    enum way way;
    uint64_t acknowledged; /* bytes of blocks whose write said 0 */
    uint64_t offered;      /* those, and the last block */
    uint64_t got;
    int writer_error;
} s;

static int write_blocks(void *unused)
{
    static char buf[BLOCK]; /* there is but one writer */
    uint64_t blocks = below(BLOCKS_MOST);

    (void)unused;
    while (blocks-- > 0 && s.writer_error == 0) {
        size_t len = one_in(2) ? below(100) : below(sizeof buf);
        rv_time deadline = one_in(4) ? rv_after((rv_time)below(2 * RV_MS)) : RV_NEVER;

        fill(buf, len, 7, s.offered);
        s.offered += len;
        s.writer_error = (int)UNTIL(deadline, rv_write_all(s.fds[1], buf, len));
        if (s.writer_error == 0 && one_in(4))
            PROMISE(rv_sleep((rv_time)below(2 * RV_MS)) == 0, "cancelled?");
        if (s.writer_error == 0)
            s.acknowledged = s.offered;
        else
            PROMISE(broke(s.writer_error) || (s.writer_error == -ETIMEDOUT && deadline != RV_NEVER),
                    "write_all: %s", strerror(-s.writer_error));
    }
    if (s.writer_error == -ETIMEDOUT)
        seen("whole: a write was cut off");
    close_fd(s.fds[1]);
    return 0;
}

/* One read with a deadline: the scope is over behind it if it was cut short. */
static ssize_t read_some(void *buf, size_t len)
{
    ssize_t n;
    rv_scope scope;
    int err;

    rv_scope_open(&scope, one_in(2) ? rv_after((rv_time)below(RV_MS)) : RV_NEVER);
    n = rv_read_full(s.fds[0], buf, len);
    if (n > 0 && (size_t)n < len && rv_cancelled())
        seen("whole: a read returned what it had when it was cancelled");
    if (n == -ECANCELED)
        check_over();
    err = rv_scope_close(&scope, n == -ECANCELED ? -ECANCELED : 0);
    PROMISE(n != -ECANCELED || err == -ETIMEDOUT, "its own deadline came, and it says %d", err);
    return n == -ECANCELED || by_the_world(n) ? -EAGAIN : n;
}

static int read_blocks(void *unused)
{
    char buf[ASKED_MOST];
    bool slow = one_in(2);
    ssize_t n;

    (void)unused;
    do {
        n = read_some(buf, from_to(1, sizeof buf));
        if (n > 0) {
            check_bytes(buf, (size_t)n, 7, s.got);
            s.got += (uint64_t)n;
        }
        if (slow && one_in(4))
            PROMISE(rv_sleep((rv_time)below(2 * RV_MS)) == 0, "cancelled?");
    } while (n > 0 || n == -EAGAIN);
    PROMISE(n == 0 || broke(n), "read_full: %s", strerror((int)-n));
    /* An end without an error: then all is there, unless the writer was told instead. */
    if (n == 0 && !broke(s.writer_error))
        PROMISE(s.got >= s.acknowledged, "%llu bytes came of %llu", (unsigned long long)s.got,
                (unsigned long long)s.acknowledged);
    PROMISE(s.got <= s.offered, "more came than was written");
    if (n == 0)
        seen("whole: read to the end");
    return 0;
}

SCENARIO(whole, "read_full and write_all lose and repeat nothing, whatever cuts them short")
{
    rv_group g;

    s = (struct stream){.way = (enum way)below(WAY_SEQPACKET)};
    open_way(s.way, s.fds);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, write_blocks, NULL);
    rv_go(&g, read_blocks, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    close_fd(s.fds[0]);
    return 0;
}
