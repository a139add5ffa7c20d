/* t_setup.c: the twins of calls that set a descriptor up and never wait. */
#include "tests/net.h"

TEST_TASK(a_listener_is_made_with_twins_alone)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, peer;
    socklen_t len = sizeof at, peer_len = sizeof peer;
    int listener = rv_socket(AF_INET, SOCK_STREAM, 0), on = 0, client, fd;

    CHECK(listener >= 0);
    CHECK_EQ(rv_setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    CHECK_EQ(rv_getsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, &(socklen_t){sizeof on}), 0);
    CHECK_EQ(on, 1);
    CHECK_EQ(rv_bind(listener, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(rv_getsockname(listener, (struct sockaddr *)&at, &len), 0);
    CHECK(at.sin_port != 0);
    CHECK_EQ(rv_listen(listener, 8), 0);
    client = rv_socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(rv_connect(client, (struct sockaddr *)&at, len), 0);
    fd = rv_accept(listener, NULL, NULL);
    CHECK_EQ(rv_getpeername(client, (struct sockaddr *)&peer, &peer_len), 0);
    CHECK_EQ(peer.sin_port, at.sin_port);
    close_both((int[]){client, fd});
    return rv_close(listener);
}

TEST_TASK(a_pair_and_a_pipe_carry_bytes)
{
    int pair[2], pipe[2];
    char byte = 0;

    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(rv_pipe(pipe, 0), 0);
    CHECK_EQ(rv_write_all(pair[0], "a", 1), 0);
    CHECK_EQ(rv_read(pair[1], &byte, 1), 1);
    CHECK_EQ(rv_write_all(pipe[1], &byte, 1), 0);
    CHECK_EQ(rv_read(pipe[0], &byte, 1), 1);
    CHECK_EQ(byte, 'a');
    close_both(pair);
    close_both(pipe);
    return 0;
}

TEST_TASK(a_number_that_a_twin_gives_starts_afresh)
{
    int old[2], pipe[2];
    char byte;

    NOT_IN_SIM("real descriptors: closed behind our back");
    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, old), 0);
    CHECK_EQ(WITHIN(RV_MS, rv_read(old[0], &byte, 1)), -ETIMEDOUT); /* watched from here on */
    CHECK_EQ(WITHIN(RV_MS, rv_read(old[1], &byte, 1)), -ETIMEDOUT);
    close(old[0]);
    close(old[1]);
    CHECK_EQ(rv_pipe(pipe, 0), 0);
    CHECK_EQ(pipe[0], old[0]);
    CHECK_EQ(rv_write_all(pipe[1], "b", 1), 0);
    CHECK_EQ(rv_read(pipe[0], &byte, 1), 1);
    close_both(pipe);
    return 0;
}

TEST_TASK(what_is_open_is_counted_and_what_is_closed_is_not)
{
    int before = count_fds(), p[2];

    MUST(rv_pipe(p, 0));
    CHECK_EQ(count_fds(), before + 2);
    close_both(p);
    CHECK_EQ(count_fds(), before); /* or no test that looks for leaks is one */
    return 0;
}

TEST_TASK(what_the_twins_refuse_they_refuse_as_errno_would)
{
    struct address at = {.at.ss_family = AF_UNIX};
    socklen_t len = sizeof(int);
    int fds[2], value = 0;

    CHECK_EQ(rv_socketpair(AF_INET, SOCK_STREAM, 0, fds), -EOPNOTSUPP);
    CHECK_EQ(rv_bind(-1, address_of(&at), sizeof(sa_family_t)), -EBADF);
    CHECK_EQ(rv_listen(-1, 1), -EBADF);
    CHECK_EQ(rv_setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &value, len), -EBADF);
    CHECK_EQ(rv_getsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &value, &len), -EBADF);
    CHECK_EQ(rv_getsockname(-1, address_of(&at), &len), -EBADF);
    CHECK_EQ(rv_getpeername(-1, address_of(&at), &len), -EBADF);
    CHECK_EQ(rv_shutdown(-1, SHUT_RD), -EBADF);
    CHECK_EQ(rv_pipe(fds, -1), -EINVAL);
    return 0;
}

TEST_TASK(random_fills_all_of_its_buffer)
{
    unsigned char bytes[4096] = {0}, seen = 0;

    for (int i = 0; i < 64; i++) {
        rv_random(bytes, sizeof bytes);
        seen |= bytes[sizeof bytes - 1];
    }
    CHECK(seen != 0);
    return 0;
}
