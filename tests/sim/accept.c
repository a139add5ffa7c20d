/* accept.c: a storm of connections, acceptors that are cancelled at any moment, and too few
 * descriptors for all of them.
 *
 * Each client that got through is served by exactly one acceptor: a connection that an accept took
 * is never lost to the cancel that came meanwhile.
 */
#include "tests/sim/scenario.h"

enum { CLIENTS_MOST = 16, ACCEPTORS_MOST = 3, DESCRIPTORS = 20 };

static struct sockaddr_in address;
static int listener;
static unsigned clients, clients_left, served[CLIENTS_MOST], unserved[CLIENTS_MOST];
static rv_scope *accepting[ACCEPTORS_MOST];
static unsigned
    patience; /* how many interruptions are left: a client that waits for ever is found */

/* ---- acceptors ---- */

static int greet(void *arg)
{
    int fd = *(int *)arg;
    unsigned char who;
    ssize_t n = rv_read_full(fd, &who, 1);

    PROMISE(n >= 0 || broke(n), "read: %s", strerror((int)-n));
    if (n == 1) {
        PROMISE(who < clients, "client %u?", who);
        served[who]++;
        n = rv_write_all(fd, &who, 1);
        PROMISE(n == 0 || broke(n), "write: %s", strerror((int)-n));
    }
    close_fd(fd);
    return 0;
}

static int accept_one(int which)
{
    rv_scope scope;
    int fd, err;

    rv_scope_open(&scope, patience > 0 && one_in(4) ? rv_after((rv_time)below(RV_MS)) : RV_NEVER);
    patience -= patience > 0;
    accepting[which] = &scope;
    fd = rv_accept(listener, NULL, NULL);
    accepting[which] = NULL;
    if (fd >= 0 && rv_cancelled())
        seen("accept: took a connection in spite of a cancel");
    err = rv_scope_close(&scope, fd < 0 ? fd : 0);
    if (fd == -ECANCELED)
        PROMISE(err == 0 || err == -ETIMEDOUT, "the scope does not translate");
    return fd;
}

static int acceptor(void *arg)
{
    int which = *(int *)arg, fd, full = 0;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    while ((fd = accept_one(which)) != -EBADF) {
        if (fd >= 0) {
            rv_go_copy(&g, greet, &fd, sizeof fd);
        } else if (fd != -ECANCELED) {
            PROMISE(fd == -EMFILE || by_the_world(fd) || (!in_peace && fd == -ECONNABORTED),
                    "accept: %s", strerror(-fd));
            if (fd == -EMFILE)
                seen("accept: no descriptor left");
            full = fd == -EMFILE ? full + 1 : 0;
            PROMISE(full < 5000, "no descriptor comes free: who has them?");
            PROMISE(rv_sleep(RV_MS) == 0, "cancelled?");
        }
    }
    return rv_group_close(&g, 0);
}

static int canceller(void *unused)
{
    (void)unused;
    while (clients_left > 0 && patience > 0) {
        uint64_t which = below(ACCEPTORS_MOST);

        PROMISE(rv_sleep((rv_time)below(300 * RV_US)) == 0, "cancelled?");
        if (accepting[which])
            rv_cancel(accepting[which]);
    }
    return 0;
}

/* ---- clients ---- */

static bool greeted(int fd, unsigned char me)
{
    unsigned char answer;
    ssize_t n = rv_write(fd, &me, 1);

    PROMISE(n == 1 || broke(n), "write: %s", strerror((int)-n));
    n = n == 1 ? rv_read_full(fd, &answer, 1) : n;
    PROMISE(n >= 0 || broke(n), "read: %s", strerror((int)-n));
    PROMISE(n == 1 || !in_peace, "a connection ended without an answer");
    PROMISE(n != 1 || answer == me, "somebody else's answer");
    return n == 1;
}

static int client(void *arg)
{
    unsigned char me = *(unsigned char *)arg;
    bool done = false;

    while (!done) {
        int fd;

        PROMISE(rv_sleep((rv_time)below(2 * RV_MS)) == 0, "cancelled?");
        fd = rv_socket(AF_INET, SOCK_STREAM, 0);
        if (fd == -EMFILE || by_the_world(fd))
            continue;
        PROMISE(fd >= 0, "socket: %s", strerror(-fd));
        if (rv_connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            done = greeted(fd, me);
            unserved[me] += !done;
        } else {
            PROMISE(!in_peace, "connect");
        }
        close_fd(fd);
    }
    clients_left--;
    return 0;
}

static void check(void)
{
    for (unsigned i = 0; i < clients; i++)
        PROMISE(served[i] >= 1 && served[i] <= 1 + unserved[i],
                "client %u was served %u times, and has lost %u connections", i, served[i],
                unserved[i]);
}

SCENARIO(accept, "whoever connects is accepted once, through cancels and -EMFILE",
         .fds_max = DESCRIPTORS)
{
    rv_group all, g;

    memset(served, 0, sizeof served);
    memset(unserved, 0, sizeof unserved);
    memset(accepting, 0, sizeof accepting);
    patience = 5000;
    clients = clients_left = (unsigned)from_to(1, CLIENTS_MOST);
    listener = open_listener(NULL, 0, (int)below(20), &address);
    rv_group_open(&all, RV_NEVER);
    for (int i = 0, n = (int)from_to(1, ACCEPTORS_MOST); i < n; i++)
        rv_go_copy(&all, acceptor, &i, sizeof i);
    rv_go(&all, canceller, NULL);
    rv_group_open(&g, RV_NEVER);
    for (unsigned char i = 0; i < clients; i++)
        rv_go_copy(&g, client, &i, sizeof i);
    PROMISE(rv_group_close(&g, 0) == 0, "clients");
    close_fd(listener);
    PROMISE(rv_group_close(&all, 0) == 0, "acceptors");
    check();
    return 0;
}
