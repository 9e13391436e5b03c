#include "azulb/discovery/discovery.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace azulb::discovery {

namespace {

tl::unexpected<base::Error> reload_takes_it_away(const std::string& upstream) {
  return base::failure("a reload is under way that takes upstream " + upstream + " away");
}

}  // namespace

Discovery::Discovery(net::Loop& loop, Observer observer)
    : loop_(loop), observer_(std::move(observer)), home_(std::make_shared<DnsLookup::Home>()) {}

void Discovery::configure(const std::vector<config::Upstream>& upstreams) {
  configured_.clear();
  for (const config::Upstream& upstream : upstreams) {
    configured_.insert(upstream.name);
    const auto known = upstreams_.find(upstream.name);
    if (known == upstreams_.end()) {
      upstreams_[upstream.name] =
          std::make_unique<UpstreamServers>(loop_, home_, upstream, amendments_[upstream.name],
                                            [this](const UpstreamServers&) { loop_.defer(notice_); });
    } else {
      known->second->configure(upstream);
    }
  }
  loop_.defer(notice_);
}

bool Discovery::settled() const {
  return std::all_of(upstreams_.begin(), upstreams_.end(),
                     [](const auto& entry) { return entry.second->settled(); });
}

void Discovery::settle_now() {
  for (const auto& [name, upstream] : upstreams_)
    upstream->settle_now();
}

void Discovery::Notice::on_deferred() {
  // Not by `configure`, which may be called from anywhere: this ends watches of descriptors.
  std::erase_if(owner_.upstreams_,
                [this](const auto& entry) { return !owner_.configured_.contains(entry.first); });
  if (owner_.settled()) owner_.observer_();
}

base::Result<bool> Discovery::add_server(const std::string& upstream, const config::Server& server) {
  const auto found = upstreams_.find(upstream);
  if (found == upstreams_.end()) return reload_takes_it_away(upstream);
  return found->second->add(server);
}

base::Result<void> Discovery::remove_server(const std::string& upstream, const base::SocketAddress& address) {
  const auto found = upstreams_.find(upstream);
  if (found == upstreams_.end()) return reload_takes_it_away(upstream);
  found->second->remove(address);
  return {};
}

void Discovery::set_amendments(AmendmentsByUpstream amendments) {
  for (const auto& [name, upstream] : upstreams_)
    upstream->set_amendments(std::move(amendments[name]));
  for (auto& [name, of_upstream] : amendments)
    amendments_.try_emplace(name, std::move(of_upstream));  // where UpstreamServers refers to them they stay
}

void Discovery::forget_old_amendments() {
  for (const auto& [name, upstream] : upstreams_)
    upstream->forget_old_removals();
  // (What is still there of an upstream that has gone refers to its amendments.)
  std::erase_if(amendments_, [this](const auto& entry) { return !upstreams_.contains(entry.first); });
}

ServerLists Discovery::lists() const {
  ServerLists lists;
  for (const auto& [name, upstream] : upstreams_)
    lists[name] = upstream->list();
  return lists;
}

std::vector<SourceStatus> Discovery::sources(const std::string& upstream) const {
  const auto found = upstreams_.find(upstream);
  return found == upstreams_.end() ? std::vector<SourceStatus>{} : found->second->sources();
}

}  // namespace azulb::discovery
