#include "azulb/net/loop.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "azulb/base/assert.hpp"
#include "azulb/base/clock.hpp"
#include "azulb/net/descriptor_table.hpp"
#include "azulb/net/system_call.hpp"

namespace azulb::net {
namespace {

constexpr int events_per_wait = 256;

// Small messages wait while every look at the sockets finds more to do, for so many turns at most.
constexpr int turns_held_limit = 3;

}  // namespace

Loop::Loop() : mailbox_(gather_), read_buffer_(new char[read_buffer_bytes]) {
  const int status = uv_loop_init(&uv_);
  AZULB_ASSERT(status == 0);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  AZULB_ASSERT(epoll_ >= 0);
  const bool watched =
      watch_level(uv_backend_fd(&uv_), libuv_, false) && watch_level(mailbox_.descriptor(), mailbox_, false);
  AZULB_ASSERT(watched);
  update_time();
}

Loop::~Loop() {
  mailbox_.close();
  reclaim_retired();
  close(epoll_);
  uv_run(&uv_, UV_RUN_DEFAULT);
  const int status = uv_loop_close(&uv_);
  AZULB_ASSERT(status == 0);
}

bool Loop::watch(int descriptor, Watcher& watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &watcher;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

bool Loop::watch_level(int descriptor, Watcher& watcher, bool exclusive) {
  epoll_event event{};
  event.events = exclusive ? (EPOLLIN | EPOLLEXCLUSIVE) : EPOLLIN;
  event.data.ptr = &watcher;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Loop::unwatch(int descriptor) {
  const int status = epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
  AZULB_ASSERT(status == 0);
}

void Loop::update_time() {
  now_ns_ = base::monotonic_ns();
  timers_.set_now_ms(now_ns_ / 1'000'000);
}

void Loop::run() {
  stopping_ = false;
  while (!stopping_)
    turn(TimerQueue::never);
  run_deferred();
  gather_.flush();
  reclaim_retired();
  pipes_.clear();  // on this thread: it may have a descriptor table of its own
}

void Loop::own_descriptors(std::span<const int> kept) {
  // Of libuv only its backend stays: a handle that it had to tell to the kernel would be without its
  // descriptors.
  AZULB_ASSERT(uv_loop_alive(&uv_) == 0);
  std::vector<int> all(kept.begin(), kept.end());
  all.insert(all.end(), {epoll_, uv_backend_fd(&uv_), mailbox_.descriptor()});
  own_descriptors_ = make_own_descriptor_table(all);
}

void Loop::run_once(std::chrono::milliseconds limit) {
  turn(limit.count());
  gather_.flush();
}

int Loop::wait_ms(std::int64_t limit_ms) {
  if (!deferred_.empty()) return 0;
  std::int64_t wait = limit_ms;
  const std::int64_t deadline = timers_.next_deadline_ms();
  if (deadline != TimerQueue::never) wait = std::min(wait, std::max<std::int64_t>(deadline - now_ms(), 0));
  const int libuv_wait = libuv_wait_ms();
  if (libuv_wait >= 0) wait = std::min<std::int64_t>(wait, libuv_wait);
  if (libuv_wait == 0) libuv_.ready = true;
  if (wait == TimerQueue::never) return -1;
  return static_cast<int>(std::min<std::int64_t>(wait, 60'000));
}

int Loop::libuv_wait_ms() {
  if (uv_loop_alive(&uv_) == 0) return -1;
  // Also 0 while libuv has watchers that it has not yet told its own descriptor about.
  int wait = uv_backend_timeout(&uv_);
  if (wait > 0) {
    uv_update_time(&uv_);  // it counts from its own clock, which stands still between its runs
    wait = uv_backend_timeout(&uv_);
  }
  return wait;
}

void Loop::turn(std::int64_t limit_ms) {
  std::array<epoll_event, events_per_wait> events;
  const int timeout_ms = gather_.holding() ? 0 : wait_ms(limit_ms);
  const int count = wait_for_events(epoll_, events.data(), events_per_wait, timeout_ms);
  AZULB_ASSERT(count >= 0 || errno == EINTR);
  update_time();
  for (int index = 0; index < count; ++index) {
    const epoll_event& event = events[static_cast<std::size_t>(index)];
    static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
    gather_.settle();
  }
  run_deferred();
  timers_.run_due([this] { gather_.settle(); });
  run_libuv();
  if (mailbox_.ready()) mailbox_.deliver();
  turns_held_ = gather_.holding() ? turns_held_ + 1 : 0;
  if (turns_held_ == turns_held_limit || count == 0) {
    turns_held_ = 0;
    gather_.flush();
  }
  reclaim_retired();
}

void Loop::run_deferred() {
  // What is deferred from here on waits for the next turn: a busy connection doesn't starve the others.
  base::IntrusiveList<Deferred, Deferred> now;
  now.take_all(deferred_);
  while (!now.empty()) {
    now.pop_front().on_deferred();
    gather_.settle();
  }
}

void Loop::run_libuv() {
  if (!libuv_.ready && libuv_wait_ms() != 0) return;
  libuv_.ready = false;
  uv_run(&uv_, UV_RUN_NOWAIT);
  gather_.flush();
}

void Loop::reclaim_retired() {
  while (Retired* object = retired_) {
    retired_ = object->next_retired_;
    if (retired_ == nullptr) last_retired_ = &retired_;
    object->reclaim();
  }
}

}  // namespace azulb::net
