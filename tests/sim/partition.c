/* partition.c: a service on one host, callers on others, and a network that is torn for a while.
 *
 * Callers ask again until they are answered, over a connection as long as it lasts. Each request is
 * applied once, however often it was asked; once the network is whole, all are answered.
 */
#include "tests/sim/scenario.h"

#define SERVER "10.0.0.2"
#define OTHER "10.0.0.3"
enum { PORT = 9, CALLERS_MOST = 4, REQUESTS_MOST = 10, TRIES_MOST = 200 };

static uint64_t asked, answered, applied[CALLERS_MOST];
static unsigned callers_left;
static bool torn;

static int serve(void *arg)
{
    int fd = *(int *)arg;
    uint64_t request[2];
    ssize_t n;

    while ((n = rv_read_full(fd, request, sizeof request)) == sizeof request) {
        PROMISE(request[0] < CALLERS_MOST, "a request that nobody sent");
        PROMISE(request[1] <= applied[request[0]] + 1, "a request was passed over");
        if (request[1] == applied[request[0]] + 1)
            applied[request[0]]++;
        else
            seen("partition: asked again");
        if (rv_write_all(fd, &request[1], sizeof request[1]) < 0)
            break;
    }
    PROMISE(n >= 0 || broke(n) || n == -ETIMEDOUT || n == -ECANCELED, "read: %s",
            strerror((int)-n));
    close_fd(fd);
    return 0;
}

static int server(void *unused)
{
    struct sockaddr_in at;
    int listener = open_listener(SERVER, PORT, 8, &at), fd;
    rv_group g;

    (void)unused;
    rv_group_open(&g, RV_NEVER);
    while ((fd = rv_accept(listener, NULL, NULL)) != -ECANCELED) {
        if (fd >= 0)
            rv_go_copy(&g, serve, &fd, sizeof fd);
        else
            PROMISE(by_the_world(fd) || fd == -ECONNABORTED, "accept: %s", strerror(-fd));
    }
    close_fd(listener);
    return rv_group_close(&g, -ECANCELED);
}

static long ask(int *fd, uint64_t who, uint64_t number)
{
    struct sockaddr_in at = internet(SERVER, PORT);
    uint64_t request[2] = {who, number}, answer = 0;
    long n;

    if (*fd < 0)
        *fd = dial(&at);
    if (*fd < 0)
        return *fd;
    n = rv_write_all(*fd, request, sizeof request);
    if (n == 0)
        n = rv_read_full(*fd, &answer, sizeof answer);
    if (n != sizeof answer)
        return n < 0 ? n : -ECONNRESET; /* an end */
    PROMISE(answer == number, "another one's answer");
    return 0;
}

static int caller(void *arg)
{
    uint64_t who = *(uint64_t *)arg, requests = from_to(1, REQUESTS_MOST), number = 1;
    int fd = -1, tries = 0;

    while (number <= requests) {
        long err = UNTIL(rv_after(from_to(1, 5) * RV_S), ask(&fd, who, number));

        asked++;
        if (err == 0) {
            number++;
            answered++;
            continue;
        }
        PROMISE(broke(err) || err == -ETIMEDOUT || err == -ECONNREFUSED, "ask: %s",
                strerror((int)-err));
        seen(err == -ETIMEDOUT ? "partition: no answer in time" : "partition: broken");
        PROMISE(torn || ++tries < TRIES_MOST, "asked %d times", tries);
        if (fd >= 0)
            close_fd(fd);
        fd = -1;
        PROMISE(rv_sleep((rv_time)below(50 * RV_MS)) == 0, "cancelled?");
    }
    if (fd >= 0)
        close_fd(fd);
    callers_left--;
    return 0;
}

static int tear(void *unused)
{
    static const char *const hosts[] = {"127.0.0.1", SERVER, OTHER, "*"};

    (void)unused;
    torn = true;
    for (uint64_t i = below(6); i > 0 && callers_left > 0; i--) {
        rv_time span = one_in(3) ? (rv_time)below(60 * RV_S) : (rv_time)below(2 * RV_S);
        int err = rv_sim_partition(hosts[below(4)], hosts[below(4)], span);

        PROMISE(err == 0 || err == -EINVAL, "partition: %d", err);
        PROMISE(rv_sleep((rv_time)below(10 * RV_S)) == 0, "cancelled?");
    }
    PROMISE(rv_sleep(60 * RV_S) == 0, "cancelled?");
    torn = false;
    return 0;
}

SCENARIO(partition, "a torn network delays, and does not repeat or lose what is asked again")
{
    rv_sim_host servers, others;
    rv_group g;

    memset(applied, 0, sizeof applied);
    asked = answered = 0;
    callers_left = (unsigned)from_to(1, CALLERS_MOST);
    rv_group_open(&g, RV_NEVER);
    PROMISE(rv_sim_host_open(&servers, SERVER) == 0, "host");
    rv_go(&servers.tasks, server, NULL);
    PROMISE(rv_sim_host_open(&others, OTHER) == 0, "host");
    rv_go(&g, tear, NULL);
    for (uint64_t i = 0, n = callers_left; i < n; i++)
        rv_go_copy(i % 2 ? &others.tasks : &g, caller, &i, sizeof i);
    while (callers_left > 0)
        PROMISE(rv_sleep(10 * RV_MS) == 0, "cancelled?");
    PROMISE(rv_sim_host_close(&others, 0) == 0, "callers");
    rv_group_cancel(&servers.tasks);
    PROMISE(rv_sim_host_close(&servers, 0) == 0, "servers");
    PROMISE(rv_group_close(&g, 0) == 0, "callers");
    for (int i = 0; i < CALLERS_MOST; i++)
        answered -= applied[i];
    PROMISE(answered == 0, "applied is not what was answered");
    return 0;
}
