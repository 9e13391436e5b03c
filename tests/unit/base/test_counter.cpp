#include "azulb/base/counter.hpp"

#include <doctest/doctest.h>

#include <thread>

using azulb::base::Counter;
using azulb::base::Gauge;
using azulb::base::Histogram;

TEST_CASE("a counter adds up and another thread reads what was written") {
  Counter counter;
  constexpr std::uint64_t total = 100'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < total; ++i)
      counter.add();
  });
  std::uint64_t last = 0;
  bool grows = true;
  while (last < total) {
    const std::uint64_t now = counter.value();
    grows = grows && now >= last;
    last = now;
  }
  writer.join();
  CHECK(grows);
  CHECK(counter.value() == total);
}

TEST_CASE("a gauge rises and falls") {
  Gauge gauge;
  gauge.add(3);
  gauge.subtract();
  CHECK(gauge.value() == 2);
  gauge.set(9);
  CHECK(gauge.value() == 9);
}

TEST_CASE("a histogram puts a duration into the first range whose bound is not below it") {
  Histogram histogram;
  histogram.observe(0);
  histogram.observe(500'000);  // the bound itself belongs to its range
  histogram.observe(500'001);
  histogram.observe(60'000'000'000);
  histogram.observe(60'000'000'001);
  CHECK(histogram.count(0) == 2);
  CHECK(histogram.count(1) == 1);
  CHECK(histogram.count(Histogram::range_count - 2) == 1);
  CHECK(histogram.count(Histogram::range_count - 1) == 1);
  CHECK(histogram.sum_ns() == 500'000U + 500'001U + 60'000'000'000U + 60'000'000'001U);
}

TEST_CASE("a clock that went backwards counts as zero") {
  Histogram histogram;
  histogram.observe(-5);
  CHECK(histogram.count(0) == 1);
  CHECK(histogram.sum_ns() == 0);
}
