// Whether clients come with one connection for each request.
#pragma once

namespace azulb::http1 {

/// What the clients of one listener did lately, as one worker saw it. Decides only how a connection waits
/// after its first response, not what it may do.
class ClientHabit {
 public:
  void closed_after_one_request() {
    if (closed_in_a_row_ < enough) ++closed_in_a_row_;
  }
  void asked_again() { closed_in_a_row_ = 0; }
  /// The next client that has got its first response will probably close, too.
  bool one_request_each() const { return closed_in_a_row_ == enough; }

 private:
  static constexpr int enough = 16;
  int closed_in_a_row_ = 0;
};

}  // namespace azulb::http1
