/*
 * rerun DIRECTORY COMMAND [ARGUMENT]... - runs the command, and runs it anew whenever something in
 * the directory has changed; if it runs still, it is ended first, with all that it has started.
 *
 *     rerun src make
 *
 * Changes come in swarms (an editor writes another file, renames it, cleans up), so it waits until
 * there has been none for a moment. A command that changes the directory itself never comes to
 * rest. Ends on SIGINT or SIGTERM, and the command with it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

enum { QUIET_MS = 50 };

struct plan {
    const char *directory;
    const char *const *command;
};

static const uint32_t changes = WEFT_WATCH_CLOSED_WRITE | WEFT_WATCH_CREATED | WEFT_WATCH_DELETED |
                                WEFT_WATCH_MOVED_FROM | WEFT_WATCH_MOVED_TO |
                                WEFT_WATCH_DELETED_SELF;

static int next_change(void *arg)
{
    return weft_watch_next(arg, NULL, 0);
}

/* Until nothing has changed for a moment: 0. */
static int settle(weft_watch *watch)
{
    int error;

    do
        error = weft_wait_for(weft_coro(next_change, watch, 0), NULL, weft_after_ms(QUIET_MS));
    while (error == 0);
    return error == -ETIMEDOUT ? 0 : error;
}

static void tell(const struct weft_process_status *status)
{
    if (status->signal)
        printf("rerun: ended by %s\n", strsignal(status->signal));
    else
        printf("rerun: returned %d\n", status->code);
    fflush(stdout);
}

/* While it runs, and after its end: until something changes, 0, or a signal comes, its number. */
static int watch_over(weft_process *process, weft_watch *watch, weft_signals *signals)
{
    struct weft_process_status status;
    weft_case cases[] = {weft_case_signals(signals, NULL), weft_case_watch(watch, NULL, 0),
                         weft_case_process(process, &status)};

    for (;;) {
        int won = weft_select(cases, 3, 0);

        if (weft_case_happened(&cases[2])) {
            tell(&status);
            cases[2] = weft_case_never();
        }
        if (weft_case_happened(&cases[0]))
            return (int)cases[0].result;
        if (weft_case_happened(&cases[1]))
            return (int)cases[1].result;
        if (won < 0)
            return won;
    }
}

static int run_anew(const struct plan *plan, weft_watch *watch, weft_signals *signals)
{
    int result = 0;

    while (result == 0) {
        weft_process *process;

        result = weft_create_subprocess_exec(plan->command, NULL, &process);
        if (result < 0)
            return result;
        result = watch_over(process, watch, signals);
        if (result == 0)
            result = settle(watch);
        weft_process_close(process); /* ends its group, if it runs still */
    }
    return result;
}

static int rerun(void *arg)
{
    static const int ends[] = {SIGINT, SIGTERM};
    const struct plan *plan = arg;
    weft_signals *signals;
    weft_watch *watch;
    int result = weft_signals_open(ends, 2, &signals);

    if (result < 0)
        return result;
    result = weft_watch_open(&watch);
    if (result == 0) {
        result = weft_watch_add(watch, plan->directory, changes);
        if (result > 0)
            result = run_anew(plan, watch, signals);
        weft_watch_close(watch);
    }
    weft_signals_close(signals);
    return result;
}

int main(int argc, char **argv)
{
    struct plan plan = {argc > 2 ? argv[1] : "", (const char *const *)argv + 2};
    int result;

    if (argc < 3) {
        fprintf(stderr, "usage: rerun DIRECTORY COMMAND [ARGUMENT]...\n");
        return 2;
    }
    result = weft_run(rerun, &plan, 0, NULL);
    if (result < 0)
        fprintf(stderr, "rerun: %s\n", strerror(-result));
    return result < 0 ? 1 : 128 + result;
}
