/* t_world_socket.c: what a program may count on in every world: the errors and the poll bits of
 * sockets and pipes. Linux is the measure: each line here was so on a real kernel first.
 */
#include "tests/net.h"

static const int streams[] = {AF_INET, AF_UNIX};

/* ---- names ---- */

TEST_TASK(a_name_is_taken_once)
{
    const int families[] = {AF_INET, AF_UNIX, AF_INET, AF_UNIX};
    struct address at, second;

    for (int i = 0; i < 4; i++) {
        int type = i < 2 ? SOCK_STREAM : SOCK_DGRAM, fd = bound(families[i], type, &at);
        int other = rv_socket(families[i], type, 0);

        CHECK_EQ(rv_bind(other, address_of(&at), at.len), -EADDRINUSE);
        CHECK_EQ(rv_bind(fd, address_of(&at), at.len), -EINVAL); /* it has one */
        CHECK_EQ(rv_close(fd), 0);
        CHECK_EQ(rv_bind(other, address_of(&at), at.len), 0); /* free again */
        second.len = sizeof second.at;
        CHECK_EQ(rv_getsockname(other, address_of(&second), &second.len), 0);
        CHECK_EQ(second.len, at.len);
        CHECK(memcmp(&second.at, &at.at, at.len) == 0);
        CHECK_EQ(rv_close(other), 0);
    }
    return 0;
}

TEST_TASK(a_socket_without_a_name_or_a_peer_says_so)
{
    struct sockaddr_in in = {.sin_port = 1};
    struct sockaddr_un un;
    socklen_t len = sizeof in;
    int tcp = rv_socket(AF_INET, SOCK_STREAM, 0), local = rv_socket(AF_UNIX, SOCK_STREAM, 0);
    int udp = rv_socket(AF_INET, SOCK_DGRAM, 0);

    CHECK_EQ(rv_getsockname(tcp, (struct sockaddr *)&in, &len), 0);
    CHECK(in.sin_family == AF_INET && in.sin_port == 0 && in.sin_addr.s_addr == 0);
    CHECK_EQ(len, sizeof in);
    CHECK_EQ(rv_getpeername(tcp, (struct sockaddr *)&in, &len), -ENOTCONN);
    CHECK_EQ(rv_getpeername(udp, (struct sockaddr *)&in, &len), -ENOTCONN);
    len = sizeof un;
    CHECK_EQ(rv_getsockname(local, (struct sockaddr *)&un, &len), 0);
    CHECK(un.sun_family == AF_UNIX);
    CHECK_EQ(len, sizeof(sa_family_t));
    CHECK_EQ(rv_getpeername(local, (struct sockaddr *)&un, &len), -ENOTCONN);
    close_both((int[]){tcp, local});
    return rv_close(udp);
}

TEST_TASK(a_name_that_does_not_fit_is_cut_and_its_length_told)
{
    struct address at;
    struct sockaddr_in got = {.sin_port = 0xabcd};
    int fd = bound(AF_INET, SOCK_STREAM, &at);
    socklen_t len = sizeof(sa_family_t);

    CHECK_EQ(rv_getsockname(fd, (struct sockaddr *)&got, &len), 0);
    CHECK_EQ(len, sizeof got);
    CHECK_EQ(got.sin_family, AF_INET);
    CHECK_EQ(got.sin_port, 0xabcd);
    return rv_close(fd);
}

TEST_TASK(both_ends_know_both_names)
{
    struct address at, name[4];
    int listener = listening(AF_INET, &at), fds[2];

    fds[0] = rv_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(rv_connect(fds[0], address_of(&at), at.len), 0);
    name[3].len = sizeof name[3].at;
    fds[1] = rv_accept(listener, address_of(&name[3]), &name[3].len);
    CHECK(fds[1] >= 0);
    for (int i = 0; i < 3; i++)
        name[i].len = sizeof name[i].at;
    CHECK_EQ(rv_getsockname(fds[0], address_of(&name[0]), &name[0].len), 0);
    CHECK_EQ(rv_getpeername(fds[1], address_of(&name[1]), &name[1].len), 0);
    CHECK_EQ(rv_getpeername(fds[0], address_of(&name[2]), &name[2].len), 0);
    CHECK(name[0].len == at.len && memcmp(&name[0].at, &name[1].at, at.len) == 0);
    CHECK(name[3].len == at.len && memcmp(&name[0].at, &name[3].at, at.len) == 0);
    CHECK(name[2].len == at.len && memcmp(&name[2].at, &at.at, at.len) == 0);
    close_both(fds);
    return rv_close(listener);
}

/* ---- in the wrong state ---- */

TEST_TASK(a_stream_without_a_peer_neither_sends_nor_receives)
{
    char byte;

    for (int i = 0; i < 2; i++) {
        int fd = rv_socket(streams[i], SOCK_STREAM, 0), inet = streams[i] == AF_INET;

        CHECK_EQ(rv_recv(fd, &byte, 1, 0), inet ? -ENOTCONN : -EINVAL);
        CHECK_EQ(rv_send(fd, "x", 1, 0), inet ? -EPIPE : -ENOTCONN);
        CHECK_EQ(rv_shutdown(fd, SHUT_WR), inet ? -ENOTCONN : 0);
        CHECK_EQ(rv_poll(fd, POLLIN | POLLOUT), POLLOUT | POLLHUP);
        CHECK_EQ(rv_accept(fd, NULL, NULL), -EINVAL);
        CHECK_EQ(rv_close(fd), 0);
    }
    return 0;
}

TEST_TASK(a_datagram_socket_without_a_peer_has_nowhere_to_send_to)
{
    int inet = rv_socket(AF_INET, SOCK_DGRAM, 0), local = rv_socket(AF_UNIX, SOCK_DGRAM, 0);
    char byte;

    CHECK_EQ(rv_send(inet, "x", 1, 0), -EDESTADDRREQ);
    CHECK_EQ(rv_send(local, "x", 1, 0), -ENOTCONN);
    CHECK_EQ(rv_recv(inet, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(rv_listen(inet, 1), -EOPNOTSUPP);
    CHECK_EQ(rv_accept(inet, NULL, NULL), -EOPNOTSUPP);
    close_both((int[]){inet, local});
    return 0;
}

TEST_TASK(a_listener_is_no_connection)
{
    struct address at;
    char byte;

    for (int i = 0; i < 2; i++) {
        int fd = listening(streams[i], &at), inet = streams[i] == AF_INET, client;

        CHECK_EQ(rv_recv(fd, &byte, 1, 0), inet ? -ENOTCONN : -EINVAL);
        CHECK_EQ(rv_send(fd, "x", 1, 0), inet ? -EPIPE : -ENOTCONN);
        CHECK_EQ(rv_listen(fd, 3), 0); /* again */
        CHECK_EQ(rv_recv(fd, &byte, 1, MSG_DONTWAIT), inet ? -ENOTCONN : -EINVAL);
        CHECK_EQ(WITHIN(RV_MS, rv_poll(fd, POLLIN | POLLOUT)), -ETIMEDOUT);
        client = rv_socket(streams[i], SOCK_STREAM, 0);
        CHECK_EQ(rv_connect(client, address_of(&at), at.len), 0);
        CHECK_EQ(rv_poll(fd, POLLIN | POLLOUT), POLLIN);
        CHECK_EQ(rv_listen(client, 1), -EINVAL);
        CHECK_EQ(rv_connect(client, address_of(&at), at.len), -EISCONN);
        close_both((int[]){fd, client});
    }
    return 0;
}

TEST_TASK(who_listens_no_more_refuses_and_resets_who_was_not_accepted)
{
    struct address at;
    char byte;

    for (int i = 0; i < 2; i++) {
        int fd = listening(streams[i], &at), client = rv_socket(streams[i], SOCK_STREAM, 0), late;

        CHECK_EQ(rv_connect(client, address_of(&at), at.len), 0);
        CHECK_EQ(rv_close(fd), 0);
        CHECK_EQ(WITHIN(LONG, rv_read(client, &byte, 1)), -ECONNRESET);
        late = rv_socket(streams[i], SOCK_STREAM, 0);
        CHECK_EQ(rv_connect(late, address_of(&at), at.len), -ECONNREFUSED);
        close_both((int[]){client, late});
    }
    return 0;
}

TEST_TASK(a_connect_to_the_wrong_kind_of_socket_is_refused)
{
    struct address tcp, local, gone;
    int a = bound(AF_INET, SOCK_STREAM, &tcp), b = bound(AF_UNIX, SOCK_DGRAM, &local);
    int stream = rv_socket(AF_UNIX, SOCK_STREAM, 0), inet = rv_socket(AF_INET, SOCK_STREAM, 0);
    int fd = bound(AF_UNIX, SOCK_STREAM, &gone);

    CHECK_EQ(rv_connect(inet, address_of(&tcp), tcp.len), -ECONNREFUSED); /* it does not listen */
    CHECK_EQ(rv_connect(stream, address_of(&gone), gone.len), -ECONNREFUSED);
    CHECK_EQ(rv_connect(stream, address_of(&local), local.len), -ECONNREFUSED);
    CHECK_EQ(rv_close(fd), 0);
    CHECK_EQ(rv_connect(stream, address_of(&gone), gone.len), -ECONNREFUSED);
    CHECK_EQ(rv_connect(inet, address_of(&gone), sizeof(struct sockaddr_in)), -EAFNOSUPPORT);
    close_both((int[]){a, b});
    close_both((int[]){stream, inet});
    return 0;
}

TEST_TASK(what_is_no_socket_says_so)
{
    struct address at = {.at.ss_family = AF_UNIX};
    int p[2], value;
    socklen_t len = sizeof value;
    char byte;

    MUST(rv_pipe(p, 0));
    CHECK_EQ(rv_send(p[1], "x", 1, 0), -ENOTSOCK);
    CHECK_EQ(rv_recv(p[0], &byte, 1, 0), -ENOTSOCK);
    CHECK_EQ(rv_bind(p[0], address_of(&at), sizeof(sa_family_t)), -ENOTSOCK);
    CHECK_EQ(rv_listen(p[0], 1), -ENOTSOCK);
    CHECK_EQ(rv_shutdown(p[0], SHUT_RD), -ENOTSOCK);
    CHECK_EQ(rv_getsockopt(p[0], SOL_SOCKET, SO_TYPE, &value, &len), -ENOTSOCK);
    CHECK_EQ(rv_setsockopt(p[0], SOL_SOCKET, SO_KEEPALIVE, &value, len), -ENOTSOCK);
    CHECK_EQ(rv_write(p[0], "x", 1), -EBADF); /* the wrong end */
    CHECK_EQ(rv_read(p[1], &byte, 1), -EBADF);
    CHECK_EQ(rv_pread(p[0], &byte, 1, 0), -ESPIPE);
    CHECK_EQ(rv_fsync(p[0]), -EINVAL);
    close_both(p);
    return 0;
}

/* ---- options ---- */

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    CHECK_EQ(rv_getsockopt(fd, level, name, &value, &len), 0);
    CHECK_EQ(len, sizeof value);
    return value;
}

TEST_TASK(options_are_kept_and_tell_of_the_socket)
{
    const int one = 1;
    struct address at;
    int fd = listening(AF_INET, &at), udp = rv_socket(AF_INET, SOCK_DGRAM, 0);

    CHECK_EQ(option(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    CHECK_EQ(option(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
    CHECK_EQ(option(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    CHECK_EQ(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    CHECK_EQ(option(fd, SOL_SOCKET, SO_ERROR), 0);
    CHECK_EQ(option(udp, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    CHECK_EQ(option(udp, SOL_SOCKET, SO_ACCEPTCONN), 0);
    CHECK_EQ(option(udp, SOL_SOCKET, SO_REUSEADDR), 0);
    CHECK_EQ(rv_setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    CHECK_EQ(option(udp, SOL_SOCKET, SO_REUSEADDR), 1);
    CHECK_EQ(rv_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    CHECK_EQ(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(rv_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 1), -EINVAL);
    CHECK_EQ(rv_setsockopt(fd, SOL_SOCKET, 12345, &one, sizeof one), -ENOPROTOOPT);
    close_both((int[]){fd, udp});
    return 0;
}

TEST_TASK(sockets_that_there_are_not_cannot_be_made)
{
    int fds[2];

    CHECK_EQ(rv_socket(12345, SOCK_STREAM, 0), -EAFNOSUPPORT);
    CHECK_EQ(rv_socket(AF_INET, 12, 0), -EINVAL);
    CHECK_EQ(rv_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    CHECK_EQ(rv_socketpair(AF_INET, SOCK_DGRAM, 0, fds), -EOPNOTSUPP);
    CHECK_EQ(rv_pipe(fds, 1), -EINVAL);
    return 0;
}

/* ---- what poll says ---- */

enum { ASKED = POLLIN | POLLOUT | POLLRDHUP | POLLPRI };

TEST_TASK(poll_follows_a_connection_from_its_begin_to_its_end)
{
    char byte;
    int fds[2];

    for (int i = 0; i < 2; i++) {
        const int inet = streams[i] == AF_INET;

        connected_pair(streams[i], SOCK_STREAM, fds);
        CHECK_EQ(rv_poll(fds[0], ASKED), POLLOUT);
        CHECK_EQ(rv_write(fds[1], "x", 1), 1);
        CHECK_EQ(WITHIN(LONG, rv_poll(fds[0], POLLIN)), POLLIN);
        CHECK_EQ(rv_poll(fds[0], ASKED), POLLIN | POLLOUT);
        CHECK_EQ(rv_shutdown(fds[1], SHUT_WR), 0);
        CHECK_EQ(WITHIN(LONG, rv_poll(fds[0], POLLRDHUP)), POLLRDHUP);
        CHECK_EQ(rv_read(fds[0], &byte, 1), 1);
        CHECK_EQ(rv_poll(fds[0], ASKED), POLLIN | POLLOUT | POLLRDHUP);
        CHECK_EQ(rv_poll(fds[1], ASKED), POLLOUT);
        CHECK_EQ(rv_shutdown(fds[0], SHUT_WR), 0);
        CHECK_EQ(WITHIN(LONG, rv_poll(fds[1], POLLRDHUP)) & POLLRDHUP, POLLRDHUP);
        CHECK_EQ(rv_poll(fds[1], ASKED), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
        CHECK_EQ(rv_close(fds[0]), 0);
        CHECK_EQ(rv_poll(fds[1], ASKED), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
        CHECK_EQ(rv_send(fds[1], "x", 1, 0), -EPIPE);
        CHECK_EQ(rv_shutdown(fds[1], SHUT_RDWR), inet ? -ENOTCONN : 0);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

TEST_TASK(poll_tells_of_a_reset_and_the_error_is_said_once)
{
    char byte;
    int fds[2];

    for (int by_option = 0; by_option < 2; by_option++) {
        tcp_pair(fds);
        reset_connection(fds[0]);
        CHECK_EQ(WITHIN(LONG, rv_poll(fds[1], POLLIN)), POLLIN | POLLERR | POLLHUP);
        CHECK_EQ(rv_poll(fds[1], ASKED), POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
        if (by_option)
            CHECK_EQ(option(fds[1], SOL_SOCKET, SO_ERROR), ECONNRESET);
        else
            CHECK_EQ(rv_recv(fds[1], &byte, 1, 0), -ECONNRESET);
        CHECK_EQ(rv_poll(fds[1], ASKED), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
        CHECK_EQ(rv_recv(fds[1], &byte, 1, 0), 0);
        CHECK_EQ(rv_send(fds[1], "x", 1, 0), -EPIPE);
        CHECK_EQ(rv_close(fds[1]), 0);
    }
    return 0;
}

TEST_TASK(a_connection_that_is_closed_with_bytes_unread_is_reset)
{
    char byte;
    int fds[2];

    for (int i = 0; i < 2; i++) {
        connected_pair(streams[i], SOCK_STREAM, fds);
        CHECK_EQ(rv_write(fds[0], "unread", 6), 6);
        CHECK_EQ(WITHIN(LONG, rv_poll(fds[1], POLLIN)), POLLIN);
        CHECK_EQ(rv_close(fds[1]), 0);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[0], &byte, 1)), -ECONNRESET);
        CHECK_EQ(WITHIN(LONG, rv_read(fds[0], &byte, 1)), 0);
        CHECK_EQ(rv_close(fds[0]), 0);
    }
    return 0;
}

TEST_TASK(poll_follows_a_pipe)
{
    char big[65536] = {0};
    int p[2];

    MUST(rv_pipe(p, 0));
    CHECK_EQ(WITHIN(RV_MS, rv_poll(p[0], POLLIN)), -ETIMEDOUT);
    CHECK_EQ(rv_poll(p[1], ASKED), POLLOUT);
    CHECK_EQ(rv_write(p[1], big, sizeof big), sizeof big); /* all that it holds */
    CHECK_EQ(WITHIN(RV_MS, rv_poll(p[1], POLLOUT)), -ETIMEDOUT);
    CHECK_EQ(WITHIN(RV_MS, rv_write(p[1], big, 1)), -ETIMEDOUT);
    CHECK_EQ(rv_poll(p[0], ASKED), POLLIN);
    CHECK_EQ(rv_close(p[1]), 0);
    CHECK_EQ(rv_poll(p[0], ASKED), POLLIN | POLLHUP);
    CHECK_EQ(rv_read_full(p[0], big, sizeof big), sizeof big);
    CHECK_EQ(rv_poll(p[0], ASKED), POLLHUP);
    CHECK_EQ(rv_read(p[0], big, 1), 0);
    CHECK_EQ(rv_close(p[0]), 0);
    MUST(rv_pipe(p, 0));
    CHECK_EQ(rv_close(p[0]), 0);
    CHECK_EQ(rv_poll(p[1], ASKED), POLLOUT | POLLERR);
    CHECK_EQ(rv_write(p[1], "x", 1), -EPIPE);
    return rv_close(p[1]);
}

TEST_TASK(a_write_of_a_page_to_a_pipe_is_whole_or_waits)
{
    char big[65536] = {0};
    int p[2];

    MUST(rv_pipe(p, 0));
    CHECK_EQ(rv_write(p[1], big, sizeof big - 4096), sizeof big - 4096);
    CHECK_EQ(rv_write(p[1], big, 4096), 4096);
    CHECK_EQ(rv_read(p[0], big, 4096), 4096);
    CHECK_EQ(rv_write(p[1], big, 100), 100);
    CHECK_EQ(WITHIN(RV_MS, rv_write(p[1], big, 4096)), -ETIMEDOUT); /* 3,996 would fit */
    CHECK_EQ(rv_read_full(p[0], big, 65536 - 4096 + 100), 65536 - 4096 + 100);
    CHECK_EQ(WITHIN(RV_MS, rv_read(p[0], big, 1)), -ETIMEDOUT);
    close_both(p);
    return 0;
}

/* ---- messages ---- */

TEST_TASK(messages_stay_apart_and_may_be_empty)
{
    const int kinds[][2] = {
        {AF_INET, SOCK_DGRAM}, {AF_UNIX, SOCK_DGRAM}, {AF_UNIX, SOCK_SEQPACKET}};
    char buf[16];
    int fds[2];

    for (int i = 0; i < 3; i++) {
        connected_pair(kinds[i][0], kinds[i][1], fds);
        CHECK_EQ(rv_send(fds[0], "", 0, 0), 0);
        CHECK_EQ(rv_send(fds[0], "abcdef", 6, 0), 6);
        CHECK_EQ(rv_send(fds[0], "gh", 2, 0), 2);
        CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, sizeof buf, 0)), 0);
        CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, 4, 0)), 4); /* the rest of it is gone */
        CHECK_EQ(WITHIN(LONG, rv_recv(fds[1], buf, sizeof buf, 0)), 2);
        CHECK(memcmp(buf, "gh", 2) == 0);
        CHECK_EQ(WITHIN(RV_MS, rv_recv(fds[1], buf, sizeof buf, 0)), -ETIMEDOUT);
        close_both(fds);
    }
    return 0;
}

TEST_TASK(a_message_that_is_too_big_is_refused)
{
    static char big[300000];
    int fds[2];

    connected_pair(AF_INET, SOCK_DGRAM, fds);
    CHECK_EQ(rv_send(fds[0], big, 65508, 0), -EMSGSIZE);
    CHECK_EQ(rv_send(fds[0], big, 65507, 0), 65507);
    close_both(fds);
    connected_pair(AF_UNIX, SOCK_DGRAM, fds);
    CHECK_EQ(rv_send(fds[0], big, sizeof big, 0), -EMSGSIZE);
    close_both(fds);
    return 0;
}

TEST_TASK(who_sends_a_datagram_to_nobody_hears_of_it)
{
    struct address at;
    char byte;
    int other = bound(AF_INET, SOCK_DGRAM, &at), fd = rv_socket(AF_INET, SOCK_DGRAM, 0), fds[2];

    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    CHECK_EQ(rv_close(other), 0);
    CHECK_EQ(rv_send(fd, "x", 1, 0), 1);
    CHECK_EQ(WITHIN(LONG, rv_recv(fd, &byte, 1, 0)), -ECONNREFUSED);
    CHECK_EQ(rv_close(fd), 0);
    connected_pair(AF_UNIX, SOCK_DGRAM, fds);
    CHECK_EQ(rv_close(fds[1]), 0);
    CHECK_EQ(rv_send(fds[0], "x", 1, 0), -ECONNREFUSED);
    CHECK_EQ(rv_close(fds[0]), 0);
    connected_pair(AF_UNIX, SOCK_SEQPACKET, fds);
    CHECK_EQ(rv_close(fds[1]), 0);
    CHECK_EQ(rv_send(fds[0], "x", 1, 0), -EPIPE);
    CHECK_EQ(rv_recv(fds[0], &byte, 1, 0), 0);
    return rv_close(fds[0]);
}

TEST_TASK(a_datagram_socket_that_is_connected_hears_its_peer_alone)
{
    struct address a, b, c;
    char byte;
    int first = bound(AF_INET, SOCK_DGRAM, &a), second = bound(AF_INET, SOCK_DGRAM, &b);
    int third = bound(AF_INET, SOCK_DGRAM, &c);

    CHECK_EQ(rv_connect(first, address_of(&b), b.len), 0);
    CHECK_EQ(rv_connect(second, address_of(&a), a.len), 0);
    CHECK_EQ(rv_connect(third, address_of(&a), a.len), 0);
    CHECK_EQ(rv_send(second, "2", 1, 0), 1);
    CHECK_EQ(rv_send(third, "3", 1, 0), 1);
    CHECK_EQ(WITHIN(LONG, rv_recv(first, &byte, 1, 0)), 1);
    CHECK_EQ(byte, '2');
    CHECK_EQ(WITHIN(A_MOMENT, rv_recv(first, &byte, 1, 0)), -ETIMEDOUT);
    close_both((int[]){first, second});
    return rv_close(third);
}
