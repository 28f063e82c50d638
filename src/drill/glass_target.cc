// Glasstack as a script's target: one stack, one device, a clock that moves only in run_until().
#include <algorithm>

#include "drill/commands.h"
#include "drill/glass_device.h"
#include "drill/glass_syscalls.h"
#include "drill/target.h"
#include "view/counters.h"
#include "view/events.h"
#include "view/sockets.h"

namespace glass::drill {

namespace {

// The clock's zero is not the script's, so that "long ago" exists.
constexpr Duration kEpoch = 1000s;

class GlassTarget final : public Target, TraceSink {
 public:
  explicit GlassTarget(const Addresses& a)
      : device_(a.mtu),
        stack_({.hostname = "glass", .seed = 1}),
        dev_(stack_.add_device("tun0", device_)),
        calls_(stack_, store_),
        commands_({stack_, dev_, store_, [this](Duration d) { pass(d); }}) {
    stack_.advance(Instant{kEpoch});
    stack_.ip().add_address(dev_, {a.local, a.prefix_len});
    const auto whole = static_cast<uint8_t>(a.remote.is_v4() ? 32 : 128);
    stack_.ip().add_route({{a.remote, whole}, a.gateway, &dev_, {}, 0});
    stack_.trace().set_sink(this);
    store_["/dev/zero"] = nullptr;
    stack_.trace().start(1 << 12);
  }
  ~GlassTarget() override { stack_.trace().set_sink(nullptr); }

  std::string name() const override { return "glasstack"; }
  bool virtual_time() const override { return true; }
  int64_t now_us() override { return script_us(stack_.now()); }
  int64_t epoch_ns() const override { return Duration{kEpoch}.count(); }

  void run_until(int64_t until_us) override;
  void start_call(std::function<int64_t(Syscalls&)> call) override {
    call_ = std::move(call);
    calls_.begin_call();
    attempt();
  }
  std::optional<Finished> finished_call() override { return std::exchange(finished_, std::nullopt); }

  void inject(std::span<const uint8_t> packet, uint16_t gso_size) override {
    drop_ = {};
    own_drop_ = false;
    watched_ = device_.inject(packet, gso_size);
    watching_ = true;
    settle();
    watching_ = false;
    if (call_ && calls_.ready()) attempt();
  }
  std::optional<OutboundPacket> next_packet() override {
    if (device_.sent.empty()) return {};
    GlassDevice::Sent s = std::move(device_.sent.front());
    device_.sent.pop_front();
    return OutboundPacket{script_us(s.when), std::move(s.bytes)};
  }
  bool can_tell_drops() const override { return true; }
  std::optional<DropReport> last_drop() override { return drop_; }

  std::optional<std::string> command(const std::string& text) override {
    std::optional<std::string> error = commands_.run(text);
    settle();
    return error;
  }
  int64_t raw_sockopt(int fd, int level, int name, void* value, socklen_t* length) override {
    return calls_.getsockopt(fd, level, name, value, length);
  }
  std::string socket_line(int fd) override;
  std::string last_trace() override;
  std::vector<std::pair<std::string, uint64_t>> counters() override;

 private:
  static int64_t script_us(Instant t) { return to_usecs(t.time_since_epoch() - kEpoch); }
  void on_drop(const TraceEvent&, const uint8_t* packet, size_t size) override;
  void settle();
  void attempt();
  void pass(Duration);

  // The order matters: the stack goes before the device it sends to, the descriptors before the stack.
  GlassDevice device_;
  Stack stack_;
  net_device& dev_;
  FileStore store_;
  GlassSyscalls calls_;
  Commands commands_;

  std::function<int64_t(Syscalls&)> call_;
  std::optional<Finished> finished_;
  uint32_t watched_ = 0;  // the packet injected last
  std::optional<DropReport> drop_;
  bool watching_ = false, own_drop_ = false;  // it is being dealt with; drop_ is about itself
};

// A packet may be accepted and end others that were queued: that is its verdict then.
void GlassTarget::on_drop(const TraceEvent& e, const uint8_t*, size_t) {
  if (!watching_ || own_drop_ || (drop_ && e.skb != watched_)) return;
  own_drop_ = e.skb == watched_;
  drop_ = {std::string(glass::name(e.place->reason)), e.place->function};
}

// Runs what is due at this instant.
void GlassTarget::settle() {
  constexpr int kMost = 1'000'000;  // a stack that never comes to rest is a defect, but no reason to hang
  for (int i = 0; i < kMost; ++i)
    if (!stack_.poll(stack_.now()) && !stack_.softnet().pending()) return;
}

void GlassTarget::attempt() {
  calls_.begin_attempt();
  const int64_t result = call_(calls_);
  const Instant now = stack_.now();
  if (!calls_.blocked()) {
    finished_ = {result, script_us(now)};
    call_ = nullptr;
  }
  settle();
}

void GlassTarget::run_until(int64_t until_us) {
  const Instant until = Instant{kEpoch} + std::chrono::microseconds(until_us);
  const uint64_t sent_before = device_.sent_count;
  for (;;) {
    settle();
    if (call_ && calls_.ready()) attempt();
    if (finished_ || device_.sent_count != sent_before) return;
    if (call_ && calls_.ready()) continue;
    const Instant due = std::min(stack_.next_deadline(), call_ ? calls_.deadline() : kNever);
    if (due >= until) break;  // what the script does at that very instant comes first, as a kernel's timers are late
    stack_.advance(std::max(due, stack_.now()));
  }
  stack_.advance(std::max(until, stack_.now()));
}

// Time during which nobody looks: a command sleeps.
void GlassTarget::pass(Duration d) {
  const Instant end = stack_.now() + d;
  for (settle(); stack_.next_deadline() <= end; settle())
    stack_.advance(std::max(stack_.next_deadline(), stack_.now()));
  stack_.advance(end);
}

std::string GlassTarget::socket_line(int fd) {
  const sock* sk = calls_.sk(fd);
  if (!sk) return {};
  std::vector<TcpSocketRow> rows = stack_.tcp().sockets();
  std::erase_if(rows, [&](const TcpSocketRow& r) {
    return r.local != SocketAddress{sk->skc_rcv_saddr, sk->skc_num} || r.remote.port != sk->skc_dport;
  });
  return rows.empty() ? std::string() : format_sockets(socket_rows(rows), true);
}

std::vector<std::pair<std::string, uint64_t>> GlassTarget::counters() {
  std::vector<std::pair<std::string, uint64_t>> values;
  for (const CounterValue& c : snapshot(stack_.trace())) values.emplace_back(c.name, c.value);
  return values;
}

std::string GlassTarget::last_trace() {
  constexpr size_t kLines = 60;
  std::string out;
  const std::vector<TraceEvent> events = stack_.trace().events();
  for (size_t i = events.size() - std::min(events.size(), kLines); i < events.size(); ++i)
    out += format_event(event_row(events[i]), Duration{kEpoch}.count()) + "\n";
  return out;
}

}  // namespace

std::unique_ptr<Target> make_glass_target(const Addresses& a) { return std::make_unique<GlassTarget>(a); }

}  // namespace glass::drill
