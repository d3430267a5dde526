/*
 * fetch: downloads many URLs at once.
 *
 *     fetch [options] URL[=NAME]...
 *         -d DIR   where to; the folder at hand      -j N   so many at one time; 8
 *         -m MIB   no file larger than that          -r N   tries after faults that may pass; 3
 *         -t S     no download longer than that      -p     a progress line, terminal or not
 *         -c FILE  certificates to trust
 *
 * A download that was cut short leaves NAME.part, and goes on from there the next time; from the
 * beginning if the file is not any more what NAME.mark says (its ETag, or a date). Ends with 0 when
 * all are there.
 */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    struct fetch fetch;
    const char *directory;
    bool progress;
    int urls;
    char **url;
};

static bool parse(struct arguments *arguments, int argc, char **argv)
{
    struct fetch *fetch = &arguments->fetch;
    int option;

    *arguments = (struct arguments){.fetch = {.jobs = 8, .retries = 3}, .directory = "."};
    while ((option = getopt(argc, argv, "c:d:j:m:pr:t:")) != -1)
        switch (option) {
        case 'c':
            fetch->ca_file = optarg;
            break;
        case 'd':
            arguments->directory = optarg;
            break;
        case 'j':
            fetch->jobs = atoi(optarg);
            break;
        case 'm':
            fetch->size_max = (int64_t)(atof(optarg) * 1024 * 1024);
            break;
        case 'p':
            arguments->progress = true;
            break;
        case 'r':
            fetch->retries = atoi(optarg);
            break;
        case 't':
            fetch->limit_ns = (int64_t)(atof(optarg) * 1e9);
            break;
        default:
            return false;
        }
    arguments->urls = argc - optind;
    arguments->url = argv + optind;
    return arguments->urls > 0 && fetch->jobs > 0 && fetch->retries >= 0 && fetch->size_max >= 0;
}

/* Two downloads under one name would write to one file. */
static bool prepare(struct fetch *fetch, int count, char **urls)
{
    fetch->downloads = calloc((size_t)count, sizeof *fetch->downloads);
    fetch->count = fetch->downloads ? count : 0;
    for (int i = 0; i < fetch->count; i++) {
        struct download *download = &fetch->downloads[i];
        char *slash = strrchr(urls[i], '/'), *equals = slash ? strchr(slash, '=') : NULL;

        *download =
            (struct download){.fetch = fetch, .url = urls[i], .size = -1, .news = WEFT_EVENT_INIT};
        if (equals && !memchr(slash, '?', (size_t)(equals - slash)))
            *equals++ = '\0';
        else
            equals = NULL;
        if (!download_name(download, equals)) {
            fprintf(stderr, "fetch: %s: there is no name in it, say URL=NAME\n", urls[i]);
            return false;
        }
        for (int other = 0; other < i; other++)
            if (strcmp(download->name, fetch->downloads[other].name) == 0) {
                fprintf(stderr, "fetch: two files would be %s\n", download->name);
                return false;
            }
    }
    return fetch->count > 0;
}

static int all(struct fetch *fetch)
{
    int error = 0;

    WEFT_SCOPE(line) {
        if (fetch->shows_progress)
            error = weft_spawn(&line, progress_main, &fetch, sizeof fetch, NULL);
        WEFT_SCOPE(downloads, .max_tasks = (uint32_t)fetch->jobs)
            for (int i = 0; i < fetch->count && error == 0; i++) {
                struct download *download = &fetch->downloads[i];
                error = weft_spawn(&downloads, download_main, &download, sizeof download, NULL);
            }
        weft_scope_cancel(&line);
    }
    return error;
}

static int fetch_main(void *arg)
{
    struct arguments *arguments = arg;
    struct fetch *fetch = &arguments->fetch;
    char amount[16], speed[16];
    int64_t bytes = 0, ms;
    int error;

    fetch->directory = weft_open(arguments->directory, O_RDONLY | O_DIRECTORY, 0);
    if (fetch->directory < 0)
        return fetch->directory;
    fetch->shows_progress = arguments->progress || isatty(STDERR_FILENO);
    fetch->began_ns = weft_now();
    error = curl_bridge_open(&fetch->bridge);
    if (error == 0) {
        error = all(fetch);
        curl_bridge_close(&fetch->bridge);
    }
    weft_close(fetch->directory);
    ms = (weft_now() - fetch->began_ns) / 1000000;
    for (int i = 0; i < fetch->count; i++)
        bytes += fetch->downloads[i].have;
    progress_say(fetch, "%d of %d files, %s in %d.%03d s, %s/s", fetch->done, fetch->count,
                 progress_amount(amount, bytes), (int)(ms / 1000), (int)(ms % 1000),
                 progress_amount(speed, bytes * 1000 / (ms > 0 ? ms : 1)));
    return error;
}

int main(int argc, char **argv)
{
    static struct arguments arguments;
    char why[512] = "";
    struct weft_run_opt opt = {.size = sizeof opt,
                               .stop_on_sigterm = true,
                               .drain_ns = 1, /* what was begun can go on the next time */
                               .error_text = why,
                               .error_text_size = sizeof why};
    int result;

    if (!parse(&arguments, argc, argv)) {
        fprintf(stderr, "usage: fetch [-p] [-d DIR] [-j JOBS] [-m MIB] [-r RETRIES] [-t SECONDS] "
                        "[-c CERTIFICATES] URL[=NAME]...\n");
        return 2;
    }
    if (!prepare(&arguments.fetch, arguments.urls, arguments.url))
        return 2;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    result = weft_run(fetch_main, &arguments, 0, &opt);
    curl_global_cleanup();
    free(arguments.fetch.downloads);
    if (result < 0 && result != -ECANCELED)
        fprintf(stderr, "fetch: %s\n", why[0] ? why : strerror(-result));
    return result < 0 || arguments.fetch.done < arguments.fetch.count;
}
