/* t_real.c: servers of ours against clients that nobody here wrote: curl, nc, socat.
 *
 * The client is a shell command in a child that was forked before the runtime began; the server
 * ends when the child's end of a pipe does.
 */
#include "tests/net.h"

struct service {
    struct address at;
    int listener;
    int child_ends; /* a pipe, which the child holds open */
    rv_fn *serve;
    rv_group *clients;
};

static int accept_all(void *arg)
{
    struct service *s = arg;
    int fd = 0;

    while ((fd = rv_accept(s->listener, NULL, NULL)) >= 0)
        rv_go_copy(s->clients, s->serve, &fd, sizeof fd);
    CHECK_EQ(fd, -EBADF); /* closed */
    return 0;
}

static int serve_until_the_child_ends(void *arg)
{
    struct service *s = arg;
    rv_group clients, door;
    char byte;

    rv_group_open(&clients, rv_after(2 * LONG));
    s->clients = &clients;
    rv_group_open(&door, RV_NEVER);
    rv_go(&door, accept_all, s);
    CHECK_EQ(rv_read(s->child_ends, &byte, 1), 0);
    CHECK_EQ(rv_close(s->listener), 0);
    CHECK_EQ(rv_group_close(&door, 0), 0);
    CHECK_EQ(rv_group_close(&clients, 0), 0);
    return rv_close(s->child_ends);
}

static bool there_is(const char *program)
{
    char command[64];

    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0;
}

/* Before there is a runtime: the child must know the port. */
static int listening_for_strangers(struct address *out)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

    MUST(bind(fd, (struct sockaddr *)&at, sizeof at));
    MUST(listen(fd, 1024));
    out->len = sizeof out->at;
    MUST(getsockname(fd, address_of(out), &out->len));
    return fd;
}

/* The script finds the port in $port and a folder of its own in $dir. */
static void check_client(const char *program, rv_fn *serve, const char *script)
{
    struct service s = {.serve = serve};
    char port[16], dir[] = "/tmp/reeve-XXXXXX", command[64];
    int p[2], status;
    pid_t child;

    NOT_IN_SIM("other programs as peers");
    if (!there_is(program))
        SKIP("a program is missing that the test needs");
    CHECK(mkdtemp(dir) != NULL);
    s.listener = listening_for_strangers(&s.at);
    snprintf(port, sizeof port, "%d", ntohs(((struct sockaddr_in *)&s.at.at)->sin_port));
    setenv("port", port, 1);
    setenv("dir", dir, 1);
    MUST(pipe2(p, O_CLOEXEC));
    child = fork();
    if (child == 0) {
        fcntl(p[1], F_SETFD, 0);
        execlp("timeout", "timeout", "30", "bash", "-euc", script, NULL);
        _exit(127);
    }
    close(p[1]);
    s.child_ends = p[0];
    CHECK_EQ(rv_run(serve_until_the_child_ends, &s, NULL), 0);
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK_EQ(system(command), 0);
}

/* ---- echo ---- */

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char buf[4096];
    ssize_t n;

    while ((n = rv_read(fd, buf, sizeof buf)) > 0)
        if (rv_write_all(fd, buf, (size_t)n) < 0)
            break;
    return rv_close(fd);
}

TEST(nc_gets_back_what_it_sent_and_sees_the_end)
{
    check_client("nc", echo,
                 "head -c 3000000 /dev/urandom >$dir/sent;"
                 "nc -N 127.0.0.1 $port <$dir/sent >$dir/got; cmp $dir/sent $dir/got");
}

TEST(socat_closes_one_half_and_reads_on)
{
    check_client("socat", echo,
                 "head -c 500000 /dev/urandom >$dir/sent;"
                 "socat -t 20 - TCP:127.0.0.1:$port <$dir/sent >$dir/got; cmp $dir/sent $dir/got");
}

TEST(clients_that_reset_in_the_middle_harm_nobody_else)
{
    check_client("socat", echo,
                 "for i in 1 2 3 4 5 6 7 8; do"
                 "  (head -c 200000 /dev/zero | timeout 0.2 socat -u - TCP:127.0.0.1:$port,linger=0"
                 "   || true) & done; wait;"
                 "[ \"$(echo alive | socat -t 20 - TCP:127.0.0.1:$port)\" = alive ]");
}

TEST(twenty_at_once_get_each_their_own)
{
    check_client("socat", echo,
                 "one() { head -c 100000 /dev/urandom >$dir/$1;"
                 "  socat -t 20 - TCP:127.0.0.1:$port <$dir/$1 | cmp - $dir/$1; };"
                 "pids=; for i in $(seq 20); do one $i & pids=\"$pids $!\"; done;"
                 "for pid in $pids; do wait $pid; done");
}

/* ---- HTTP/1.1, as much of it as the clients below use ---- */

struct request {
    char head[2048];
    size_t have;   /* bytes in head, of which some may belong to what follows */
    size_t length; /* of the body */
};

/* 0: the connection ended between two requests. */
static ssize_t read_head(int fd, struct request *r)
{
    char *end;

    r->head[r->have] = 0;
    while ((end = strstr(r->head, "\r\n\r\n")) == NULL) {
        ssize_t n = rv_read(fd, r->head + r->have, sizeof r->head - 1 - r->have);

        if (n <= 0)
            return n;
        r->have += (size_t)n;
        r->head[r->have] = 0;
    }
    end[2] = 0;
    end = strcasestr(r->head, "\r\nContent-Length:");
    r->length = end ? strtoul(end + 17, NULL, 10) : 0;
    return (ssize_t)strlen(r->head) + 2;
}

/* Takes the body, and says how much there was of it and what its bytes add up to. */
static int answer(int fd, struct request *r, size_t head)
{
    size_t left = r->length, here = r->have - head < left ? r->have - head : left;
    unsigned long sum = 0;
    char buf[4096];
    int len;

    for (size_t i = 0; i < here; i++)
        sum += (unsigned char)r->head[head + i];
    for (left -= here; left > 0;) {
        ssize_t n = rv_read(fd, buf, left < sizeof buf ? left : sizeof buf);

        if (n <= 0)
            return -EIO;
        for (ssize_t i = 0; i < n; i++)
            sum += (unsigned char)buf[i];
        left -= (size_t)n;
    }
    r->have -= head + here;
    memmove(r->head, r->head + head + here, r->have);
    len = snprintf(buf, sizeof buf, "%zu bytes, sum %lu\n", r->length, sum);
    len = snprintf(buf + 1024, 1024, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%.*s", len, len,
                   buf);
    return rv_write_all(fd, buf + 1024, (size_t)len);
}

static int serve_http(void *arg)
{
    struct request r = {.have = 0};
    int fd = *(int *)arg;
    ssize_t head;

    while ((head = read_head(fd, &r)) > 0)
        if (answer(fd, &r, (size_t)head) < 0)
            break;
    return rv_close(fd);
}

TEST(curl_keeps_a_connection_for_many_requests)
{
    check_client(
        "curl", serve_http,
        "curl -sS --http1.1 -w '%{num_connects}\\n' http://127.0.0.1:$port/[1-50] >$dir/out;"
        "[ $(grep -c '^0 bytes, sum 0$' $dir/out) = 50 ];"
        "[ $(grep -c '^0$' $dir/out) = 49 ]"); /* one request in fifty had to connect */
}

TEST(curl_uploads_two_megabytes)
{
    check_client("curl", serve_http,
                 "head -c 2000000 /dev/zero | tr '\\0' '\\1' >$dir/sent;"
                 "[ \"$(curl -sS -H Expect: -T $dir/sent http://127.0.0.1:$port/)\" ="
                 "  '2000000 bytes, sum 2000000' ]");
}

TEST(ten_curls_at_once_are_answered)
{
    check_client("curl", serve_http,
                 "pids=; for i in $(seq 10); do"
                 "  curl -sS -d hello$i http://127.0.0.1:$port/[1-20] >$dir/$i & pids=\"$pids $!\";"
                 "done; for pid in $pids; do wait $pid; done;"
                 "[ $(cat $dir/* | grep -c '^[67] bytes, sum [0-9]*$') = 200 ]");
}
