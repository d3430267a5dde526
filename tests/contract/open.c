/*
 * open.c - checks: opening a ring, and the features that it says it has.
 */
#include "contract.h"

#include <stdio.h>
#include <string.h>

static void sizes_as_asked(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 8, 64);

    contract_say(c, "%u and %u", ring->sq_entries, ring->cq_entries);
}

static void sizes_rounded_up(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 100, 1000);

    contract_say(c, "%u and %u", ring->sq_entries, ring->cq_entries);
}

static void size_of_a_reactor(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 512, 16384);

    contract_say(c, "%u and %u", ring->sq_entries, ring->cq_entries);
}

static void masks_fit(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 32, 128);

    contract_say(c, "%s", ring->sq_mask == 31 && ring->cq_mask == 127 ? "one less" : "other");
}

static void begins_clean(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    uint32_t head;

    contract_say(c, "%u waiting, %u queued, %llu enters, %s", weft__ring_ready(ring, &head),
                 weft__ring_queued(ring), (unsigned long long)ring->counts.enters,
                 weft__ring_pending(ring) ? "pending" : "nothing pending");
}

static void has_a_descriptor(struct contract *c)
{
    int fd = contract_ring(c, 0, 0)->fd;

    contract_say(c, "%s", fd > 2 ? "above 2" : "a standard stream");
}

static void two_on_one_thread(struct contract *c)
{
    struct weft__ring *one = contract_ring(c, 0, 0), *two = contract_ring(c, 0, 0);

    CONTRACT_ASK(c, one, 1, nop);
    CONTRACT_ASK(c, two, 2, nop);
    contract_submit(c, one);
    contract_say(c, "%u before it is entered", contract_here(c, two, 2));
    contract_wait(c, two, 2);
    contract_say(c, "%u in the other", contract_here(c, one, 2));
    contract_wait(c, one, 1);
}

static void again_after_closing(struct contract *c)
{
    for (int i = 0; i < 6; i++) {
        struct weft__ring *ring = contract_ring(c, 0, 0);
        CONTRACT_ASK(c, ring, 7, nop);
        contract_wait(c, ring, 7);
        contract_ring_close(c, ring);
    }
    contract_say(c, "works");
}

/* Each feature in use is printed, by the name the mask knows, and nothing else is. */
static void names_are_those_of_the_mask(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    char printed[256] = "", wanted[256] = "";

    weft__ring_features(ring, printed, sizeof printed);
    for (size_t i = 0; i < contract_feature_count; i++)
        if (ring->features & contract_features[i].bit)
            snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%s%s",
                     wanted[0] ? "," : "", contract_features[i].name);
    if (strcmp(printed, wanted) == 0)
        contract_say(c, "the same");
    else
        contract_say(c, "printed %s", printed);
}

static void same_for_every_ring(struct contract *c)
{
    struct weft__ring *one = contract_ring(c, 8, 0), *two = contract_ring(c, 512, 16384);

    contract_say(c, "%s", one->features == two->features ? "the same" : "others");
}

/* -- one check for each feature: there when the kernel is new enough and nothing masks it ---------
 */

static void feature(struct contract *c, uint32_t bit)
{
    const struct contract_feature *known = contract_features;
    struct weft__ring *ring = contract_ring(c, 0, 0);
    bool used = ring->features & bit, masked = c->kernel->masked & bit, expected;

    while (known->bit != bit)
        known++;
    expected = c->kernel->version >= known->since && !masked;
    if (bit == WEFT__FEATURE_RECV_MULTISHOT && c->kernel->masked & WEFT__FEATURE_BUFFER_RING)
        expected = false; /* it would have nowhere to write */
    contract_say(c, "%s",
                 used == expected ? "as the kernel's age and the mask say"
                 : used           ? "used all the same"
                                  : "missing");
}

#define FEATURE(name, bit)                                                                         \
    static void name(struct contract *c)                                                           \
    {                                                                                              \
        feature(c, bit);                                                                           \
    }
FEATURE(no_sqarray, WEFT__FEATURE_NO_SQARRAY)
FEATURE(registered_fd, WEFT__FEATURE_REGISTERED_FD)
FEATURE(taskrun_flag, WEFT__FEATURE_TASKRUN_FLAG)
FEATURE(recv_multishot, WEFT__FEATURE_RECV_MULTISHOT)
FEATURE(accept_multishot, WEFT__FEATURE_ACCEPT_MULTISHOT)
FEATURE(buffer_ring, WEFT__FEATURE_BUFFER_RING)
FEATURE(msg_ring, WEFT__FEATURE_MSG_RING)
FEATURE(min_timeout, WEFT__FEATURE_MIN_TIMEOUT)
FEATURE(no_iowait, WEFT__FEATURE_NO_IOWAIT)
FEATURE(abs_timer, WEFT__FEATURE_ABS_TIMER)
FEATURE(fixed_files, WEFT__FEATURE_FIXED_FILES)
FEATURE(cutting_files, WEFT__FEATURE_FTRUNCATE)
FEATURE(waiting_for_processes, WEFT__FEATURE_WAITID)
FEATURE(waiting_for_words, WEFT__FEATURE_FUTEX)
FEATURE(sending_uncopied, WEFT__FEATURE_SEND_ZC)
FEATURE(fixed_buffers, WEFT__FEATURE_FIXED_BUFFERS)

#define AS_AGED                                                                                    \
    {                                                                                              \
        ANSWER("as the kernel's age and the mask say")                                             \
    }
#define FEATURES "src/ring/uring_open.c, find_features and try_features"

const struct contract_check contract_open[] = {
    {"open/sizes-as-asked",
     "Powers of two are given as asked for.",
     "src/reactor/reactor_open.c, open_ring",
     sizes_as_asked,
     0,
     {ANSWER("8 and 64")}},
    {"open/sizes-rounded-up",
     "Other sizes are rounded up, never down.",
     "<weft/runtime.h>, ring_entries",
     sizes_rounded_up,
     0,
     {ANSWER("128 and 1024")}},
    {"open/size-of-a-reactor",
     "The queues a reactor opens by default can be had.",
     "src/reactor/reactor_open.c, SQ_ENTRIES and CQ_ENTRIES",
     size_of_a_reactor,
     0,
     {ANSWER("512 and 16384")}},
    {"open/masks-fit",
     "Queues are indexed by a mask one below their size.",
     "src/ring/ring.h, weft__ring_take",
     masks_fit,
     0,
     {ANSWER("one less")}},
    {"open/begins-clean",
     "Probing leaves no completion, no request and no count behind.",
     "src/reactor/reactor.c, reap",
     begins_clean,
     0,
     {ANSWER("0 waiting, 0 queued, 0 enters, nothing pending")}},
    {"open/has-a-descriptor",
     "A ring's descriptor is no standard stream.",
     "src/ring/uring_open.c, map_queues",
     has_a_descriptor,
     0,
     {ANSWER("above 2")}},
    {"open/two-on-one-thread",
     "Two rings share nothing: each answers for its own requests.",
     "<weft/runtime.h>, runtimes one after the other and embedded ones",
     two_on_one_thread,
     0,
     {ANSWER("0 before it is entered, 0 in the other")}},
    {"open/again-after-closing",
     "A ring that was closed leaves nothing that hinders the next.",
     "src/runtime/member.c",
     again_after_closing,
     0,
     {ANSWER("works")}},
    {"open/names-are-those-of-the-mask",
     "What is printed can be put into WEFT_RING_MASK.",
     "src/ring/uring_features.c",
     names_are_those_of_the_mask,
     0,
     {ANSWER("the same")}},
    {"open/same-for-every-ring",
     "All rings of a process find the same features.",
     "src/reactor/reactor_open.c, ring_along",
     same_for_every_ring,
     0,
     {ANSWER("the same")}},
    {"open/no-sqarray", "From 6.6 on requests need no indirection.", FEATURES, no_sqarray, 0,
     AS_AGED},
    {"open/registered-fd", "The ring's own descriptor can be registered.", FEATURES, registered_fd,
     0, AS_AGED},
    {"open/taskrun-flag", "The queue can say when completions wait to be fetched.", FEATURES,
     taskrun_flag, 0, AS_AGED},
    {"open/recv-multishot", "Receives can stay armed.", FEATURES, recv_multishot, 0, AS_AGED},
    {"open/accept-multishot", "Accepts can stay armed.", FEATURES, accept_multishot, 0, AS_AGED},
    {"open/buffer-ring", "The kernel can pick buffers from a ring.", FEATURES, buffer_ring, 0,
     AS_AGED},
    {"open/msg-ring", "From 6.3 on a message can leave the bell armed.", FEATURES, msg_ring, 0,
     AS_AGED},
    {"open/min-timeout", "From 6.12 on a wait can have two limits.", FEATURES, min_timeout, 0,
     AS_AGED},
    {"open/no-iowait", "From 6.15 on sleeping need not look like waiting for a disk.", FEATURES,
     no_iowait, 0, AS_AGED},
    {"open/abs-timer", "From 6.12 on the wait takes an absolute deadline.", FEATURES, abs_timer, 0,
     AS_AGED},
    {"open/fixed-files", "From 6.15 on a file the ring let go of is gone at once.", FEATURES,
     fixed_files, 0, AS_AGED},
    {"open/ftruncate", "From 6.9 on files are cut through the ring.", FEATURES, cutting_files, 0,
     AS_AGED},
    {"open/waitid", "From 6.7 on the end of a process is waited for by a request of its own.",
     FEATURES, waiting_for_processes, 0, AS_AGED},
    {"open/send-zc", "From 6.3 on memory is sent from where it lies, and what was copied is told.",
     FEATURES, sending_uncopied, 0, AS_AGED},
    {"open/futex", "From 6.7 on a word of memory is waited for through the ring.", FEATURES,
     waiting_for_words, 0, AS_AGED},
    {"open/fixed-buffers", "A ring can hold memory by itself.", FEATURES, fixed_buffers, 0,
     AS_AGED},
    {0},
};
