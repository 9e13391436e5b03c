// One listener as one worker sees it: where it accepts, and what its connections have in common. It goes on
// from snapshot to snapshot for as long as they have a listener of its name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/at_most_every.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/proxy/client_codec_table.hpp"
#include "azulb/proxy/worker_snapshot.hpp"

namespace azulb::proxy {

class Worker;

/// A socket that a worker accepts on, with the number by which main knows it.
struct WorkerSocket {
  std::uint64_t id;
  std::unique_ptr<net::ListeningSocket> socket;
};

class WorkerListener final : public net::AcceptHandler, private net::Retired {
 public:
  /// `rules` are of `snapshot`.
  WorkerListener(Worker& worker, WorkerSnapshot& snapshot, const ListenerRules& rules);

  const std::string& name() const { return name_; }
  /// What a request that begins now goes by.
  WorkerSnapshot& snapshot() const { return *snapshot_; }
  const ListenerRules& rules() const { return *rules_; }
  ListenerCodecs& codecs() { return codecs_; }

  /// A newer snapshot has it, too.
  void update(WorkerSnapshot& snapshot, const ListenerRules& rules);
  void add_socket(WorkerSocket socket);
  /// All of them, for another listener or worker, or to be ended.
  std::vector<WorkerSocket> take_sockets();
  void resume();
  void pause();
  /// Nothing of it is left in the configuration, or the worker ends: the answer that is being given is a
  /// connection's last. It keeps its latest snapshot, and is told to its worker when nothing uses it.
  void leave();
  bool leaving() const { return leaving_; }

  /// A connection of it exists, from its creation to the end of its destruction.
  void connection_made() { ++connections_; }
  void connection_destroyed();
  /// A connection was refused for its PROXY header or the lack of it: counted, and told now and then.
  void refused(const base::SocketAddress& peer, std::string_view fault);

  Worker& worker;

 private:
  bool may_accept() override;
  void on_accepted(const base::SocketAddress& local, int descriptor,
                   const base::SocketAddress& peer) override;
  void on_accept_failure(int system_error) override;
  bool trusts(const base::SocketAddress& peer) const;
  void reclaim() override;

  const std::string name_;
  WorkerSnapshot* snapshot_;
  const ListenerRules* rules_;
  std::optional<SnapshotUse> kept_;  // once leaving
  ListenerCodecs codecs_;
  std::vector<WorkerSocket> sockets_;
  std::uint64_t connections_ = 0;
  bool leaving_ = false;
  base::AtMostEvery failure_warning_{net::accept_failure_log_interval_ms};
  base::AtMostEvery refusal_warning_{net::accept_failure_log_interval_ms};
};

}  // namespace azulb::proxy
