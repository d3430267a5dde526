/*
 * Prints what became of some runs: compiled for two machines, it must print the same. No library
 * of tests here: for the other machine there is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/sim.h>
#include <weft/weft.h>

enum { CONNECTIONS = 10, ROUNDS = 30, REACTORS = 3 };

static int echo(void *arg)
{
    int fd = *(int *)arg;
    char bytes[256];
    ssize_t n;

    while ((n = weft_recv(fd, bytes, sizeof bytes, 0)) > 0)
        if ((n = weft_send_all(fd, bytes, (size_t)n, NULL)) < 0)
            break;
    weft_close(fd);
    return 0;
}

static int talk(void *arg)
{
    char address[40], bytes[100];
    int fd;

    snprintf(address, sizeof address, "127.0.0.1:%d", *(int *)arg);
    fd = weft_connect_tcp(address, NULL);
    if (fd < 0)
        return 0; /* on a broken kernel anything may fail; the same on every machine */
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < ROUNDS; i++)
        if (weft_send_all_until(fd, bytes, sizeof bytes, NULL, weft_after_ms(50)) < 0 ||
            weft_recv_exactly(fd, bytes, sizeof bytes, NULL) < 0)
            break;
    weft_close(fd);
    return 0;
}

static int serve(void *arg)
{
    int listener = *(int *)arg, fd;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        while ((fd = weft_accept(listener, NULL, NULL, 0)) >= 0)
            if (weft_spawn(&s, echo, &fd, sizeof fd, NULL) < 0)
                weft_close(fd);
    }
    return 0;
}

static int meet(void *arg)
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL), port = weft_local_port(listener);
    struct weft_spawn_opt opt = {.size = sizeof opt};

    (void)arg;
    if (listener < 0 || port < 0)
        return 0;
    WEFT_SCOPE(outer, .on_error = WEFT_KEEP_GOING) {
        if (weft_spawn(&outer, serve, &listener, sizeof listener, NULL) == 0) {
            WEFT_SCOPE(inner, .on_error = WEFT_KEEP_GOING) {
                for (int i = 0; i < CONNECTIONS; i++) {
                    opt.reactor = WEFT_ON(i % REACTORS);
                    if (weft_spawn(&inner, talk, &port, sizeof port, &opt) < 0)
                        break;
                }
            }
        }
        weft_scope_cancel(&outer);
    }
    weft_close(listener);
    return 0;
}

static int run(void *arg)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = REACTORS};

    (void)arg;
    return weft_run(meet, NULL, 0, &opt);
}

int main(void)
{
    static const char *const plans[] = {"calm", "rough", "broken"};

    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct weft_sim_opt opt = {.size = sizeof opt,
                                       .seed = seed,
                                       .plan = plans[i],
                                       .quiet = true};
            struct weft_sim_result result = {.size = sizeof result};
            int value = weft_sim_run(&opt, run, NULL, &result);

            printf("%s %llu: %d, %llu steps, %lld ns, %016llx\n", plans[i],
                   (unsigned long long)seed, value, (unsigned long long)result.steps,
                   (long long)result.time_ns, (unsigned long long)result.hash);
        }
    return 0;
}
