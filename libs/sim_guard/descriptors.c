/* descriptors.c: the guards of calls that take a descriptor, one line each: what it returns, its
 * name, what to use instead (NULL: nothing yet), its parameters, its arguments. A call that may be
 * made on a simulated descriptor ends the process in words; all others go through.
 *
 * __read_chk and its like are what fortified headers make of read.
 */
#include <stdarg.h>
#include <sys/uio.h>

#include "guard.h"

#define FD_CALL_AS(text, result, name, instead, parameters, arguments) \
    GUARDED(result, name, parameters)                                  \
    {                                                                  \
        rv_sim_raw_fd(text, fd, instead, CALLER);                      \
        return PASS(name, arguments);                                  \
    }
#define FD_CALL(result, name, instead, parameters, arguments) \
    FD_CALL_AS(#name, result, name, instead, parameters, arguments)

/* ---- bytes ---- */

FD_CALL(ssize_t, read, "rv_read", (int fd, void *buf, size_t len), (fd, buf, len))
FD_CALL(ssize_t, write, "rv_write", (int fd, const void *buf, size_t len), (fd, buf, len))
FD_CALL(ssize_t, pread, "rv_pread", (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at))
FD_CALL(ssize_t, pread64, "rv_pread", (int fd, void *buf, size_t len, int64_t at),
        (fd, buf, len, at))
FD_CALL(ssize_t, pwrite, "rv_pwrite", (int fd, const void *buf, size_t len, off_t at),
        (fd, buf, len, at))
FD_CALL(ssize_t, pwrite64, "rv_pwrite", (int fd, const void *buf, size_t len, int64_t at),
        (fd, buf, len, at))
FD_CALL(ssize_t, readv, "rv_read", (int fd, const struct iovec *v, int count), (fd, v, count))
FD_CALL(ssize_t, writev, "rv_write", (int fd, const struct iovec *v, int count), (fd, v, count))
FD_CALL(ssize_t, recv, "rv_recv", (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
FD_CALL(ssize_t, send, "rv_send", (int fd, const void *buf, size_t len, int flags),
        (fd, buf, len, flags))
FD_CALL(ssize_t, recvfrom, NULL,
        (int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len),
        (fd, buf, len, flags, from, from_len))
FD_CALL(ssize_t, sendto, NULL,
        (int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
         socklen_t to_len),
        (fd, buf, len, flags, to, to_len))
FD_CALL(ssize_t, recvmsg, NULL, (int fd, struct msghdr *m, int flags), (fd, m, flags))
FD_CALL(ssize_t, sendmsg, NULL, (int fd, const struct msghdr *m, int flags), (fd, m, flags))

FD_CALL_AS("read", ssize_t, __read_chk, "rv_read", (int fd, void *buf, size_t len, size_t room),
           (fd, buf, len, room))
FD_CALL_AS("pread", ssize_t, __pread_chk, "rv_pread",
           (int fd, void *buf, size_t len, off_t at, size_t room), (fd, buf, len, at, room))
FD_CALL_AS("pread64", ssize_t, __pread64_chk, "rv_pread",
           (int fd, void *buf, size_t len, int64_t at, size_t room), (fd, buf, len, at, room))
FD_CALL_AS("recv", ssize_t, __recv_chk, "rv_recv",
           (int fd, void *buf, size_t len, size_t room, int flags), (fd, buf, len, room, flags))
FD_CALL_AS("recvfrom", ssize_t, __recvfrom_chk, NULL,
           (int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
            socklen_t *from_len),
           (fd, buf, len, room, flags, from, from_len))

/* ---- sockets ---- */

FD_CALL(int, accept, "rv_accept", (int fd, struct sockaddr *addr, socklen_t *len), (fd, addr, len))
FD_CALL(int, accept4, "rv_accept", (int fd, struct sockaddr *addr, socklen_t *len, int flags),
        (fd, addr, len, flags))
FD_CALL(int, connect, "rv_connect", (int fd, const struct sockaddr *addr, socklen_t len),
        (fd, addr, len))
FD_CALL(int, bind, "rv_bind", (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
FD_CALL(int, listen, "rv_listen", (int fd, int backlog), (fd, backlog))
FD_CALL(int, shutdown, "rv_shutdown", (int fd, int how), (fd, how))
FD_CALL(int, setsockopt, "rv_setsockopt",
        (int fd, int level, int name, const void *value, socklen_t len),
        (fd, level, name, value, len))
FD_CALL(int, getsockopt, "rv_getsockopt",
        (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len))
FD_CALL(int, getsockname, "rv_getsockname", (int fd, struct sockaddr *addr, socklen_t *len),
        (fd, addr, len))
FD_CALL(int, getpeername, "rv_getpeername", (int fd, struct sockaddr *addr, socklen_t *len),
        (fd, addr, len))

/* ---- files, and descriptors as such ---- */

struct stat;
struct stat64;

FD_CALL(int, close, "rv_close", (int fd), (fd))
FD_CALL(int, fsync, "rv_fsync", (int fd), (fd))
FD_CALL(int, fdatasync, "rv_fdatasync", (int fd), (fd))
FD_CALL(int, dup, NULL, (int fd), (fd))
FD_CALL(int, dup2, NULL, (int fd, int to), (fd, to))
FD_CALL(int, dup3, NULL, (int fd, int to, int flags), (fd, to, flags))
FD_CALL(int, fstat, NULL, (int fd, struct stat *out), (fd, out))
FD_CALL(int, fstat64, NULL, (int fd, struct stat64 *out), (fd, out))
FD_CALL(off_t, lseek, "rv_pread", (int fd, off_t to, int from), (fd, to, from))
FD_CALL(int64_t, lseek64, "rv_pread", (int fd, int64_t to, int from), (fd, to, from))
FD_CALL(int, ftruncate, NULL, (int fd, off_t size), (fd, size))
FD_CALL(int, ftruncate64, NULL, (int fd, int64_t size), (fd, size))
FD_CALL(void *, fdopen, "rv_read", (int fd, const char *mode), (fd, mode))

/* What follows in these is a number or an address: either way, a word is handed on. */
#define FD_COMMAND(name, number)                      \
    GUARDED(int, name, (int fd, number command, ...)) \
    {                                                 \
        va_list rest;                                 \
        void *word;                                   \
                                                      \
        rv_sim_raw_fd(#name, fd, NULL, CALLER);       \
        va_start(rest, command);                      \
        word = va_arg(rest, void *);                  \
        va_end(rest);                                 \
        return PASS(name, (fd, command, word));       \
    }

FD_COMMAND(fcntl, int)
FD_COMMAND(fcntl64, int)
FD_COMMAND(ioctl, unsigned long)
