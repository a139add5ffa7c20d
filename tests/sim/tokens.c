/* tokens.c: the result wins over a cancel: numbered tokens are handed out one at a time, and those
 * who take them are cancelled at any moment. A token that a call has taken, the call returns.
 *
 * Two receivers take turns at being cancelled: by a deadline, or by the sender, right when it
 * sends.
 */
#include "tests/sim/scenario.h"

enum { TOKENS_MOST = 60 };

static int fds[2];
static enum way way;
static uint32_t sent, taken;
static rv_scope *waiting[2]; /* each receiver's scope, while it waits */

static long take(int who, uint32_t *token)
{
    rv_scope scope;
    long n, err;

    rv_scope_open(&scope, one_in(3) ? rv_after((rv_time)below(100 * RV_US)) : RV_NEVER);
    waiting[who] = &scope;
    n = one_in(2)         ? rv_read(fds[0], token, sizeof *token)
        : way == WAY_PIPE ? rv_read_full(fds[0], token, sizeof *token)
                          : rv_recv(fds[0], token, sizeof *token, 0);
    waiting[who] = NULL;
    if (n == -ECANCELED || (n > 0 && rv_cancelled())) {
        seen(n > 0 ? "tokens: taken in spite of a cancel" : "tokens: cancelled");
        check_over();
    }
    err = rv_scope_close(&scope, (int)n);
    PROMISE(n != -ECANCELED || err == 0 || err == -ETIMEDOUT, "the scope does not translate");
    return n == -ECANCELED ? -ECANCELED : n;
}

static int receiver(void *arg)
{
    int who = *(int *)arg;
    uint32_t token;
    long n;

    while ((n = take(who, &token)) != 0) {
        if (n == -ECANCELED || by_the_world(n))
            continue;
        PROMISE(n == sizeof token, "a token of %zu bytes came as %ld", sizeof token, n);
        PROMISE(token < sent, "token %u was never sent", token);
        taken++;
    }
    return 0;
}

static int sender(void *unused)
{
    uint32_t tokens = (uint32_t)below(TOKENS_MOST);

    (void)unused;
    while (sent < tokens) {
        uint32_t token = sent++;
        int who = (int)below(2);

        PROMISE(INSIST(rv_write(fds[1], &token, sizeof token)) == sizeof token, "send");
        if (one_in(2))
            PROMISE(rv_yield() == 0, "cancelled?");
        if (one_in(2) && waiting[who])
            rv_cancel(waiting[who]);
        if (one_in(2))
            PROMISE(rv_sleep((rv_time)below(50 * RV_US)) == 0, "cancelled?");
    }
    close_fd(fds[1]);
    return 0;
}

SCENARIO(tokens, "what a call has taken it returns, cancelled or not", .without = RV_SIM_SHORT)
{
    rv_group g;

    sent = taken = 0;
    waiting[0] = waiting[1] = NULL;
    way = one_in(3) ? WAY_PIPE : one_in(2) ? WAY_UNIX : WAY_SEQPACKET;
    open_way(way, fds);
    rv_group_open(&g, RV_NEVER);
    for (int who = 0; who < 2; who++)
        rv_go_copy(&g, receiver, &who, sizeof who);
    rv_go(&g, sender, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    PROMISE(taken == sent, "%u tokens were taken, of %u", taken, sent);
    close_fd(fds[0]);
    return 0;
}
