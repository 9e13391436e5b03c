#include "azulb/net/descriptor_channel.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "azulb/net/descriptor_table.hpp"

using azulb::net::DescriptorChannel;

namespace {

ino_t inode_of(int descriptor) {
  struct stat status {};
  REQUIRE(fstat(descriptor, &status) == 0);
  return status.st_ino;
}

}  // namespace

TEST_CASE("descriptors arrive in order, as descriptors of the same files") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  DescriptorChannel channel;
  channel.send(ends[0]);
  channel.send(ends[1]);
  const auto reading = channel.receive();
  const auto writing = channel.receive();
  REQUIRE((reading && writing));
  close(ends[0]);
  close(ends[1]);
  CHECK(write(*writing, "x", 1) == 1);
  char byte = 0;
  CHECK((read(*reading, &byte, 1) == 1 && byte == 'x'));
  close(*reading);
  close(*writing);
}

TEST_CASE("they arrive in a thread's own table") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const ino_t wanted = inode_of(ends[0]);
  DescriptorChannel channel;
  ino_t arrived = 0;
  std::thread receiver([&] {
    const int kept[] = {channel.receiving_descriptor()};
    azulb::net::make_own_descriptor_table(kept);
    if (const auto received = channel.receive()) {
      arrived = inode_of(*received);
      close(*received);
    }
  });
  channel.send(ends[0]);
  receiver.join();
  CHECK(arrived == wanted);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("one that cannot be sent is missed by the receiver, not waited for") {
  DescriptorChannel channel;
  channel.send(-1);
  CHECK_FALSE(channel.receive());
}
