// Keeps signals away from threads that are not main.
#pragma once

#include <pthread.h>

#include <csignal>

namespace azulb::base {

/// Signals are main's: while this lives, threads that are started block them all (SIGPIPE of a lost reader
/// included).
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t previous_{};
};

}  // namespace azulb::base
