/* t_many.c: many connections at once, from one end to the other: clients and servers are tasks of
 * one runtime, and what comes back is what was sent.
 */
#include "tests/net.h"

#include <sys/resource.h>

enum { CONNECTIONS = SCALED(1000, 150), ROUNDS = 5, MOST = 3000 };

struct server {
    struct address at;
    int listener;
    int served, talked; /* connections, on either side */
};

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[1024];
    ssize_t n;

    while ((n = rv_read(fd, buf, sizeof buf)) > 0) {
        int err = rv_write_all(fd, buf, (size_t)n);

        if (err < 0)
            return err;
    }
    rv_close(fd);
    return (int)n;
}

static int serve(void *arg)
{
    struct server *s = arg;
    rv_group clients;
    int fd = 0;

    rv_group_open(&clients, RV_NEVER);
    while (s->served < CONNECTIONS && (fd = rv_accept(s->listener, NULL, NULL)) >= 0) {
        s->served++;
        rv_go_copy(&clients, echo, &fd, sizeof fd);
    }
    return rv_group_close(&clients, fd);
}

struct talk {
    int fd;
    uint32_t dice;
    size_t len;
};

static void fill(char *buf, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++)
        buf[i] = (char)next_random(&seed);
}

static int say(void *arg)
{
    const struct talk *t = arg;
    char buf[MOST];

    fill(buf, t->len, t->dice);
    return rv_write_all(t->fd, buf, t->len);
}

/* Writes and reads at the same time, or a full pipe in each direction would hold both ends. */
static int exchange(struct talk *t)
{
    char buf[MOST], want[MOST];
    rv_group g;
    ssize_t n;

    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, say, t);
    n = rv_read_full(t->fd, buf, t->len);
    fill(want, t->len, t->dice);
    CHECK_EQ(n, (long)t->len);
    CHECK(memcmp(buf, want, t->len) == 0);
    return rv_group_close(&g, n < 0 ? (int)n : 0);
}

static int talk(void *arg)
{
    struct server *s = arg;
    struct talk t = {.dice = 1 + (uint32_t)rv_id() * 2654435761u};
    int err;

    t.fd = rv_socket(s->at.at.ss_family, SOCK_STREAM, 0);
    err = rv_connect(t.fd, address_of(&s->at), s->at.len);
    for (int i = 0; i < ROUNDS && err == 0; i++) {
        t.len = 1 + next_random(&t.dice) % MOST;
        err = exchange(&t);
    }
    s->talked += err == 0;
    rv_close(t.fd);
    return err;
}

static int many(void *family)
{
    struct server s = {.served = 0};
    int before = count_fds();
    rv_group g;

    s.listener = listening(*(int *)family, &s.at);
    rv_group_open(&g, rv_after(2 * LONG));
    rv_go(&g, serve, &s);
    for (int i = 0; i < CONNECTIONS; i++)
        rv_go(&g, talk, &s);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(s.served, CONNECTIONS);
    CHECK_EQ(s.talked, CONNECTIONS);
    CHECK_EQ(rv_close(s.listener), 0);
    CHECK_EQ(count_fds(), before);
    return 0;
}

static void run_many(int family, const rv_options *options)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2 * CONNECTIONS + 100)
        SKIP("too few descriptors (ulimit -n)");
    CHECK_EQ(rv_run(many, &family, options), 0);
}

TEST(a_thousand_tcp_connections_get_back_what_they_sent)
{
    run_many(AF_INET, NULL);
}

TEST(a_thousand_unix_connections_get_back_what_they_sent)
{
    run_many(AF_UNIX, NULL);
}

TEST(hazard_25_a_thousand_connections_go_through_tiny_queues)
{
    const rv_options tiny = {.ring_entries = 8, .cq_entries = 8};

    run_many(AF_INET, &tiny);
}
