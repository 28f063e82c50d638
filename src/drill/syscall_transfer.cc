// Calls that move bytes.
#include "drill/syscall_build.h"

namespace glass::drill {

namespace {

const sockaddr* name_of(const NativeAddress* a) { return a ? reinterpret_cast<const sockaddr*>(&a->storage) : nullptr; }

// A call with one buffer as a message of one piece.
CallMessage* one_piece(CallParts& c, const Value& buffer, size_t size, bool receiving) {
  CallMessage* const m = c.keep(CallMessage{});
  m->pieces.push_back(c.buffer(buffer, size, receiving));
  if (receiving) c.check_content(m->pieces);
  return m;
}

void build_read(CallParts& c) {
  CallMessage* const m = one_piece(c, c.argument(1), static_cast<size_t>(c.integer(2)), true);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    return s.readv(fd, m->iov.data(), 1);
  };
}

void build_write(CallParts& c) {
  CallMessage* const m = one_piece(c, c.argument(1), static_cast<size_t>(c.integer(2)), false);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    return s.writev(fd, m->iov.data(), 1);
  };
}

// recv() and recvfrom(); the address is the target's to fill.
void build_recv(CallParts& c) {
  const int flags = c.integer32(3);
  const auto size = static_cast<size_t>(c.integer(2));
  CallMessage* m;
  if (flags & MSG_TRUNC) {  // a stream throws the bytes away
    m = c.keep(CallMessage{});
    m->pieces.push_back(c.buffer(c.argument(1), size, true));
  } else {
    m = one_piece(c, c.argument(1), size, true);
  }
  if (c.event.arguments.size() > 4) m->name = c.keep(NativeAddress{{}, sizeof(sockaddr_storage)});
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    return s.recvmsg(fd, &m->native, flags);
  };
}

void build_send(CallParts& c) {
  CallMessage* const m = one_piece(c, c.argument(1), static_cast<size_t>(c.integer(2)), false);
  const int flags = c.integer32(3);
  const Addresses& a = c.context.addresses;
  if (c.event.arguments.size() > 4) m->name = call_address(c, c.argument(4), a.remote, a.connect_port);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    return s.sendmsg(fd, &m->native, flags);
  };
}

// [{..., 1000}, {"text", 4}]
void add_pieces(CallParts& c, CallMessage& m, const Value& v, bool receiving) {
  for (const Value& piece : c.list(v)) {
    const Value::Record* const r = piece.record();
    if (!r || r->fields.size() != 2) return c.fail("'" + piece.text + "' is not of the form {buffer, size}");
    m.pieces.push_back(c.buffer(*r->fields[0].value, static_cast<size_t>(c.integer(*r->fields[1].value)), receiving));
  }
}

void build_vector(CallParts& c, bool receiving) {
  CallMessage* const m = c.keep(CallMessage{});
  add_pieces(c, *m, c.argument(1), receiving);
  if (static_cast<size_t>(c.integer(2)) != m->pieces.size()) c.fail("the number of pieces is not as said");
  if (receiving) c.check_content(m->pieces);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    const int n = static_cast<int>(m->iov.size());
    return receiving ? s.readv(fd, m->iov.data(), n) : s.writev(fd, m->iov.data(), n);
  };
}

void build_readv(CallParts& c) { build_vector(c, true); }
void build_writev(CallParts& c) { build_vector(c, false); }

void build_recvmsg(CallParts& c) {
  CallMessage* const m = call_message(c, c.argument(1), true);
  const int flags = c.integer32(2);
  if (!(flags & (MSG_TRUNC | MSG_ERRQUEUE))) c.check_content(m->pieces);
  check_message(c, c.argument(1), m);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    return s.recvmsg(fd, &m->native, flags);
  };
}

void build_sendmsg(CallParts& c) {
  CallMessage* const m = call_message(c, c.argument(1), false);
  const int flags = c.integer32(2);
  c.make = [=, fd = c.fd(0)](Syscalls& s) {
    m->refill();
    return s.sendmsg(fd, &m->native, flags);
  };
}

// NULL or [offset].
int64_t* offset(CallParts& c, const Value& v) {
  if (v.integer() && *v.integer() == 0) return nullptr;
  return c.keep(c.bracketed(v));
}

void build_sendfile(CallParts& c) {
  int64_t* const from = offset(c, c.argument(2));
  const int64_t first = from ? *from : 0;
  c.make = [=, out = c.fd(0), in = c.fd(1), n = static_cast<size_t>(c.integer(3))](Syscalls& s) {
    if (from) *from = first;
    return s.sendfile(out, in, from, n);
  };
}

void build_splice(CallParts& c) {
  int64_t *const from = offset(c, c.argument(1)), *const to = offset(c, c.argument(3));
  c.make = [=, in = c.fd(0), out = c.fd(2), n = static_cast<size_t>(c.integer(4)),
            flags = static_cast<unsigned>(c.integer(5))](Syscalls& s) { return s.splice(in, from, out, to, n, flags); };
}

constexpr CallBuilder kCalls[] = {
    {"read", 3, 3, build_read},       {"write", 3, 3, build_write},       {"readv", 3, 3, build_readv},
    {"writev", 3, 3, build_writev},   {"recv", 4, 4, build_recv},         {"recvfrom", 6, 6, build_recv},
    {"send", 4, 4, build_send},       {"sendto", 6, 6, build_send},       {"recvmsg", 3, 3, build_recvmsg},
    {"sendmsg", 3, 3, build_sendmsg}, {"sendfile", 4, 4, build_sendfile}, {"splice", 6, 6, build_splice}};

}  // namespace

void CallMessage::refill() {
  iov.clear();
  for (const CallBuffer& b : pieces) iov.push_back({b.address, b.size});
  native = {};
  native.msg_iov = iov.data();
  native.msg_iovlen = iov.size();
  if (name) {
    native.msg_name = const_cast<sockaddr*>(name_of(name));
    native.msg_namelen = name->length;
  }
  if (!control.empty()) {
    native.msg_control = control.data();
    native.msg_controllen = control_size;
  }
}

std::span<const CallBuilder> transfer_calls() { return kCalls; }

}  // namespace glass::drill
