#include "azulb/daemon/inherited_sockets.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <utility>

namespace azulb::daemon {
namespace {

constexpr int first_descriptor = 3;     // sd_listen_fds(3): SD_LISTEN_FDS_START
constexpr int most_descriptors = 4096;  // a larger number is no service manager's

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

std::optional<int> number_of(const std::string& text) {
  int number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size()) return {};
  return number;
}

/// The first of "a:b:c", which is taken off.
std::string take_name(std::string_view& names) {
  const std::size_t colon = names.find(':');
  std::string name(names.substr(0, colon));
  names = colon == std::string_view::npos ? std::string_view{} : names.substr(colon + 1);
  return name;
}

}  // namespace

base::Result<InheritedSockets> InheritedSockets::from_environment() {
  const std::string process = take_variable("LISTEN_PID");
  const std::string count_text = take_variable("LISTEN_FDS");
  const std::string names_text = take_variable("LISTEN_FDNAMES");
  InheritedSockets inherited;
  // Meant for another process: an ancestor's that did not clear them away.
  if (process.empty() || number_of(process) != getpid()) return inherited;
  const auto count = number_of(count_text);
  if (!count || *count < 0 || *count > most_descriptors)
    return base::failure("LISTEN_FDS is \"" + count_text + "\", which is no number of sockets");
  std::string_view names = names_text;
  for (int descriptor = first_descriptor; descriptor < first_descriptor + *count; ++descriptor) {
    std::string name = take_name(names);
    auto socket = net::BoundSocket::adopt(descriptor, net::BoundSocket::Holder::manager);
    if (!socket) return base::failure("inherited socket \"" + name + "\": " + socket.error().message);
    inherited.sockets_.push_back(
        {.name = std::move(name), .means_all = true, .was_bound = false, .socket = std::move(*socket)});
  }
  return inherited;
}

base::Result<InheritedSockets> InheritedSockets::from_predecessor(const Handover& handover) {
  using Holder = net::BoundSocket::Holder;
  InheritedSockets inherited;
  for (const HandedSockets& handed : handover.sockets) {
    for (const int descriptor : handed.descriptors) {
      auto socket =
          net::BoundSocket::adopt(descriptor, handed.managed ? Holder::manager : Holder::predecessor);
      if (!socket) {
        return base::failure("socket of listener \"" + handed.listener +
                             "\", handed down: " + socket.error().message);
      }
      inherited.sockets_.push_back({.name = handed.listener,
                                    .means_all = handed.named,
                                    .was_bound = !handed.managed,
                                    .socket = std::move(*socket)});
    }
  }
  return inherited;
}

template <typename Match>
std::vector<net::BoundSocket> InheritedSockets::take_if(Match match) {
  std::vector<net::BoundSocket> taken;
  std::vector<Inherited> left;
  for (Inherited& inherited : sockets_) {
    if (match(inherited)) {
      taken.push_back(std::move(inherited.socket));
    } else {
      left.push_back(std::move(inherited));
    }
  }
  sockets_.swap(left);
  return taken;
}

std::vector<net::BoundSocket> InheritedSockets::take_named(std::string_view name) {
  return take_if(
      [name](const Inherited& inherited) { return inherited.means_all && inherited.name == name; });
}

std::vector<net::BoundSocket> InheritedSockets::take_bound_to(const base::SocketAddress& address,
                                                              std::string_view listener) {
  const bool any_port = !address.is_unix() && address.port() == 0;
  return take_if([&](const Inherited& inherited) {
    const base::SocketAddress& bound = inherited.socket.address();
    if (!any_port) return bound == address;
    return inherited.was_bound && inherited.name == listener && !bound.is_unix() &&
           bound.ip() == address.ip();
  });
}

std::vector<int> InheritedSockets::left() const {
  std::vector<int> descriptors;
  for (const Inherited& inherited : sockets_)
    descriptors.push_back(inherited.socket.descriptor());
  return descriptors;
}

base::Result<void> InheritedSockets::all_taken() const {
  if (sockets_.empty()) return {};
  const Inherited& left = sockets_.front();
  return base::failure("no listener has the address of the inherited socket " + left.socket.address().text() +
                       " (named \"" + left.name +
                       "\"): write it as an address, or give the socket a listener's name "
                       "(FileDescriptorName= in the .socket unit)");
}

}  // namespace azulb::daemon
