#include "cmd/cmd.h"

int main(int argc, char **argv)
{
    return oh__cmd_main(argc, argv);
}
