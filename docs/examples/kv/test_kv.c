/*
 * test_kv [--find] [SEED [COUNT]]: kv on the simulated kernel, in COUNT worlds from SEED on.
 *
 * In each world the server lives a few times, clients set values, and the power goes at some moment
 * of each life. What must hold afterwards: a value that a client was told OK for is there, or a
 * later one that it tried to set. Ends with 0 when that held in every world; with --find, when it
 * did not in one of them, and that one, run again, is the same to the last event.
 */
#include "kv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/sim.h>

/* Syncs fail one time in twenty; the rest is as rough as it comes. */
static const char plan[] = "rough disk.sync=1/20";
static const char address[] = "127.0.0.1:7000";

enum { CLIENTS = 3, KEYS = 4, SETS = 12, LIVES = 3, CHANGES = 60 };

static struct kv store;
static struct expected {
    int told;  /* the latest value that OK was said for */
    int tried; /* the latest that was asked for */
} expected[CLIENTS][KEYS];

static void key_of(char *key, size_t size, int client, int number)
{
    snprintf(key, size, "client%d.key%d", client, number);
}

/* The test's own dice: a world is its seed, so these come from it too. */
static uint64_t dice;
static int draw(int count)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(dice >> 33) % count;
}

/* -- a life ---------------------------------------------------------------------------------- */

/* Asks for one line and waits for the answer. 0, or -errno when the connection is of no use. */
static int ask(int fd, const char *line, char *reply, size_t size)
{
    ssize_t n = weft_send_all(fd, line, strlen(line), NULL);
    size_t have = 0;

    while (n > 0 && !memchr(reply, '\n', have) && have < size - 1)
        if ((n = weft_recv(fd, reply + have, size - 1 - have, 0)) > 0)
            have += (size_t)n;
    reply[have] = 0;
    return n > 0 ? 0 : n < 0 ? (int)n : -ECONNRESET;
}

static int client(void *arg)
{
    int self = *(int *)arg, fd = weft_connect_tcp(address, NULL), error = fd;
    char key[KV_TEXT_SIZE], line[80], reply[80];

    for (int i = 0; i < SETS && error >= 0; i++) {
        int number = draw(KEYS);
        struct expected *expects = &expected[self][number];

        key_of(key, sizeof key, self, number);
        snprintf(line, sizeof line, "SET %s %d\n", key, ++expects->tried);
        error = ask(fd, line, reply, sizeof reply);
        if (error == 0 && strcmp(reply, "OK\n") == 0)
            expects->told = expects->tried;
    }
    if (fd >= 0)
        weft_close(fd);
    return 0;
}

static int serve(void *arg)
{
    (void)arg;
    return kv_serve(&store, address, INT64_C(60000000000));
}

static int life(void *arg)
{
    (void)arg;
    if (kv_open(&store, "/tmp") < 0)
        return 0; /* a short one */
    WEFT_SCOPE(server, .on_error = WEFT_KEEP_GOING) {
        if (weft_spawn(&server, serve, NULL, 0, NULL) == 0 && weft_sleep(1000000) == 0) {
            WEFT_SCOPE(clients, .on_error = WEFT_KEEP_GOING) {
                for (int i = 0; i < CLIENTS; i++)
                    if (weft_spawn(&clients, client, &i, sizeof i, NULL) < 0)
                        break;
            }
        }
        weft_scope_cancel(&server);
    }
    kv_close(&store);
    return 0;
}

/* -- what must hold -------------------------------------------------------------------------- */

static int check_key(int self, int number)
{
    const struct expected *expects = &expected[self][number];
    char key[KV_TEXT_SIZE];
    const char *found;
    int value;

    key_of(key, sizeof key, self, number);
    found = kv_get(&store, key);
    value = found ? atoi(found) : 0;
    if (value >= expects->told && value <= expects->tried)
        return 0;
    fprintf(stderr, "%s: OK was said for %d, and it is %d\n", key, expects->told, value);
    return -EBADMSG;
}

static int check(void *arg)
{
    int error = -EIO;

    (void)arg;
    for (int i = 0; i < 100 && error == -EIO; i++) /* syncs fail here, too */
        error = kv_open(&store, "/tmp");
    if (error < 0)
        return error;
    for (int i = 0; i < CLIENTS * KEYS && error == 0; i++)
        error = check_key(i / KEYS, i % KEYS);
    kv_close(&store);
    return error;
}

/* -- worlds ---------------------------------------------------------------------------------- */

static int world(void *arg)
{
    int error = 0;

    (void)arg;
    dice = weft_sim_seed();
    memset(expected, 0, sizeof expected);
    for (int i = 0; i < LIVES && error == 0; i++) {
        weft_sim_power_off_after((uint64_t)draw(CHANGES) + 1);
        error = weft_run(life, NULL, 0, NULL);
        if (!weft_sim_power_is_off())
            weft_sim_power_off();
        weft_sim_power_on();
        if (error == 0)
            error = weft_run(check, NULL, 0, NULL);
    }
    return error;
}

static uint64_t steps; /* of all worlds */

static int run(uint64_t seed, uint64_t *hash)
{
    struct weft_sim_opt opt = {.size = sizeof opt, .seed = seed, .plan = plan};
    struct weft_sim_result result = {.size = sizeof result};
    int error = weft_sim_run(&opt, world, NULL, &result);

    *hash = result.hash;
    steps += result.steps;
    return error;
}

int main(int count, char **words)
{
    int find = count > 1 && strcmp(words[1], "--find") == 0;
    uint64_t first = count > 1 + find ? strtoull(words[1 + find], NULL, 10) : 1;
    uint64_t worlds = count > 2 + find ? strtoull(words[2 + find], NULL, 10) : 1000;
    uint64_t hash, again;

    for (uint64_t seed = first; seed < first + worlds; seed++) {
        if (run(seed, &hash) == 0)
            continue;
        if (!find)
            return 1;
        if (run(seed, &again) == 0 || again != hash)
            return 1;
        printf("found with seed %llu, and found again\n", (unsigned long long)seed);
        return 0;
    }
    printf("%llu worlds, %llu steps: every value that OK was said for is there\n",
           (unsigned long long)worlds, (unsigned long long)steps);
    return find;
}
