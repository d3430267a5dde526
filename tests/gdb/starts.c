/*
 * Starts a few processes, and comes to `started` behind each: for test_starts.py.
 */
#include <stdio.h>
#include <weft/weft.h>

enum { STARTS = 3 };

__attribute__((noinline)) void started(int which);
void started(int which)
{
    __asm__ volatile("" ::"r"(which) : "memory");
}

static int main_starts(void *arg)
{
    const char *const arguments[] = {"/bin/true", NULL};
    int error = 0;

    (void)arg;
    for (int i = 0; i < STARTS && error == 0; i++) {
        weft_process *process;

        error = weft_create_subprocess_exec(arguments, NULL, &process);
        if (error == 0)
            error = weft_process_wait(process, NULL);
        if (error == 0)
            error = weft_process_close(process);
        started(i);
    }
    return error;
}

int main(void)
{
    return weft_run(main_starts, NULL, 0, NULL) < 0;
}
