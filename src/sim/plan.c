/*
 * sim/plan.c - plans: the tables behind knobs.h, reading a line of text, printing one.
 *
 * Pure functions of text. What always holds: a plan that was refused has not been used.
 */
#include "sim/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring/ring.h"

enum profile { CALM, ROUGH, BROKEN, PROFILES };

static const char *const profiles[PROFILES] = {"calm", "rough", "broken"};

static const struct knob {
    const char *name;
    bool is_span;
    int64_t bounds[PROFILES][2];
} knobs[WEFT__SIM_KNOB_COUNT] = {
#define CHANCE(id, name, calm, rough) {name, false, {{calm, calm}, {rough, rough}, {rough, rough}}},
#define FAULT(id, name, broken) {name, false, {{0, 0}, {0, 0}, {broken, broken}}},
#define SPAN(id, name, calm_low, calm_high, rough_low, rough_high)                                 \
    {name, true, {{calm_low, calm_high}, {rough_low, rough_high}, {rough_low, rough_high}}},
    WEFT__SIM_KNOBS(CHANCE, SPAN, FAULT)};

static const char *const notes[WEFT__SIM_NOTE_COUNT] = {
#define NOTE(id, name) name,
    WEFT__SIM_NOTES(NOTE)};

static const struct {
    uint8_t opcode;
    const char *name;
} opcodes[] = {
    {WEFT__OP_NOP, "nop"},
    {WEFT__OP_POLL_ADD, "poll"},
    {WEFT__OP_ACCEPT, "accept"},
    {WEFT__OP_ASYNC_CANCEL, "cancel"},
    {WEFT__OP_CONNECT, "connect"},
    {WEFT__OP_CLOSE, "close"},
    {WEFT__OP_READ, "read"},
    {WEFT__OP_WRITE, "write"},
    {WEFT__OP_SEND, "send"},
    {WEFT__OP_SEND_ZC, "send_zc"},
    {WEFT__OP_RECV, "recv"},
    {WEFT__OP_MSG_RING, "msg_ring"},
    {WEFT__OP_READV, "readv"},
    {WEFT__OP_WRITEV, "writev"},
    {WEFT__OP_FSYNC, "fsync"},
    {WEFT__OP_FALLOCATE, "fallocate"},
    {WEFT__OP_STATX, "statx"},
    {WEFT__OP_OPENAT2, "open"},
    {WEFT__OP_RENAMEAT, "rename"},
    {WEFT__OP_UNLINKAT, "unlink"},
    {WEFT__OP_MKDIRAT, "mkdir"},
    {WEFT__OP_SYMLINKAT, "symlink"},
    {WEFT__OP_LINKAT, "link"},
    {WEFT__OP_FTRUNCATE, "ftruncate"},
    {WEFT__OP_FADVISE, "fadvise"},
    {WEFT__OP_MADVISE, "madvise"},
    {WEFT__OP_SYNC_RANGE, "sync_range"},
    {WEFT__OP_GETXATTR, "getxattr"},
    {WEFT__OP_FGETXATTR, "fgetxattr"},
    {WEFT__OP_SETXATTR, "setxattr"},
    {WEFT__OP_FSETXATTR, "fsetxattr"},
    {WEFT__OP_FUTEX_WAIT, "futex"},
    {WEFT__OP_SPLICE, "splice"},
    {WEFT__OP_WAITID, "waitid"},
    {WEFT__OP_SENDMSG, "sendmsg"},
    {WEFT__OP_RECVMSG, "recvmsg"},
    {WEFT__SIM_CALL_COPY, "copy"},
};
enum { OPCODES = sizeof opcodes / sizeof opcodes[0] };

/* Errors that a rule may name. */
static const struct {
    int error;
    const char *name;
} errors[] = {
#define E(name) {name, #name},
    E(EPERM) E(EINTR) E(EIO) E(EBADF) E(EAGAIN) E(ENOMEM) E(EACCES) E(EFAULT) E(EBUSY) E(EINVAL)
        E(ENFILE) E(EMFILE) E(ENOENT) E(EEXIST) E(EROFS) E(EDQUOT) E(ENOSPC) E(EPIPE) E(EPROTO)
            E(EADDRINUSE) E(EADDRNOTAVAIL) E(ENETDOWN) E(ENETUNREACH) E(ECONNABORTED) E(ECONNRESET)
                E(ENOBUFS) E(EMSGSIZE) E(ENOTCONN) E(ETIMEDOUT) E(ECONNREFUSED) E(EHOSTUNREACH)
                    E(ECANCELED) E(ETOOMANYREFS) E(EXDEV) E(EOPNOTSUPP) E(EFBIG) E(EMLINK)
                        E(EHOSTDOWN) E(ENONET) E(ENOPROTOOPT) E(EOVERFLOW)
#undef E
};
enum { ERRORS = sizeof errors / sizeof errors[0] };

static const struct {
    const char *name;
    int outcome;
} outcomes[] = {
    {"reset", WEFT__SIM_OUTCOME_RESET}, {"short", WEFT__SIM_OUTCOME_SHORT},
    {"hang", WEFT__SIM_OUTCOME_HANG},   {"late", WEFT__SIM_OUTCOME_LATE},
    {"stuck", WEFT__SIM_OUTCOME_STUCK},
};
enum { OUTCOMES = sizeof outcomes / sizeof outcomes[0] };

const char *weft__sim_opcode_name(uint8_t opcode)
{
    for (size_t i = 0; i < OPCODES; i++)
        if (opcodes[i].opcode == opcode)
            return opcodes[i].name;
    return "unknown";
}

const char *weft__sim_note_name(enum weft__sim_note note)
{
    return notes[note];
}

/* FNV-1a: of a knob's name, so that its place in the table does not matter. */
static uint64_t key_of(const char *name)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);

    for (; *name; name++)
        key = (key ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return key;
}

static void set_profile(struct weft__sim_plan *plan, enum profile profile)
{
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        plan->knobs[i] = (struct weft__sim_setting){.low = knobs[i].bounds[profile][0],
                                                    .high = knobs[i].bounds[profile][1],
                                                    .key = key_of(knobs[i].name)};
}

/* -- numbers -------------------------------------------------------------------------------- */

static bool number(const char **at, int64_t *value)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoll(*at, &end, 10);
    *at = end;
    return errno == 0;
}

/* A number with a unit of time, or none. */
static bool amount(const char **at, int64_t *value)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

    if (!number(at, value))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t length = strlen(units[i].unit);
        if (strncmp(*at, units[i].unit, length) == 0) {
            *at += length;
            return !__builtin_mul_overflow(*value, units[i].ns, value);
        }
    }
    return true;
}

static bool odds(const char **at, int64_t *value)
{
    int64_t below;

    if (strncmp(*at, "never", 5) == 0 || strncmp(*at, "always", 6) == 0) {
        *value = **at == 'n' ? 0 : WEFT__SIM_ODDS;
        *at += **at == 'n' ? 5 : 6;
        return true;
    }
    if (!number(at, value))
        return false;
    if (**at == '%') {
        (*at)++;
        if (__builtin_mul_overflow(*value, WEFT__SIM_ODDS / 100, value))
            return false;
    } else if (**at == '/') {
        (*at)++;
        if (!number(at, &below) || below <= 0 || *value > below ||
            __builtin_mul_overflow(*value, WEFT__SIM_ODDS, value))
            return false;
        *value /= below;
    }
    return *value <= WEFT__SIM_ODDS;
}

/* -- words ---------------------------------------------------------------------------------- */

static bool set_knob(struct weft__sim_setting *setting, bool is_span, const char *at)
{
    int64_t low, high;

    if (!is_span) {
        if (!odds(&at, &low) || *at)
            return false;
        setting->low = setting->high = low;
        return true;
    }
    if (!amount(&at, &low))
        return false;
    high = low;
    if (strncmp(at, "..", 2) == 0) {
        at += 2;
        if (!amount(&at, &high))
            return false;
    }
    if (*at || high < low)
        return false;
    setting->low = low;
    setting->high = high;
    return true;
}

static bool set_outcome(struct weft__sim_rule *rule, const char *name)
{
    for (size_t i = 0; i < OUTCOMES; i++)
        if (strcmp(outcomes[i].name, name) == 0)
            return (rule->outcome = outcomes[i].outcome);
    for (size_t i = 0; i < ERRORS; i++)
        if (strcmp(errors[i].name, name) == 0)
            return (rule->outcome = -errors[i].error);
    return false;
}

/* OP#N[@WHAT]=R, the word cut at its '='. */
static bool add_rule(struct weft__sim_plan *plan, char *word, const char *outcome)
{
    struct weft__sim_rule rule = {.nth = 0};
    char *hash = strchr(word, '#');
    const char *at = hash + 1;
    int64_t value;
    size_t i;

    *hash = '\0';
    for (i = 0; i < OPCODES && strcmp(opcodes[i].name, word) != 0; i++)
        continue;
    if (i == OPCODES || plan->rule_count == WEFT__SIM_RULES_MAX)
        return false;
    rule.opcode = opcodes[i].opcode;
    if (!number(&at, &value) || value == 0)
        return false;
    rule.nth = (uint64_t)value;
    if (*at == '@') {
        at++;
        if (number(&at, &value))
            rule.serial = (uint64_t)value;
        else if (snprintf(rule.kind, sizeof rule.kind, "%s", at) < (int)sizeof rule.kind)
            at += strlen(at);
    }
    if (*at || !set_outcome(&rule, outcome))
        return false;
    plan->rules[plan->rule_count++] = rule;
    return true;
}

static bool understand(struct weft__sim_plan *plan, char *word)
{
    char *value = strchr(word, '=');

    if (!value) {
        for (size_t i = 0; i < PROFILES; i++)
            if (strcmp(profiles[i], word) == 0) {
                set_profile(plan, (enum profile)i);
                return true;
            }
        return false;
    }
    *value++ = '\0';
    if (strchr(word, '#'))
        return add_rule(plan, word, value);
    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++)
        if (strcmp(knobs[i].name, word) == 0)
            return set_knob(&plan->knobs[i], knobs[i].is_span, value);
    return false;
}

int weft__sim_plan_parse(struct weft__sim_plan *plan, const char *text)
{
    char copy[sizeof plan->text], *rest = NULL;

    *plan = (struct weft__sim_plan){.seed = 0};
    text = text ? text : "rough";
    set_profile(plan, ROUGH);
    if (snprintf(plan->text, sizeof plan->text, "%s", text) >= (int)sizeof plan->text)
        return -EINVAL;
    memcpy(copy, plan->text, sizeof copy);
    for (char *word = strtok_r(copy, " ,;\n\t", &rest); word;
         word = strtok_r(NULL, " ,;\n\t", &rest))
        if (!understand(plan, word))
            return -EINVAL;
    return 0;
}

/* -- printing ------------------------------------------------------------------------------- */

/* Text that grows at its end and may be cut; `length` goes on, as snprintf's result does. */
struct line {
    char *text;
    size_t size, length;
};

static __attribute__((format(printf, 2, 3))) void put(struct line *line, const char *format, ...)
{
    size_t room = line->length < line->size ? line->size - line->length : 0;
    __builtin_va_list arguments;
    int length;

    __builtin_va_start(arguments, format);
    length = vsnprintf(room ? line->text + line->length : NULL, room, format, arguments);
    __builtin_va_end(arguments);
    line->length += length > 0 ? (size_t)length : 0;
}

static const char *outcome_name(int outcome)
{
    for (size_t i = 0; i < OUTCOMES; i++)
        if (outcomes[i].outcome == outcome)
            return outcomes[i].name;
    for (size_t i = 0; i < ERRORS; i++)
        if (errors[i].error == -outcome)
            return errors[i].name;
    return "?";
}

int weft__sim_plan_print(const struct weft__sim_plan *plan, char *text, size_t size)
{
    struct line line = {text, size, 0};

    for (size_t i = 0; i < WEFT__SIM_KNOB_COUNT; i++) {
        const struct weft__sim_setting *setting = &plan->knobs[i];
        put(&line, "%s%s=%lld", i ? " " : "", knobs[i].name, (long long)setting->low);
        if (setting->high != setting->low)
            put(&line, "..%lld", (long long)setting->high);
    }
    for (uint32_t i = 0; i < plan->rule_count; i++) {
        const struct weft__sim_rule *rule = &plan->rules[i];
        put(&line, " %s#%llu", weft__sim_opcode_name(rule->opcode), (unsigned long long)rule->nth);
        if (rule->serial)
            put(&line, "@%llu", (unsigned long long)rule->serial);
        else if (rule->kind[0])
            put(&line, "@%s", rule->kind);
        put(&line, "=%s", outcome_name(rule->outcome));
    }
    return (int)line.length;
}
