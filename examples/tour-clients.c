/* tour-clients.c: the clients of the tour's server: a task each, in a process of their own, since
 * each end of a connection needs a descriptor.
 *
 * An order comes in on the control socket, a task a client carries it out, and the answer goes
 * back when the last of them is done. The end of the orders ends the process, and so does the
 * end of its parent.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tour.h"

enum { MESSAGE_BYTES = 64 };

static struct {
    int control; /* to the server; orders come in, answers go out */
    struct sockaddr_in server;
    int *fds;
    rv_time *latencies; /* of every message of an order */
    rv_time start;
} clients;

static int send_and_compare(long client, long round)
{
    long message[MESSAGE_BYTES / sizeof(long)] = {client, round};
    long reply[MESSAGE_BYTES / sizeof(long)];
    ssize_t n = rv_write_all(clients.fds[client], message, sizeof message);

    if (n == 0)
        n = rv_read_full(clients.fds[client], reply, sizeof reply);
    if (n < 0)
        return (int)n;
    return n == sizeof reply && memcmp(message, reply, sizeof reply) == 0 ? 0 : -EBADMSG;
}

static int client_connects(void *arg)
{
    long i = *(long *)arg;
    int err, fd = rv_socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return fd;
    clients.fds[i] = fd;
    err = rv_connect(fd, (struct sockaddr *)&clients.server, sizeof clients.server);
    return err < 0 ? err : send_and_compare(i, -1);
}

static int client_floods(void *arg)
{
    long i = *(long *)arg;
    int err = 0;

    for (long round = 0; round < scale.rounds && err == 0; round++) {
        rv_time sent = rv_now();
        err = send_and_compare(i, round);
        clients.latencies[i * scale.rounds + round] = rv_now() - sent;
    }
    return err;
}

static int client_calls_once(void *arg)
{
    long i = *(long *)arg;
    int err = rv_sleep_until(clients.start + scale.spread / scale.connections * i);
    rv_time sent = rv_now();

    if (err == 0)
        err = send_and_compare(i, 0);
    clients.latencies[i] = rv_now() - sent;
    return err;
}

static int by_value(const void *a, const void *b)
{
    rv_time x = *(const rv_time *)a, y = *(const rv_time *)b;

    return (x > y) - (x < y);
}

static struct answer carry_out(enum order order)
{
    long count = order == FLOOD ? scale.connections * scale.rounds : scale.connections;
    struct answer answer = {0};

    /* By then all of them sleep. */
    clients.start = rv_after(RV_S / 10);
    /* They connect a few at a time: the listener's queue is not endless. */
    if (order == CONNECT)
        answer.err = all(client_connects, scale.connections, 500);
    else
        answer.err = all(order == FLOOD ? client_floods : client_calls_once, scale.connections,
                         (size_t)scale.connections);
    qsort(clients.latencies, (size_t)count, sizeof(rv_time), by_value);
    answer.half = clients.latencies[count / 2];
    answer.most = clients.latencies[count * 99 / 100];
    return answer;
}

static int obey(void *arg)
{
    struct answer answer;
    char order;
    int err = 0;

    (void)arg;
    while (err == 0 && rv_read(clients.control, &order, 1) == 1) {
        answer = carry_out((enum order)order);
        err = rv_write_all(clients.control, &answer, sizeof answer);
    }
    return err;
}

int clients_main(int control, struct sockaddr_in server)
{
    int err;

    screen_chapter("clients");
    clients.control = control;
    clients.server = server;
    clients.fds = calloc((size_t)scale.connections, sizeof *clients.fds);
    clients.latencies = calloc((size_t)(scale.connections * scale.rounds), sizeof(rv_time));
    err = clients.fds && clients.latencies ? rv_run(obey, NULL, NULL) : -ENOMEM;
    expect(err == 0, "the clients ended: %s", strerror(-err));
    free(clients.fds);
    free(clients.latencies);
    return err != 0;
}
