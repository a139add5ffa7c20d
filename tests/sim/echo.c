/* echo.c: a server that sends back what it gets, clients that send, half-close, and read to the
 * end, and deadlines at both sides.
 *
 * A client checks each byte. It may miss some only where somebody gave up or the connection broke;
 * an end that comes as an end, and not as an error, comes behind the last byte.
 */
#include "tests/sim/scenario.h"

enum { CLIENTS_MOST = 6, BYTES_MOST = 30000, BUFFER = 4096 };

static struct sockaddr_in address;
static bool server_hurries, somebody_gave_up;
static unsigned clients_left;

/* ---- the server ---- */

static long echo_all(int fd)
{
    char buf[BUFFER];
    size_t len = from_to(1, sizeof buf);
    long n;

    while ((n = rv_recv(fd, buf, len, 0)) > 0) {
        n = rv_write_all(fd, buf, (size_t)n);
        if (n < 0)
            break;
    }
    return n;
}

static int serve(void *arg)
{
    int fd = *(int *)arg;
    long err =
        UNTIL(server_hurries ? rv_after((rv_time)below(20 * RV_MS)) : RV_NEVER, echo_all(fd));

    if (err < 0) {
        somebody_gave_up = true;
        PROMISE(err == -ETIMEDOUT ? server_hurries : broke(err), "served: %s", strerror((int)-err));
        seen(err == -ETIMEDOUT ? "echo: server timed out" : "echo: server met an error");
    }
    close_fd(fd);
    return 0;
}

/* Of connections that no client owns any more, the last are found when all clients are gone. */
static int server(void *arg)
{
    int listener = *(int *)arg, fd;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    while (clients_left > 0 || !in_peace) {
        fd = rv_accept(listener, NULL, NULL);
        if (fd >= 0) {
            rv_go_copy(&g, serve, &fd, sizeof fd);
            continue;
        }
        if (fd == -EBADF || fd == -ECANCELED)
            break;
        PROMISE(by_the_world(fd) || (!in_peace && fd == -ECONNABORTED), "accept: %s",
                strerror(-fd));
        PROMISE(rv_sleep(RV_MS) == 0, "cancelled?");
    }
    return rv_group_close(&g, 0);
}

/* ---- clients ---- */

struct client {
    int fd;
    uint64_t id;
    size_t bytes;
    bool sent; /* all of them, and the end */
    long error;
};

static int send_all(void *arg)
{
    struct client *c = arg;
    char buf[BUFFER];
    size_t piece;

    for (size_t at = 0; at < c->bytes; at += piece) {
        int err;

        piece = from_to(1, sizeof buf);
        piece = piece < c->bytes - at ? piece : c->bytes - at;
        fill(buf, piece, c->id, at);
        err = rv_write_all(c->fd, buf, piece);
        if (err == 0 && one_in(8))
            err = rv_sleep((rv_time)below(3 * RV_MS));
        if (err < 0)
            return (int)(c->error = err);
    }
    c->sent = rv_shutdown(c->fd, SHUT_WR) == 0;
    return 0;
}

static long talk(struct client *c)
{
    char buf[BUFFER];
    size_t got = 0;
    long n;
    rv_group g;
    int err;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, send_all, c);
    while ((n = rv_read(c->fd, buf, from_to(1, sizeof buf))) > 0) {
        check_bytes(buf, (size_t)n, c->id, got);
        got += (size_t)n;
    }
    PROMISE(got <= c->bytes, "more came back than was sent");
    err = rv_group_close(&g, (int)n);
    /* An error that the sender was told first is not told again: then a read ends. */
    PROMISE(n != 0 || somebody_gave_up || c->error || (c->sent && got == c->bytes),
            "the end came after %zu bytes of %zu", got, c->bytes);
    if (n == 0 && got == c->bytes)
        seen("echo: all came back");
    return err;
}

static int client(void *arg)
{
    struct client c = {.id = *(uint64_t *)arg, .bytes = below(BYTES_MOST)};
    bool hurries = one_in(3);
    rv_time deadline = hurries ? rv_after((rv_time)below(20 * RV_MS)) : RV_NEVER;
    long err = UNTIL(deadline, c.fd = dial(&address));

    if (err >= 0) {
        err = UNTIL(deadline, talk(&c));
        if (err < 0) {
            PROMISE(err == -ETIMEDOUT ? hurries : broke(err), "client: %s", strerror((int)-err));
            PROMISE(!in_peace || somebody_gave_up || hurries, "client: %s", strerror((int)-err));
        }
        somebody_gave_up |= err < 0;
        close_fd(c.fd);
    } else {
        PROMISE(err == -ETIMEDOUT ? hurries : !in_peace, "connect: %s", strerror((int)-err));
        somebody_gave_up = true;
        seen("echo: no connection");
    }
    clients_left--;
    return 0;
}

SCENARIO(echo, "what is sent comes back, in order, and then the end")
{
    uint64_t clients = from_to(1, CLIENTS_MOST);
    int listener;
    rv_group servers, g;

    server_hurries = one_in(4);
    somebody_gave_up = false;
    clients_left = (unsigned)clients;
    listener = open_listener(NULL, 0, (int)from_to(0, 8), &address);
    rv_group_open(&servers, RV_NEVER);
    rv_go(&servers, server, &listener);
    rv_group_open(&g, RV_NEVER);
    for (uint64_t id = 0; id < clients; id++)
        rv_go_copy(&g, client, &id, sizeof id);
    PROMISE(rv_group_close(&g, 0) == 0, "clients");
    PROMISE(rv_sleep(40 * RV_S) == 0, "cancelled?"); /* what nobody will finish is given up */
    close_fd(listener);
    return rv_group_close(&servers, 0);
}
