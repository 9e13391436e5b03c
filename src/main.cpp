#include <fcntl.h>
#include <unistd.h>

#include "azulb/daemon/command_line.hpp"

namespace {

/// Of standard input, output and error what is closed becomes /dev/null: else the next descriptors, sockets
/// among them, would take these numbers, and log lines would be written to a peer.
void open_standard_descriptors() {
  int descriptor;
  do {
    descriptor = open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) close(descriptor);
}

}  // namespace

int main(int argument_count, char** arguments) {
  open_standard_descriptors();
  return azulb::daemon::run(argument_count, arguments);
}
