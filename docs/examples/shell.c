/*
 * shell - runs every line of its input as a command of the shell, a few at a time, and shows what
 * they say as they say it, each line under the number of its command.
 *
 *     printf 'echo one\nsleep 1; echo two >&2\nfalse\n' | shell [-j N] [-t SECONDS]
 *
 * At most N commands run at once (4): a scope that is full makes who starts the next one wait.
 * After so many seconds, or on SIGINT or SIGTERM, the scope is cancelled, and every command still
 * running ends with all that it has started. Exits with 0 when all returned 0, else with 1; 130
 * when interrupted.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

enum { LINE_MAX_SIZE = 4096 };

struct plan {
    uint32_t at_once;
    int seconds; /* 0: as long as it takes */
};

struct command {
    int number;
    char text[900];
};

static int failed, interrupted;

/* Line by line; what a command says without a newline is shown at its end. */
static int show(int number, weft_stream *stream)
{
    char line[LINE_MAX_SIZE];
    size_t held = 0;
    ssize_t n;

    while ((n = weft_stream_read(stream, line + held, sizeof line - 1 - held, 0)) > 0) {
        char *at = line, *end;

        held += (size_t)n;
        line[held] = '\0';
        while ((end = strchr(at, '\n')) != NULL || (at == line && held == sizeof line - 1)) {
            int length = end ? (int)(end - at) : (int)held;
            printf("%d: %.*s\n", number, length, at);
            at += length + (end != NULL);
            held -= (size_t)length + (end != NULL);
        }
        memmove(line, at, held);
        fflush(stdout);
    }
    if (held > 0)
        printf("%d: %.*s\n", number, (int)held, line);
    return n == -ECANCELED ? -ECANCELED : 0;
}

static void tell(int number, const struct weft_process_status *status)
{
    if (status->signal)
        printf("%d: ended by %s\n", number, strsignal(status->signal));
    else if (status->code)
        printf("%d: returned %d\n", number, status->code);
    failed += status->code != 0;
    fflush(stdout);
}

/* One command, from its start to its end. When the scope around it is cancelled its process is
   ended, which this task then sees like any other end. */
static int run_command(void *arg)
{
    const struct command *command = arg;
    struct weft_process_opt opt = {.size = sizeof opt,
                                   .in = WEFT_DEVNULL,
                                   .out = WEFT_PIPE,
                                   .err = WEFT_STDOUT,
                                   .grace_ns = 2000000000};
    struct weft_process_status status = {.code = -1};
    weft_process *process;
    int error = weft_create_subprocess_shell(command->text, &opt, &process);

    if (error < 0) {
        if (error != -ECANCELED)
            printf("%d: could not be started: %s\n", command->number, strerror(-error));
        failed++;
        return 0;
    }
    error = show(command->number, weft_process_stdout(process));
    if (error == 0)
        error = weft_process_wait(process, &status);
    if (error < 0) { /* interrupted */
        printf("%d: is being ended\n", command->number);
        failed++;
    } else {
        tell(command->number, &status);
    }
    weft_process_close(process); /* ends its group, if it runs still */
    return 0;
}

/* The next line of the input, read by the ring, so that commands go on while none comes: 1; 0 at
   the end, or an error. */
static int next_line(char *text, size_t size)
{
    static char input[LINE_MAX_SIZE];
    static size_t held, used;
    size_t length = 0;

    for (;;) {
        ssize_t n;
        while (used < held) {
            char byte = input[used++];
            if (byte == '\n') {
                text[length] = '\0';
                return 1;
            }
            if (length + 1 < size)
                text[length++] = byte;
        }
        n = weft_read(STDIN_FILENO, input, sizeof input);
        if (n <= 0) {
            text[length] = '\0';
            return n < 0 ? (int)n : length > 0;
        }
        used = 0;
        held = (size_t)n;
    }
}

static void interrupt(const struct weft_signal *signal, void *arg)
{
    (void)signal;
    interrupted = 1;
    weft_scope_cancel(arg);
}

static int run_all(const struct plan *plan)
{
    struct weft_scope_opt opt = {
        .size = sizeof opt,
        .on_error = WEFT_KEEP_GOING,
        .max_tasks = plan->at_once,
        .deadline = plan->seconds ? weft_after_ms(1000 * (int64_t)plan->seconds) : 0,
    };
    struct command command = {.number = 0};
    weft_scope scope;
    int error = weft_scope_open(&scope, &opt);

    if (error == 0)
        error = weft_add_signal_handler(SIGINT, interrupt, &scope);
    if (error == 0)
        error = weft_add_signal_handler(SIGTERM, interrupt, &scope);
    while (error == 0 && (error = next_line(command.text, sizeof command.text)) > 0) {
        command.number++;
        error = weft_spawn(&scope, run_command, &command, sizeof command, NULL);
    }
    if (weft_scope_close(&scope) == -ETIMEDOUT)
        printf("out of time\n");
    weft_remove_signal_handler(SIGINT);
    weft_remove_signal_handler(SIGTERM);
    return error == -ECANCELED ? 0 : error;
}

static int shell(void *arg)
{
    int error = run_all(arg);

    if (error < 0)
        return error;
    return interrupted ? 130 : failed > 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: shell [-j N] [-t SECONDS], and commands on standard input\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct plan plan = {.at_once = 4};
    int option, result;

    while ((option = getopt(argc, argv, "j:t:")) != -1) {
        if (option == 'j')
            plan.at_once = (uint32_t)atoi(optarg);
        else if (option == 't')
            plan.seconds = atoi(optarg);
        else
            return usage();
    }
    if (optind < argc)
        return usage();
    result = weft_run(shell, &plan, 0, NULL);
    if (result < 0)
        fprintf(stderr, "shell: %s\n", strerror(-result));
    return result < 0 ? 2 : result;
}
