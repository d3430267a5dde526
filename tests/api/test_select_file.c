/*
 * weft/select_io.h: a file and a watch among the cases of a select. Would catch a file's bytes that
 * are lost, or given twice, when its case loses; a position that a case moved which says that it
 * did not happen; a case of a watch, a queue, a signal or a time that keeps another from its turn.
 */
#include "support/file.h"

#include "blocked.h"

enum { FILE_SIZE = 100000, BLOCK = 4096 };

/* -- a file ----------------------------------------------------------------------------------- */

static char byte_at(off_t offset)
{
    return (char)(offset * 7 / 3);
}

/* Those that stand at that place of the file. */
static void check_bytes(const char *bytes, off_t at, off_t count)
{
    for (off_t i = 0; i < count; i++)
        if (bytes[i] != byte_at(at + i))
            ck_abort_msg("another byte at %lld", (long long)(at + i));
}

static weft_file *open_numbered(void)
{
    static char bytes[FILE_SIZE];
    struct weft_file_opt opt = {.size = sizeof opt, .block_size = BLOCK};
    int fd = file_new("numbered");
    weft_file *file;

    for (off_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = byte_at(i);
    same(weft_write_all(fd, bytes, sizeof bytes, NULL), FILE_SIZE);
    same(weft_file_from_fd(fd, &opt, &file), 0);
    return file;
}

static int wins_main(void *arg)
{
    weft_file *file = open_numbered();
    char bytes[BLOCK];
    off_t at = 0;

    (void)arg;
    for (;;) {
        weft_case cases[] = {weft_case_never(), weft_case_file_read(file, bytes, sizeof bytes)};
        same(weft_select(cases, 2, 0), 1);
        ok(cases[1].result);
        check_bytes(bytes, at, cases[1].result);
        at += cases[1].result;
        same(weft_file_tell(file), at);
        if (cases[1].result == 0)
            break;
    }
    same(at, FILE_SIZE);
    return weft_file_close(file);
}
/* "How many bytes, which the position has moved by, 0 at the end of the file." */
TEST(file_wins)
{
    file_run(wins_main);
}

struct alarm_clock {
    weft_event event;
    int yields; /* until it is set */
};
static int rings(void *arg)
{
    struct alarm_clock *clock = arg;

    for (int i = 0; i < clock->yields; i++)
        same(weft_yield(), 0);
    same(weft_event_set(&clock->event), 1);
    return 0;
}

/* One select, its event set after so many turns. How many bytes it says it read. */
static ssize_t read_against(weft_file *file, char *bytes, int yields)
{
    struct alarm_clock clock = {WEFT_EVENT_INIT, yields};
    off_t before = weft_file_tell(file);
    ssize_t n = 0;

    WEFT_SCOPE(s) {
        weft_case cases[] = {weft_case_event(&clock.event),
                             weft_case_file_read(file, bytes, BLOCK)};
        int won;
        ok(weft_spawn(&s, rings, &clock, 0, NULL));
        won = weft_select(cases, 2, 0);
        ok(won);
        ck_assert(weft_case_happened(&cases[won]));
        if (weft_case_happened(&cases[1]))
            n = cases[1].result;
        same(weft_file_tell(file), before + n);
    }
    return n;
}

static int loses_main(void *arg)
{
    weft_file *file = open_numbered();
    char bytes[BLOCK];

    (void)arg;
    for (off_t at = 0, n, yields = 0; at < FILE_SIZE; at += n, yields = (yields + 1) % 7) {
        n = read_against(file, bytes, (int)yields);
        if (n == 0) /* it lost: who comes next has them */
            n = weft_file_read(file, bytes, sizeof bytes);
        ck_assert_int_gt(n, 0);
        check_bytes(bytes, at, n);
    }
    same(weft_file_read(file, bytes, 1), 0);
    return weft_file_close(file);
}
/* "One that loses leaves the position alone": each byte is told once, whoever wins, and when. */
TEST(file_loses)
{
    file_run(loses_main);
}

static int not_begun_main(void *arg)
{
    weft_file *file = open_numbered();
    weft_event event = WEFT_EVENT_INIT;
    char byte = 0;
    weft_case cases[] = {weft_case_file_read(file, &byte, 1), weft_case_event(&event)};

    (void)arg;
    same(weft_event_set(&event), 1);
    same(weft_select(cases, 2, 0), 1);
    same(cases[0].result, -ECANCELED);
    same(weft_file_tell(file), 0);
    same(weft_select_nowait(cases, 2, 0), -EINVAL);
    return weft_file_close(file);
}
/* "Begun when no other case is ready", wherever it stands in the list. */
TEST(file_is_not_begun)
{
    file_run(not_begun_main);
}

/* -- a watch, a queue, a signal, a time ------------------------------------------------------- */

enum { HAPPENED, ITEM, SIGNAL, TIME, CASES };

struct several {
    weft_watch *watch;
    weft_queue queue;
    weft_signals *signals;
    struct weft_watch_event event;
    int item;
    int64_t results[CASES];
};

static int select_of(struct several *all, int64_t deadline)
{
    weft_case cases[] = {
        weft_case_watch(all->watch, &all->event, 0),
        weft_case_get(&all->queue, &all->item),
        weft_case_signals(all->signals, NULL),
        weft_case_until(deadline),
    };
    int won = weft_select(cases, CASES, 0);

    for (int i = 0; i < CASES; i++)
        all->results[i] = cases[i].result;
    return won;
}

/* So that the select waits when it comes. */
static int makes_happen(void *arg)
{
    int what = *(int *)arg;

    for (int i = 0; i < 10; i++)
        same(weft_yield(), 0);
    if (what == HAPPENED)
        return weft_mkdirat(folder, "d", 0700);
    complete_signals();
    return 0;
}

static int puts_item(void *arg)
{
    static const int item = 7;

    for (int i = 0; i < 10; i++)
        same(weft_yield(), 0);
    return weft_queue_put_nowait(arg, &item);
}

static void each_in_turn(struct several *all)
{
    WEFT_SCOPE(s) {
        int what = HAPPENED;
        ok(weft_spawn(&s, makes_happen, &what, sizeof what, NULL));
        same(select_of(all, WEFT_NEVER), HAPPENED);
        ck_assert_str_eq(all->event.name, "d");
        ok(weft_spawn(&s, puts_item, &all->queue, 0, NULL));
        same(select_of(all, WEFT_NEVER), ITEM);
        same(all->item, 7);
        what = SIGNAL;
        ok(weft_spawn(&s, makes_happen, &what, sizeof what, NULL));
        same(select_of(all, WEFT_NEVER), SIGNAL);
        same(all->results[SIGNAL], SIGUSR1);
        same(select_of(all, weft_after_ms(1)), TIME);
    }
}

/* All at once, and each of them is had once: by the select that it wins, or as one that happened
   all the same, or by a later select. */
static void all_at_once(struct several *all)
{
    static const int item = 8;
    int had[CASES] = {0};

    same(weft_unlinkat(folder, "d", AT_REMOVEDIR), 0);
    complete_signals();
    same(weft_queue_put_nowait(&all->queue, &item), 0);
    while (!had[HAPPENED] || !had[ITEM] || !had[SIGNAL]) {
        ok(select_of(all, WEFT_NEVER));
        for (int i = 0; i < CASES; i++)
            had[i] += all->results[i] != -ECANCELED;
    }
    for (int i = 0; i < TIME; i++)
        same(had[i], 1);
    same(select_of(all, weft_now()), TIME);
}

static int several_main(void *arg)
{
    static const int number = SIGUSR1;
    struct several all = {.queue = {.item_size = sizeof(int), .max = 4}};

    (void)arg;
    same(weft_watch_open(&all.watch), 0);
    ok(weft_watch_add(all.watch, folder_path, WEFT_WATCH_CREATED | WEFT_WATCH_DELETED));
    same(weft_signals_open(&number, 1, &all.signals), 0);
    each_in_turn(&all);
    all_at_once(&all);
    same(weft_queue_destroy(&all.queue), 0);
    same(weft_signals_close(all.signals), 0);
    return weft_watch_close(all.watch);
}
/* What a program that reads its settings anew, does its work and ends in order waits for. */
TEST(watch_queue_signal_and_time)
{
    file_run(several_main);
}

TEST_MAIN("select_file", 60, file_wins, file_loses, file_is_not_begun, watch_queue_signal_and_time)
