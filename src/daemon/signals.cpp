#include "azulb/daemon/signals.hpp"

#include <csignal>
#include <utility>

#include "azulb/base/assert.hpp"

namespace azulb::daemon {

Signals::~Signals() {
  // A handle's memory is libuv's until its close callback.
  for (uv_signal_t* handle : handles_) {
    const int number = handle->signum;
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<uv_signal_t*>(closed); });
    std::signal(number, SIG_IGN);  // one that comes while the process ends must not kill it
  }
}

void Signals::listen(std::initializer_list<int> numbers, std::function<void(int)> callback) {
  callback_ = std::move(callback);
  for (const int number : numbers) {
    auto* handle = new uv_signal_t;
    int status = uv_signal_init(loop_.uv(), handle);
    AZULB_ASSERT(status == 0);
    handles_.push_back(handle);
    handle->data = this;
    status = uv_signal_start(
        handle,
        [](uv_signal_t* raised, int raised_number) {
          static_cast<Signals*>(raised->data)->callback_(raised_number);
        },
        number);
    AZULB_ASSERT(status == 0);
  }
}

}  // namespace azulb::daemon
