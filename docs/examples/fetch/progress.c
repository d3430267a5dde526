/* fetch: the progress line, and whatever else is said. */
#include "fetch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 24 };

const char *progress_amount(char text[16], int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    int unit = 0;

    while (amount >= 1024 && unit < 4) {
        amount /= 1024;
        unit++;
    }
    snprintf(text, 16, unit ? "%.1f %s" : "%.0f %s", amount, units[unit]);
    return text;
}

/* What is known of all together. total < 0: some server has not said. */
struct sum {
    int64_t have, total;
    int running;
};

static struct sum sum_up(const struct fetch *fetch)
{
    struct sum sum = {0};

    for (int i = 0; i < fetch->count; i++) {
        const struct download *download = &fetch->downloads[i];

        sum.have += download->have;
        sum.running += download->state == RUNNING;
        if (download->state == FAILED)
            sum.total += sum.total < 0 ? 0 : download->have;
        else if (download->size < 0)
            sum.total = -1;
        else if (sum.total >= 0)
            sum.total += download->size;
    }
    return sum;
}

/* A line of the terminal: how many, a bar, how much, how fast, how long still. */
static int draw(const struct fetch *fetch, double rate, char *line, size_t size)
{
    struct sum sum = sum_up(fetch);
    char have[16], total[16], speed[16], bar[BAR + 1], failed[24] = "", left[16] = "--:--";
    double part = sum.total > 0  ? (double)sum.have / (double)sum.total
                  : fetch->count ? (double)(fetch->done + fetch->failed) / fetch->count
                                 : 0;
    int full = (int)(part * BAR);

    full = full > BAR ? BAR : full;
    memset(bar, '=', (size_t)full);
    memset(bar + full, ' ', (size_t)(BAR - full));
    if (full > 0 && full < BAR)
        bar[full - 1] = '>';
    bar[BAR] = '\0';
    if (sum.total >= 0 && rate > 0) {
        int64_t seconds = (int64_t)((double)(sum.total - sum.have) / rate + 0.5);
        snprintf(left, sizeof left, "%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
    }
    if (fetch->failed)
        snprintf(failed, sizeof failed, ", %d failed", fetch->failed);
    return snprintf(line, size, "%d/%d [%s] %s of %s  %s/s  %s left%s", fetch->done, fetch->count,
                    bar, progress_amount(have, sum.have),
                    sum.total < 0 ? "?" : progress_amount(total, sum.total),
                    progress_amount(speed, (int64_t)rate), left, failed);
}

struct drawn {
    const struct fetch *fetch;
    double rate;
    char line[256];
    int length;
};

/* printf of floating point takes more stack than a task should have. */
static int draw_line(void *arg)
{
    struct drawn *drawn = arg;

    drawn->length = draw(drawn->fetch, drawn->rate, drawn->line + 1, sizeof drawn->line - 8) + 1;
    drawn->line[0] = '\r';
    memcpy(drawn->line + drawn->length, "\033[K", 4);
    drawn->length += 3;
    return 0;
}

/* One writes to the screen at a time. */
static weft_lock screen = WEFT_LOCK_INIT;

int progress_main(void *arg)
{
    struct drawn drawn = {.fetch = *(struct fetch **)arg};
    int64_t before = sum_up(drawn.fetch).have;

    while (weft_sleep(100000000) == 0) {
        int64_t now = sum_up(drawn.fetch).have;

        /* of the last second or so, so that it neither jumps nor sticks */
        drawn.rate += 0.1 * ((double)(now - before) * 10 - drawn.rate);
        before = now;
        weft_call_on_big_stack(draw_line, &drawn);
        WEFT_LOCKED(&screen)
        weft_write_all(STDERR_FILENO, drawn.line, (size_t)drawn.length, NULL);
    }
    WEFT_SHIELD(weft_after_ms(1000))
        WEFT_LOCKED(&screen)
    weft_write_all(STDERR_FILENO, "\r\033[K", 4, NULL);
    return 0;
}

void progress_say(struct fetch *fetch, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    WEFT_SHIELD(weft_after_ms(1000))
        WEFT_LOCKED(&screen)
        {
            if (fetch->shows_progress)
                weft_write_all(STDERR_FILENO, "\r\033[K", 4, NULL);
            weft_write_all(STDOUT_FILENO, line, (size_t)length, NULL);
        }
}
