/*
 * Steps on queues. Every item is a number of its own.
 *
 * The laws: what was put is taken once, or dropped once, and what was refused never; nothing is
 * taken that was not put; no more in it than there is room; in order, by whichever order it has,
 * as long as nobody waits meanwhile; who waits for all to be done goes on when it is, no earlier.
 */
#include "objects.h"

enum { ITEMS_MAX = 200, ROOM = 2, QUEUES = 4 };

struct item {
    uint32_t number, weight;
};

enum item_state { ITEM_NONE, ITEM_OFFERED, ITEM_IN, ITEM_TAKEN, ITEM_DROPPED, ITEM_REFUSED };

static struct queue {
    struct object getters, putters, joiners; /* the same queue, for three reasons */
    weft_queue queue;
    int busy;       /* calls that drop items are under way */
    int count;      /* put, and not known to be taken */
    int unfinished; /* put, and not said to be done */
    bool shut;
    uint64_t done_when; /* all were, last */
    uint64_t changes;
    enum item_state items[ITEMS_MAX];
    uint32_t weights[ITEMS_MAX];
    uint64_t put_when[ITEMS_MAX]; /* 0: the call waited, and it is not known when */
    uint32_t offered;
} queues[QUEUES];

static struct queue *owner; /* of the items that are dropped now */

static void item_dropped(void *memory)
{
    const struct item *item = memory;

    if (!owner || item->number >= owner->offered ||
        (owner->items[item->number] != ITEM_IN && owner->items[item->number] != ITEM_OFFERED))
        broke("an item is dropped that is in no queue: %u", item->number);
    owner->items[item->number] = ITEM_DROPPED;
    owner->count--;
}

static int by_weight(const void *a, const void *b)
{
    const struct item *one = a, *other = b;

    return one->weight < other->weight ? -1 : one->weight > other->weight;
}

void queues_reset(void)
{
    static const enum weft_queue_order orders[QUEUES] = {WEFT_QUEUE_FIFO, WEFT_QUEUE_FIFO,
                                                         WEFT_QUEUE_LIFO, WEFT_QUEUE_PRIORITY};

    for (int i = 0; i < QUEUES; i++) {
        struct queue *q = &queues[i];
        bool shared = i == 1;
        *q = (struct queue){.queue = {.shared = shared,
                                      .item_size = sizeof(struct item),
                                      .max = ROOM + (uint32_t)i,
                                      .order = orders[i],
                                      .compare = by_weight,
                                      .drop = item_dropped}};
        object_init(&q->getters, "queue's items", shared);
        object_init(&q->putters, "queue's room", shared);
        object_init(&q->joiners, "queue's end", shared);
        object_opens(&q->putters, true);
        object_opens(&q->joiners, true);
    }
}

static bool quiet(const struct queue *q)
{
    return q->getters.waiters == 0 && q->putters.waiters == 0 && q->busy == 0;
}

static void look(struct queue *q)
{
    object_opens(&q->getters, q->count > 0 || q->shut);
    object_opens(&q->putters, q->count < (int)q->queue.max || q->shut);
    object_opens(&q->joiners, q->unfinished == 0);
}

/* -- putting --------------------------------------------------------------------------------- */

static bool may_be_full(const struct queue *q)
{
    return q->count + q->putters.waiters >= (int)q->queue.max;
}

static void put(struct queue *q, const struct item *item, bool now)
{
    enum item_state *state = &q->items[item->number];

    if (*state == ITEM_OFFERED)
        *state = ITEM_IN;
    q->put_when[item->number] = now ? ++model.events : 0;
    q->changes++;
    q->count++;
    q->unfinished++;
    if (q->count - q->getters.waiters > (int)q->queue.max)
        broke("%d items are in a queue for %u", q->count, q->queue.max);
    look(q);
}

static int try_to_put(struct queue *q, const struct item *item)
{
    bool surely_full = q->count >= (int)q->queue.max && quiet(q), full = may_be_full(q);
    int result;

    if (q->getters.waiters == 1 && !q->shut && object_here(&q->getters))
        waiters_granted(&q->getters, -1);
    q->putters.waiters++; /* who is given it may be back before this call is */
    result = weft_queue_put_nowait(&q->queue, item);
    q->putters.waiters--;
    if (!object_here(&q->getters) ? result != -EPERM
        : q->shut                 ? result != -ESHUTDOWN
        : surely_full
            ? result != -EAGAIN
            : result != 0 && !(result == -EAGAIN && full) && !(result == -ENOMEM && program.faults))
        broke("an item is put into a queue of %d: %d", q->count, result);
    return result;
}

int step_put(struct task *task, const struct step *step)
{
    struct queue *q = &queues[step->a % QUEUES];
    struct item item = {.number = q->offered, .weight = step->c % 4};
    enum how how = how_of(step->b);
    int64_t deadline = how == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER;
    uint64_t changes = q->changes;
    struct wait *wait;
    int result;

    if (q->offered == ITEMS_MAX)
        return 0;
    q->items[q->offered] = ITEM_OFFERED;
    q->weights[q->offered++] = item.weight;
    if (how == WAITS_NOT) {
        result = try_to_put(q, &item);
    } else {
        wait = wait_begin(task, &q->putters, 0, deadline);
        result = how == WAITS ? weft_queue_put(&q->queue, &item)
                              : weft_queue_put_until(&q->queue, &item, deadline);
        result = wait_end(wait, result, q->shut ? -ESHUTDOWN : 0);
    }
    if (result == 0) {
        put(q, &item, changes == q->changes);
    } else {
        if (q->items[item.number] != ITEM_OFFERED)
            broke("task %d is told %s, and its item was put", task_index(task), strerror(-result));
        q->items[item.number] = ITEM_REFUSED;
    }
    return result;
}

/* -- taking ---------------------------------------------------------------------------------- */

/* Would this one come out after the other one? */
static bool after(const struct queue *q, uint32_t one, uint32_t other)
{
    if (q->queue.order == WEFT_QUEUE_PRIORITY && q->weights[one] != q->weights[other])
        return q->weights[one] > q->weights[other];
    if (q->put_when[one] == 0 || q->put_when[other] == 0)
        return false;
    if (q->queue.order == WEFT_QUEUE_LIFO)
        return q->put_when[one] < q->put_when[other];
    return q->put_when[one] > q->put_when[other];
}

static void took(struct queue *q, struct task *task, const struct item *item, bool still)
{
    uint32_t number = item->number;

    if (number >= q->offered || q->weights[number] != item->weight)
        broke("task %d takes what nobody put: %u", task_index(task), number);
    if (q->items[number] != ITEM_IN && q->items[number] != ITEM_OFFERED)
        broke("task %d takes item %u, which is %s", task_index(task), number,
              q->items[number] == ITEM_TAKEN     ? "taken"
              : q->items[number] == ITEM_DROPPED ? "dropped"
                                                 : "refused");
    for (uint32_t i = 0; still && i < q->offered; i++)
        if (i != number && q->items[i] == ITEM_IN && after(q, number, i))
            broke("task %d takes item %u, and item %u was to come first", task_index(task), number,
                  i);
    q->items[number] = ITEM_TAKEN;
    q->changes++;
    q->count--;
    look(q);
}

int step_get(struct task *task, const struct step *step)
{
    struct queue *q = &queues[step->a % QUEUES];
    bool still = quiet(q), shut = q->shut, empty = q->count - q->getters.waiters <= 0;
    enum how how = how_of(step->b);
    int64_t deadline = how == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER;
    struct item item;
    struct wait *wait;
    int result;

    if (how == WAITS_NOT) {
        if (object_here(&q->getters) && q->putters.waiters == 1 && q->getters.waiters == 0 &&
            q->count >= (int)q->queue.max)
            waiters_granted(&q->putters, -1);
        q->getters.waiters++;
        result = weft_queue_get_nowait(&q->queue, &item);
        q->getters.waiters--;
        if (!object_here(&q->getters) ? result != -EPERM
            : result == 0             ? false
            : shut                    ? result != -ESHUTDOWN || !empty
                                      : result != -EAGAIN || !empty)
            broke("an item is taken from a queue of %d: %d", q->count, result);
    } else {
        wait = wait_begin(task, &q->getters, 0, deadline);
        result = how == WAITS ? weft_queue_get(&q->queue, &item)
                              : weft_queue_get_until(&q->queue, &item, deadline);
        result = wait_end(wait, result, q->shut ? -ESHUTDOWN : 0);
    }
    if (result == 0)
        took(q, task, &item, still && how == WAITS_NOT);
    return result;
}

/* -- the end of items ------------------------------------------------------------------------ */

static int64_t done(struct queue *q)
{
    int before = q->unfinished, putting = q->putters.waiters;
    bool here = object_here(&q->joiners);
    int64_t result;

    if (here && before == 1 && putting == 0)
        waiters_granted(&q->joiners, -1);
    if (here && before > 0 && --q->unfinished == 0)
        q->done_when = ++model.events; /* who waits for that may be back before this call is */
    result = weft_queue_task_done(&q->queue);
    if (!here && result != -EPERM)
        broke("another reactor's queue: %lld", (long long)result);
    if (!here)
        return result;
    if (result >= 0 ? result < before - 1 || result > before - 1 + putting
                    : result != -EINVAL || before > 0)
        broke("of %d items, and %d that are being put, one is done: %lld", before, putting,
              (long long)result);
    if (before <= 0 && result >= 0)
        q->unfinished--;
    look(q);
    return result;
}

static int join(struct queue *q, struct task *task, const struct step *step)
{
    int64_t deadline = how_of(step->b) == WAITS_UNTIL ? until_of(step->c) : WEFT_NEVER;
    bool finished = q->unfinished <= 0;
    struct wait *wait = wait_begin(task, &q->joiners, 0, deadline);
    int result = deadline == WEFT_NEVER ? weft_queue_join(&q->queue)
                                        : weft_queue_join_until(&q->queue, deadline);

    result = wait_end(wait, result, 0);
    if (result == 0 && !finished && q->unfinished > 0 && q->done_when < wait->call.when)
        broke("task %d waited until all is done, and %d items are not", task_index(task),
              q->unfinished);
    return result;
}

static int shut_down(struct queue *q, bool immediate)
{
    bool still = quiet(q), here = object_here(&q->getters);
    int before = q->count, result;

    if (here) {
        waiters_granted(&q->getters, -1);
        waiters_granted(&q->putters, -1);
        q->shut = true;
        q->done_when = immediate ? ++model.events : q->done_when;
    }
    owner = q;
    q->busy++;
    result = weft_queue_shutdown(&q->queue, immediate);
    q->busy--;
    owner = NULL;
    if (here ? result < 0 || (still && result != (immediate ? before : 0)) : result != -EPERM)
        broke("a queue of %d items is shut down: %d", before, result);
    if (here && immediate)
        q->unfinished -= result < q->unfinished ? result : q->unfinished;
    look(q);
    return result;
}

static int count(struct queue *q)
{
    int result = weft_queue_count(&q->queue);

    if (!object_here(&q->getters) ? result != -EPERM
        : quiet(q)                ? result != q->count
                                  : result < 0 || result > (int)q->queue.max)
        broke("there are %d items in a queue that should have %d", result, q->count);
    return result;
}

enum { QUEUE_DONE = 7, QUEUE_JOIN = 11, QUEUE_COUNT = 15 };

int step_queue(struct task *task, const struct step *step)
{
    struct queue *q = &queues[step->a % QUEUES];
    int what = step->b / 8 % 16;

    if (what < QUEUE_DONE)
        return (int)done(q);
    if (what < QUEUE_JOIN)
        return join(q, task, step);
    if (what < QUEUE_COUNT || step->c % 3)
        return count(q);
    return shut_down(q, step->c & 0x40);
}

void queues_claim(void)
{
    for (int i = 0; i < QUEUES; i++)
        (void)count(&queues[i]);
}

void queues_check_end(void)
{
    for (int i = 0; i < QUEUES; i++) {
        struct queue *q = &queues[i];
        int left, before = q->count;
        owner = q;
        left = weft_queue_destroy(&q->queue);
        owner = NULL;
        if (left != before || q->count != 0)
            broke("%d items were in a queue at its end, and should have been %d", left, before);
        for (uint32_t n = 0; n < q->offered; n++)
            if (q->items[n] == ITEM_IN || q->items[n] == ITEM_OFFERED)
                broke("item %u was put, and neither taken nor dropped", n);
    }
}
