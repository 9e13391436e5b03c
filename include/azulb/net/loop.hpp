// A thread's event loop. libuv carries signals and processes; sockets stand in an epoll set of ours,
// edge-triggered and registered once, into which libuv's own descriptor is hung. A turn is: wait, sockets,
// deferred work, timers, libuv and messages of other threads (if there are any), retire. Small messages to
// peers leave together when a look at the sockets finds nothing more, before the loop sleeps.
//
// Why not uv_poll_t: it probes each descriptor with two epoll_ctl and one ioctl, changes the set whenever
// interest changes, and costs 160 bytes a socket. Here a socket costs one epoll_ctl in its life and nothing
// beside its watcher.
#pragma once

#include <uv.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "azulb/base/intrusive_list.hpp"
#include "azulb/base/result.hpp"
#include "azulb/net/gather.hpp"
#include "azulb/net/mailbox.hpp"
#include "azulb/net/pipe_pool.hpp"
#include "azulb/net/timers.hpp"
#include "azulb/net/watcher.hpp"

namespace azulb::net {

/// Work put off to later in the same turn (or the start of the next), out of the caller's stack.
class Deferred : private base::ListNode<Deferred> {
 public:
  virtual ~Deferred() = default;
  void cancel() { unlink(); }

 private:
  friend class Loop;
  template <typename, typename>
  friend class base::IntrusiveList;
  virtual void on_deferred() = 0;
};

/// An object at its end: handed to the loop, given back to its owner after this turn's callbacks.
class Retired {
 public:
  virtual ~Retired() = default;

 private:
  friend class Loop;
  /// The object's owner takes it back (and destroys it).
  virtual void reclaim() = 0;
  Retired* next_retired_ = nullptr;
};

/// Everything here is for the loop's own thread, unless it says otherwise.
class Loop {
 public:
  /// Size of the shared read buffer: the most one read returns.
  static constexpr std::size_t read_buffer_bytes =
      80 * 1024;  // a body of 64 KiB and its head come in one read

  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// All watchers must be gone; libuv handles must be closed (`run` has returned).
  ~Loop();

  /// Runs until `stop`. What was retired is reclaimed before it returns.
  void run();
  void stop() { stopping_ = true; }
  /// One turn that waits at most `limit`; for tests.
  void run_once(std::chrono::milliseconds limit);

  uv_loop_t* uv() { return &uv_; }
  /// Any thread: runs `message` on the loop's thread.
  void post(Mailbox::Message message) { mailbox_.post(std::move(message)); }
  /// What a thread needs to post, if it has a descriptor table of its own.
  int mailbox_descriptor() const { return mailbox_.descriptor(); }
  /// Runs what has been posted, now, for an owner that is about to end. The loop's thread.
  void deliver_messages() { mailbox_.deliver(); }
  /// The thread that will run the loop: takes a descriptor table of its own, in which the loop, `kept` and
  /// nothing else is left.
  void own_descriptors(std::span<const int> kept);
  bool has_own_descriptors() const { return own_descriptors_; }
  TimerQueue& timers() { return timers_; }
  Gather& gather() { return gather_; }
  PipePool& pipes() { return pipes_; }
  /// The monotonic clock, read once a turn: what happens in one turn happens at one time.
  std::int64_t now_ms() const { return timers_.now_ms(); }
  std::int64_t now_ns() const { return now_ns_; }

  /// How long an adopted connection that waits for nothing stays unwatched (2 to 5 ms); then it is watched
  /// all the same, for its peer's leaving.
  TimerList& watch_delay() { return watch_delay_; }

  /// Watches a descriptor, edge-triggered, for everything, until it is closed. False with errno set on
  /// failure (out of memory or watches).
  bool watch(int descriptor, Watcher& watcher);
  /// Watches a descriptor for reading, level-triggered. `exclusive`: of several loops that watch it, one
  /// wakes.
  bool watch_level(int descriptor, Watcher& watcher, bool exclusive);
  /// Ends a watch without closing the descriptor.
  void unwatch(int descriptor);

  void defer(Deferred& work) {
    if (!work.linked()) deferred_.push_back(work);
  }
  /// Each object once.
  void retire(Retired& object) {
    *last_retired_ = &object;
    last_retired_ = &object.next_retired_;
  }

  /// Shared by all reads on this thread; its contents last until the callback they are given to returns.
  std::span<char> read_buffer() { return {read_buffer_.get(), read_buffer_bytes}; }
  /// Room to put a TLS record's plain text together, for the call that asks.
  std::span<char> record_buffer() { return record_buffer_; }

 private:
  void turn(std::int64_t limit_ms);
  int wait_ms(std::int64_t limit_ms);
  int libuv_wait_ms();
  void update_time();
  void run_deferred();
  void run_libuv();
  void reclaim_retired();

  class LibuvWatcher final : public Watcher {
   public:
    bool ready = false;

   private:
    void on_events(std::uint32_t) override { ready = true; }
  };

  Gather gather_;
  PipePool pipes_;
  uv_loop_t uv_;
  Mailbox mailbox_;
  int epoll_ = -1;
  LibuvWatcher libuv_;
  TimerQueue timers_;
  TimerList& watch_delay_ = timers_.list(std::chrono::milliseconds(2), std::chrono::milliseconds(4));
  base::IntrusiveList<Deferred, Deferred> deferred_;
  int turns_held_ = 0;          // in which messages were held without being sent
  Retired* retired_ = nullptr;  // in the order of `retire`
  Retired** last_retired_ = &retired_;
  std::unique_ptr<char[]> read_buffer_;
  std::array<char, std::size_t{16} * 1024> record_buffer_;
  std::int64_t now_ns_ = 0;
  bool stopping_ = false;
  bool own_descriptors_ = false;
};

}  // namespace azulb::net
