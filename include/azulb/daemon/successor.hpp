// The process that is to take this one's place, from its start until it is ready or has failed.
#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "azulb/base/result.hpp"
#include "azulb/daemon/handover.hpp"
#include "azulb/daemon/invocation.hpp"
#include "azulb/daemon/shared_text.hpp"
#include "azulb/net/loop.hpp"

namespace azulb::daemon {

/// Main only. Destroyed before it may serve, it is killed.
class Successor final : private net::Watcher {
 public:
  /// Exactly one of the two comes, from the loop, after `start`; either may destroy this.
  struct Observer {
    /// It waits for `let_serve`; for these descriptors of what it was handed it has no use.
    std::function<void(std::vector<int> left)> on_ready;
    /// It has ended. In a sentence's end why, and what it said itself: nothing, or lines.
    std::function<void(std::string reason, std::string text)> on_failure;
  };

  Successor(net::Loop& loop, Observer observer) : loop_(loop), observer_(std::move(observer)) {}
  Successor(const Successor&) = delete;
  Successor& operator=(const Successor&) = delete;
  ~Successor() override;

  /// Starts it with our sockets, pid file (-1: none) and a text about servers, and gives it so long to be
  /// ready. The error says why it could not be started; nothing follows then.
  base::Result<void> start(const Invocation& invocation, const std::vector<HandedSockets>& sockets,
                           int pid_file, const std::string& servers, std::chrono::milliseconds limit);
  pid_t process() const { return process_ == nullptr ? 0 : process_->pid; }
  /// Once it is ready, with that text as it is by now. False: it has died meanwhile, or cannot have the text,
  /// and `on_failure` comes.
  bool let_serve(const std::string& servers);

 private:
  void on_events(std::uint32_t events) override;
  void on_timeout();
  void on_exit(std::int64_t status, int signal);
  void read_message();
  void close_channel();
  void close_process();

  net::Loop& loop_;
  Observer observer_;
  std::vector<int> handed_;  // our descriptors, in the order of its own
  SharedText servers_;
  int channel_ = -1;
  uv_process_t* process_ = nullptr;
  std::chrono::milliseconds limit_{0};
  net::MemberTimer<Successor, &Successor::on_timeout> timer_{*this};
  SuccessorMessage message_;
  bool timed_out_ = false;
  bool serves_ = false;
};

}  // namespace azulb::daemon
