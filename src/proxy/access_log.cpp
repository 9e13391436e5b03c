#include "azulb/proxy/access_log.hpp"

#include <utility>

namespace azulb::proxy {

AccessLogSampler::AccessLogSampler(double share, base::Random random)
    : threshold_(share >= 1.0   ? UINT64_MAX
                 : share <= 0.0 ? 0
                                : static_cast<std::uint64_t>(share * 0x1.0p64)),
      random_(random) {}

bool AccessLogSampler::keep(const AccessRecord& record) {
  if (threshold_ == UINT64_MAX) return true;
  if (record.status < 200 || record.status >= 400) return true;
  if (record.attempts > 1 || record.error != ErrorWord::none) return true;
  return random_.next() < threshold_;
}

AccessLog::AccessLog() : AccessLog(AccessLogFormat(), AccessLogSampler(1.0, base::Random(0)), nullptr) {}

AccessLog::AccessLog(AccessLogFormat format, AccessLogSampler sampler, base::LineProducer* producer)
    : format_(std::move(format)), sampler_(sampler), producer_(producer) {}

void AccessLog::write(const AccessRecord& record) {
  if (producer_ == nullptr || !sampler_.keep(record)) return;
  char* const room = producer_->reserve(format_.max_line_bytes());
  if (room == nullptr) return;
  producer_->commit(format_.format(record, room, format_.max_line_bytes()));
}

}  // namespace azulb::proxy
