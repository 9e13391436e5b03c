#include "azulb/net/mailbox.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::net {

Mailbox::Mailbox(Gather& gather) : gather_(gather), descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  AZULB_ASSERT(descriptor_ >= 0);
}

Mailbox::~Mailbox() {
  ::close(descriptor_);
}

void Mailbox::post(Message message) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  messages_.push_back(std::move(message));
  if (messages_.size() > 1) return;  // woken already
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(descriptor_, &one, sizeof one);
}

void Mailbox::on_events(std::uint32_t) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t received = read(descriptor_, &count, sizeof count);
  ready_ = true;
}

void Mailbox::deliver() {
  ready_ = false;
  while (true) {
    Message message;
    {
      const std::lock_guard lock(mutex_);
      if (messages_.empty()) return;
      message = std::move(messages_.front());
      messages_.pop_front();
    }
    message();
    gather_.settle();
  }
}

void Mailbox::close() {
  std::deque<Message> dropped;  // destroyed without the lock: what they hold may post, too
  const std::lock_guard lock(mutex_);
  closed_ = true;
  messages_.swap(dropped);
}

}  // namespace azulb::net
