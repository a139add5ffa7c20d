/* connect.c: connections that come about, are refused, or take too long: to a listener that is
 * there for a while and gone again, with a short queue, a host that does not answer, and Unix
 * names.
 *
 * Each ends, with what fits. A connect whose deadline ends it says -ETIMEDOUT at that time; one
 * that the network gives up says it itself, and then its deadline had not come.
 */
#include <stdio.h>
#include <sys/un.h>

#include "tests/sim/scenario.h"

enum { CLIENTS_MOST = 8 };

static struct sockaddr_in address;
static struct sockaddr_un local;
static socklen_t local_len;
static bool listening, was_listening;
static unsigned clients_left;

static int listen_unix(const struct sockaddr_un *at, socklen_t len)
{
    int fd = (int)INSIST(rv_socket(AF_UNIX, SOCK_STREAM, 0));

    PROMISE(fd >= 0, "socket: %s", strerror(-fd));
    PROMISE(rv_bind(fd, (const struct sockaddr *)at, len) == 0, "bind");
    PROMISE(rv_listen(fd, (int)below(3)) == 0, "listen");
    return fd;
}

static int take(void *arg)
{
    int listener = *(int *)arg, fd;

    /* once it is closed, the number may be somebody else's */
    while (listening && (fd = rv_accept(listener, NULL, NULL)) != -EBADF) {
        if (fd >= 0)
            close_fd(fd);
        else
            PROMISE(by_the_world(fd) || fd == -ECONNABORTED, "accept: %s", strerror(-fd));
        PROMISE(rv_sleep((rv_time)below(5 * RV_MS)) == 0, "cancelled?");
    }
    return 0;
}

/* Both listeners, for a while. */
static void listen_for_a_while(void)
{
    struct sockaddr_in at;
    int fds[2];
    rv_group g;

    was_listening = true;
    fds[0] = open_listener(NULL, ntohs(address.sin_port), (int)below(3), &at);
    fds[1] = listen_unix(&local, local_len);
    listening = true;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, take, &fds[0]);
    rv_go(&g, take, &fds[1]);
    PROMISE(rv_sleep((rv_time)below(50 * RV_MS)) == 0, "cancelled?");
    listening = false;
    close_fd(fds[0]);
    close_fd(fds[1]);
    PROMISE(rv_group_close(&g, 0) == 0, "acceptors");
}

static int server(void *unused)
{
    (void)unused;
    while (clients_left > 0) {
        listen_for_a_while();
        PROMISE(rv_sleep((rv_time)below(30 * RV_MS)) == 0, "cancelled?");
    }
    return 0;
}

/* ---- clients ---- */

static void check_outcome(long err, bool hurries, bool is_unix)
{
    if (err == 0)
        seen("connect: connected");
    else if (err == -ECONNREFUSED || (is_unix && err == -ENOENT))
        seen("connect: refused");
    else if (err == -ETIMEDOUT)
        seen(hurries ? "connect: deadline" : "connect: given up");
    else
        PROMISE(by_the_world(err) || (!is_unix && err == -ECONNRESET), "connect: %s",
                strerror((int)-err));
    PROMISE(err != 0 || was_listening, "connected to nobody");
    PROMISE(err != -ETIMEDOUT || hurries || !is_unix, "a Unix connect timed out by itself");
}

static void connect_once(void)
{
    bool is_unix = one_in(3), hurries = one_in(2);
    rv_time deadline = hurries ? rv_after((rv_time)below(20 * RV_MS)) : RV_NEVER;
    int fd = (int)INSIST(rv_socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0));
    const struct sockaddr *at = is_unix ? (struct sockaddr *)&local : (struct sockaddr *)&address;
    socklen_t len = is_unix ? local_len : sizeof address;

    PROMISE(fd >= 0, "socket: %s", strerror(-fd));
    check_outcome(UNTIL(deadline, rv_connect(fd, at, len)), hurries, is_unix);
    close_fd(fd);
}

static int client(void *unused)
{
    (void)unused;
    for (uint64_t i = from_to(1, 6); i > 0; i--) {
        connect_once();
        PROMISE(rv_sleep((rv_time)below(10 * RV_MS)) == 0, "cancelled?");
    }
    clients_left--;
    return 0;
}

/* A host that is not up does not even refuse. */
static int call_a_dead_host(void *unused)
{
    struct sockaddr_in at = internet("10.0.0.9", 80);
    bool hurries = one_in(2);
    rv_time began, deadline = hurries ? rv_after((rv_time)below(40 * RV_S)) : RV_NEVER;
    rv_sim_host host;
    long fd;

    (void)unused;
    PROMISE(rv_sim_host_open(&host, "10.0.0.9") == 0, "host");
    if (one_in(2))
        rv_sim_power_cut(&host);
    PROMISE(rv_sim_host_close(&host, 0) == 0, "host");
    began = rv_now();
    fd = UNTIL(deadline, dial(&at));
    PROMISE(fd == -ETIMEDOUT || by_the_world(fd), "a dead host answers: %ld", fd);
    PROMISE(fd != -ETIMEDOUT || hurries || rv_now() - began > RV_S, "given up at once");
    return 0;
}

SCENARIO(connect, "a connect ends: with a connection, a refusal, or at its time")
{
    rv_group g;

    address = internet(NULL, 4711);
    local = (struct sockaddr_un){.sun_family = AF_UNIX};
    local_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                            (size_t)snprintf(local.sun_path + 1, 20, "somewhere"));
    listening = was_listening = false;
    clients_left = (unsigned)from_to(1, CLIENTS_MOST);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, server, NULL);
    rv_go(&g, call_a_dead_host, NULL);
    for (unsigned i = 0, n = clients_left; i < n; i++)
        rv_go(&g, client, NULL);
    return rv_group_close(&g, 0);
}
