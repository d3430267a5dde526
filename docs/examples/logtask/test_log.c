/*
 * test_log [SEED [COUNT]]: the server on the simulated kernel, with a disk that is soon full, in
 * COUNT worlds from SEED on. What must hold: every byte is sent back whatever the disk does; the
 * complaint comes once; every line is written or dropped, and the file says how many are missing;
 * once there is room again lines are written.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/sim.h>

enum { CLIENTS = 4, MESSAGES = 40, DISK = 4096 };

static int complaints;
static void complain(const char *why)
{
    (void)why;
    complaints++;
}

static struct server server = {.address = "127.0.0.1:7000", .path = "/log", .complain = complain};
static int echoed;

static int client(void *arg)
{
    char text[32], back[32];
    size_t done;

    (void)arg;
    int fd = weft_connect_tcp(server.address, NULL);
    if (fd < 0)
        return fd;
    for (int i = 0; i < MESSAGES; i++) {
        memset(text, 'a' + i % 26, sizeof text);
        if (weft_send_all(fd, text, sizeof text, NULL) < 0 ||
            weft_read_exactly(fd, back, sizeof back, &done) < 0 ||
            memcmp(text, back, sizeof text) != 0)
            break;
        echoed++;
        (void)weft_sleep(50000000); /* the disk has time */
    }
    weft_close(fd);
    return 0;
}

static int clients_twice(void)
{
    int error = 0;

    for (int round = 0; round < 2 && error == 0; round++) {
        WEFT_SCOPE(s)
            for (int i = 0; i < CLIENTS && error == 0; i++)
                error = weft_spawn(&s, client, NULL, 0, NULL);
        if (round == 0 && error == 0)
            error = weft_unlinkat(AT_FDCWD, "/ballast", 0); /* now there is room */
    }
    return error;
}

static int fill_the_disk(void)
{
    static const char ballast[DISK * 6];
    int fd = weft_open("/ballast", O_WRONLY | O_CREAT, 0600);
    ssize_t n = fd < 0 ? fd : weft_write_all(fd, ballast, sizeof ballast, NULL);

    if (fd >= 0)
        weft_close(fd);
    return n < 0 ? (int)n : 0;
}

static int world(void *arg)
{
    struct server *pointer = &server;
    int error = fill_the_disk();

    (void)arg;
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        if (error == 0)
            error = weft_spawn(&s, serve, &pointer, sizeof(void *), NULL);
        if (error == 0)
            error = weft_sleep(1000000000);
        if (error == 0)
            error = clients_twice();
        (void)weft_sleep(1000000000);
        weft_scope_drain(&s, weft_after_ms(100000), weft_after_ms(200000));
    }
    return error;
}

/* Lines in the file, and how many it says are missing. */
static void look(int *lines, unsigned long long *missing)
{
    static char text[8 * DISK + 1];
    int fd = weft_open("/log", O_RDONLY, 0);
    ssize_t n, size = 0;

    *lines = 0;
    *missing = 0;
    while (fd >= 0 && (n = weft_read(fd, text + size, 8 * DISK - (size_t)size)) > 0)
        size += n;
    if (fd >= 0)
        weft_close(fd);
    text[size] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long long some;

        if (sscanf(line, "(%llu lines are missing here)", &some) == 1)
            *missing += some;
        else
            *lines += strncmp(line, "connection ", 11) == 0;
    }
}
static int check(void *arg)
{
    int lines;
    unsigned long long missing, all = (unsigned long long)CLIENTS * 2 * (MESSAGES + 2);

    (void)arg;
    look(&lines, &missing);
    if (echoed != CLIENTS * 2 * MESSAGES || complaints < 1 || server.log.written == 0 ||
        server.log.dropped == 0 || server.log.written + server.log.dropped < all ||
        missing + server.log.missing != server.log.dropped) {
        fprintf(stderr,
                "%d echoed, %d complaints, %llu written, %llu dropped, %d lines, %llu missing\n",
                echoed, complaints, (unsigned long long)server.log.written,
                (unsigned long long)server.log.dropped, lines, missing);
        return -EPROTO;
    }
    return 0;
}

static int life(void *arg)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};

    (void)arg;
    complaints = echoed = 0;
    server.log = (struct log){0};
    int error = weft_run(world, NULL, 0, &opt);
    return error < 0 ? error : weft_run(check, NULL, 0, &opt);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    struct weft_sim_opt opt = {.size = sizeof opt, .plan = "rough disk.size=28672"};

    for (opt.seed = seed; opt.seed < seed + count; opt.seed++)
        if (weft_sim_run(&opt, life, NULL, NULL) != 0)
            return 1;
    return 0;
}
