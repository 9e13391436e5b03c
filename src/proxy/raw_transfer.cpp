#include "azulb/proxy/raw_transfer.hpp"

#include <algorithm>

#include "azulb/proxy/exchange.hpp"

namespace azulb::proxy {

bool RawTransfer::possible(http::StreamWriter& from, http::StreamWriter& to) {
  return std::min(from.raw_readable_bytes(), to.raw_writable_bytes()) >= least_bytes &&
         to.queued_bytes() == 0;
}

bool RawTransfer::start(std::uint64_t limit_bytes, bool until_quiet) {
  return splice_.start(std::min({from_.raw_readable_bytes(), to_.raw_writable_bytes(), limit_bytes}),
                       until_quiet);
}

void RawTransfer::on_spliced(std::uint64_t size_bytes, bool sink_behind) {
  from_.raw_read(size_bytes);
  to_.raw_written(size_bytes);
  exchange_.transferred(direction_, size_bytes, sink_behind);
}

void RawTransfer::on_splice_end() {
  from_.end_raw_reading();
}

}  // namespace azulb::proxy
