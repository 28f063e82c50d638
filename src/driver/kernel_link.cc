#include "driver/kernel_link.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace glass {

namespace {

// A socket to ask through, and the request for one device. call() keeps errno's text for the error line.
class LinkControl {
 public:
  explicit LinkControl(const std::string& name) : name_(name), fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    std::strncpy(request_.ifr_name, name.c_str(), IFNAMSIZ - 1);
  }
  ~LinkControl() {
    if (fd_ >= 0) close(fd_);
  }
  LinkControl(const LinkControl&) = delete;
  LinkControl& operator=(const LinkControl&) = delete;

  const std::string& name() const { return name_; }
  ifreq& request() { return request_; }
  bool get(unsigned long what) { return ioctl(fd_, what, &request_) == 0; }
  std::expected<void, std::string> call(unsigned long what, const std::string& doing) {
    if (ioctl(fd_, what, &request_) == 0) return {};
    return std::unexpected(fmt::format("cannot {} {}: {}", doing, name_, explain_errno(errno)));
  }

 private:
  std::string name_;
  int fd_;
  ifreq request_{};
};

IpAddress address_of(const sockaddr* a) {
  IpAddress address;
  if (a && a->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, a, sizeof in);
    address = IpAddress::v4_from_wire(in.sin_addr.s_addr);
  } else if (a && a->sa_family == AF_INET6) {
    std::memcpy(address.bytes.data(), reinterpret_cast<const char*>(a) + offsetof(sockaddr_in6, sin6_addr), 16);
  }
  return address;
}

bool has_address(const std::string& name, const IpAddress& address) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) < 0) return false;
  bool found = false;
  for (const ifaddrs* i = all; i && !found; i = i->ifa_next)
    found = name == i->ifa_name && address_of(i->ifa_addr) == address;
  freeifaddrs(all);
  return found;
}

// One rtnetlink(7) request: the header, a body of the given type, attributes.
template <class Body>
struct RouteRequest {
  nlmsghdr header{};
  Body body{};
  std::array<uint8_t, 64> attributes{};

  RouteRequest(uint16_t type, uint16_t flags) {
    static_assert(offsetof(RouteRequest, attributes) == NLMSG_LENGTH(sizeof(Body)));
    header.nlmsg_len = NLMSG_LENGTH(sizeof body);
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  void add(uint16_t type, const void* data, size_t size) {
    const rtattr head{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    uint8_t* to = attributes.data() + (header.nlmsg_len - NLMSG_LENGTH(sizeof body));
    std::memcpy(to, &head, sizeof head);
    std::memcpy(to + RTA_LENGTH(0), data, size);
    header.nlmsg_len += static_cast<uint32_t>(RTA_SPACE(size));
  }
  // 0 or errno.
  int run() const {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return errno;
    struct {
      nlmsghdr header;
      nlmsgerr result;
      char rest[256];  // the kernel repeats the request
    } answer{};
    int error = EIO;
    if (send(fd, this, header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
      error = errno;
    else if (answer.header.nlmsg_type == NLMSG_ERROR)
      error = -answer.result.error;
    close(fd);
    return error;
  }
};

// IPv6 without duplicate address detection, which would keep the address from being used for seconds.
int add_address(const std::string& name, const IpPrefix& prefix) {
  const bool v4 = prefix.address.is_v4();
  RouteRequest<ifaddrmsg> request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  request.body.ifa_family = v4 ? AF_INET : AF_INET6;
  request.body.ifa_prefixlen = prefix.length;
  request.body.ifa_flags = v4 ? 0 : IFA_F_NODAD;
  request.body.ifa_index = if_nametoindex(name.c_str());
  for (const uint16_t type : {IFA_LOCAL, IFA_ADDRESS})
    request.add(type, prefix.address.bytes.data() + (v4 ? 12 : 0), v4 ? 4 : 16);
  return request.run();
}

std::expected<void, std::string> set_address(const std::string& name, const IpPrefix& prefix) {
  if (has_address(name, prefix.address)) return {};
  const int error = add_address(name, prefix);
  if (error == 0) return {};
  return std::unexpected(
      fmt::format("cannot give {}/{} to {}: {}", to_string(prefix.address), prefix.length, name, explain_errno(error)));
}

std::expected<void, std::string> set_mtu(LinkControl& link, uint32_t mtu) {
  if (!mtu || (link.get(SIOCGIFMTU) && link.request().ifr_mtu == static_cast<int>(mtu))) return {};
  link.request().ifr_mtu = static_cast<int>(mtu);
  return link.call(SIOCSIFMTU, fmt::format("set MTU {} on", mtu));
}

std::expected<void, std::string> set_queue_length(LinkControl& link, uint32_t packets) {
  if (!packets || (link.get(SIOCGIFTXQLEN) && link.request().ifr_qlen >= static_cast<int>(packets))) return {};
  // Not by ioctl: SIOCSIFTXQLEN is refused inside a user namespace.
  RouteRequest<ifinfomsg> request(RTM_NEWLINK, 0);
  request.body.ifi_index = static_cast<int>(if_nametoindex(link.name().c_str()));
  request.add(IFLA_TXQLEN, &packets, sizeof packets);
  const int error = request.run();
  if (error == 0) return {};
  return std::unexpected(
      fmt::format("cannot set queue length {} on {}: {}", packets, link.name(), explain_errno(error)));
}

std::expected<void, std::string> bring_up(LinkControl& link) {
  if (auto done = link.call(SIOCGIFFLAGS, "read the state of"); !done) return done;
  if (link.request().ifr_flags & IFF_UP) return {};
  link.request().ifr_flags = static_cast<short>(link.request().ifr_flags | IFF_UP);
  return link.call(SIOCSIFFLAGS, "bring up");
}

}  // namespace

std::string explain_errno(int errno_value) {
  const std::string text = std::strerror(errno_value);
  if (errno_value != EPERM && errno_value != EACCES) return text;
  return text + ": run as root or inside `unshare -rn`";
}

std::expected<void, std::string> configure_kernel_link(const std::string& name, const KernelLinkOptions& options) {
  LinkControl link(name);
  if (auto done = set_mtu(link, options.mtu); !done) return done;
  if (auto done = set_queue_length(link, options.txqueuelen); !done) return done;
  if (options.up)
    if (auto done = bring_up(link); !done) return done;
  return options.address ? set_address(name, *options.address) : std::expected<void, std::string>();
}

std::expected<KernelLinkState, std::string> kernel_link_state(const std::string& name) {
  LinkControl link(name);
  if (auto done = link.call(SIOCGIFFLAGS, "read the state of"); !done) return std::unexpected(done.error());
  KernelLinkState state;
  state.up = link.request().ifr_flags & IFF_UP;
  if (link.get(SIOCGIFMTU)) state.mtu = static_cast<uint32_t>(link.request().ifr_mtu);
  if (link.get(SIOCGIFHWADDR) && link.request().ifr_hwaddr.sa_family == ARPHRD_ETHER)
    std::memcpy(state.mac.bytes.data(), link.request().ifr_hwaddr.sa_data, state.mac.bytes.size());
  return state;
}

}  // namespace glass
