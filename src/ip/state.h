// The insides of an Ip object: its tables, and nothing that does anything.
#pragma once
#include <array>
#include <unordered_map>

#include "ip/address.h"
#include "ip/dst.h"
#include "ip/fib.h"
#include "ip/icmp.h"
#include "ip/ip_fragment.h"
#include "ip/neighbour.h"
#include "ip/route_input.h"

namespace glass {

struct Ip::State {
  explicit State(Ip& owner) : ip(owner), dsts(owner), neighbours(owner), fragments(owner), icmp(owner) {}

  uint32_t genid() const { return ip.genid_; }

  Ip& ip;
  net_device* loopback = nullptr;
  AddressTable addresses;
  Fib fib;
  DstCache dsts;  // before the neighbours: it gives its references back when it dies, which is after them
  NeighbourTable neighbours;
  FragmentTable fragments;
  Icmp icmp;
  InputCache input_cache{};
  std::array<net_protocol, 256> protos{};
  std::array<uint32_t, 1024> idents{};  // IP identifications given out, by hash of the two hosts
};

}  // namespace glass
