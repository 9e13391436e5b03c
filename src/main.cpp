#include "azulb/daemon/command_line.hpp"

int main(int argument_count, char** arguments) {
  return azulb::daemon::run(argument_count, arguments);
}
