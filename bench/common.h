// What the benchmark programs share: sizes both peers are measured with, a clock that time can be added to, pinning,
// and counters that are always per CPU time of the measuring thread.
//
// A program is one peer; the names of its benchmarks and counters are the same in each, so that bench/run.py can put
// them side by side:
//
//   benchmark::RegisterBenchmark("bulk_mss1460", bulk);   ...   return run(argc, argv);
#pragma once
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <sched.h>
#include <time.h>

#include <cstdint>

namespace bench {

inline constexpr size_t kWrite = 32 * 1024;    // bytes the application offers at a time
inline constexpr size_t kRead = 64 * 1024;     // and the buffer it reads into
inline constexpr size_t kSource = 256 * 1024;  // what is sent, again and again: stays in the second-level cache
inline constexpr int kManyConnections = 10'000;
inline constexpr int kConnectionsPerTimeWait = 64;  // then so much time passes that TIME_WAIT is over

inline uint64_t read_clock(clockid_t which) {
  timespec t;
  clock_gettime(which, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}
inline uint64_t clock_ns() { return read_clock(CLOCK_MONOTONIC); }
inline uint64_t thread_cpu_ns() { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

// Real time, read once every 64 turns, plus what was skipped.
class CoarseClock {
 public:
  uint64_t tick() {
    if (!(turns_++ & 63)) real_ = clock_ns();
    return real_ + skipped_;
  }
  void skip(uint64_t ns) { skipped_ += ns; }

 private:
  uint64_t real_ = 0, skipped_ = 0;
  unsigned turns_ = 0;
};

// Best effort: a machine that refuses gives noisier numbers, not wrong ones.
inline void pin_this_thread(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// Bytes of heap in use, slabs and mapped blocks included.
inline size_t heap_bytes() {
  const struct mallinfo2 m = mallinfo2();
  return m.uordblks + m.hblkhd;
}

// Gbit of payload per second: of CPU time, or of real time where the benchmark goes by that.
inline benchmark::Counter gbit_per_s(uint64_t bytes) {
  return {static_cast<double>(bytes) * 8e-9, benchmark::Counter::kIsRate};
}
inline benchmark::Counter per_s(uint64_t events) { return {static_cast<double>(events), benchmark::Counter::kIsRate}; }
inline benchmark::Counter ns_per(uint64_t events) {
  return {static_cast<double>(events) * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert};
}

inline int run(int argc, char** argv) {
  // Memory that is given back to the system and fetched again would be measured too.
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  mallopt(M_TOP_PAD, 16 << 20);
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  pin_this_thread(0);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace bench
