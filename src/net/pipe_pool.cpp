#include "azulb/net/pipe_pool.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace azulb::net {

void PipePool::clear() {
  for (const auto& pipe : reserve_)
    destroy(*pipe);
  made_ -= reserve_.size();
  reserve_.clear();
}

void PipePool::destroy(const Pipe& pipe) {
  close(pipe.read_end);
  close(pipe.write_end);
}

std::unique_ptr<Pipe> PipePool::acquire() {
  if (!reserve_.empty()) {
    std::unique_ptr<Pipe> pipe = std::move(reserve_.back());
    reserve_.pop_back();
    return pipe;
  }
  if (made_ == pipes_limit) return nullptr;
  int ends[2];
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  auto pipe = std::make_unique<Pipe>(Pipe{.read_end = ends[0], .write_end = ends[1], .held_bytes = 0});
  // A user without privileges may be refused so much; what the kernel gives by itself will do, only slower.
  fcntl(pipe->write_end, F_SETPIPE_SZ, static_cast<int>(capacity_bytes));
  ++made_;
  return pipe;
}

void PipePool::release(std::unique_ptr<Pipe> pipe) {
  if (pipe->held_bytes == 0 && reserve_.size() < reserve_limit) {
    reserve_.push_back(std::move(pipe));
    return;
  }
  destroy(*pipe);
  --made_;
}

}  // namespace azulb::net
