/* ticker: functions called soon, later, at a time, or not at all, since they were taken back; and
   from another thread. */
#include "../tutorials/seconds.h"

#include <pthread.h>

static void says(void *arg)
{
    printf("%.3f s: %s\n", elapsed(), (const char *)arg);
}

static weft_event from_there = WEFT_EVENT_INIT;
static void came(void *arg)
{
    puts("a call from another thread");
    weft_event_set(arg);
}
static void *other_thread(void *arg)
{
    return weft_call_soon_threadsafe(arg, came, &from_there, NULL) < 0 ? arg : NULL;
}

static int timers(void)
{
    static weft_handle never = WEFT_HANDLE_INIT;
    struct weft_call_opt opt = {.size = sizeof opt, .handle = &never};

    start();
    int error = weft_call_later(seconds(2), says, "later", NULL);
    if (error == 0)
        error = weft_call_at(weft_after_ns(seconds(1)), says, "at a time", NULL);
    if (error == 0)
        error = weft_call_later(seconds(1.5), says, "never", &opt);
    if (error == 0)
        error = weft_call_soon(says, "soon", NULL);
    if (error == 0)
        puts("asked for four calls");
    printf("taken back: %d\n", weft_handle_cancel(&never));
    return error < 0 ? error : weft_sleep(seconds(3));
}

static int work(void *arg)
{
    weft_inbox *inbox = weft_inbox_here();
    pthread_t thread;

    (void)arg;
    int error = timers();
    if (error == 0)
        error = -pthread_create(&thread, NULL, other_thread, inbox);
    if (error == 0) {
        error = weft_event_wait(&from_there);
        pthread_join(thread, NULL);
    }
    weft_inbox_put(inbox);
    return error;
}

int main(void)
{
    return run(work);
}
