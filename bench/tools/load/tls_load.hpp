#pragma once

#include "load/results.hpp"

namespace azulb::bench {

// Modes closed, connection and idle over TLS 1.3, always TLS_AES_128_GCM_SHA256 and X25519; certificates are
// not verified. Each response must be a 200 with a Content-Length and exactly that many bytes.
//   closed      every connection sends its next request as soon as the last one is answered
//   connection  the same, each request on a connection of its own, with a full handshake or, with `resume`,
//   one
//               that resumes the latest session that any of them got; another kind of handshake is an error
//   idle        opens all connections, with a request each, prints {"open": N} and waits for the end of
//   standard
//               input; then each must answer once more
Results run_tls(const Options& options);

}  // namespace azulb::bench
