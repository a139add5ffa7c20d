/* wal.c: a write-ahead log through power cuts: what was acknowledged after its fsync is there.
 *
 * A server on a host of its own appends what clients send to a log, syncs, and says so. The host is
 * cut, or stopped, and booted again; the server reads the log as far as it is whole and goes on
 * there. Records carry a sum, and the boot that wrote them: behind the last one may lie what an
 * earlier boot wrote, and that is not the log. A write or a sync that failed is as bad as a cut:
 * nobody knows what of it the disk has, so the host is cut then.
 */
#include "tests/sim/scenario.h"

#define SERVER "10.0.0.2"
enum { PORT = 7, CLIENTS_MOST = 3, ENTRIES_MOST = 8, PAYLOAD_MOST = 1500, IDS = 32 };

struct record {
    uint32_t sum, boot, id, len;
};

static rv_sim_host host;
static struct {
    int fd;
    uint32_t boot;
    off_t end;
    bool busy;   /* one appends at a time */
    bool failed; /* a write or sync did */
} wal;
static bool offered[IDS], acknowledged[IDS], recovered[IDS];
static uint32_t clients_left;

/* ---- records ---- */

static uint32_t sum_of(const struct record *r, const unsigned char *payload)
{
    uint32_t sum = r->boot * 31 + r->id * 37 + r->len * 41 + 1;

    for (uint32_t i = 0; i < r->len; i++)
        sum = (sum ^ payload[i]) * 16777619u;
    return sum;
}

/* Short only at the end; negative: what is there cannot be read. */
static long read_whole(void *buf, size_t len, off_t at)
{
    size_t done = 0;
    long n = 1;

    while (n > 0 && done < len) {
        n = INSIST(rv_pread(wal.fd, (char *)buf + done, len - done, at + (off_t)done));
        done += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? n : (long)done;
}

/* The record there, or false: the log ends here. */
static bool read_record(struct record *r, off_t at, uint32_t boot_least, bool *unreadable)
{
    unsigned char payload[PAYLOAD_MOST];
    long n = read_whole(r, sizeof *r, at);

    *unreadable = n < 0;
    if (n != sizeof *r || r->len > sizeof payload || r->boot < boot_least || r->id >= IDS)
        return false;
    n = read_whole(payload, r->len, at + (off_t)sizeof *r);
    *unreadable = n < 0;
    if (n != (long)r->len || sum_of(r, payload) != r->sum)
        return false;
    check_bytes(payload, r->len, r->id, 0);
    return true;
}

/* False: the disk cannot be read; nothing is known. */
static bool recover(void)
{
    struct record r;
    bool unreadable;

    memset(recovered, 0, sizeof recovered);
    wal.end = 0;
    wal.boot = 0;
    while (read_record(&r, wal.end, wal.boot, &unreadable)) {
        PROMISE(offered[r.id], "entry %u is in the log, and nobody sent it", r.id);
        recovered[r.id] = true;
        wal.boot = r.boot;
        wal.end += (off_t)(sizeof r + r.len);
    }
    wal.boot++;
    return !unreadable;
}

/* ---- the server ---- */

static int panic(void)
{
    if (!wal.failed && !rv_cancelled())
        seen("wal: the disk failed");
    wal.failed = true;
    return -EIO;
}

static int append(uint32_t id, uint32_t len)
{
    unsigned char buf[sizeof(struct record) + PAYLOAD_MOST];
    struct record r = {.boot = wal.boot, .id = id, .len = len};
    size_t all = sizeof r + len;
    long n;

    fill(buf + sizeof r, len, id, 0);
    r.sum = sum_of(&r, buf + sizeof r);
    memcpy(buf, &r, sizeof r);
    for (size_t done = 0; done < all; done += (size_t)n) {
        n = INSIST(rv_pwrite(wal.fd, buf + done, all - done, wal.end + (off_t)done));
        if (n <= 0)
            return panic();
    }
    if (INSIST(one_in(2) ? rv_fsync(wal.fd) : rv_fdatasync(wal.fd)) < 0)
        return panic();
    wal.end += (off_t)all;
    return 0;
}

static int append_in_turn(uint32_t id, uint32_t len)
{
    int err = 0;

    while (wal.busy && err == 0)
        err = rv_sleep(50 * RV_US);
    if (err < 0 || wal.failed)
        return -EIO;
    wal.busy = true;
    err = append(id, len);
    wal.busy = false;
    return err;
}

static int serve(void *arg)
{
    int fd = *(int *)arg, err = 0;
    uint32_t request[2];

    while (err == 0 && rv_read_full(fd, request, sizeof request) == sizeof request) {
        PROMISE(request[0] < IDS && request[1] <= PAYLOAD_MOST, "a request that nobody sent");
        err = append_in_turn(request[0], request[1]);
        if (err == 0)
            err = rv_write_all(fd, &request[0], sizeof request[0]);
    }
    close_fd(fd);
    return wal.failed ? -EIO : 0;
}

/* So that the file itself is there after a cut: its name is in its folder. */
static bool open_log(void)
{
    long dir, err;

    wal.fd = (int)INSIST(rv_openat(AT_FDCWD, "/log", O_RDWR | O_CREAT, 0600));
    if (wal.fd < 0)
        return false;
    err = INSIST(rv_fsync(wal.fd));
    dir = INSIST(rv_openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0));
    if (err == 0 && dir >= 0)
        err = INSIST(rv_fsync((int)dir));
    if (dir >= 0)
        close_fd((int)dir);
    if (err == 0 && dir >= 0 && recover())
        return true;
    close_fd(wal.fd);
    return false;
}

static int listen_here(int fd)
{
    struct sockaddr_in at = internet(SERVER, PORT);
    int err = rv_bind(fd, (struct sockaddr *)&at, sizeof at);

    return err < 0 ? err : rv_listen(fd, 4);
}

static int server(void *unused)
{
    int listener, fd, err;
    rv_group g;

    (void)unused;
    if (!open_log())
        return panic();
    do {
        listener = rv_socket(AF_INET, SOCK_STREAM, 0);
    } while (by_the_world(listener) && rv_sleep(RV_MS) == 0);
    rv_group_open(&g, RV_NEVER);
    err = listener < 0 ? listener : listen_here(listener);
    while (err == 0 || by_the_world(err) || err == -ECONNABORTED) {
        fd = rv_accept(listener, NULL, NULL);
        if (fd >= 0)
            rv_go_copy(&g, serve, &fd, sizeof fd);
        err = fd < 0 ? fd : 0;
    }
    err = rv_group_close(&g, err);
    if (listener >= 0)
        close_fd(listener);
    close_fd(wal.fd);
    return err == -ECANCELED ? 0 : err;
}

/* ---- clients ---- */

static long ask(uint32_t id, uint32_t len)
{
    struct sockaddr_in at = internet(SERVER, PORT);
    uint32_t request[2] = {id, len}, answer;
    long fd = dial(&at), n;

    if (fd < 0)
        return fd;
    offered[id] = true;
    n = rv_write_all((int)fd, request, sizeof request);
    if (n == 0)
        n = rv_read_full((int)fd, &answer, sizeof answer);
    if (n == sizeof answer) {
        PROMISE(answer == id, "another one's answer");
        acknowledged[id] = true;
    }
    close_fd((int)fd);
    return n;
}

static int client(void *arg)
{
    uint32_t first = *(uint32_t *)arg;

    for (uint32_t i = 0; i < ENTRIES_MOST; i++) {
        uint32_t len = (uint32_t)below(PAYLOAD_MOST);

        for (int tries = 0; tries < 4 && !acknowledged[first + i]; tries++) {
            (void)UNTIL(rv_after((rv_time)below(100 * RV_MS)), ask(first + i, len));
            PROMISE(rv_sleep((rv_time)below(5 * RV_MS)) == 0, "cancelled?");
        }
    }
    clients_left--;
    return 0;
}

/* ---- boots ---- */

static void cut_at_once(void)
{
    PROMISE(rv_sim_host_open(&host, SERVER) == 0, "host");
    rv_sim_power_cut(&host);
    PROMISE(rv_sim_host_close(&host, 0) == 0, "host");
}

static void boot_for_a_while(void)
{
    rv_time end = rv_after((rv_time)below(60 * RV_MS));

    bool in_order = false;

    wal.busy = wal.failed = false;
    PROMISE(rv_sim_host_open(&host, SERVER) == 0, "host");
    rv_go(&host.tasks, server, NULL);
    while (rv_now() < end && !wal.failed)
        if (rv_sleep(RV_MS) < 0)
            break; /* the server has failed, and with it the host's group */
    if (wal.failed || !one_in(3)) {
        rv_sim_power_cut(&host);
        seen("wal: power cut");
    } else {
        in_order = true;
        rv_group_cancel(&host.tasks);
        seen("wal: stopped in order");
    }
    if (rv_sim_host_close(&host, 0) == -EIO)
        seen("wal: the server gave up");
    if (wal.failed && in_order)
        cut_at_once(); /* a sync that was under way has failed in the end */
}

static int read_log(void *done)
{
    if (open_log()) {
        *(bool *)done = true;
        close_fd(wal.fd);
    }
    return 0;
}

static void check_log(void)
{
    unsigned count = 0;
    bool done = false;

    while (!done) { /* a disk may fail to be read, too */
        PROMISE(rv_sim_host_open(&host, SERVER) == 0, "host");
        rv_go(&host.tasks, read_log, &done);
        PROMISE(rv_sim_host_close(&host, 0) == 0, "host");
    }
    for (uint32_t id = 0; id < IDS; id++) {
        PROMISE(!acknowledged[id] || recovered[id], "entry %u was acknowledged, and is lost", id);
        count += acknowledged[id];
    }
    if (count)
        seen("wal: entries were kept");
}

SCENARIO(wal, "what was acknowledged after its fsync outlives a power cut",
         .time_max = 2 * 3600 * RV_S)
{
    rv_group g;

    memset(&wal, 0, sizeof wal);
    memset(offered, 0, sizeof offered);
    memset(acknowledged, 0, sizeof acknowledged);
    clients_left = (uint32_t)from_to(1, CLIENTS_MOST);
    rv_group_open(&g, RV_NEVER);
    for (uint32_t i = 0, n = clients_left; i < n; i++)
        rv_go_copy(&g, client, &(uint32_t){i * ENTRIES_MOST}, sizeof(uint32_t));
    while (clients_left > 0) {
        boot_for_a_while();
        PROMISE(rv_sleep((rv_time)below(5 * RV_MS)) == 0, "cancelled?");
    }
    PROMISE(rv_group_close(&g, 0) == 0, "clients");
    check_log();
    return 0;
}
