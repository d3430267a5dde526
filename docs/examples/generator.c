/*
 * generator.c - a stream cut into lines by a generator, and numbered by another one.
 *
 * Each is a loop of its own; neither runs ahead of who asks it. The consumer stops at the line
 * "end", and the rest is never read.
 */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

enum { LINE = 64 };

struct numbered {
    int number;
    char text[LINE];
};

/* A pipe stands for what would be a socket. */
static int lines(weft_generator *self, void *arg)
{
    int fd = *(int *)arg, error = 0;
    char line[LINE] = "", byte;
    size_t length = 0;

    while (error == 0 && weft_read(fd, &byte, 1) == 1) {
        if (byte != '\n' && length < LINE - 1) {
            line[length++] = byte;
            continue;
        }
        line[length] = '\0';
        length = 0;
        error = weft_generator_produce(self, line);
    }
    puts("no more lines are read");
    return error;
}

static int number(weft_generator *self, void *arg)
{
    weft_generator *source = *(weft_generator **)arg;
    struct numbered item = {.number = 1};
    int error = 0;

    while (error == 0 && weft_generator_next(source, item.text) > 0) {
        error = weft_generator_produce(self, &item);
        item.number++;
    }
    return error;
}

static int show(int fd)
{
    weft_generator *source, *numbered;
    struct numbered item;
    int error = weft_generator_open(&source, LINE, lines, &fd, sizeof fd, NULL);

    if (error == 0)
        error = weft_generator_open(&numbered, sizeof item, number, &source, sizeof source, NULL);
    while (error == 0 && weft_generator_next(numbered, &item) > 0) {
        if (strcmp(item.text, "end") == 0)
            break;
        printf("%d: %s\n", item.number, item.text);
    }
    return error; /* whoever holds them closes them */
}

static int example(void *arg)
{
    static const char text[] = "warp\nweft\nend\nselvage\n";
    int fds[2], result = weft_pipe(fds, 0);

    (void)arg;
    if (result < 0)
        return result;
    WEFT_SCOPE(s) {
        if (weft_write(fds[1], text, sizeof text - 1) != (ssize_t)sizeof text - 1)
            puts("short");
        result = show(fds[0]);
    } /* both have ended here */
    puts("closed");
    weft_close(fds[0]);
    weft_close(fds[1]);
    return result;
}

int main(void)
{
    return weft_run(example, NULL, 0, NULL);
}
