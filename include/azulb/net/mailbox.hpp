// Messages from other threads to a loop: mutex, queue and a libuv wake-up. Never on the request path.
#pragma once

#include <uv.h>

#include <functional>
#include <mutex>
#include <vector>

#include "azulb/net/gather.hpp"

namespace azulb::net {

class Mailbox {
 public:
  using Message = std::function<void()>;

  /// Attaches to the loop; the thread that runs the loop executes the messages. What a message has to say to
  /// connections leaves when it returns.
  Mailbox(uv_loop_t* loop, Gather& gather);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  /// After `close` and a run of the loop.
  ~Mailbox() = default;

  /// Any thread. Messages run in the order of posting. What is posted after `close` is dropped.
  void post(Message message);

  /// The loop's thread: no message is executed any more.
  void close();

 private:
  void drain();

  Gather& gather_;
  std::mutex mutex_;
  std::vector<Message> messages_;
  bool closed_ = false;
  uv_async_t wake_up_;
};

}  // namespace azulb::net
