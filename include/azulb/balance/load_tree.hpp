// The structure of least_connections and least_time: a lock-free tournament over all servers of an upstream,
// shared by all workers.
//
// Leaves are the servers' own words (active, eligible, stamp) and weights. An inner node names the better of
// its two children's winners: smaller load / weight, then longer not chosen, then lower index. After a
// word changes, the changer renews every node on the path to the root, twice where the first compare-and-swap
// fails: whoever made it fail has then begun after our change, or our second try succeeds (P. Jayanti,
// f-arrays, PODC 2002). A node also carries a tag of the winner's word as it was when it won. Whoever meets a
// winner whose word has moved on knows that a change is on its way up, and helps. A choice takes the root's
// winner by a compare-and-swap on that very word, so it is the least-loaded server at that instant, however
// many workers choose.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "azulb/balance/selector.hpp"
#include "azulb/balance/server_state.hpp"

namespace azulb::balance {

/// Any thread; lock-free; allocates only in its constructor. O(log servers), times the tried servers for a
/// retry.
class LoadTree {
 public:
  /// What a server's load is. A request to be placed counts, too.
  enum class Measure : std::uint8_t {
    requests,
    /// A latency that has changed is heeded from the next `update` or `rebuild` on. A server whose latency is
    /// not known is tried with one request, and until that is answered taken for as slow as can be.
    requests_times_latency,
  };

  LoadTree(std::vector<ServerState*> servers, Measure measure);

  /// The best eligible server that has room and is not in `choice.tried`; the request is counted on it. Adds
  /// nodes looked at to `probes`.
  std::optional<std::uint32_t> choose(const Choice& choice, std::uint64_t& probes);
  /// To be called after any change of the server's word.
  void update(std::uint32_t index);
  /// Renews every node, bottom up. Linear.
  void rebuild();

 private:
  struct Node {
    std::uint64_t bits;
    std::uint32_t winner() const { return static_cast<std::uint32_t>(bits & index_mask); }
    std::uint64_t tag() const { return (bits >> tag_shift) & tag_mask; }
    std::uint64_t version() const { return bits >> version_shift; }
  };
  struct Candidate {
    std::uint32_t index;
    ServerWord word;
  };

  static constexpr std::uint64_t index_mask = (1U << 20U) - 1;
  static constexpr std::uint32_t none = index_mask;  // no eligible server below
  static constexpr unsigned tag_shift = 20;
  static constexpr std::uint64_t tag_mask = (1U << 22U) - 1;
  static constexpr unsigned version_shift = 42;

  static std::uint64_t tag_of(ServerWord word);
  std::uint64_t load_of(const Candidate& candidate) const;
  bool is_better(const Candidate& left, const Candidate& right) const;
  Candidate better(const Candidate& left, const Candidate& right) const;
  Candidate leaf(std::size_t position) const;
  Candidate current_winner(std::size_t position);
  bool renew(std::size_t position);
  void renew_surely(std::size_t position);
  Candidate best_untried(std::size_t position, const Choice& choice, std::uint64_t& probes);
  bool covers_tried(std::size_t position, const Choice& choice) const;
  std::optional<std::uint32_t> choose_by_scan(const Choice& choice, std::uint64_t& probes);
  bool take(const Candidate& candidate);

  std::vector<ServerState*> servers_;
  Measure measure_;
  std::size_t leaf_base_;  // position of leaf 0: a power of two, at least the servers
  std::unique_ptr<std::atomic<std::uint64_t>[]> nodes_;  // 1 is the root, children of p at 2p and 2p + 1
  alignas(64) std::atomic<std::uint64_t> next_stamp_{1};
};

}  // namespace azulb::balance
