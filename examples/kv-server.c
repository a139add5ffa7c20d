/* kv-server.c: the protocol, a task a client. A client that fails ends itself; a store that fails
 * ends the server, and whoever starts it anew.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "kv.h"

int read_line(struct lines *in, char line[KV_LINE])
{
    for (;;) {
        char *end = memchr(in->text, '\n', in->count);
        ssize_t n;

        if (end) {
            size_t len = (size_t)(end - in->text) + 1;

            memcpy(line, in->text, len);
            line[len - 1] = 0;
            in->count -= len;
            memmove(in->text, end + 1, in->count);
            return (int)len;
        }
        if (in->count == sizeof in->text)
            return -EMSGSIZE;
        n = rv_read(in->fd, in->text + in->count, sizeof in->text - in->count);
        if (n <= 0)
            return (int)n;
        in->count += (size_t)n;
    }
}

/* The answer to a line; negative: the store's end. */
static int answer(struct store *s, const char *line, char reply[KV_LINE])
{
    char key[KV_KEY], value[KV_VALUE];
    const char *found;
    int err;

    if (sscanf(line, "set %31s %63s", key, value) == 2) {
        err = store_set(s, key, value);
        snprintf(reply, KV_LINE, "ok\n");
        return err;
    }
    if (sscanf(line, "get %31s", key) == 1) {
        found = store_get(s, key);
        snprintf(reply, KV_LINE, "%s\n", found ? found : "none");
    } else {
        snprintf(reply, KV_LINE, "what?\n");
    }
    return 0;
}

struct client {
    int fd;
    struct store *store;
};

static int serve_client(void *arg)
{
    struct client *c = arg;
    struct lines in = {.fd = c->fd};
    char line[KV_LINE], reply[KV_LINE];
    int err = 0;

    while (read_line(&in, line) > 0) {
        err = answer(c->store, line, reply);
        if (err < 0 || rv_write_all(c->fd, reply, strlen(reply)) < 0)
            break;
    }
    rv_close(c->fd);
    return err;
}

static int accept_clients(int listener, struct store *s)
{
    struct client c = {.store = s};
    rv_group clients;
    int err = 0;

    rv_group_open(&clients, RV_NEVER);
    while (err == 0) {
        c.fd = rv_accept(listener, NULL, NULL);
        if (c.fd == -ECANCELED || c.fd == -EBADF || c.fd == -EINVAL)
            err = c.fd;
        else if (c.fd < 0)
            err = rv_sleep(10 * RV_MS); /* short of something, or a client that is gone already */
        else if (rv_try_go_copy(&clients, serve_client, &c, sizeof c) < 0)
            rv_close(c.fd);
    }
    return rv_group_close(&clients, err);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = rv_socket(AF_INET, SOCK_STREAM, 0), on = 1, err = fd;

    if (err >= 0)
        err = rv_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (err >= 0)
        err = rv_bind(fd, (struct sockaddr *)&at, sizeof at);
    if (err >= 0)
        err = rv_listen(fd, 128);
    if (err < 0 && fd >= 0)
        rv_close(fd);
    return err < 0 ? err : fd;
}

int serve(const struct kv_options *o)
{
    struct store *s;
    int listener, err = store_open(&s, o->log, o->hasty);

    if (err < 0)
        return err;
    listener = listen_on(o->port);
    err = listener < 0 ? listener : accept_clients(listener, s);
    if (listener >= 0)
        rv_close(listener);
    store_close(s);
    return err;
}
