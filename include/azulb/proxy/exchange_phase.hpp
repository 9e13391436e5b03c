// The phases of an exchange, and which may follow which.
#pragma once

#include <array>
#include <cstdint>

namespace azulb::proxy {

//                 ┌──────────────── retry ────────────────┐
//                 ▼                                       │
//   begun ──► choosing ──► connecting ──► requesting ─────┤
//     │        │  ▲   ▲                     │    │        │
//     │        ▼  │   └── backing_off ◄─────┼────┼────────┘
//     │      waiting                        ▼    ▼
//     │                               responding tunnel
//     └───────────── any ─────────────────► done
enum class ExchangePhase : std::uint8_t {
  begun,        // the request's head is here; nothing is decided
  choosing,     // a server is being chosen
  waiting,      // for a server to become available (queue_timeout)
  backing_off,  // before another attempt
  connecting,   // the attempt has no connection yet (timeout.connect)
  requesting,   // the request is being sent, or its answer awaited (timeout.response)
  responding,   // a final response head has gone to the client
  tunnel,       // both sides pass opaque bytes (timeout.tunnel)
  done,         // logged and counted; retired
};

inline constexpr std::size_t exchange_phase_count = static_cast<std::size_t>(ExchangePhase::done) + 1;

/// Whether `to` may follow `from`.
constexpr bool may_follow(ExchangePhase from, ExchangePhase to) {
  using enum ExchangePhase;
  constexpr auto bit = [](ExchangePhase phase) { return 1U << static_cast<unsigned>(phase); };
  // Local replies go from where they arise straight to `responding`.
  constexpr std::array<unsigned, exchange_phase_count> followers = {
      /* begun */ bit(choosing) | bit(responding) | bit(done),
      /* choosing */ bit(waiting) | bit(connecting) | bit(requesting) | bit(backing_off) | bit(responding) |
          bit(done),
      /* waiting */ bit(choosing) | bit(responding) | bit(done),
      /* backing_off */ bit(choosing) | bit(responding) | bit(done),
      /* connecting */ bit(requesting) | bit(choosing) | bit(backing_off) | bit(responding) | bit(done),
      /* requesting */ bit(connecting) | bit(responding) | bit(tunnel) | bit(choosing) | bit(backing_off) |
          bit(done),
      /* responding */ bit(done),
      /* tunnel */ bit(done),
      /* done */ 0U,
  };
  return (followers[static_cast<std::size_t>(from)] & bit(to)) != 0;
}

}  // namespace azulb::proxy
