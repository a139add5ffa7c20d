/* t_socket.c: recv, send, accept, connect, shutdown on every family of sockets. */
#include "tests/net.h"

static const struct {
    int family, type;
} kinds[] = {
    {AF_INET, SOCK_STREAM},    {AF_INET6, SOCK_STREAM}, {AF_INET, SOCK_DGRAM},
    {AF_INET6, SOCK_DGRAM},    {AF_UNIX, SOCK_STREAM},  {AF_UNIX, SOCK_DGRAM},
    {AF_UNIX, SOCK_SEQPACKET},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static bool pair_of(int i, int fds[2])
{
    if (kinds[i].family == AF_INET6 && !have_ip6())
        return false;
    connected_pair(kinds[i].family, kinds[i].type, fds);
    return true;
}

struct letter {
    int fd;
    const char *text;
    rv_time after;
};

static int post(void *arg)
{
    struct letter *l = arg;
    int err = rv_sleep(l->after);

    return err < 0 ? err : rv_write_all(l->fd, l->text, strlen(l->text));
}

TEST_TASK(what_is_sent_is_received_on_every_kind_of_socket)
{
    char buf[64];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        if (!pair_of(i, fds))
            continue;
        CHECK_EQ(rv_send(fds[0], "hello", 5, 0), 5);
        CHECK_EQ(rv_recv(fds[1], buf, sizeof buf, 0), 5);
        CHECK(memcmp(buf, "hello", 5) == 0);
        CHECK_EQ(rv_write(fds[1], "back", 4), 4);
        CHECK_EQ(rv_read(fds[0], buf, sizeof buf), 4);
        CHECK(memcmp(buf, "back", 4) == 0);
        close_both(fds);
    }
    return 0;
}

TEST_TASK(a_receive_waits_for_what_is_sent_later)
{
    char buf[64];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        rv_group g;

        if (!pair_of(i, fds))
            continue;
        rv_group_open(&g, rv_after(LONG));
        for (int round = 0; round < 3; round++) {
            struct letter l = {fds[0], "later", RV_MS};

            rv_go_copy(&g, post, &l, sizeof l);
            CHECK_EQ(rv_recv(fds[1], buf, sizeof buf, 0), 5);
        }
        CHECK_EQ(rv_group_close(&g, 0), 0);
        close_both(fds);
    }
    return 0;
}

TEST_TASK(a_short_datagram_does_not_hide_those_queued_behind_it)
{
    char buf[256];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        if (kinds[i].type == SOCK_STREAM || !pair_of(i, fds))
            continue;
        CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, 0)), -ETIMEDOUT); /* watched */
        for (int n = 1; n <= 5; n++)
            CHECK_EQ(rv_send(fds[0], "datagram", (size_t)n, 0), n);
        for (int n = 1; n <= 5; n++)
            CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, sizeof buf, 0)), n);
        CHECK_EQ(rv_send(fds[0], "cut short", 9, 0), 9);
        CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, 3, MSG_TRUNC)), 9);
        close_both(fds);
    }
    return 0;
}

static void send_with_descriptor(int to, int passed, const char *text)
{
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec v = {(void *)text, strlen(text)};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &passed, sizeof passed);
    MUST(sendmsg(to, &m, 0));
}

TEST_TASK(a_unix_stream_that_stops_at_a_passed_descriptor_goes_on_behind_it)
{
    char buf[256];
    int fds[2], have = 0;

    NOT_IN_SIM("ancillary data");
    connected_pair(AF_UNIX, SOCK_STREAM, fds);
    CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, 0)), -ETIMEDOUT);
    CHECK_EQ(rv_write(fds[0], "before", 6), 6);
    send_with_descriptor(fds[0], 0, "with");
    CHECK_EQ(rv_write(fds[0], "behind", 6), 6);
    while (have < 16) {
        long n = WITHIN(LONG, rv_read(fds[1], buf + have, sizeof buf - (size_t)have));

        CHECK(n > 0);
        if (n <= 0)
            break;
        have += (int)n;
    }
    CHECK(memcmp(buf, "beforewithbehind", 16) == 0);
    close_both(fds);
    return 0;
}

TEST_TASK(urgent_data_splits_a_read_and_hangs_nothing)
{
    char buf[256];
    int fds[2];

    NOT_IN_SIM("urgent data");
    for (int watched = 0; watched < 2; watched++) {
        tcp_pair(fds);
        if (watched)
            CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, 0)), -ETIMEDOUT);
        for (int round = 0; round < 3; round++) {
            CHECK_EQ(rv_send(fds[0], "abc", 3, 0), 3);
            CHECK_EQ(rv_send(fds[0], "!", 1, MSG_OOB), 1);
            CHECK_EQ(rv_send(fds[0], "def", 3, 0), 3);
            CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, sizeof buf)), 3);
            CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, 1, MSG_OOB)), 1);
            CHECK_EQ(WITHIN(LONG, rv_read_full(fds[1], buf, 3)), 3);
            CHECK(memcmp(buf, "def", 3) == 0);
        }
        close_both(fds);
    }
    return 0;
}

TEST_TASK(asking_for_urgent_data_or_errors_does_not_hide_what_is_queued)
{
    char buf[16];
    int fds[2];

    NOT_IN_SIM("urgent data");
    tcp_pair(fds);
    CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, 0)), -ETIMEDOUT);
    CHECK_EQ(rv_send(fds[0], "abc", 3, 0), 3);
    CHECK_EQ(rv_recv(fds[1], buf, sizeof buf, MSG_OOB), -EINVAL);
    CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, MSG_ERRQUEUE)), -ETIMEDOUT);
    CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, sizeof buf, 0)), 3);
    close_both(fds);
    return 0;
}

TEST_TASK(peeking_leaves_what_it_saw)
{
    char buf[256];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        if (!pair_of(i, fds))
            continue;
        CHECK_EQ(rv_send(fds[0], "look", 4, 0), 4);
        for (int n = 0; n < 3; n++)
            CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, sizeof buf, MSG_PEEK)), 4);
        CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, sizeof buf, 0)), 4);
        CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, MSG_PEEK)), -ETIMEDOUT);
        close_both(fds);
    }
    return 0;
}

TEST_TASK(a_receive_that_may_not_wait_says_so)
{
    char buf[16];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        if (!pair_of(i, fds))
            continue;
        CHECK_EQ(rv_recv(fds[1], buf, sizeof buf, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(rv_send(fds[0], "now", 3, MSG_DONTWAIT), 3);
        CHECK_EQ(rv_recv(fds[1], buf, sizeof buf, MSG_DONTWAIT), 3);
        CHECK_EQ(rv_recv(fds[1], buf, sizeof buf, MSG_DONTWAIT), -EAGAIN);
        close_both(fds);
    }
    return 0;
}

TEST_TASK(a_receive_that_waits_for_all_waits_for_all)
{
    char buf[16];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        rv_group g;
        struct letter first = {0, "abc", 0}, second = {0, "defg", 2 * RV_MS};

        if (kinds[i].type != SOCK_STREAM || !pair_of(i, fds))
            continue;
        first.fd = second.fd = fds[0];
        rv_group_open(&g, rv_after(LONG));
        rv_go_copy(&g, post, &first, sizeof first);
        rv_go_copy(&g, post, &second, sizeof second);
        CHECK_EQ(rv_recv(fds[1], buf, 7, MSG_WAITALL), 7);
        CHECK(memcmp(buf, "abcdefg", 7) == 0);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(rv_send(fds[0], "end", 3, 0), 3);
        CHECK_EQ(rv_shutdown(fds[0], SHUT_WR), 0);
        CHECK_EQ(rv_recv(fds[1], buf, 7, MSG_WAITALL), 3);
        close_both(fds);
    }
    return 0;
}

TEST_TASK(the_end_that_comes_together_with_data_is_seen_behind_it)
{
    char buf[256];
    int fds[2];

    for (int i = 0; i < KINDS; i++) {
        if (kinds[i].type != SOCK_STREAM || !pair_of(i, fds))
            continue;
        CHECK_EQ(WITHIN(A_MOMENT, rv_recv(fds[1], buf, sizeof buf, 0)), -ETIMEDOUT);
        CHECK_EQ(rv_send(fds[0], "last", 4, 0), 4);
        CHECK_EQ(rv_shutdown(fds[0], SHUT_WR), 0);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, sizeof buf)), 4);
        for (int n = 0; n < 3; n++)
            CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, sizeof buf)), 0);
        CHECK_EQ(rv_send(fds[1], "still open", 10, 0), 10); /* the other half lives */
        CHECK_EQ(WITHIN(LONG, rv_read(fds[0], buf, sizeof buf)), 10);
        close_both(fds);
    }
    return 0;
}

static int shut_later(void *arg)
{
    int err = rv_sleep(RV_MS);

    return err < 0 ? err : rv_shutdown(*(int *)arg, SHUT_RD);
}

TEST_TASK(shutting_the_reading_half_ends_a_read_that_waits)
{
    char buf[16];
    int fds[2];
    rv_group g;

    tcp_pair(fds);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, shut_later, &fds[1]);
    CHECK_EQ(rv_read(fds[1], buf, sizeof buf), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(rv_send(fds[1], "x", 1, 0), -EPIPE);
    CHECK_EQ(rv_shutdown(fds[0], 99), -EINVAL);
    close_both(fds);
    return 0;
}

TEST_TASK(a_reset_is_an_error_of_the_call_that_meets_it)
{
    char buf[16];
    int fds[2];

    for (int watched = 0; watched < 2; watched++) {
        tcp_pair(fds);
        if (watched)
            CHECK_EQ(WITHIN(A_MOMENT, rv_read(fds[1], buf, sizeof buf)), -ETIMEDOUT);
        reset_connection(fds[0]);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, sizeof buf)), -ECONNRESET);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, sizeof buf)), 0);
        CHECK_EQ(WITHIN(LONG, rv_write(fds[1], buf, sizeof buf)), -EPIPE);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

TEST_TASK(an_error_behind_data_is_said_by_the_next_read)
{
    char buf[16];
    int fds[2];

    for (int by = 0; by < 2; by++) {
        tcp_pair(fds);
        CHECK_EQ(rv_send(fds[0], "data", 4, 0), 4);
        CHECK_EQ(WITHIN(LONG, rv_poll(fds[1], POLLIN)), POLLIN);
        reset_connection(fds[0]);
        CHECK_EQ(
            WITHIN(LONG, by ? rv_read_full(fds[1], buf, 8) : rv_recv(fds[1], buf, 8, MSG_WAITALL)),
            4);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, 8)), -ECONNRESET);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[1], buf, 8)), 0);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

static int signals_seen;

static void count_signal(int number)
{
    (void)number;
    signals_seen++;
}

static int write_to_the_broken(void *unused)
{
    int fds[2], p[2];

    (void)unused;
    for (int i = 0; i < 2; i++) {
        connected_pair(AF_UNIX, SOCK_STREAM, fds);
        MUST(rv_pipe(p, 0));
        CHECK_EQ(rv_close(fds[1]), 0);
        CHECK_EQ(rv_close(p[0]), 0);
        CHECK_EQ(i ? rv_write(fds[0], "x", 1) : rv_send(fds[0], "x", 1, 0), -EPIPE);
        CHECK_EQ(rv_write(p[1], "x", 1), -EPIPE);
        CHECK_EQ(rv_close(fds[0]), 0);
        CHECK_EQ(rv_close(p[1]), 0);
    }
    return 0;
}

TEST(hazard_36_a_broken_peer_is_an_error_and_never_a_signal)
{
    sigset_t pending;

    signal(SIGPIPE, count_signal);
    CHECK_EQ(rv_run(write_to_the_broken, NULL, NULL), 0);
    CHECK_EQ(signals_seen, 0);
    sigpending(&pending);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    raise(SIGPIPE); /* and the thread hears of them as before */
    CHECK_EQ(signals_seen, 1);
}

TEST_TASK(hazard_35_all_is_written_through_a_tiny_send_buffer)
{
    int fds[2], few = 4096;
    rv_group g;
    struct letter l = {.after = 0};
    size_t total = 4 << 20;
    char *text = malloc(total + 1), *got = malloc(total);

    for (size_t i = 0; i < total; i++)
        text[i] = (char)('a' + i % 23);
    for (int i = 0; i < KINDS; i++) {
        if (kinds[i].type != SOCK_STREAM || !pair_of(i, fds))
            continue;
        total =
            kinds[i].family == AF_UNIX ? 4 << 20 : 256 << 10; /* TCP takes 3 ms for each 8 KiB */
        text[total] = 0;
        MUST(rv_setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &few, sizeof few));
        l.fd = fds[0];
        l.text = text;
        memset(got, 0, total);
        rv_group_open(&g, rv_after(LONG));
        rv_go(&g, post, &l);
        CHECK_EQ(rv_read_full(fds[1], got, total), (long)total);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK(memcmp(got, text, total) == 0);
        text[total] = 'z';
        close_both(fds);
    }
    free(text);
    free(got);
    return 0;
}

static int drain_later(void *arg)
{
    char buf[4096];
    int err = rv_sleep(5 * RV_MS);

    while (rv_recv(*(int *)arg, buf, sizeof buf, MSG_DONTWAIT) > 0)
        ;
    return err;
}

TEST_TASK(a_sender_waits_until_a_full_unix_datagram_socket_has_room)
{
    char buf[256] = {0};
    int fds[2], sent = 0;
    rv_group g;

    for (int type = 0; type < 2; type++) {
        connected_pair(AF_UNIX, type ? SOCK_SEQPACKET : SOCK_DGRAM, fds);
        while (rv_send(fds[0], buf, sizeof buf, MSG_DONTWAIT) > 0)
            sent++;
        CHECK(sent > 0);
        CHECK_EQ(WITHIN(A_MOMENT, rv_send(fds[0], buf, sizeof buf, 0)), -ETIMEDOUT);
        rv_group_open(&g, rv_after(LONG));
        rv_go(&g, drain_later, &fds[1]);
        CHECK_EQ(rv_send(fds[0], buf, sizeof buf, 0), sizeof buf);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        close_both(fds);
    }
    return 0;
}
