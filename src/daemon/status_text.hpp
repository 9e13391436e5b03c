// /state for people.
#pragma once

#include <string>

#include "control_target.hpp"

namespace azulb::daemon {

/// Whether to colour what goes to standard output: a terminal, and no NO_COLOR (https://no-color.org).
bool wants_colour();

/// "up", "draining", "draining, down", "ejected", …: the whole state of a server in a word or two.
std::string state_word(const Json& server);

std::string status_text(const Json& state, bool colour);

}  // namespace azulb::daemon
