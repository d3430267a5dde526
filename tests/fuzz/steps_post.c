/*
 * Steps that go through an inbox: posts to whatever reactor, and cancels by message.
 */
#include "steps.h"

static struct weft_post_slot slots[POSTS_MAX];

static void check_order(const struct post *post)
{
    int *latest = &model.orders[post->from][post->to];

    if (post->order == 0)
        return;
    if (post->order <= *latest)
        broke("post %d ran out of order", (int)(post - model.posts));
    *latest = post->order;
}

/* On the loop's stack: nothing may suspend, but a task may be started in the root. */
static void ran(void *arg)
{
    struct post *post = arg;
    struct task *task;
    struct task_arg task_arg;
    struct weft_spawn_opt opt = {.size = sizeof opt, .drop = task_drop};
    int result;

    post->ran++;
    if ((int)weft_reactor_index() != post->to)
        broke("post %d ran on reactor %u", (int)(post - model.posts), weft_reactor_index());
    check_order(post);
    task = post->spawns == NOBODY ? NULL : task_new(post->spawns);
    if (!task)
        return;
    task->has_drop = true;
    result =
        weft_spawn_nowait(weft_root(), task_main, &task_arg, arg_fill(&task_arg, task, 1), &opt);
    task->asked = false;
    if (result < 0 && !program.faults && !model.main_over && model.stopped_at == WEFT_NEVER)
        broke("a callback cannot start a task: %d", result);
    if (result < 0)
        return;
    task->used = true;
    task->home = task->near = task->reactor = post->to;
    model.scopes[task->home].spawned++;
}

static void dropped(void *arg)
{
    struct post *post = arg;

    post->dropped++;
    if (!model.main_over && model.stopped_at == WEFT_NEVER)
        broke("post %d was dropped, and nothing stops", (int)(post - model.posts));
}

enum { POST, POST_TRY, POST_SLOT, POST_WAYS };

int step_post(struct task *task, const struct step *step)
{
    static int serial;
    struct post *post = &model.posts[model.post_count];
    int to = step->a % program.reactors, way = step->b % POST_WAYS, result;
    struct weft_post_slot *slot = &slots[model.post_count];
    weft_inbox *inbox;

    if (model.post_count == POSTS_MAX)
        return 0;
    model.post_count++;
    *post = (struct post){.from = task->reactor,
                          .to = to,
                          .order = way == POST_SLOT ? 0 : ++serial,
                          .spawns = step->c & 1 ? step->c / 2 % program.bodies : NOBODY};
    inbox = weft_inbox_get((uint32_t)to);
    if (!inbox)
        broke("no inbox of reactor %d", to);
    if (way == POST_SLOT) {
        *slot = (struct weft_post_slot)WEFT_POST_SLOT_INIT(ran, post);
        slot->drop = dropped;
        result = weft_post_slot(inbox, slot);
    } else {
        result = (way == POST ? weft_post : weft_post_try)(inbox, ran, post, dropped);
    }
    weft_inbox_put(inbox);
    post->taken = result == 0;
    if (result < 0 && !program.faults && !model.main_over && model.stopped_at == WEFT_NEVER)
        broke("a post is refused: %d", result);
    return result;
}

int step_cancel_post(struct task *task, const struct step *step)
{
    struct task *target = pick_task(step->a);
    bool stands_in;
    weft_task handle;
    weft_inbox *inbox;
    int result;

    (void)task;
    if (!target)
        return 0;
    handle = handle_of(target, &stands_in);
    inbox = weft_inbox_get((uint32_t)(stands_in ? target->near : target->reactor));
    if (!inbox)
        broke("no inbox of task %d's reactor", task_index(target));
    result = weft_cancel_post(inbox, handle);
    weft_inbox_put(inbox);
    if (result == 0)
        target->asked_to_end = true;
    return result;
}
