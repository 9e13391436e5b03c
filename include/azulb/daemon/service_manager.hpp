// What azulb tells the service manager that has started it (sd_notify(3)).
//
// Not libsystemd: the protocol is one datagram per message to a socket named in the environment, made to be
// implemented by itself, and the library would bring five compression and crypto libraries into the process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>

namespace azulb::daemon {

/// Without a service manager that listens (NOTIFY_SOCKET), every call does nothing. A message that cannot be
/// sent within a second is lost, with a line in the log. Main only.
class ServiceManager {
 public:
  /// Connects at once, while the process may still be allowed to what it later is not.
  static ServiceManager from_environment();

  ServiceManager(ServiceManager&& other) noexcept;
  ServiceManager& operator=(ServiceManager&&) = delete;
  ~ServiceManager();

  /// Started, or reloaded: serves by the configuration it has.
  void ready(std::string_view status);
  /// A reload begins; `ready` ends it.
  void reloading();
  /// Ends, and asks for so long to do so, beyond what the unit grants (TimeoutStopSec=).
  void stopping(std::chrono::milliseconds at_most, std::string_view status);
  /// One line for `systemctl status`.
  void status(std::string_view text);
  /// Another process takes this one's place (a binary upgrade).
  void main_process(pid_t process);
  void keep_alive();
  /// Says nothing any more: another process does.
  void fall_silent();

  /// How long the manager waits for `keep_alive` before it takes azulb for stuck; 0 = it does not.
  std::chrono::milliseconds watchdog_interval() const { return watchdog_interval_; }

 private:
  ServiceManager() = default;
  void connect(const std::string& path);
  void send(const std::string& message);

  int descriptor_ = -1;
  std::chrono::milliseconds watchdog_interval_{0};
};

}  // namespace azulb::daemon
