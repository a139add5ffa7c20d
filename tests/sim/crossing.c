/* crossing.c: bytes that cross between workers: each end of a pipe, a pair or a connection is some
 * task's, on whichever worker that started.
 *
 * A reader checks each byte by its place. It misses some only where somebody gave up or the world
 * broke the connection; otherwise the end comes behind the last byte. A listener is one worker's,
 * who dials is on another.
 */
#include "tests/sim/scenario.h"

enum { CROSSINGS_MOST = 5, BYTES_MOST = 20000, BUFFER = 2048 };

struct crossing {
    uint64_t id;
    enum way way;
    int fds[2]; /* of a connection, fds[0] is the listener */
    struct sockaddr_in at;
    size_t bytes, got;
    bool all_sent, gave_up;
    long error;
    unsigned workers[2];
};

/* ---- the one end ---- */

static int send_all(struct crossing *c, int fd)
{
    char buf[BUFFER];
    size_t piece;
    int err = 0;

    for (size_t at = 0; at < c->bytes && err == 0; at += piece) {
        piece = from_to(1, sizeof buf);
        piece = piece < c->bytes - at ? piece : c->bytes - at;
        fill(buf, piece, c->id, at);
        err = rv_write_all(fd, buf, piece);
        if (err == 0 && one_in(8))
            err = rv_sleep((rv_time)below(RV_MS));
    }
    c->all_sent = err == 0;
    return err;
}

static void note_end(struct crossing *c, long err)
{
    c->gave_up |= err == -ETIMEDOUT;
    if (err < 0 && c->error == 0)
        c->error = err;
    PROMISE(err >= 0 || err == -ETIMEDOUT || broke(err) || err == -ECONNREFUSED,
            "an end of a crossing: %s", strerror((int)-err));
}

static rv_time some_deadline(void)
{
    return one_in(4) ? rv_after((rv_time)below(10 * RV_MS)) : RV_NEVER;
}

static int writer(void *arg)
{
    struct crossing *c = *(struct crossing **)arg;
    int fd = c->way == WAY_TCP ? dial(&c->at) : c->fds[1];

    c->workers[1] = rv_worker();
    note_end(c, fd);
    if (fd < 0)
        return 0;
    note_end(c, UNTIL(some_deadline(), send_all(c, fd)));
    PROMISE(rv_worker() == c->workers[1], "a task has moved");
    close_fd(fd);
    return 0;
}

/* ---- the other one ---- */

static long receive_all(struct crossing *c, int fd)
{
    char buf[BUFFER];
    long n;

    do {
        n = rv_read(fd, buf, from_to(1, sizeof buf));
        if (n > 0) {
            check_bytes(buf, (size_t)n, c->id, c->got);
            c->got += (size_t)n;
        }
    } while (n > 0 || by_the_world(n));
    return n;
}

/* Where nobody comes, the one who should have has failed, or its connection broke before. */
static int accept_one(struct crossing *c)
{
    int fd;

    do
        fd = (int)UNTIL(rv_after(40 * RV_S), rv_accept(c->fds[0], NULL, NULL));
    while (by_the_world(fd));
    if (fd < 0) {
        PROMISE(!in_peace && (c->error || fd == -ECONNABORTED), "nobody came: %d", fd);
        c->gave_up = true;
    }
    close_fd(c->fds[0]);
    return fd;
}

static int reader(void *arg)
{
    struct crossing *c = *(struct crossing **)arg;
    int fd = c->way == WAY_TCP ? accept_one(c) : c->fds[0];
    long err;

    c->workers[0] = rv_worker();
    if (fd < 0)
        return 0;
    err = UNTIL(some_deadline(), receive_all(c, fd));
    note_end(c, err);
    PROMISE(rv_worker() == c->workers[0], "a task has moved");
    close_fd(fd);
    return 0;
}

/* ---- all of them ---- */

static void open_crossing(struct crossing *c, uint64_t id)
{
    *c = (struct crossing){.id = id, .way = (enum way)below(WAY_SEQPACKET)};
    c->bytes = below(BYTES_MOST);
    if (c->way == WAY_TCP)
        c->fds[0] = open_listener(NULL, 0, 4, &c->at);
    else
        open_way(c->way, c->fds);
}

static void check(const struct crossing *c)
{
    PROMISE(c->got <= c->bytes, "more came than was sent");
    if (c->error == 0 && c->all_sent && !c->gave_up)
        PROMISE(c->got == c->bytes, "%zu bytes came of %zu", c->got, c->bytes);
    PROMISE(!in_peace || c->gave_up || c->error == 0, "an end that nobody gave up says %ld",
            c->error);
    if (c->got == c->bytes)
        seen(c->workers[0] == c->workers[1] ? "crossing: all came, on one worker"
                                            : "crossing: all came, across");
}

SCENARIO(crossing, "bytes that cross between workers come in order, and then the end",
         .runtime.workers = RV_WORKERS_AUTO)
{
    struct crossing all[CROSSINGS_MOST], *c;
    uint64_t count = from_to(1, CROSSINGS_MOST);
    rv_group g;

    for (uint64_t i = 0; i < count; i++)
        open_crossing(&all[i], i);
    rv_spread_open(&g, RV_NEVER);
    for (uint64_t i = 0; i < count; i++) {
        c = &all[i];
        rv_go_copy(&g, reader, &c, sizeof c);
        rv_go_copy(&g, writer, &c, sizeof c);
    }
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    for (uint64_t i = 0; i < count; i++)
        check(&all[i]);
    return 0;
}
