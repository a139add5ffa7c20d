/* init.c: the first process of a kernel that tests/check-kernels.sh boots.
 *
 * It mounts what tests look at, brings up the loopback, and runs the programs of /tests one after
 * another on the console. Arguments select programs by a part of their name; the environment is the
 * kernel's command line, so REEVE_BACKEND and TEST_SECONDS get to the programs that way. Then it
 * powers off, whatever happened: who started the machine learns all from the console, where
 * lines that begin with "init: " are for the script and all others are a program's.
 *
 * The kernel's own messages would break into the middle of a test's line, so the script silences
 * them on the console, and what is a warning or worse is read from /dev/kmsg here, between two
 * programs. A kernel that panics speaks for itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { KERNEL_WARNING = 4, OPEN_FILES = 1024, OPEN_FILES_MOST = 524288 };

static int kernel_log = -1;

static void complain(const char *what)
{
    printf("init: %s: %s\n", what, strerror(errno));
}

static void mount_at(const char *where, const char *type)
{
    if (mkdir(where, 0755) < 0 && errno != EEXIST)
        complain(where);
    if (mount(type, where, type, 0, type[0] == 't' ? "mode=1777" : "") < 0)
        complain(where);
}

/* The archive that the kernel unpacked has no devices, so it could open no console for us. */
static void open_console(void)
{
    struct termios raw;
    int fd;

    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, "");
    fd = open("/dev/console", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    if (fd > 2)
        close(fd);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (tcgetattr(1, &raw) == 0) {
        raw.c_oflag &= ~(tcflag_t)OPOST; /* a newline stays one character */
        tcsetattr(1, TCSANOW, &raw);
    }
}

static void bring_up_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        complain("lo");
    close(fd);
}

/* As a service manager would leave a machine. */
static void set_up(void)
{
    struct rlimit files = {OPEN_FILES, OPEN_FILES_MOST};

    open_console();
    mount_at("/dev/pts", "devpts");
    mount_at("/dev/shm", "tmpfs");
    mount_at("/proc", "proc");
    mount_at("/sys", "sysfs");
    mount_at("/tmp", "tmpfs");
    bring_up_loopback();
    setrlimit(RLIMIT_NOFILE, &files);
    setenv("PATH", "/bin", 1);
    kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    lseek(kernel_log, 0, SEEK_END); /* its start is not what we test */
}

/* Warnings or worse since the last time. A record is "<level>,<...>;<text>\n". */
static void show_kernel_messages(void)
{
    char record[1024];
    ssize_t n;

    while ((n = read(kernel_log, record, sizeof record - 1)) > 0 || (n < 0 && errno == EPIPE)) {
        char *text;

        record[n > 0 ? n : 0] = 0;
        record[strcspn(record, "\n")] = 0;
        text = strchr(record, ';');
        if (text && atoi(record) % 8 <= KERNEL_WARNING)
            printf("init: kernel: %s\n", text + 1);
    }
}

/* What a program leaves behind is ours to bury. */
static int wait_for(pid_t program)
{
    int status = 0;
    pid_t ended;

    while ((ended = wait(&status)) != program)
        if (ended < 0 && errno != EINTR)
            return -1;
    return status;
}

static void run(const char *name)
{
    struct timespec begun, ended;
    pid_t pid;
    int status;

    clock_gettime(CLOCK_MONOTONIC, &begun);
    pid = fork();
    if (pid == 0) {
        char path[300];

        snprintf(path, sizeof path, "/tests/%s", name);
        execl(path, path, NULL);
        complain(path);
        _exit(127);
    }
    status = pid < 0 ? -1 : wait_for(pid);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    show_kernel_messages();
    printf("init: %s ended %d %ld\n", name, status, (long)(ended.tv_sec - begun.tv_sec));
}

static bool wanted(const char *name, char **parts)
{
    for (char **part = parts; *part; part++)
        if (strstr(name, *part))
            return true;
    return *parts == NULL;
}

static void run_all(char **parts)
{
    struct dirent **found;
    int count = scandir("/tests", &found, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = found[i]->d_name;

        if (name[0] == '.' || !wanted(name, parts))
            continue;
        printf("init: %s begins\n", name);
        run(name);
    }
}

int main(int argc, char **argv)
{
    struct utsname kernel;

    (void)argc;
    set_up();
    uname(&kernel);
    printf("init: Linux %s %s\n", kernel.release, kernel.machine);
    run_all(argv + 1);
    printf("init: all done\n");
    tcdrain(1);
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}
