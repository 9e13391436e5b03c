#include "azulb/net/mailbox.hpp"

#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::net {

Mailbox::Mailbox(uv_loop_t* loop, Gather& gather) : gather_(gather) {
  wake_up_.data = this;
  const int status = uv_async_init(loop, &wake_up_,
                                   [](uv_async_t* handle) { static_cast<Mailbox*>(handle->data)->drain(); });
  AZULB_ASSERT(status == 0);
}

void Mailbox::post(Message message) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  messages_.push_back(std::move(message));
  uv_async_send(&wake_up_);  // under the lock, so that it never meets a closed handle
}

void Mailbox::drain() {
  // libuv merges wake-ups: one may stand for many messages.
  std::vector<Message> messages;
  {
    const std::lock_guard lock(mutex_);
    messages.swap(messages_);
  }
  for (const Message& message : messages) {
    message();
    gather_.flush();
  }
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  closed_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_up_), nullptr);
}

}  // namespace azulb::net
