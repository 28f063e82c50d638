#include "tcp/tcp_syn_options.h"

#include "tcp/tcp_internal.h"

namespace glass {

// What this side is able to do, in Linux's order. A signature leaves no room for SACK blocks beside timestamps, so it
// goes without the latter.
OutOptions tcp_syn_options(tcp_sock* tp) {
  OutOptions o;
  const Sysctl& s = net_of(tp).sysctl;
  o.put_md5(tcp_md5_do_lookup(tp, tp->skc_daddr));
  o.put32(0x02040000u | tcp_advertise_mss(tp));
  if (s.tcp_timestamps && !o.md5_key) {
    o.put32(s.tcp_sack ? 0x0402080au : 0x0101080au);
    o.put32(tcp_time_stamp(tp));
    o.put32(tp->rx_opt.ts_recent);
  } else if (s.tcp_sack) {
    o.put32(0x01010402u);
  }
  if (s.tcp_window_scaling) o.put32(0x01030300u | tp->rx_opt.rcv_wscale);
  if (!tp->ext->fastopen_req || !fastopen_cookie_present(tp->ext->fastopen_req->cookie)) return o;
  if (o.put_fastopen(tp->ext->fastopen_req->cookie)) {
    tp->syn_fastopen = true;
    tp->syn_fastopen_exp = tp->ext->fastopen_req->cookie.exp;
  }
  return o;
}

}  // namespace glass
