#pragma once

#include "load/results.hpp"

namespace azulb::bench {

// Modes closed, connection and rate. Each response must be a 200 with a Content-Length and exactly that many
// bytes.
//   closed      every connection sends its next request as soon as the last one is answered
//   connection  the same, each request on a connection of its own, closed by the client after the answer
//   rate        requests are due at fixed times whether or not earlier ones are answered; one that finds no
//   free
//               connection waits its turn, and its latency counts from when it was due (no coordinated
//               omission)
Results run_http(const Options& options);

}  // namespace azulb::bench
