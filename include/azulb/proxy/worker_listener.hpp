// One listener as one worker sees it: where it accepts, and what its connections have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "azulb/base/address.hpp"
#include "azulb/base/at_most_every.hpp"
#include "azulb/net/listening_socket.hpp"
#include "azulb/proxy/client_codec_table.hpp"
#include "azulb/proxy/worker_snapshot.hpp"

namespace azulb::proxy {

class Worker;

class WorkerListener final : public net::AcceptHandler {
 public:
  /// `rules` are of `snapshot`. `sockets` outlive this.
  WorkerListener(Worker& worker, WorkerSnapshot& snapshot, const ListenerRules& rules,
                 const std::vector<const net::BoundSocket*>& sockets);

  void resume();
  void pause();
  void accept_pending();
  void end();
  /// A connection was refused for its PROXY header or the lack of it: counted, and told now and then.
  void refused(const base::SocketAddress& peer, std::string_view fault);

  /// What a request that begins now goes by.
  WorkerSnapshot& snapshot() { return *snapshot_; }
  const ListenerRules& rules() const { return *rules_; }
  ListenerCodecs& codecs() { return codecs_; }

  Worker& worker;

 private:
  bool may_accept() override;
  void on_accepted(const net::BoundSocket& socket, int descriptor, const base::SocketAddress& peer) override;
  void on_accept_failure(int system_error) override;
  bool trusts(const base::SocketAddress& peer) const;

  WorkerSnapshot* snapshot_;
  const ListenerRules* rules_;
  ListenerCodecs codecs_;
  std::vector<std::unique_ptr<net::ListeningSocket>> sockets_;
  base::AtMostEvery failure_warning_{net::accept_failure_log_interval_ms};
  base::AtMostEvery refusal_warning_{net::accept_failure_log_interval_ms};
};

}  // namespace azulb::proxy
