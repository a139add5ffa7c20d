/* t_world_ends.c: how sockets that keep messages apart end, in each world. */
#include "tests/net.h"

struct reader {
    int fd;
    ssize_t got;
};

static int read_one(void *arg)
{
    struct reader *r = arg;
    char byte;

    r->got = WITHIN(LONG, rv_recv(r->fd, &byte, 1, 0));
    return 0;
}

/* What a reader gets who waits while the socket is shut down, and one who comes later. */
static void shut_down_under_a_reader(int fd)
{
    struct reader early = {.fd = fd, .got = -1}, late = early;
    rv_group g;
    char byte;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, read_one, &early);
    CHECK_EQ(rv_sleep(A_MOMENT), 0);
    CHECK_EQ(rv_shutdown(fd, SHUT_RD), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(early.got, 0);
    read_one(&late);
    CHECK_EQ(late.got, 0);
    CHECK_EQ(WITHIN(LONG, rv_read(fd, &byte, 1)), 0);
    CHECK_EQ(rv_poll(fd, POLLRDHUP), POLLRDHUP);
}

TEST_TASK(a_datagram_socket_that_is_shut_down_gives_its_end_to_who_waits)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)};
    int udp = MUST(rv_socket(AF_INET, SOCK_DGRAM, 0)), pair[2];

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    MUST(rv_connect(udp, (struct sockaddr *)&at, sizeof at));
    shut_down_under_a_reader(udp);
    MUST(rv_socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    shut_down_under_a_reader(pair[0]);
    close_both(pair);
    return rv_close(udp);
}

TEST_TASK(the_end_of_one_side_of_a_unix_connection_is_the_others)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    char byte;
    int p[2];

    for (int i = 0; i < 2; i++) {
        MUST(rv_socketpair(AF_UNIX, types[i], 0, p));
        CHECK_EQ(rv_send(p[0], "x", 1, 0), 1);
        CHECK_EQ(rv_shutdown(p[0], SHUT_WR), 0);
        CHECK_EQ(WITHIN(LONG, rv_recv(p[1], &byte, 1, 0)), 1);
        CHECK_EQ(WITHIN(LONG, rv_recv(p[1], &byte, 1, 0)), 0);
        CHECK_EQ(rv_send(p[1], "y", 1, 0), 1);
        CHECK_EQ(rv_shutdown(p[0], SHUT_RD), 0);
        CHECK_EQ(rv_send(p[1], "z", 1, 0), -EPIPE);
        CHECK(rv_poll(p[1], POLLIN) & POLLHUP);
        close_both(p);
    }
    return 0;
}

TEST_TASK(who_closes_a_unix_connection_without_reading_resets_it)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    char byte;
    int p[2];

    for (int i = 0; i < 2; i++) {
        MUST(rv_socketpair(AF_UNIX, types[i], 0, p));
        CHECK_EQ(rv_send(p[0], "x", 1, 0), 1);
        CHECK_EQ(rv_close(p[1]), 0);
        CHECK(rv_poll(p[0], POLLIN) & POLLHUP);
        CHECK_EQ(WITHIN(LONG, rv_recv(p[0], &byte, 1, 0)), -ECONNRESET);
        CHECK_EQ(WITHIN(LONG, rv_recv(p[0], &byte, 1, 0)), 0);
        CHECK_EQ(rv_close(p[0]), 0);
    }
    return 0;
}
