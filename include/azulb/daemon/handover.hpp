// What one azulb says to the one that takes its place: in a variable of its environment what it hands down,
// then two messages over a channel.
//
//     predecessor                          successor
//        | starts it, sockets and all ------> | checks the configuration, starts workers, learns of servers
//        | <------------------------- "ready" | (or "failed"; it accepts nothing yet)
//        | "serve" -------------------------> | accepts
//        v lets its connections end
//
// All of it is JSON, and unknown keys are left alone, as the two are of different versions.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "azulb/base/result.hpp"

namespace azulb::daemon {

/// Listening sockets of one address.
struct HandedSockets {
  std::string listener;          // empty: of the admin pages
  bool managed = false;          // the service manager holds them, too
  bool named = false;            // and gave them the listener's name: they stand for all of its addresses
  std::vector<int> descriptors;  // in the table of whoever looks at this
};

struct Handover {
  static constexpr const char* variable = "AZULB_UPGRADE";

  pid_t predecessor = 0;
  int channel = -1;
  int pid_file = -1;  // open for writing; -1: there is none
  int servers = -1;   // a SharedText: what the API has changed of them; -1: of a version that hands none down
  std::vector<HandedSockets> sockets;

  std::string text() const;
  static base::Result<Handover> parse(const std::string& text);
};

/// "ready": `left` are descriptors of what it was handed and has no use for.
std::string ready_message(const std::vector<int>& left);
/// `reason` may have several lines; a long one is cut.
std::string failed_message(const std::string& reason);
std::string serve_message();

struct SuccessorMessage {
  bool ready = false;
  std::vector<int> left;
  std::string failed;
};
/// What is no message says nothing.
SuccessorMessage parse_successor_message(const std::string& text);
bool is_serve_message(const std::string& text);

}  // namespace azulb::daemon
