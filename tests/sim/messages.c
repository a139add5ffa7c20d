/* messages.c: datagrams and SOCK_SEQPACKET keep messages apart.
 *
 * Over Unix pairs each message comes once, whole, in order. Over the network some do not come, or
 * in another order, but what comes was sent, whole, and comes once.
 */
#include "tests/sim/scenario.h"

enum { MESSAGES_MOST = 40, MESSAGE_MOST = 600 };

static int fds[2]; /* [0] receives */
static bool network;
static uint32_t messages, sent, received;
static size_t lengths[MESSAGES_MOST];
static bool came[MESSAGES_MOST];
static bool sender_is_done;

static int sender(void *unused)
{
    unsigned char buf[MESSAGE_MOST];

    (void)unused;
    while (sent < messages) {
        size_t len = from_to(sizeof sent, sizeof buf);
        rv_time deadline = one_in(4) ? rv_after((rv_time)below(RV_MS)) : RV_NEVER;
        long n;

        fill(buf, len, sent, 0);
        memcpy(buf, &sent, sizeof sent);
        lengths[sent] = len;
        n = UNTIL(deadline, rv_send(fds[1], buf, len, 0));
        if (n == -ETIMEDOUT && deadline != RV_NEVER)
            continue; /* nothing was sent: the same one again */
        if (by_the_world(n) || (network && n == -ECONNREFUSED))
            continue;
        PROMISE(n == (long)len, "a message of %zu bytes: %ld", len, n);
        sent++;
        if (one_in(4))
            PROMISE(rv_sleep((rv_time)below(100 * RV_US)) == 0, "cancelled?");
    }
    sender_is_done = true;
    if (!network)
        close_fd(fds[1]);
    return 0;
}

/* What a too short buffer has no room for is lost. */
static void check_message(const unsigned char *buf, size_t len, size_t room)
{
    uint32_t which;

    memcpy(&which, buf, sizeof which);
    PROMISE(which <= sent && which < messages, "message %u was never sent", which);
    PROMISE(len == (lengths[which] < room ? lengths[which] : room), "message %u is cut", which);
    PROMISE(!came[which], "message %u came twice", which);
    PROMISE(network || which == received, "message %u came out of order", which);
    check_bytes(buf + sizeof which, len - sizeof which, which, sizeof which);
    came[which] = true;
    received++;
}

static int receiver(void *unused)
{
    unsigned char buf[MESSAGE_MOST];

    (void)unused;
    for (;;) {
        size_t room = one_in(6) ? from_to(sizeof sent, sizeof buf) : sizeof buf;
        rv_time deadline = network     ? rv_after(30 * RV_S)
                           : one_in(3) ? rv_after((rv_time)below(RV_MS))
                                       : RV_NEVER;
        long n = UNTIL(deadline, rv_recv(fds[0], buf, room, 0));

        if (n == 0 || (n == -ETIMEDOUT && network && sender_is_done))
            return 0;
        if (by_the_world(n) || (n == -ETIMEDOUT && deadline != RV_NEVER))
            continue;
        PROMISE(n > 0, "recv: %s", strerror((int)-n));
        check_message(buf, (size_t)n, room);
    }
}

static void open_network(void)
{
    struct sockaddr_in at = internet(NULL, 0);
    socklen_t len = sizeof at;

    for (int i = 0; i < 2; i++) {
        fds[i] = (int)INSIST(rv_socket(AF_INET, SOCK_DGRAM, 0));
        PROMISE(fds[i] >= 0, "socket: %s", strerror(-fds[i]));
    }
    PROMISE(rv_bind(fds[0], (struct sockaddr *)&at, sizeof at) == 0, "bind");
    PROMISE(rv_getsockname(fds[0], (struct sockaddr *)&at, &len) == 0, "getsockname");
    PROMISE(INSIST(rv_connect(fds[1], (struct sockaddr *)&at, len)) == 0, "connect");
}

SCENARIO(messages, "messages come whole and once; over Unix pairs all of them, in order")
{
    rv_group g;

    network = one_in(3);
    messages = (uint32_t)below(MESSAGES_MOST);
    sent = received = 0;
    sender_is_done = false;
    memset(came, 0, sizeof came);
    if (network)
        open_network();
    else
        PROMISE(INSIST(rv_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds)) == 0, "socketpair");
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, sender, NULL);
    rv_go(&g, receiver, NULL);
    PROMISE(rv_group_close(&g, 0) == 0, "tasks");
    PROMISE(network || received == sent, "%u messages came, of %u", received, sent);
    seen(received == sent ? "messages: all came" : "messages: some were lost");
    close_fd(fds[0]);
    if (network)
        close_fd(fds[1]);
    return 0;
}
