// embed.c - a build's own tool: turns passwords.txt into the C source of the filter that ships.
//
// usage: leaked_embed LIST OUT.c
#include <sodium.h>
#include <stdlib.h>

#include "services/identity/leaked.h"

static int embed_write(const char *path, FILE *filter)
{
    FILE *out = fopen(path, "w");
    int byte, column = 0;
    if (out == NULL)
        return EXIT_FAILURE;
    rewind(filter);
    fputs("// Made by leaked_embed of services/leaked/passwords.txt.\n"
          "#include \"services/identity/leaked.h\"\n\nconst uint8_t leaked_shipped[] = {",
          out);
    while ((byte = getc(filter)) != EOF)
        fprintf(out, "%s%d,", column++ % 20 == 0 ? "\n    " : "", byte);
    fputs("\n};\nconst size_t leaked_shipped_bytes = sizeof leaked_shipped;\n", out);
    return fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct leaked_built built;
    struct error err;
    FILE *list = argc == 3 ? fopen(argv[1], "r") : NULL;
    FILE *filter = tmpfile();
    if (list == NULL || filter == NULL || sodium_init() < 0) {
        fputs("usage: leaked_embed LIST OUT.c\n", stderr);
        return EXIT_FAILURE;
    }
    if (leaked_build(&built, filter, list, LEAKED_ONE_IN, &err) != NOVA_OK) {
        fprintf(stderr, "leaked_embed: %s\n", err.text);
        return EXIT_FAILURE;
    }
    int code = embed_write(argv[2], filter);
    fclose(filter);
    fclose(list);
    return code;
}
