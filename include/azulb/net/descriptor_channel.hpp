// A way for descriptors from one thread's table into another's (unix(7), SCM_RIGHTS).
#pragma once

#include "azulb/base/result.hpp"

namespace azulb::net {

/// One sender, one receiver. What is sent is a second descriptor of the same file, in the receiver's table
/// and for it to close; where both threads have one table, it is a duplicate.
class DescriptorChannel {
 public:
  DescriptorChannel();
  DescriptorChannel(const DescriptorChannel&) = delete;
  DescriptorChannel& operator=(const DescriptorChannel&) = delete;
  ~DescriptorChannel();

  /// What the receiver keeps in its table.
  int receiving_descriptor() const { return ends_[1]; }

  /// Waits while very many are on their way.
  void send(int descriptor);
  /// The next one; waits for it. The error says why it could not be handed over.
  base::Result<int> receive();

 private:
  int ends_[2] = {-1, -1};
};

}  // namespace azulb::net
