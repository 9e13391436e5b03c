#include "azulb/net/descriptor_channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "azulb/base/assert.hpp"

namespace azulb::net {
namespace {

/// One byte, and perhaps a descriptor with it.
class Message {
 public:
  Message() {
    part_ = {.iov_base = &byte_, .iov_len = 1};
    header_.msg_iov = &part_;
    header_.msg_iovlen = 1;
  }
  void put(int descriptor) {
    make_room();
    cmsghdr* const control = CMSG_FIRSTHDR(&header_);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof descriptor);
  }
  void make_room() {
    header_.msg_control = control_;
    header_.msg_controllen = sizeof control_;
  }
  /// -1: none came.
  int take() {
    int descriptor = -1;
    const cmsghdr* const control = CMSG_FIRSTHDR(&header_);
    if (control != nullptr && control->cmsg_type == SCM_RIGHTS)
      std::memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
    return descriptor;
  }
  msghdr* header() { return &header_; }

 private:
  char byte_ = 0;
  iovec part_{};
  msghdr header_{};
  alignas(cmsghdr) char control_[CMSG_SPACE(sizeof(int))] = {};
};

bool send_message(int socket, Message& message) {
  ssize_t sent;
  do {
    sent = sendmsg(socket, message.header(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace

DescriptorChannel::DescriptorChannel() {
  const int status = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends_);
  AZULB_ASSERT(status == 0);
}

DescriptorChannel::~DescriptorChannel() {
  for (const int end : ends_)
    close(end);
}

void DescriptorChannel::send(int descriptor) {
  Message message;
  message.put(descriptor);
  if (send_message(ends_[0], message)) return;
  Message without;  // the receiver waits for one, and learns that it is missing
  send_message(ends_[0], without);
}

base::Result<int> DescriptorChannel::receive() {
  Message message;
  message.make_room();
  ssize_t size;
  do {
    size = recvmsg(ends_[1], message.header(), MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size <= 0) return base::system_failure("cannot take over a socket", size == 0 ? EPIPE : errno);
  const int descriptor = message.take();
  if (descriptor < 0)
    return base::system_failure("cannot take over a socket (raise the limit on open files)", EMFILE);
  return descriptor;
}

}  // namespace azulb::net
