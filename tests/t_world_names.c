/* t_world_names.c: which address leads to whom, and what options are found again, in each world. */
#include <sys/time.h>

#include "tests/net.h"

static struct sockaddr_in loopback(const char *address, in_port_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = port};

    CHECK_EQ(inet_pton(AF_INET, address, &at.sin_addr), 1);
    return at;
}

/* 0, or -errno. */
static int bind_to(int fd, const char *address, in_port_t port)
{
    struct sockaddr_in at = loopback(address, port);

    return rv_bind(fd, (struct sockaddr *)&at, sizeof at);
}

static struct sockaddr_in name_of(int fd, int (*call)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    CHECK_EQ(call(fd, (struct sockaddr *)&at, &len), 0);
    CHECK_EQ(len, sizeof at);
    return at;
}

static int dial(const char *address, in_port_t port)
{
    struct sockaddr_in at = loopback(address, port);
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));
    int err = rv_connect(fd, (struct sockaddr *)&at, sizeof at);

    if (err < 0)
        CHECK_EQ(rv_close(fd), 0);
    return err < 0 ? err : fd;
}

TEST_TASK(who_is_bound_to_one_address_is_not_found_at_another)
{
    int one = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));
    int two = MUST(rv_socket(AF_INET, SOCK_STREAM, 0)), fd;
    in_port_t port;

    CHECK_EQ(bind_to(one, "127.0.0.1", 0), 0);
    port = name_of(one, rv_getsockname).sin_port;
    CHECK_EQ(bind_to(two, "127.0.0.1", port), -EADDRINUSE);
    CHECK_EQ(bind_to(two, "0.0.0.0", port), -EADDRINUSE);
    CHECK_EQ(bind_to(two, "127.0.0.2", port), 0);
    CHECK_EQ(rv_listen(one, 1), 0);
    CHECK_EQ(rv_listen(two, 1), 0);
    CHECK_EQ(dial("127.0.0.3", port), -ECONNREFUSED);
    fd = MUST(dial("127.0.0.2", port));
    CHECK_EQ(rv_poll(two, POLLIN), POLLIN);
    CHECK_EQ(name_of(fd, rv_getpeername).sin_addr.s_addr, htonl(0x7f000002));
    close_both((int[]){one, two});
    return rv_close(fd);
}

TEST_TASK(who_listens_without_a_name_is_found_at_any_address)
{
    int listener = MUST(rv_socket(AF_INET, SOCK_STREAM, 0)), fd;
    struct sockaddr_in at;

    CHECK_EQ(rv_listen(listener, 4), 0);
    at = name_of(listener, rv_getsockname);
    CHECK_EQ(at.sin_addr.s_addr, htonl(INADDR_ANY));
    CHECK(at.sin_port != 0);
    fd = MUST(dial("127.0.0.9", at.sin_port));
    CHECK_EQ(rv_close(fd), 0);
    fd = MUST(dial("0.0.0.0", at.sin_port)); /* one's own */
    CHECK_EQ(name_of(fd, rv_getsockname).sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    CHECK_EQ(name_of(fd, rv_getpeername).sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    close_both((int[]){fd, listener});
    return 0;
}

TEST_TASK(options_that_are_no_numbers_are_found_again)
{
    struct timeval span = {3, 500000}, other = {0};
    struct linger linger = {1, 5}, found = {0};
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0)), type = SOCK_STREAM;
    socklen_t len = sizeof found;

    CHECK_EQ(rv_getsockopt(fd, SOL_SOCKET, SO_LINGER, &found, &len), 0);
    CHECK(len == sizeof found && found.l_onoff == 0 && found.l_linger == 0);
    CHECK_EQ(rv_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    CHECK_EQ(rv_getsockopt(fd, SOL_SOCKET, SO_LINGER, &found, &len), 0);
    CHECK(len == sizeof found && found.l_onoff == 1 && found.l_linger == 5);
    len = sizeof other;
    CHECK_EQ(rv_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &span, sizeof span), 0);
    CHECK_EQ(rv_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &other, &len), 0);
    CHECK(len == sizeof other && other.tv_sec == 3 && other.tv_usec == 500000);
    CHECK_EQ(rv_setsockopt(fd, SOL_SOCKET, SO_TYPE, &type, sizeof type), -ENOPROTOOPT);
    CHECK_EQ(rv_setsockopt(fd, SOL_SOCKET, SO_ERROR, &type, sizeof type), -ENOPROTOOPT);
    return rv_close(fd);
}
