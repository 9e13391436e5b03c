// Who is next: one queue for the requests of all workers that wait for a server of an upstream. A worker
// keeps its own waiting requests and tells the queue the ticket of its first; the least ticket is next,
// whichever worker has it.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

namespace azulb::balance {

/// Any thread. The mutex is taken only while somebody waits, and when a worker joins or leaves.
class WaitingQueue {
 public:
  /// Orders the requests that wait: the least is next.
  using Ticket = std::uint64_t;
  static constexpr Ticket nobody = std::numeric_limits<Ticket>::max();

  /// One worker's part of the queue.
  class Member {
   public:
    virtual ~Member() = default;

   private:
    friend class WaitingQueue;
    /// A server may have room for this member's first request. Any thread; the queue must not be called from
    /// within.
    virtual void wake() = 0;
    Ticket first_ = nobody;  // guarded by the queue's mutex
  };

  void join(Member& member);
  /// Nothing is called on the member any more.
  void leave(Member& member);

  /// Counts a request that is to wait. False, and not counted, if `limit` do so already.
  bool begin(std::uint64_t limit);
  void end();
  std::uint64_t count() const { return count_.load(); }
  /// Sequentially consistent, as the changes of a server's word are: who has freed a place and finds nobody
  /// here has done so before whoever begins to wait looks at the servers again.
  bool empty() const { return count() == 0; }

  void set_first(Member& member, Ticket ticket);
  /// Whether the member's first request is the next of all.
  bool is_next(const Member& member);
  /// A place may be free: wakes the member whose request is next.
  void wake_next();

 private:
  Member* next();

  std::mutex mutex_;
  std::vector<Member*> members_;
  alignas(64) std::atomic<std::uint64_t> count_{0};
};

}  // namespace azulb::balance
