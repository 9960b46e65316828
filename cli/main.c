// main.c - the `nova` binary; all of it is in command.c, so that tests can link it.
#include "cli/command.h"

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
