/* t_sim_host.c: hosts of a simulated world: who is on which, who reaches whom, and what a host that
 * is closed must not leave behind. */
#include "reeve_sim.h"
#include "tests/net.h"

static const rv_sim_options calm = {.without = RV_SIM_ALL};

enum { PORT = 80 };

static struct sockaddr_in address(const char *text)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    CHECK_EQ(inet_pton(AF_INET, text, &at.sin_addr), 1);
    return at;
}

static int listen_at(const char *text)
{
    struct sockaddr_in at = address(text);
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));

    CHECK_EQ(rv_bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(rv_listen(fd, 4), 0);
    return fd;
}

static int connect_to(int fd, const char *text)
{
    struct sockaddr_in at = address(text);

    return rv_connect(fd, (struct sockaddr *)&at, sizeof at);
}

/* Answers one connection until it ends, and returns how it ended. */
static int echo(void *listens_at)
{
    int listener = listen_at(listens_at), fd = rv_accept(listener, NULL, NULL);
    char byte;
    ssize_t n = fd < 0 ? fd : 1;

    while (n == 1 && (n = rv_read(fd, &byte, 1)) == 1)
        n = rv_write(fd, &byte, 1);
    if (fd >= 0)
        rv_close(fd);
    rv_close(listener);
    return (int)n;
}

/* ---- who is where ---- */

static uint32_t source; /* of what `tell_source` connects */

static int tell_source(void *unused)
{
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    (void)unused;
    CHECK_EQ(connect_to(fd, "10.0.0.1"), -ECONNREFUSED);
    CHECK_EQ(rv_getsockname(fd, (struct sockaddr *)&at, &len), 0);
    source = ntohl(at.sin_addr.s_addr);
    return rv_close(fd);
}

static int tell_source_in_a_group(void *unused)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, tell_source, unused);
    return rv_group_close(&g, 0);
}

static int see_who_is_where(void *unused)
{
    rv_sim_host h, other;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    CHECK_EQ(tell_source(NULL), 0);
    CHECK_EQ(source, 0x7f000001);
    CHECK_EQ(tell_source_in_a_group(NULL), 0);
    CHECK_EQ(source, 0x7f000001);
    rv_go(&h.tasks, tell_source_in_a_group, NULL);
    CHECK_EQ(rv_sim_host_close(&h, 0), 0);
    CHECK_EQ(source, 0x0a000001);
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    CHECK_EQ(rv_sim_host_open(&other, "10.0.0.2"), 0);
    rv_go(&other.tasks, tell_source, NULL);
    CHECK_EQ(rv_sim_host_close(&other, 0), 0);
    CHECK_EQ(source, 0x0a000002);
    return rv_sim_host_close(&h, 0);
}

TEST(who_opens_a_host_is_not_on_it_and_whose_group_is_the_hosts_is)
{
    CHECK_EQ(rv_sim_run(1, &calm, see_who_is_where, NULL), 0);
}

static int dial_after_a_while(const char *text)
{
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0)), err = rv_sleep(RV_MS);

    err = err == 0 ? connect_to(fd, text) : err;
    rv_close(fd);
    return err;
}

static int serve_inside(void *unused)
{
    rv_sim_host h;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, echo, "127.0.0.1");
    CHECK_EQ(dial_after_a_while("10.0.0.1"), -ECONNREFUSED);
    rv_group_cancel(&h.tasks);
    return rv_sim_host_close(&h, 0);
}

static int serve_all(void *unused)
{
    rv_sim_host h;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, echo, "0.0.0.0");
    CHECK_EQ(dial_after_a_while("10.0.0.1"), 0);
    return rv_sim_host_close(&h, 0);
}

TEST(a_server_on_the_loopback_is_not_heard_from_outside)
{
    CHECK_EQ(rv_sim_run(1, &calm, serve_inside, NULL), 0);
    CHECK_EQ(rv_sim_run(1, &calm, serve_all, NULL), 0);
}

/* ---- what the network does to an end ---- */

static int end_in_a_partition(void *unused)
{
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0));
    rv_sim_host h;
    char byte = 1;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, echo, "10.0.0.1");
    CHECK_EQ(rv_sleep(RV_MS), 0);
    CHECK_EQ(connect_to(fd, "10.0.0.1"), 0);
    CHECK_EQ(rv_write_all(fd, &byte, 1), 0);
    CHECK_EQ(rv_read(fd, &byte, 1), 1);
    CHECK_EQ(rv_sim_partition("127.0.0.1", "10.0.0.1", 60 * RV_S), 0);
    CHECK_EQ(rv_shutdown(fd, SHUT_WR), 0);
    CHECK_EQ(rv_read(fd, &byte, 1), -ETIMEDOUT);
    rv_close(fd);
    return rv_sim_host_close(&h, 0);
}

TEST(an_end_that_does_not_get_through_is_found_out_by_both)
{
    CHECK_EQ(rv_sim_run(1, &calm, end_in_a_partition, NULL), -ETIMEDOUT);
}

/* ---- what is left ---- */

static int make_a_pipe(void *unused)
{
    int fds[2];

    (void)unused;
    return rv_pipe(fds, 0);
}

static int leave_a_pipe(void *unused)
{
    rv_sim_host h;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, make_a_pipe, NULL);
    return rv_sim_host_close(&h, 0);
}

static int lose_a_pipe(void *unused)
{
    rv_sim_host h;
    int err;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, make_a_pipe, NULL);
    err = rv_sleep(RV_MS);
    rv_sim_power_cut(&h);
    return rv_sim_host_close(&h, err);
}

TEST(what_a_host_leaves_open_is_told_unless_its_power_went)
{
    rv_sim_options allowed = {.without = RV_SIM_ALL, .leave_open = true};

    CHECK_EQ(rv_sim_run(1, &calm, leave_a_pipe, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rv_sim_run(1, &allowed, leave_a_pipe, NULL), 0);
    CHECK_EQ(rv_sim_run(1, &calm, lose_a_pipe, NULL), 0);
}

/* ---- one host's power, and the others ---- */

static int sleep_a_while(void *result)
{
    *(int *)result = rv_sleep(RV_S);
    return 0;
}

static int cut_one_of_two(void *unused)
{
    int one = 1, two = 1;
    rv_sim_host h, other;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    CHECK_EQ(rv_sim_host_open(&other, "10.0.0.2"), 0);
    rv_go(&h.tasks, sleep_a_while, &one);
    rv_go(&other.tasks, sleep_a_while, &two);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    rv_sim_power_cut(&h);
    CHECK_EQ(rv_sleep(RV_MS), 0); /* who cut it is not cancelled */
    CHECK_EQ(rv_sim_host_close(&other, 0), 0);
    CHECK_EQ(rv_sim_host_close(&h, 0), 0);
    CHECK_EQ(one, -ECANCELED);
    CHECK_EQ(two, 0);
    return 0;
}

TEST(a_host_that_loses_its_power_takes_no_other_with_it)
{
    for (uint64_t seed = 0; seed < 20; seed++)
        CHECK_EQ(rv_sim_run(seed, NULL, cut_one_of_two, NULL), 0);
}

static int hold_one(void *listens_at)
{
    int listener = listen_at(listens_at), fd = rv_accept(listener, NULL, NULL);
    char byte;
    int err = (int)rv_read(fd, &byte, 1);

    rv_close(fd);
    rv_close(listener);
    return err;
}

/* What who was connected hears, in an hour: by listening, or having spoken. */
static int hear_of_a_cut(bool speaks, rv_time down_for)
{
    int fd = MUST(rv_socket(AF_INET, SOCK_STREAM, 0)), heard;
    rv_sim_host h;
    char byte = 0;

    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, hold_one, "10.0.0.1");
    CHECK_EQ(rv_sleep(RV_MS), 0);
    CHECK_EQ(connect_to(fd, "10.0.0.1"), 0);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    rv_sim_power_cut(&h);
    CHECK_EQ(rv_sim_host_close(&h, 0), 0);
    CHECK_EQ(rv_sleep(down_for), 0);
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    if (speaks)
        CHECK_EQ(rv_write(fd, &byte, 1), 1);
    heard = (int)WITHIN(3600 * RV_S, rv_read(fd, &byte, 1));
    CHECK_EQ(rv_sim_host_close(&h, 0), 0);
    CHECK_EQ(rv_close(fd), 0);
    return heard;
}

static int listen_and_speak(void *unused)
{
    (void)unused;
    CHECK_EQ(hear_of_a_cut(false, RV_S), -ETIMEDOUT);
    CHECK_EQ(hear_of_a_cut(true, RV_S), -ECONNRESET);
    return 0;
}

TEST(who_only_listens_to_a_dead_host_hears_nothing_and_who_speaks_is_told)
{
    CHECK_EQ(rv_sim_run(1, &calm, listen_and_speak, NULL), 0);
}

static int close_in_order(void *unused)
{
    rv_sim_host h, other;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    CHECK_EQ(rv_sim_host_open(&other, "10.0.0.2"), 0);
    return rv_sim_host_close(&h, 0);
}

TEST_DIES(hosts_close_in_reverse_order,
          "rv_sim_host_close: a host closes in the task that opened it")
{
    CHECK_EQ(rv_sim_run(1, &calm, close_in_order, NULL), 0);
}
