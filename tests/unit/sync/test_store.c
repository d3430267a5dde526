/*
 * The store of a queue: against plain models, with random steps and sizes; and a queue whose memory
 * runs out. Would catch an item lost where the ring wraps or grows, and a heap out of order.
 */
#include "sync/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "base/memory.h"
#include "support/test.h"

enum { MODEL_MAX = 200, SIZE_MAX_ = 40 };

struct model {
    unsigned char items[MODEL_MAX][SIZE_MAX_];
    unsigned count;
};

static uint32_t state = 12345;
static uint32_t draw(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static int by_first_byte(const void *a, const void *b)
{
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* Which of the model's items comes next: they stand in the order put. */
static unsigned next_of(const struct model *model, enum weft_queue_order order)
{
    unsigned best = 0;

    if (order == WEFT_QUEUE_LIFO)
        return model->count - 1;
    if (order == WEFT_QUEUE_PRIORITY)
        for (unsigned i = 1; i < model->count; i++)
            if (model->items[i][0] < model->items[best][0])
                best = i;
    return best;
}

static void put(struct weft__store *store, const weft_queue *queue, struct model *model)
{
    unsigned char *item = model->items[model->count++];

    for (size_t i = 0; i < queue->item_size; i++)
        item[i] = (unsigned char)draw(i == 0 ? 7 : 256);
    if (store->count == store->capacity || draw(20) == 0) { /* another may have taken meanwhile */
        uint32_t capacity = store->capacity + 1 + draw(5);
        weft__free(weft__store_replace(store, queue,
                                       weft__alloc(capacity * weft__store_stride(queue)),
                                       capacity));
    }
    weft__store_push(store, queue, item);
}

static void get(struct weft__store *store, const weft_queue *queue, struct model *model)
{
    unsigned char item[SIZE_MAX_];
    unsigned next = next_of(model, queue->order);

    weft__store_pop(store, queue, item);
    ck_model(memcmp(item, model->items[next], queue->item_size) == 0);
    model->count--;
    memmove(model->items[next], model->items[next + 1], (model->count - next) * SIZE_MAX_);
}

static unsigned dropped;
static void drop(void *item)
{
    (void)item;
    dropped++;
}

TEST(against_a_model)
{
    static const size_t sizes[] = {1, 3, 8, 24, 33};
    static struct model model;

    for (int order = WEFT_QUEUE_FIFO; order <= WEFT_QUEUE_PRIORITY; order++)
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            weft_queue queue = {.item_size = sizes[i],
                                .order = (enum weft_queue_order)order,
                                .compare = by_first_byte,
                                .drop = drop};
            struct weft__store store = {0};
            model.count = 0;
            for (int step = 0; step < 4000; step++) {
                bool grows = step / 500 % 2 == 0;
                if (model.count < MODEL_MAX - 1 && (model.count == 0 || draw(5) < (grows ? 3 : 2)))
                    put(&store, &queue, &model);
                else
                    get(&store, &queue, &model);
                ck_model(store.count == model.count);
            }
            dropped = 0;
            ck_model(weft__store_clear(&store, &queue) == model.count);
            ck_model(dropped == model.count);
        }
}

/* "-ENOMEM: nothing was put", and the next put finds memory. */
static int no_memory_main(void *arg)
{
    weft_queue queue = {.item_size = 8, .max = 20};
    uint64_t item = 0, got;
    int before;

    (void)arg;
    for (before = 0; before < 2; before++) {
        while (weft_queue_count(&queue) < 8 * before)
            ck_assert_int_eq(weft_queue_put(&queue, &item), 0);
        weft__alloc_fail_after(1);
        ck_assert_int_eq(weft_queue_put(&queue, &item), -ENOMEM);
        ck_assert_int_eq(weft_queue_count(&queue), 8 * before);
        weft__alloc_fail_after(1);
        ck_assert_int_eq(weft_queue_put_nowait(&queue, &item), -ENOMEM);
        ck_assert_int_eq(weft_queue_put_nowait(&queue, &item), 0);
        ck_assert_int_eq(weft_queue_count(&queue), 8 * before + 1);
        ck_assert_int_eq(weft_queue_get(&queue, &got), 0);
    }
    while (weft_queue_get_nowait(&queue, &got) == 0)
        ck_assert_int_ge(weft_queue_task_done(&queue), 0);
    weft__alloc_fail_after(0);
    queue.item_size = SIZE_MAX / 4;
    ck_assert_int_eq(weft_queue_destroy(&queue), 0);
    ck_assert_int_eq(weft_queue_put(&queue, &item), -ENOMEM);
    ck_assert_int_eq(weft_queue_destroy(&queue), 0);
    return 0;
}
TEST(no_memory)
{
    ck_assert_int_eq(weft_run(no_memory_main, NULL, 0, NULL), 0);
}

TEST_MAIN("sync: store", 20, against_a_model, no_memory)
