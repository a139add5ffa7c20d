/* raw_uring_stream.c: the echo server that asks least of the kernel: direct descriptors (no fd
 * table, no reference counting), one multishot recv a connection's life, buffers from a ring of
 * which each message takes only the bytes it needs.
 *
 * Linux 6.12; where it is not offered the server ends and b_echo.c goes on without. The numbers
 * of what liburing 2.3 does not name are below.
 *
 * A buffer is `used` up to where the kernel has filled it, and counted by the sends that still
 * read it. It returns to the kernel when the kernel has let go of it and the last send is done.
 * A connection sends one chunk at a time; further ones wait in its queue, so that bytes keep
 * their order even if a send has to wait. A recv that ended for want of buffers is armed again
 * when the next one returns.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench.h"
#include "echo.h"
#include "raw_uring.h"

enum {
    SLOTS = 16384,
    BUFFERS = 16,
    BUFFER_BYTES = 32 * 1024,
    BUFFER_RING_INCREMENTAL = 2, /* IOU_PBUF_RING_INC */
    CQE_BUFFER_MORE = 1 << 4,    /* IORING_CQE_F_BUF_MORE */
};

enum kind { RECV, SEND, ACCEPT, CLOSE, KINDS = 4 };

struct chunk {
    struct chunk *next;
    unsigned buffer;
    const char *data;
    size_t bytes;
};

struct stream {
    struct chunk *first, *last; /* first is being sent */
    bool ended, starved;
};

static struct buffer {
    size_t used;
    unsigned readers;
    bool released; /* by the kernel */
} buffers[BUFFERS];

static struct stream streams[SLOTS];
static struct chunk *free_chunks;
static unsigned starved; /* streams */
static struct io_uring_buf_ring *ring;
static char *memory;
static int listening;

static void tag(struct io_uring_sqe *sqe, unsigned slot, enum kind kind)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)slot * KINDS + kind);
}

static void arm_accept(void)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    io_uring_prep_multishot_accept_direct(sqe, listening, NULL, NULL, 0);
    tag(sqe, 0, ACCEPT);
}

static void arm_recv(unsigned slot)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    io_uring_prep_recv_multishot(sqe, (int)slot, NULL, 0, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = 0;
    tag(sqe, slot, RECV);
}

static void send_first(unsigned slot)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();
    struct chunk *chunk = streams[slot].first;

    io_uring_prep_send(sqe, (int)slot, chunk->data, chunk->bytes, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    tag(sqe, slot, SEND);
}

static void give(unsigned number)
{
    buffers[number] = (struct buffer){0};
    io_uring_buf_ring_add(ring, memory + (size_t)number * BUFFER_BYTES, BUFFER_BYTES,
                          (unsigned short)number, BUFFERS - 1, 0);
    io_uring_buf_ring_advance(ring, 1);
}

static void give_if_done(unsigned number)
{
    if (!buffers[number].released || buffers[number].readers > 0)
        return;
    give(number);
    for (unsigned slot = 0; starved > 0 && slot < SLOTS; slot++)
        if (streams[slot].starved) {
            streams[slot].starved = false;
            starved--;
            arm_recv(slot);
        }
}

static void close_if_done(unsigned slot)
{
    struct io_uring_sqe *sqe;

    if (!streams[slot].ended || streams[slot].first)
        return;
    streams[slot] = (struct stream){0};
    sqe = raw_uring_sqe();
    io_uring_prep_close_direct(sqe, slot);
    tag(sqe, slot, CLOSE);
}

static void take_data(unsigned slot, const struct io_uring_cqe *cqe)
{
    unsigned number = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    struct stream *stream = &streams[slot];
    struct chunk *chunk = free_chunks;

    if (chunk)
        free_chunks = chunk->next;
    else if (!(chunk = malloc(sizeof *chunk)))
        bench_die("raw_uring_stream: no memory");
    *chunk =
        (struct chunk){NULL, number, memory + (size_t)number * BUFFER_BYTES + buffers[number].used,
                       (size_t)cqe->res};
    buffers[number].used += (size_t)cqe->res;
    buffers[number].readers++;
    buffers[number].released = !(cqe->flags & CQE_BUFFER_MORE);
    if (stream->first) {
        stream->last = stream->last->next = chunk;
        return;
    }
    stream->first = stream->last = chunk;
    send_first(slot);
}

static void take_recv(unsigned slot, const struct io_uring_cqe *cqe)
{
    if (cqe->res > 0)
        take_data(slot, cqe);
    if (cqe->flags & IORING_CQE_F_MORE)
        return;
    if (cqe->res > 0) {
        arm_recv(slot);
    } else if (cqe->res == -ENOBUFS) {
        streams[slot].starved = true;
        starved++;
    } else {
        streams[slot].ended = true;
        close_if_done(slot);
    }
}

static void take_send(unsigned slot, const struct io_uring_cqe *cqe)
{
    struct stream *stream = &streams[slot];
    struct chunk *chunk = stream->first;
    bool broken = cqe->res != (int)chunk->bytes;

    do { /* a broken connection drops what waited behind the failed send too */
        unsigned number = chunk->buffer;
        stream->first = chunk->next;
        chunk->next = free_chunks;
        free_chunks = chunk;
        buffers[number].readers--;
        give_if_done(number);
        chunk = stream->first;
    } while (broken && chunk);
    if (broken) {
        struct io_uring_sqe *sqe = raw_uring_sqe();
        io_uring_prep_shutdown(sqe, (int)slot, SHUT_RDWR); /* the recv then finds the end */
        sqe->flags |= IOSQE_FIXED_FILE;
        tag(sqe, slot, CLOSE);
    } else if (stream->first) {
        send_first(slot);
    }
    close_if_done(slot);
}

static void take(const struct io_uring_cqe *cqe)
{
    unsigned slot = (unsigned)(cqe->user_data / KINDS);

    switch ((enum kind)(cqe->user_data % KINDS)) {
    case RECV:
        take_recv(slot, cqe);
        break;
    case SEND:
        take_send(slot, cqe);
        break;
    case ACCEPT:
        if (cqe->res >= 0)
            arm_recv((unsigned)cqe->res);
        if (!(cqe->flags & IORING_CQE_F_MORE))
            arm_accept();
        break;
    default:
        break;
    }
}

static void open_buffers(void)
{
    size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);
    struct io_uring_buf_reg reg = {.ring_entries = BUFFERS, .pad = BUFFER_RING_INCREMENTAL};

    ring = mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory = mmap(NULL, (size_t)BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED || memory == MAP_FAILED)
        bench_die("raw_uring_stream: no memory");
    reg.ring_addr = (uintptr_t)ring;
    bench_must(io_uring_register_buf_ring(&raw_uring, &reg, 0), "raw_uring_stream");
    io_uring_buf_ring_init(ring);
    for (unsigned i = 0; i < BUFFERS; i++)
        give(i);
}

void raw_uring_stream_serve(int listener)
{
    listening = listener;
    raw_uring_open();
    bench_must(io_uring_register_files_sparse(&raw_uring, SLOTS), "raw_uring_stream");
    open_buffers();
    arm_accept();
    raw_uring_loop(take);
}
