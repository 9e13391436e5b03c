// Messages from other threads to a loop: mutex, queue and an eventfd. Never on the request path.
#pragma once

#include <deque>
#include <functional>
#include <mutex>

#include "azulb/net/gather.hpp"
#include "azulb/net/watcher.hpp"

namespace azulb::net {

/// The loop watches `descriptor`; its thread executes the messages. What a message has to say to connections
/// is settled when it returns.
class Mailbox final : public Watcher {
 public:
  using Message = std::function<void()>;

  explicit Mailbox(Gather& gather);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  /// What has not been executed is dropped.
  ~Mailbox() override;

  int descriptor() const { return descriptor_; }

  /// Any thread that has `descriptor` in its table (see make_own_descriptor_table). Messages run in the order
  /// of posting. What is posted after `close` is dropped.
  void post(Message message);
  /// The loop's thread: executes what has been posted, in order, also when a message asks for it. Messages
  /// may destroy what other events of a turn are for, so the loop does it after them.
  void deliver();
  /// Something may have been posted since the last `deliver`.
  bool ready() const { return ready_; }
  /// The loop's thread: no message is executed any more.
  void close();

 private:
  void on_events(std::uint32_t events) override;

  Gather& gather_;
  std::mutex mutex_;
  std::deque<Message> messages_;
  bool closed_ = false;
  bool ready_ = false;  // the loop's thread
  int descriptor_ = -1;
};

}  // namespace azulb::net
