#include "azulb/daemon/successor.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include "azulb/base/log.hpp"
#include "azulb/base/units.hpp"
#include "azulb/daemon/privileges.hpp"

namespace azulb::daemon {
namespace {

// Its descriptors, behind standard input, output and error.
constexpr int channel_place = 3;
constexpr int pid_file_place = 4;  // the first of what it may leave to us
constexpr int servers_place = 5;   // the sockets follow

constexpr std::size_t message_limit_bytes = std::size_t{128} * 1024;

/// What is not for it: what concerned our own start, and the id by which the service manager's watchdog knows
/// us, while it is the successor who will feed it.
bool is_inherited(std::string_view variable) {
  constexpr std::array<std::string_view, 5> left_out = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
                                                        "WATCHDOG_PID", Handover::variable};
  const std::string_view name = variable.substr(0, variable.find('='));
  return std::find(left_out.begin(), left_out.end(), name) == left_out.end();
}

std::vector<std::string> environment_with(const Handover& handover) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (is_inherited(*variable)) variables.emplace_back(*variable);
  }
  variables.push_back(std::string(Handover::variable) + "=" + handover.text());
  return variables;
}

/// As execve(2) wants them; they point into `texts`.
std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts)
    result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

uv_stdio_container_t inherit(int descriptor) {
  uv_stdio_container_t container{};
  container.flags = descriptor < 0 ? UV_IGNORE : UV_INHERIT_FD;
  container.data.fd = descriptor;
  return container;
}

std::string how_it_ended(std::int64_t status, int signal) {
  if (signal != 0) return fmt::format("it was ended by signal {} ({})", signal, strsignal(signal));
  return fmt::format("it ended with status {}", status);
}

}  // namespace

Successor::~Successor() {
  if (process_ != nullptr && !serves_) uv_process_kill(process_, SIGKILL);
  close_process();
  close_channel();
}

base::Result<void> Successor::start(const Invocation& invocation, const std::vector<HandedSockets>& sockets,
                                    int pid_file, const std::string& servers,
                                    std::chrono::milliseconds limit) {
  if (auto written = servers_.write(servers); !written) return written;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    return base::system_failure("cannot make a channel to it", errno);
  channel_ = ends[0];
  Handover handover{.predecessor = getpid(),
                    .channel = channel_place,
                    .pid_file = pid_file < 0 ? -1 : pid_file_place,
                    .servers = servers_place,
                    .sockets = sockets};
  std::vector<uv_stdio_container_t> descriptors = {inherit(STDIN_FILENO),  inherit(STDOUT_FILENO),
                                                   inherit(STDERR_FILENO), inherit(ends[1]),
                                                   inherit(pid_file),      inherit(servers_.descriptor())};
  handed_ = {pid_file, servers_.descriptor()};
  for (HandedSockets& of_address : handover.sockets) {
    for (int& descriptor : of_address.descriptors) {
      descriptors.push_back(inherit(descriptor));
      handed_.push_back(descriptor);
      descriptor = pid_file_place + static_cast<int>(handed_.size()) - 1;
    }
  }
  std::vector<std::string> argument_texts = invocation.arguments;
  std::vector<std::string> variable_texts = environment_with(handover);
  std::vector<char*> arguments = pointers(argument_texts);
  std::vector<char*> variables = pointers(variable_texts);
  uv_process_options_t options{};
  options.file = invocation.program.c_str();
  options.args = arguments.data();
  options.env = variables.data();
  options.stdio = descriptors.data();
  options.stdio_count = static_cast<int>(descriptors.size());
  options.exit_cb = [](uv_process_t* process, std::int64_t status, int signal) {
    if (process->data != nullptr) static_cast<Successor*>(process->data)->on_exit(status, signal);
  };
  process_ = new uv_process_t;
  process_->data = this;
  int status;
  {
    const LowPortsInherited low_ports;
    status = uv_spawn(loop_.uv(), process_, &options);
  }
  close(ends[1]);
  if (status != 0) {
    close_process();
    close(std::exchange(channel_, -1));
    return base::failure("cannot start " + invocation.program + ": " + uv_strerror(status));
  }
  limit_ = limit;
  loop_.timers().list(limit).start(timer_);
  // Without memory for that it is let go of, and ends.
  if (!loop_.watch_level(channel_, *this, false)) close(std::exchange(channel_, -1));
  return {};
}

void Successor::on_events(std::uint32_t) {
  if (channel_ < 0 || message_.ready) return;
  read_message();
  if (!message_.ready) return;
  timer_.stop();
  std::vector<int> left;
  for (const int place : message_.left) {
    const auto index = static_cast<std::size_t>(place - pid_file_place);
    if (place >= pid_file_place && index < handed_.size()) left.push_back(handed_[index]);
  }
  const auto tell = std::move(observer_.on_ready);
  tell(std::move(left));
}

void Successor::read_message() {
  std::string bytes(message_limit_bytes, '\0');
  const ssize_t size = recv(channel_, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return close_channel();  // its end follows
  bytes.resize(static_cast<std::size_t>(size));
  message_ = parse_successor_message(bytes);
}

bool Successor::let_serve(const std::string& servers) {
  const std::string message = serve_message();
  serves_ = servers_.write(servers) && send(channel_, message.data(), message.size(), MSG_NOSIGNAL) >= 0;
  if (!serves_) uv_process_kill(process_, SIGKILL);
  close_channel();
  return serves_;
}

void Successor::on_timeout() {
  timed_out_ = true;
  uv_process_kill(process_, SIGKILL);
}

void Successor::on_exit(std::int64_t status, int signal) {
  timer_.stop();
  if (serves_) {
    if (status != 0 || signal != 0) {
      base::log_error("process {}, which has taken this one's place, serves no more: {}", process(),
                      how_it_ended(status, signal));
    }
    return close_process();
  }
  if (channel_ >= 0 && !message_.ready) read_message();
  std::string reason =
      timed_out_ ? "it was not ready within " + base::format_duration(limit_) : how_it_ended(status, signal);
  close_process();
  close_channel();
  const auto tell = std::move(observer_.on_failure);
  tell(std::move(reason), std::move(message_.failed));
}

void Successor::close_channel() {
  if (channel_ < 0) return;
  loop_.unwatch(channel_);
  close(std::exchange(channel_, -1));
}

/// The handle's memory is libuv's until its close callback.
void Successor::close_process() {
  if (process_ == nullptr) return;
  process_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(process_, nullptr)),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_process_t*>(closed); });
}

}  // namespace azulb::daemon
