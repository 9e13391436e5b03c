#include "azulb/proxy/pending_connection.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "azulb/net/system_call.hpp"
#include "azulb/proxy/worker.hpp"

namespace azulb::proxy {

PendingConnection::PendingConnection(WorkerListener& listener, int descriptor,
                                     const base::SocketAddress& peer, std::uint16_t local_port)
    : listener_(listener), peer_(peer), descriptor_(descriptor), local_port_(local_port) {
  listener_.connection_made();
}

void PendingConnection::start() {
  listener_.codecs().header_timeout().start(timer_);
  look();
}

void PendingConnection::drain() {
  listener_.codecs().linger_timeout().start(timer_);
}

void PendingConnection::on_events(std::uint32_t events) {
  if (descriptor_ < 0) return;
  // All that the peer sent before its end is here to be seen.
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) peer_ended_ = true;
  look();
}

void PendingConnection::look() {
  const std::span<char> room = listener_.worker.loop().read_buffer().first(net::max_proxy_header_bytes);
  ssize_t count;
  do {
    count = recv(descriptor_, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  const bool nothing_yet = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  // Opened and closed again, as some check whether a port is open: nothing to tell.
  if (count == 0 || (count < 0 && !nothing_yet)) return end();
  const auto size = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  const net::ParsedProxyHeader header = net::parse_proxy_header({room.data(), size});
  switch (header.status) {
    case net::ParsedProxyHeader::Status::incomplete:
      if (peer_ended_) return refuse("it ends within its PROXY header");
      return wait();
    case net::ParsedProxyHeader::Status::malformed:
      return refuse(header.fault);
    case net::ParsedProxyHeader::Status::complete:
      if (!take(header.length)) return end();
      return hand_over(header);
  }
}

void PendingConnection::wait() {
  // The set is edge-triggered and what was peeked stays unread, but each arrival is an edge, and what arrived
  // between the look and the watch is told at once.
  if (watched_) return;
  watched_ = listener_.worker.loop().watch(descriptor_, *this);
  if (!watched_) refuse(std::strerror(errno));
}

bool PendingConnection::take(std::size_t size_bytes) {
  char* const room = listener_.worker.loop().read_buffer().data();
  while (size_bytes > 0) {
    const ssize_t count = net::receive_bytes(descriptor_, room, size_bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;  // reset meanwhile
    size_bytes -= static_cast<std::size_t>(count);
  }
  return true;
}

void PendingConnection::hand_over(const net::ParsedProxyHeader& header) {
  Worker& worker = listener_.worker;
  timer_.stop();
  unlink();
  const int descriptor = std::exchange(descriptor_, -1);
  if (watched_) worker.loop().unwatch(descriptor);  // its new owner watches it as it likes
  worker.loop().retire(*this);
  base::SocketAddress peer = peer_;
  std::uint16_t port = local_port_;
  if (header.addresses) {
    peer = base::SocketAddress::from_ip(header.addresses->source, header.addresses->source_port);
    port = header.addresses->destination_port;
  }
  const base::IpAddress* ip = header.addresses ? &header.addresses->destination : nullptr;
  ClientConnection& connection = worker.serve(listener_, descriptor, peer, port, ip);
  if (listener_.leaving()) connection.drain();
}

void PendingConnection::refuse(std::string_view fault) {
  listener_.refused(peer_, fault);
  end();
}

void PendingConnection::on_timeout() {
  refuse("its PROXY header did not come in time");
}

void PendingConnection::end() {
  if (descriptor_ < 0) return;
  timer_.stop();
  unlink();
  close();
  listener_.worker.loop().retire(*this);
  listener_.worker.connection_ended(listener_);
}

void PendingConnection::close() {
  if (descriptor_ >= 0) net::close_socket(std::exchange(descriptor_, -1));  // the epoll set forgets it, too
}

void PendingConnection::reclaim() {
  WorkerListener& listener = listener_;
  listener.worker.pending_slab_.destroy(*this);
  listener.connection_destroyed();
}

}  // namespace azulb::proxy
