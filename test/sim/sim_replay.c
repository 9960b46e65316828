// sim_replay.c - reads a recorded history and holds the models against it; see replay.h.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/replay.h"

void replay_say(struct replay *replay, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof replay->answer - replay->length;
    if (replay->length > 0 && room > 1) {
        replay->answer[replay->length++] = ' ';
        room--;
    }
    va_start(arguments, format);
    int written = vsnprintf(replay->answer + replay->length, room, format, arguments);
    va_end(arguments);
    replay->length += (size_t)written < room ? (size_t)written : room - 1;
}

int64_t replay_number(const char *text, const char *word, int64_t otherwise)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length)
        if ((at == text || at[-1] == ' ') && at[length] == ' ')
            return strtoll(at + length, NULL, 10);
    return otherwise;
}

static const struct replay_step *step_of(const struct replay_step *steps, const char *asked)
{
    size_t length = strcspn(asked, " ");
    while (steps->word != NULL &&
           (strlen(steps->word) != length || strncmp(steps->word, asked, length) != 0))
        steps++;
    return steps->word == NULL ? NULL : steps;
}

// Cuts a line into its question and its answer.
static bool line_cut(char *line, char **told)
{
    line[strcspn(line, "\n")] = '\0';
    *told = strstr(line, " -> ");
    if (*told == NULL)
        return false;
    **told = '\0';
    *told += strlen(" -> ");
    return true;
}

static int replay_line(struct replay *replay, int step, char *line)
{
    char *told = NULL;
    if (!line_cut(line, &told)) {
        fprintf(stderr, "sim: step %d is no 'question -> answer': %s\n", step, line);
        return 2;
    }
    const struct replay_step *found = step_of(replay_outbox_steps, line);
    if (found == NULL)
        found = step_of(replay_stream_steps, line);
    if (found == NULL) {
        fprintf(stderr, "sim: step %d asks what no model knows: %s\n", step, line);
        return 2;
    }
    replay->told = told;
    replay->length = 0;
    replay->answer[0] = '\0';
    found->answer(replay, line + strlen(found->word));
    if (strcmp(replay->answer, told) == 0)
        return 0;
    printf("step %d: %s: server: %s, model: %s\n", step, line, told, replay->answer);
    return 1;
}

int replay_file(struct world *world, const char *path)
{
    static struct replay replay;
    static char line[REPLAY_LINE_BYTES];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return 2;
    }
    replay.world = world;
    sim_init(world, 1, 0);
    int step = 0, outcome = 0;
    while (outcome == 0 && fgets(line, sizeof line, file) != NULL)
        if (line[0] != '#')
            outcome = replay_line(&replay, ++step, line);
    fclose(file);
    if (outcome == 0)
        printf("%d steps, all as the models say\n", step);
    return outcome;
}
