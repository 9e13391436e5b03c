#include "azulb/daemon/workers.hpp"

#include <algorithm>
#include <utility>

namespace azulb::daemon {

void Workers::apply(const std::shared_ptr<proxy::Snapshot>& snapshot, const ListenerSockets& sockets,
                    const proxy::AccessLogFormat& format, base::LineSink& access_log) {
  const config::Config& config = snapshot->config();
  const unsigned wanted = config.process.workers;
  renew_metrics(snapshot->metric_labels());
  const auto open_sockets = sockets.ids();
  std::vector<Entry> surplus;
  while (active_.size() > wanted) {
    surplus.push_back(std::move(active_.back()));
    active_.pop_back();
  }
  while (active_.size() < wanted)
    add_thread(access_log);
  for (unsigned index = 0; index < wanted; ++index) {
    const Place& place = places_[active_[index].place];
    base::LineProducer* const producer = access_log.enabled() ? place.producer : nullptr;
    proxy::AccessLog log(format, {config.access_log.sample, base::Random::from_system()}, producer);
    active_[index].thread->apply({.snapshot = snapshot,
                                  .metrics = place.metrics,
                                  .access_log = std::move(log),
                                  .sockets = sockets.of_worker(index, wanted),
                                  .open_sockets = open_sockets});
  }
  for (Entry& entry : surplus) {
    entry.thread->leave(open_sockets, when_drained(*entry.thread));
    ending_.push_back(std::move(entry));
  }
}

void Workers::renew_metrics(const proxy::MetricLabels& labels) {
  for (Place& place : places_)
    place.metrics = std::make_shared<proxy::WorkerMetrics>(labels, *place.metrics, labels_);
  labels_ = labels;
}

void Workers::add_thread(base::LineSink& access_log) {
  auto place = std::find_if(places_.begin(), places_.end(), [](const Place& each) { return !each.taken; });
  if (place == places_.end()) {
    place = places_.insert(places_.end(), {.metrics = std::make_shared<proxy::WorkerMetrics>(labels_.shape()),
                                           .producer = &access_log.add_producer()});
  }
  place->taken = true;
  const std::vector<int> wake_descriptors = {access_log.wake_descriptor()};
  auto thread = std::make_unique<WorkerThread>(main_, shared_, wake_descriptors);
  thread->start();
  active_.push_back(
      {.thread = std::move(thread), .place = static_cast<std::size_t>(place - places_.begin())});
}

std::function<void()> Workers::when_drained(const WorkerThread& thread) {
  return [this, ended = &thread] { main_.post([this, ended] { thread_drained(ended); }); };
}

void Workers::thread_drained(const WorkerThread* thread) {
  const auto found = std::find_if(ending_.begin(), ending_.end(),
                                  [thread](const Entry& entry) { return entry.thread.get() == thread; });
  if (found == ending_.end()) return;
  found->thread->stop();
  places_[found->place].taken = false;
  ending_.erase(found);
  if (active_.empty() && ending_.empty() && on_drained_) std::exchange(on_drained_, nullptr)();
}

void Workers::leave(const std::unordered_set<std::uint64_t>& open_sockets, std::function<void()> on_drained) {
  on_drained_ = std::move(on_drained);
  for (Entry& entry : std::exchange(active_, {})) {
    entry.thread->leave(open_sockets, when_drained(*entry.thread));
    ending_.push_back(std::move(entry));
  }
}

void Workers::drain(std::function<void()> on_accepting_ended, std::function<void()> on_drained) {
  on_drained_ = std::move(on_drained);
  accepting_ = active_.size() + ending_.size();
  for (Entry& entry : std::exchange(active_, {}))
    ending_.push_back(std::move(entry));
  const auto accepting_ended = [this, on_accepting_ended = std::move(on_accepting_ended)] {
    main_.post([this, on_accepting_ended] {
      if (--accepting_ == 0) on_accepting_ended();
    });
  };
  for (const Entry& entry : ending_)
    entry.thread->drain(accepting_ended, when_drained(*entry.thread));
}

void Workers::stop() {
  on_drained_ = nullptr;
  for (auto* const list : {&active_, &ending_}) {
    for (const Entry& entry : *list)
      entry.thread->stop();
  }
}

void Workers::server_changed(const std::shared_ptr<balance::ServerState>& server) {
  for (auto* const list : {&active_, &ending_}) {
    for (const Entry& entry : *list)
      entry.thread->server_changed(server);
  }
}

void Workers::ask_for_signs() const {
  for (const auto* const list : {&active_, &ending_}) {
    for (const Entry& entry : *list)
      entry.thread->ask_for_sign();
  }
}

bool Workers::gave_signs() const {
  const auto gave_sign = [](const Entry& entry) { return entry.thread->gave_sign(); };
  return std::all_of(active_.begin(), active_.end(), gave_sign) &&
         std::all_of(ending_.begin(), ending_.end(), gave_sign);
}

std::vector<const proxy::WorkerMetrics*> Workers::metrics() const {
  std::vector<const proxy::WorkerMetrics*> metrics;
  for (const Place& place : places_)
    metrics.push_back(place.metrics.get());
  return metrics;
}

std::vector<int> Workers::descriptor_table_threads() const {
  std::vector<int> threads;
  for (const auto* const list : {&active_, &ending_}) {
    for (const Entry& entry : *list) {
      if (const int thread = entry.thread->descriptor_table_thread(); thread != 0) threads.push_back(thread);
    }
  }
  return threads;
}

}  // namespace azulb::daemon
