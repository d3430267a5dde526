/*
 * The programs of a range of seeds, one after the other, in a process of their own; what fails is
 * made smaller as long as it fails, and printed; with WEFT_FUZZ_AS_IT_IS set, printed as it is.
 *
 *      fuzz.tasks FIRST COUNT [PLAN]      seeds; PLAN: the number of one, else each seed draws its
 *      fuzz.tasks replay HEX              one program, as it was printed
 *      fuzz.tasks print SEED              the program of a seed
 *      fuzz.tasks corpus FOLDER COUNT     the first programs, a file each, for libFuzzer to begin
 * with
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern uint64_t world_steps;

/* How far the process that runs them has come. */
struct progress {
    uint64_t seed, programs, steps, world_steps;
};

static void be_patient(const struct weft_misuse *misuse)
{
    (void)misuse; /* the programs misuse calls on purpose: the answer is what counts */
}

static void run_seeds(struct progress *progress, uint64_t first, uint64_t count, int plan)
{
    uint8_t bytes[PROGRAM_SIZE_MAX];

    for (uint64_t seed = first; seed < first + count; seed++) {
        progress->seed = seed;
        run_program(bytes, program_generate(bytes, seed, plan));
        progress->programs++;
        progress->steps = steps_run;
        progress->world_steps = world_steps;
    }
}

/* 0: it ended well; else how it ended, as waitpid has it. */
static int ending_of(pid_t child)
{
    int status;

    return waitpid(child, &status, 0) == child ? status : -1;
}

/* Does it still fail? In a process of its own, which says nothing. */
static bool fails(const uint8_t *bytes, size_t size)
{
    pid_t child = fork();

    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0)
            dup2(nowhere, STDERR_FILENO);
        alarm(20);
        run_program(bytes, size);
        _exit(0);
    }
    return ending_of(child) != 0;
}

/* Takes out steps, in ever smaller pieces, as long as what is left fails. */
static size_t shrink_once(uint8_t *bytes, size_t size)
{
    uint8_t less[PROGRAM_SIZE_MAX];

    for (int piece = 32; piece > 0; piece /= 2)
        for (int at = 0;;) {
            size_t shorter;
            memcpy(less, bytes, size);
            shorter = program_without(less, size, at, piece);
            if (shorter == 0)
                break;
            if (fails(less, shorter)) {
                memcpy(bytes, less, shorter);
                size = shorter;
            } else {
                at += piece;
            }
        }
    return size;
}

static size_t shrink(uint8_t *bytes, size_t size)
{
    for (size_t before = 0; before != size;) {
        before = size;
        size = shrink_once(bytes, size);
    }
    return size;
}

static int replay(const char *hex)
{
    uint8_t bytes[PROGRAM_SIZE_MAX];
    size_t size = 0;
    unsigned int byte;

    while (size < sizeof bytes && sscanf(hex + 2 * size, "%2x", &byte) == 1)
        bytes[size++] = (uint8_t)byte;
    program_decode(&program, bytes, size);
    program_print(bytes, size);
    run_program(bytes, size);
    fprintf(stderr, "no law is broken\n");
    return 0;
}

static int report(uint64_t seed, int plan)
{
    uint8_t bytes[PROGRAM_SIZE_MAX];
    size_t size = program_generate(bytes, seed, plan);

    fprintf(stderr, "\nseed %llu fails; the least that does is:\n", (unsigned long long)seed);
    if (fails(bytes, size))
        size = shrink(bytes, size);
    run_program(bytes, size);
    fprintf(stderr, "seed %llu fails only after those before it\n", (unsigned long long)seed);
    return 1;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value && strcmp(value, "0") != 0;
}

static int64_t clock_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int run_range(uint64_t first, uint64_t count, int plan)
{
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int64_t begun = clock_ms(), took;
    pid_t child;
    int ending;

    if (progress == MAP_FAILED)
        return 1;
    child = fork();
    if (child == 0) {
        run_seeds(progress, first, count, plan);
        _exit(0);
    }
    ending = ending_of(child);
    if (WIFSIGNALED(ending))
        fprintf(stderr, "\nReceived signal %d in the program of seed %llu\n", WTERMSIG(ending),
                (unsigned long long)progress->seed);
    if (ending != 0)
        return is_set("WEFT_FUZZ_AS_IT_IS") ? 1 : report(progress->seed, plan);
    took = clock_ms() - begun + 1;
    printf("%llu programs, %llu steps of theirs, %llu of their worlds; per second %llu programs, "
           "%llu and %llu steps\n",
           (unsigned long long)progress->programs, (unsigned long long)progress->steps,
           (unsigned long long)progress->world_steps,
           (unsigned long long)progress->programs * 1000 / (uint64_t)took,
           (unsigned long long)progress->steps * 1000 / (uint64_t)took,
           (unsigned long long)progress->world_steps * 1000 / (uint64_t)took);
    return 0;
}

static int write_corpus(const char *folder, uint64_t count)
{
    uint8_t bytes[PROGRAM_SIZE_MAX];
    char path[4096];

    for (uint64_t seed = 1; seed <= count; seed++) {
        size_t size = program_generate(bytes, seed, -1), written;
        FILE *file;
        snprintf(path, sizeof path, "%s/seed-%llu", folder, (unsigned long long)seed);
        file = fopen(path, "wb");
        if (!file)
            return 1;
        written = fwrite(bytes, 1, size, file);
        if (fclose(file) != 0 || written != size)
            return 1;
    }
    return 0;
}

enum { LONG = 40 };

int main(int count, char **words)
{
    weft_misuse_hook_set(be_patient);
    if (count == 3 && strcmp(words[1], "replay") == 0)
        return replay(words[2]);
    if (count == 3 && strcmp(words[1], "print") == 0) {
        uint8_t bytes[PROGRAM_SIZE_MAX];
        program_print(bytes, program_generate(bytes, strtoull(words[2], NULL, 0), -1));
        return 0;
    }
    if (count == 4 && strcmp(words[1], "corpus") == 0)
        return write_corpus(words[2], strtoull(words[3], NULL, 0));
    if (count < 3) {
        fprintf(stderr, "usage: fuzz.tasks FIRST COUNT [PLAN] | replay HEX | print SEED | "
                        "corpus FOLDER COUNT\n");
        return 2;
    }
    return run_range(strtoull(words[1], NULL, 0),
                     strtoull(words[2], NULL, 0) * (is_set("WEFT_LONG") ? LONG : 1),
                     count > 3 ? atoi(words[3]) : -1);
}
