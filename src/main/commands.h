/* commands.h - one function per command that main itself carries out; each gives an exit code. */
#ifndef DARKROOM_MAIN_COMMANDS_H
#define DARKROOM_MAIN_COMMANDS_H

#include "client.h"

int command_serve(const struct config *config, int argc, char **argv);
int command_demo(const struct config *config, int argc, char **argv);
int command_collection(const struct config *config, int argc, char **argv);
int command_key(const struct config *config, int argc, char **argv);
int command_receipt(const struct config *config, int argc, char **argv);
int command_clock(const struct config *config, int argc, char **argv);
int command_reload(const struct config *config, int argc, char **argv);
int command_verify(const struct config *config, int argc, char **argv);
int command_rebuild(const struct config *config, int argc, char **argv);
int command_doctor(const struct config *config, int argc, char **argv);
int command_routes(const struct config *config, int argc, char **argv);
int command_config(const struct config *config, int argc, char **argv);
int command_version(const struct config *config, int argc, char **argv);

/* Refuses words that the command does not take: EXIT_USAGE after saying so, or -1 to go on. */
int command_no_words(int argc, char **argv, const char *usage);

/* True and taken out of argv if `flag` is there. */
bool command_take_flag(int *argc, char **argv, const char *flag);
/* The word behind `flag`, both taken out; NULL when absent. */
const char *command_take_value(int *argc, char **argv, const char *flag);

#endif
